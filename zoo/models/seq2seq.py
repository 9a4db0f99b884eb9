"""Translation and other tasks from sequence to sequence."""

import keras
import keras_hub
import numpy as np
import tensorflow as tf
from keras import ops

from zoo.data.translate_batches import as_bytes
from zoo.data.translate_batches import translate_batches
from zoo.data.untuned import untuned
from zoo.decoding import beam_search
from zoo.decoding import greedy_search
from zoo.models.from_language_model import StartsFromLanguageModel
from zoo.models.generation import KeepsSampler
from zoo.models.generation import sample_tokens
from zoo.models.generation import writable
from zoo.models.seq2seq_backbone import Seq2SeqBackbone
from zoo.models.seq2seq_preprocessor import Seq2SeqPreprocessor
from zoo.models.seq2seq_preprocessor import split_pair
from zoo.ops import unroll
from zoo.training.token_crossentropy import TokenCrossentropy


@keras.saving.register_keras_serializable(package="zoo")
class Seq2Seq(
    StartsFromLanguageModel, KeepsSampler, keras_hub.models.Seq2SeqLM
):
    """Encoder-decoder that is trained on pairs of sentences and translates.

    ```
    log p(y | x) = sum_t log softmax(o_t E^T)_{y_t}
    ```

    with the decoder outputs o_t of a `Seq2SeqBackbone` and target embeddings
    E. It is a task of keras_hub: `fit` takes pairs of strings or what
    `zoo.data.translation_dataset` makes of them, `generate` writes with a
    sampler of keras_hub, `save_to_preset` and `from_preset` keep it.
    `translate` searches for the best sentence. `from_language_model` starts
    the decoder from a language model.

    Args:
        backbone: A `Seq2SeqBackbone`.
        preprocessor: A `Seq2SeqPreprocessor`, or `None` to work with ids.
        beam_width: Width of the search that `translate` makes by default.
        length_penalty: Exponent of the length penalty of that search.
        **kwargs: Further arguments of `keras_hub.models.Seq2SeqLM`.

    Call arguments:
        inputs: Dictionary as of `Seq2SeqBackbone`.

    Returns:
        Logits of shape `(batch_size, target_length, vocabulary_size)`.

    Example:

    >>> from zoo.data import CharacterTokenizer, WordTokenizer
    >>> from zoo.models import Seq2Seq, Seq2SeqBackbone, Seq2SeqPreprocessor
    >>> sources, targets = ["你好。", "谢谢。"], ["Hello.", "Thank you."]
    >>> preprocessor = Seq2SeqPreprocessor(
    ...     CharacterTokenizer.train(sources), WordTokenizer.train(targets))
    >>> model = Seq2Seq(
    ...     Seq2SeqBackbone(
    ...         preprocessor.source_tokenizer.vocabulary_size(),
    ...         preprocessor.tokenizer.vocabulary_size(),
    ...         embedding_dim=8, encoder_units=8, decoder_units=8),
    ...     preprocessor)
    >>> history = model.fit(sources, targets, epochs=1, verbose=0)
    >>> len(model.translate(sources))
    2
    """

    backbone_cls = Seq2SeqBackbone
    preprocessor_cls = Seq2SeqPreprocessor

    def __init__(
        self,
        backbone,
        preprocessor=None,
        beam_width=5,
        length_penalty=1.0,
        **kwargs,
    ):
        self.backbone = backbone
        self.preprocessor = preprocessor
        hidden = backbone.output["decoder_sequence_output"]
        logits = backbone.token_embedding(hidden, reverse=True)
        super().__init__(inputs=backbone.input, outputs=logits, **kwargs)
        self.beam_width = beam_width
        self.length_penalty = length_penalty
        self._translate_functions = {}

    def compile(
        self,
        optimizer="auto",
        loss="auto",
        *,
        weighted_metrics="auto",
        sampler="greedy",
        **kwargs,
    ):
        """Configures training and `generate`.

        Args:
            optimizer: An optimizer; by default Adam with a learning rate of
                1e-3 and gradients clipped at a global norm of 5.
            loss: A loss; by default `zoo.training.TokenCrossentropy`.
            weighted_metrics: Metrics weighted like the loss; by default the
                accuracy of the tokens.
            sampler: Sampler of keras_hub for `generate`, name or object.
            **kwargs: Further arguments of `keras.Model.compile`.
        """
        if optimizer == "auto":
            optimizer = keras.optimizers.Adam(1e-3, global_clipnorm=5.0)
        if loss == "auto":
            loss = TokenCrossentropy()
        super().compile(
            optimizer=optimizer,
            loss=loss,
            weighted_metrics=weighted_metrics,
            sampler=sampler,
            **kwargs,
        )

    def fit(self, x=None, y=None, batch_size=None, shuffle=True, **kwargs):
        """Trains; see `keras.Model.fit`.

        Args:
            x: List of source sentences, or a dictionary of `encoder_text` and
                `decoder_text`; or a `tf.data.Dataset` of batches of such
                pairs or of what `zoo.data.translation_dataset` makes.
            y: List of target sentences, with a list of sources.
            batch_size: Number of pairs in a batch, 32 by default; not with a
                dataset.
            shuffle: Whether to shuffle the sentences anew for each epoch. A
                dataset comes in its own order.
            **kwargs: Further arguments of `keras.Model.fit`.

        Returns:
            A `keras.callbacks.History`.
        """
        if not isinstance(x, tf.data.Dataset) and shuffle:
            pairs = tf.data.Dataset.from_tensor_slices(
                split_pair(x, y) if self.preprocessor else (x, y)
            )
            x = untuned(pairs.shuffle(len(pairs)).batch(batch_size or 32))
            y = batch_size = None
        return super().fit(x, y, batch_size=batch_size, shuffle=False, **kwargs)

    def preprocess_samples(self, x, y=None, sample_weight=None):
        # batches of ids, as `zoo.data.translation_dataset` makes them
        if isinstance(x, dict) and "encoder_token_ids" in x:
            return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)
        return super().preprocess_samples(x, y, sample_weight)

    def step_function(self, encoded):
        """Makes the function that a search calls for each token.

        Args:
            encoded: What `backbone.encode` returned.

        Returns:
            `step(tokens, state) -> (logits, state[, alignments])`. Tokens
            that are none of a sentence, padding, unknown and start, get a
            logit of minus infinity.
        """

        def step(tokens, state):
            hidden, alignments, state = self.backbone.decode_step(
                tokens, state, encoded
            )
            logits = self.backbone.token_embedding(hidden, reverse=True)
            if alignments is None:
                return writable(logits), state
            return writable(logits), state, alignments

        return step

    def search(
        self,
        encoder_token_ids,
        encoder_padding_mask,
        beam_width=None,
        length_penalty=None,
        max_length=None,
        **kwargs,
    ):
        """Finds the best translations of encoded sources.

        Args:
            encoder_token_ids: Integers, `(batch_size, source_length)`.
            encoder_padding_mask: Boolean of the same shape, true at tokens.
            beam_width: Width of the beam; 1 is greedy search.
            length_penalty: Exponent of the length penalty.
            max_length: Largest number of target tokens, end token included.
            **kwargs: Further arguments of `zoo.decoding.beam_search`.

        Returns:
            A `zoo.decoding.BeamSearchResult`.
        """
        beam_width = self.beam_width if beam_width is None else beam_width
        if length_penalty is None:
            length_penalty = self.length_penalty
        if max_length is None:
            max_length = self.preprocessor.decoder_sequence_length
        encoded = self.backbone.encode(encoder_token_ids, encoder_padding_mask)
        start, end = 2, 3
        if self.preprocessor is not None:
            start = self.preprocessor.tokenizer.start_token_id
            end = self.preprocessor.tokenizer.end_token_id
        tokens = ops.full(
            (ops.shape(encoder_token_ids)[0],), start, dtype="int32"
        )
        step = self.step_function(encoded)
        if beam_width == 1:
            return greedy_search(
                step,
                tokens,
                encoded.state,
                max_length=max_length,
                end_id=end,
                length_penalty=length_penalty,
            )
        return beam_search(
            step,
            tokens,
            encoded.state,
            beam_width=beam_width,
            max_length=max_length,
            end_id=end,
            length_penalty=length_penalty,
            memory_mask=encoded.mask,
            **kwargs,
        )

    def translate_tensor(self, text, **kwargs):
        """Translates a tensor of strings, within a graph too.

        Args:
            text: Strings of shape `(batch_size,)`.
            **kwargs: Arguments of `search`.

        Returns:
            Dictionary of `text`, strings, and `score`, float32, both of shape
            `(batch_size, results)`; `source_tokens`, `(batch_size,
            source_length)`, and `target_tokens`, `(batch_size, results,
            target_length)`, strings padded with empty ones; and with
            attention `alignments`, `(batch_size, results, target_length,
            source_length)`. A sentence without tokens is translated as the
            empty string, with a score of 0.
        """
        preprocessor = self.preprocessor
        text = tf.convert_to_tensor(text)
        inputs = preprocessor.encode_source(text)
        found = self.search(**inputs, **kwargs)
        mask = inputs["encoder_padding_mask"]
        empty = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1) < 2
        lengths = tf.where(empty[:, None], 0, found.lengths)
        steps = tf.range(tf.reduce_max(tf.pad(lengths, ((0, 1), (0, 1)))))
        ids = found.ids[:, :, : tf.size(steps)]
        written = steps < lengths[:, :, None]  # (batch, results, target)
        result = {
            "text": preprocessor.tokenizer.detokenize(
                tf.where(written, ids, preprocessor.tokenizer.end_token_id)
            ),
            "score": tf.where(empty[:, None], 0.0, found.scores),
            "source_tokens": preprocessor.source_tokens(text),
            "target_tokens": tf.where(
                written, preprocessor.tokenizer.ids_to_tokens(ids), ""
            ),
        }
        if found.alignments is not None:
            alignments = tf.cast(found.alignments, tf.float32)
            result["alignments"] = tf.where(
                written[..., None], alignments[:, :, : tf.size(steps)], 0.0
            )
        return result

    def translate(
        self,
        texts,
        beam_width=None,
        length_penalty=None,
        max_length=None,
        num_results=1,
        return_alignments=False,
        batch_size=32,
    ):
        """Translates sentences.

        Sentences of similar length are translated together; what a sentence
        becomes does not depend on its company. An empty sentence, or one of
        spaces only, becomes the empty string. A sentence that is longer than
        the preprocessor's `encoder_sequence_length` is cut there.

        Args:
            texts: List of strings.
            beam_width: Width of the beam, by default the model's; 1 is greedy
                search.
            length_penalty: Exponent of the length penalty, by default the
                model's.
            max_length: Largest number of target tokens, end token included,
                by default the preprocessor's `decoder_sequence_length`.
            num_results: Number of translations of each sentence, at most
                `beam_width`.
            return_alignments: If true, each translation is a
                `zoo.data.Translation` with score, tokens and alignments
                instead of a string.
            batch_size: Number of sentences to translate at a time.

        Returns:
            List with a string, or a `Translation`, for each sentence; with
            `num_results` above 1 a list of them for each, best first.

        Raises:
            TypeError: If `texts` is a single string.
            ValueError: If the model has no preprocessor, or `num_results`
                exceeds `beam_width`.
        """
        if self.preprocessor is None:
            raise ValueError(
                "Expected a model with a `preprocessor` to translate strings, "
                "got none. For token ids use `search`."
            )
        options = {
            "beam_width": beam_width or self.beam_width,
            "length_penalty": length_penalty,
            "max_length": max_length,
        }
        if num_results > options["beam_width"]:
            raise ValueError(
                "Expected `num_results` to be at most the beam width "
                f"{options['beam_width']}, got {num_results}. Take a wider "
                "beam."
            )
        if options["beam_width"] > 1:
            options["num_results"] = num_results
        return translate_batches(
            self._translate_function(**options),
            texts,
            num_results,
            return_alignments,
            batch_size,
        )

    def _translate_function(self, **options):
        """The traced `translate_tensor` for these options."""
        key = tuple(sorted(options.items()))
        if key not in self._translate_functions:
            self._translate_functions[key] = tf.function(
                lambda text: self.translate_tensor(text, **options),
                input_signature=[tf.TensorSpec([None], tf.string)],
                autograph=False,
            )
        return self._translate_functions[key]

    def score(self, sources, targets, batch_size=64):
        """Log-probabilities of given translations.

        Args:
            sources: List of strings.
            targets: List of as many strings.
            batch_size: Number of pairs to score at a time.

        Returns:
            Tuple of two arrays of shape `(len(sources),)`: the summed natural
            log-probability of each target's tokens, end token included, and
            their number.

        Raises:
            ValueError: If the lists differ in length.
        """
        sources, targets = as_bytes(sources), as_bytes(targets)
        if len(sources) != len(targets):
            raise ValueError(
                "Expected as many targets as sources, got "
                f"{len(targets)} and {len(sources)}."
            )
        log_probs, lengths = [np.zeros(0)], [np.zeros(0, int)]
        for start in range(0, len(sources), batch_size):
            rows = slice(start, start + batch_size)
            x, y, weights = self.preprocessor(
                (tf.constant(sources[rows]), tf.constant(targets[rows]))
            )
            loss = ops.sparse_categorical_crossentropy(
                y, ops.cast(self(x), "float32"), from_logits=True
            )
            loss = ops.convert_to_numpy(loss) * weights.numpy()
            log_probs.append(-loss.sum(axis=1))
            lengths.append(weights.numpy().sum(axis=1).astype(int))
        return np.concatenate(log_probs), np.concatenate(lengths)

    def generate_step(self, inputs, stop_token_ids=None):
        """Writes one batch with the compiled sampler; see keras_hub.

        Args:
            inputs: Dictionary of the four inputs, prompts on the decoder's
                side.
            stop_token_ids: Ids of tokens that end a sentence.

        Returns:
            Dictionary of `decoder_token_ids` and `decoder_padding_mask`.
        """
        prompt = inputs["decoder_token_ids"]
        mask = ops.cast(inputs["decoder_padding_mask"], "bool")
        encoded = self.backbone.encode(
            inputs["encoder_token_ids"], inputs["encoder_padding_mask"]
        )
        step = self.step_function(encoded)

        def read(prompt, mask):
            def fill(token, state):
                state = self.backbone.decode_step(token, state, encoded)[2]
                return (), state

            return unroll(fill, prompt, encoded.state, mask=mask)[1]

        prompt, written = sample_tokens(
            self, prompt, mask, read, step, stop_token_ids
        )
        return {"decoder_token_ids": prompt, "decoder_padding_mask": written}

    def get_config(self):
        config = super().get_config()
        config.update(
            beam_width=self.beam_width, length_penalty=self.length_penalty
        )
        return config
