"""Sentences to token ids for `Seq2Seq`, and back."""

import keras
import keras_hub
import tensorflow as tf

from zoo.data.tokenizer import Tokenizer
from zoo.models.seq2seq_backbone import Seq2SeqBackbone


@keras.saving.register_keras_serializable(package="zoo")
class Seq2SeqPreprocessor(keras_hub.models.Seq2SeqLMPreprocessor):
    """Turns pairs of sentences into what a `Seq2Seq` is trained on.

    A source `x` becomes `x <eos>`; a target `y` becomes the decoder's inputs
    `<sos> y` and the labels `y <eos>`. Unlike its base class it has a
    tokenizer for each side, and pads a batch to its longest sentence only.
    All of it is TensorFlow operations, so that it runs within `tf.data` and
    is exported with a model.

    Args:
        source_tokenizer: Tokenizer of the source, one of `zoo.data`.
        tokenizer: Tokenizer of the target, one of `zoo.data`.
        encoder_sequence_length: Largest number of source tokens, end token
            included; what is beyond is cut off.
        decoder_sequence_length: Largest number of target tokens, end token
            included; what is beyond is cut off.
        source_end_mark: What to read after a source that ends in no
            punctuation, such as "。"; nothing by default. For a model that was
            trained on sentences that end in punctuation nearly always: to it
            a bare "我爱中国" is unlike all that it knows.
        **kwargs: Further arguments of the base class.

    Call arguments:
        x: Dictionary of `encoder_text` and `decoder_text`, strings of shape
            `(batch_size,)`, or a tuple of both.

    Returns:
        Tuple `(x, y, sample_weight)`: a dictionary of `encoder_token_ids`,
        `encoder_padding_mask`, `decoder_token_ids` and
        `decoder_padding_mask`; labels; and one at each real label.

    Raises:
        ValueError: If a length is below 1 or a tokenizer is none of ours.

    Example:

    >>> import zoo
    >>> preprocessor = Seq2SeqPreprocessor(
    ...     zoo.data.CharacterTokenizer.train(["我爱中国"]),
    ...     zoo.data.WordTokenizer.train(["I love China"]),
    ... )
    >>> x, y, sample_weight = preprocessor((["我爱", "我"], ["I love", "I"]))
    >>> x["encoder_token_ids"].numpy().tolist()
    [[6, 7, 3], [6, 3, 0]]
    >>> x["decoder_token_ids"].numpy().tolist()
    [[2, 5, 6], [2, 5, 0]]
    >>> y.numpy().tolist(), sample_weight.numpy().tolist()
    ([[5, 6, 3], [5, 3, 0]], [[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]])
    """

    backbone_cls = Seq2SeqBackbone
    tokenizer_cls = Tokenizer

    def __init__(
        self,
        source_tokenizer,
        tokenizer,
        encoder_sequence_length=128,
        decoder_sequence_length=128,
        source_end_mark=None,
        **kwargs,
    ):
        for name, length in (
            ("encoder_sequence_length", encoder_sequence_length),
            ("decoder_sequence_length", decoder_sequence_length),
        ):
            if not isinstance(length, int) or length < 1:
                raise ValueError(
                    f"Expected `{name}` to be a positive integer, got "
                    f"{length!r}. It counts tokens, the end token included."
                )
        for name, value in (
            ("source_tokenizer", source_tokenizer),
            ("tokenizer", tokenizer),
        ):
            if not isinstance(value, Tokenizer):
                raise ValueError(
                    f"Expected `{name}` to be a tokenizer of `zoo.data`, got "
                    f"{value!r}. Train one: "
                    "`zoo.data.CharacterTokenizer.train(sentences)`."
                )
        super().__init__(
            tokenizer,
            encoder_sequence_length=encoder_sequence_length,
            decoder_sequence_length=decoder_sequence_length,
            **kwargs,
        )
        self.source_tokenizer = source_tokenizer
        self.source_end_mark = source_end_mark
        if source_tokenizer is not tokenizer and (
            source_tokenizer.config_file == tokenizer.config_file
        ):
            # each needs a file of its own in a preset
            source_tokenizer.config_file = "source_tokenizer.json"

    def build(self, input_shape):
        self.built = True

    def call(self, x, y=None, sample_weight=None):
        source, target = split_pair(x, y)
        inputs = self.encode_source(source)
        ids = self.tokenizer.tokenize(tf.convert_to_tensor(target))
        ids = ids[:, : self.decoder_sequence_length - 1]
        labels, mask = pad(append(ids, self.tokenizer.end_token_id))
        start = tf.fill((tf.shape(labels)[0], 1), self.tokenizer.start_token_id)
        inputs["decoder_token_ids"] = tf.where(
            mask, tf.concat([start, labels[:, :-1]], axis=1), 0
        )
        inputs["decoder_padding_mask"] = mask
        return keras.utils.pack_x_y_sample_weight(
            inputs, labels, tf.cast(mask, tf.float32)
        )

    def encode_source(self, text):
        """Turns source sentences into the encoder's inputs.

        Args:
            text: Strings of shape `(batch_size,)`.

        Returns:
            Dictionary of `encoder_token_ids` and `encoder_padding_mask`.
        """
        ids = self.source_tokenizer.tokenize(self._complete(text))
        ids = ids[:, : self.encoder_sequence_length - 1]
        ids, mask = pad(append(ids, self.source_tokenizer.end_token_id))
        return {"encoder_token_ids": ids, "encoder_padding_mask": mask}

    def source_tokens(self, text):
        """The tokens of `encode_source` as strings, for display.

        Args:
            text: Strings of shape `(batch_size,)`.

        Returns:
            Strings of shape `(batch_size, source_length)`, padded with empty
            ones; unknown tokens show the text they stand for.
        """
        tokens = self.source_tokenizer.tokenize_to_strings(self._complete(text))
        tokens = tokens[:, : self.encoder_sequence_length - 1]
        return append(tokens, self.source_tokenizer.end_token).to_tensor()

    def _complete(self, text):
        """Source sentences with the end mark where they have none."""
        text = tf.convert_to_tensor(text)
        if not self.source_end_mark:
            return text
        mark = self.source_end_mark.replace("\\", "\\\\")
        # \p{Z} and \p{C} are what normalisation takes for space or nothing
        return tf.strings.regex_replace(
            text,
            r"([^\p{P}\p{Z}\p{C}])[\p{Z}\p{C}]*$",
            rf"\1{mark}",
            replace_global=False,
        )

    def generate_preprocess(
        self, x, *, encoder_sequence_length=None, sequence_length=None
    ):
        """Turns sources, and prompts if there are any, into inputs.

        Args:
            x: Strings, or a dictionary of `encoder_text` and `decoder_text`,
                the beginnings of the targets.
            encoder_sequence_length: Not used; sources are padded to the
                longest.
            sequence_length: Number of target tokens to make room for.

        Returns:
            Dictionary of the four inputs; the mask of the decoder's is true
            at the start token and the prompt.
        """
        source = x["encoder_text"] if isinstance(x, dict) else x
        inputs = self.encode_source(source)
        source = tf.convert_to_tensor(source)
        prompt = tf.fill(tf.shape(source), "")
        if isinstance(x, dict) and "decoder_text" in x:
            prompt = tf.convert_to_tensor(x["decoder_text"])
        length = (sequence_length or self.decoder_sequence_length) + 1
        ids = self.tokenizer.tokenize(prompt)[:, : length - 1]
        start = tf.fill((tf.shape(source)[0], 1), self.tokenizer.start_token_id)
        ids = tf.concat([start, tf.cast(ids, start.dtype)], axis=1)
        inputs["decoder_token_ids"] = ids.to_tensor(shape=(None, length))
        inputs["decoder_padding_mask"] = tf.sequence_mask(
            ids.row_lengths(), length
        )
        return inputs

    def generate_postprocess(self, x):
        """Turns generated ids into strings.

        Args:
            x: Dictionary with `decoder_token_ids`.

        Returns:
            List of strings; within a graph a string tensor of shape
            `(batch_size,)`.
        """
        text = self.tokenizer.detokenize(
            tf.convert_to_tensor(x["decoder_token_ids"])
        )
        if not tf.executing_eagerly():
            return text
        return [x.decode("utf-8", "replace") for x in text.numpy()]

    def get_config(self):
        config = super().get_config()
        config.update(
            source_tokenizer=keras.saving.serialize_keras_object(
                self.source_tokenizer
            ),
            encoder_sequence_length=self.encoder_sequence_length,
            decoder_sequence_length=self.decoder_sequence_length,
            source_end_mark=self.source_end_mark,
        )
        return config

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        config["source_tokenizer"] = keras.saving.deserialize_keras_object(
            config["source_tokenizer"]
        )
        return super().from_config(config)


def split_pair(x, y=None):
    """Source and target strings of what `fit` was given."""
    if isinstance(x, dict):
        return x["encoder_text"], x["decoder_text"]
    if y is not None:
        return x, y
    return x


def append(tokens, token):
    """Appends a token, or its id, to each row of ragged tokens."""
    column = tf.fill((tokens.nrows(), 1), tf.constant(token, tokens.dtype))
    return tf.concat([tokens, column], axis=1)


def pad(ids):
    """Ragged ids as a dense tensor, and the mask of what is real."""
    dense = ids.to_tensor()
    return dense, tf.sequence_mask(ids.row_lengths(), tf.shape(dense)[1])
