"""Texts to token ids for `LanguageModel`, and back."""

import keras
import keras_hub
import tensorflow as tf

from zoo.data.tokenizer import Tokenizer
from zoo.models.language_model_backbone import LanguageModelBackbone
from zoo.models.seq2seq_preprocessor import append
from zoo.models.seq2seq_preprocessor import pad


@keras.saving.register_keras_serializable(package="zoo")
class LanguageModelPreprocessor(keras_hub.models.CausalLMPreprocessor):
    """Turns texts into what a `LanguageModel` is trained on.

    A text `w_1 .. w_n` becomes the inputs `<eos> w_1 .. w_n` and the labels
    `w_1 .. w_n <eos>`: a text starts where the one before it ended, as in a
    corpus whose sentences follow each other. A batch is padded to its longest
    text only.

    Args:
        tokenizer: A tokenizer of `zoo.data`.
        sequence_length: Largest number of labels, end token included; what is
            beyond is cut off. Also the length to which `generate` writes.
        **kwargs: Further arguments of the base class.

    Call arguments:
        x: Strings of shape `(batch_size,)`.

    Returns:
        Tuple `(x, y, sample_weight)`: a dictionary of `token_ids` and
        `padding_mask`; labels; and one at each real label.

    Raises:
        ValueError: If `tokenizer` is none of `zoo.data`.

    Example:

    >>> from zoo.data import CharacterTokenizer
    >>> from zoo.models import LanguageModelPreprocessor
    >>> preprocessor = LanguageModelPreprocessor(
    ...     CharacterTokenizer.train(["ab"]))
    >>> x, y, weights = preprocessor(["ab", "a"])
    >>> x["token_ids"].numpy().tolist(), y.numpy().tolist()
    ([[3, 4, 5], [3, 4, 0]], [[4, 5, 3], [4, 3, 0]])
    """

    backbone_cls = LanguageModelBackbone
    tokenizer_cls = Tokenizer

    def __init__(self, tokenizer, sequence_length=128, **kwargs):
        if not isinstance(tokenizer, Tokenizer):
            raise ValueError(
                "Expected `tokenizer` to be a tokenizer of `zoo.data`, got "
                f"{tokenizer!r}. Train one: "
                "`zoo.data.CharacterTokenizer.train(texts)`."
            )
        super().__init__(tokenizer, sequence_length=sequence_length, **kwargs)

    def build(self, input_shape):
        self.built = True

    def call(self, x, y=None, sample_weight=None, sequence_length=None):
        length = sequence_length or self.sequence_length
        end = self.tokenizer.end_token_id
        ids = self.tokenizer.tokenize(tf.convert_to_tensor(x))
        labels, mask = pad(append(ids[:, : length - 1], end))
        start = tf.fill((tf.shape(labels)[0], 1), end)
        inputs = tf.where(mask, tf.concat([start, labels[:, :-1]], axis=1), 0)
        return keras.utils.pack_x_y_sample_weight(
            {"token_ids": inputs, "padding_mask": mask},
            labels,
            tf.cast(mask, tf.float32),
        )

    def generate_preprocess(self, x, sequence_length=None):
        """Turns prompts into ids with room for what is to be written.

        Args:
            x: Strings of shape `(batch_size,)`.
            sequence_length: Number of tokens in the end, those of the prompt
                included; by default the preprocessor's.

        Returns:
            Dictionary of `token_ids` and `padding_mask`, of shape
            `(batch_size, sequence_length + 1)`, the start token included.
        """
        length = sequence_length or self.sequence_length
        ids = self.tokenizer.tokenize(tf.convert_to_tensor(x))[:, :length]
        start = tf.fill((ids.nrows(), 1), self.tokenizer.end_token_id)
        ids = tf.concat([start, ids], axis=1)
        mask = tf.ones_like(ids, tf.bool).to_tensor(shape=(None, length + 1))
        return {
            "token_ids": ids.to_tensor(shape=(None, length + 1)),
            "padding_mask": mask,
        }

    def generate_postprocess(self, x):
        """Turns what `generate` wrote, prompt included, into strings."""
        ids = tf.where(tf.cast(x["padding_mask"], tf.bool), x["token_ids"], 0)
        texts = self.tokenizer.detokenize(ids[:, 1:])
        return [text.decode("utf-8", "replace") for text in texts.numpy()]
