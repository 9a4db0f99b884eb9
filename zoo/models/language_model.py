"""Recurrent language models: what comes next."""

import keras
import keras_hub
import numpy as np
import tensorflow as tf
from keras import ops

from zoo.data.contiguous import cut
from zoo.data.translate_batches import as_bytes
from zoo.data.untuned import untuned
from zoo.decoding import sample
from zoo.models.generation import KeepsSampler
from zoo.models.generation import sample_tokens
from zoo.models.generation import writable
from zoo.models.language_model_backbone import LanguageModelBackbone
from zoo.models.language_model_preprocessor import LanguageModelPreprocessor
from zoo.training.token_crossentropy import TokenCrossentropy

_LONGEST = 1000  # tokens that `sample_tensor` writes after a prompt


class _SeedTensor(keras.random.SeedGenerator):
    """A seed that is known only when the graph runs."""

    def __init__(self, seed):
        self._seed = seed

    def next(self, ordered=True):
        seed = tf.cast(self._seed, tf.int32)
        return tf.stack([seed, tf.zeros_like(seed)])


@keras.saving.register_keras_serializable(package="zoo")
class LanguageModel(KeepsSampler, keras_hub.models.CausalLM):
    """Predicts each token of a text from those before it.

    ```
    log p(w) = sum_t log softmax(o_{t-1} E^T + b)_{w_t}
    ```

    with the outputs o_t of a `LanguageModelBackbone` and its embeddings E and
    bias b. It is a task of keras_hub: `fit` takes
    strings, or the batches that `zoo.data.contiguous_batches` cuts from one
    long text; `generate` writes with a sampler of keras_hub; `save_to_preset`
    and `from_preset` keep it. `perplexity` measures it on a long text,
    `score` on single ones.

    Args:
        backbone: A `LanguageModelBackbone`.
        preprocessor: A `LanguageModelPreprocessor`, or `None` to work with
            ids.
        **kwargs: Further arguments of `keras_hub.models.CausalLM`.

    Call arguments:
        inputs: Dictionary as of `LanguageModelBackbone`.

    Returns:
        Logits of the next token, shape `(batch_size, time, vocabulary_size)`.

    Example:

    >>> from zoo.data import CharacterTokenizer
    >>> from zoo.models import LanguageModel, LanguageModelBackbone
    >>> from zoo.models import LanguageModelPreprocessor
    >>> texts = ["to be", "or not to be"]
    >>> tokenizer = CharacterTokenizer.train(texts)
    >>> model = LanguageModel(
    ...     LanguageModelBackbone(tokenizer.vocabulary_size(), units=8),
    ...     LanguageModelPreprocessor(tokenizer, sequence_length=20))
    >>> history = model.fit(texts, epochs=1, verbose=0)
    >>> model.generate("to", max_length=8).startswith("to")
    True
    """

    backbone_cls = LanguageModelBackbone
    preprocessor_cls = LanguageModelPreprocessor

    def __init__(self, backbone, preprocessor=None, **kwargs):
        self.backbone = backbone
        self.preprocessor = preprocessor
        super().__init__(
            inputs=backbone.input,
            outputs=backbone.token_embedding(backbone.output, reverse=True),
            **kwargs,
        )

    def _logits(self, hidden):
        logits = self.backbone.token_embedding(hidden, reverse=True)
        return ops.cast(logits, "float32")

    def compile(
        self,
        optimizer="auto",
        loss="auto",
        *,
        weighted_metrics="auto",
        sampler="top_k",
        **kwargs,
    ):
        """Configures training and `generate`.

        Args:
            optimizer: An optimizer; by default Adam with a learning rate of
                1e-3 and gradients clipped at a global norm of 5.
            loss: A loss; by default `zoo.training.TokenCrossentropy`.
            weighted_metrics: Metrics weighted like the loss; by default the
                perplexity.
            sampler: Sampler of keras_hub for `generate`, name or object.
            **kwargs: Further arguments of `keras.Model.compile`.
        """
        if optimizer == "auto":
            optimizer = keras.optimizers.Adam(1e-3, global_clipnorm=5.0)
        if loss == "auto":
            loss = TokenCrossentropy()
        if weighted_metrics == "auto":
            weighted_metrics = [
                keras_hub.metrics.Perplexity(
                    from_logits=True, name="perplexity"
                )
            ]
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
            x: List of texts, or a `tf.data.Dataset` of batches of them or of
                what `zoo.data.contiguous_batches` makes.
            y: Must be `None`.
            batch_size: Number of texts in a batch, 32 by default; not with a
                dataset.
            shuffle: Whether to shuffle the texts anew for each epoch. A
                dataset comes in its own order.
            **kwargs: Further arguments of `keras.Model.fit`.

        Returns:
            A `keras.callbacks.History`.
        """
        if not isinstance(x, tf.data.Dataset) and shuffle:
            texts = tf.data.Dataset.from_tensor_slices(x)
            x = untuned(texts.shuffle(len(texts)).batch(batch_size or 32))
            batch_size = None
        return super().fit(x, y, batch_size=batch_size, shuffle=False, **kwargs)

    def preprocess_samples(self, x, y=None, sample_weight=None):
        # batches of ids, as `zoo.data.contiguous_batches` makes them
        if isinstance(x, dict) and "token_ids" in x:
            return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)
        return super().preprocess_samples(x, y, sample_weight)

    def reset_state(self):
        """Forgets what a backbone with `carry_batch_size` carried over."""
        self.backbone.reset_state()

    def without_carry(self):
        """The same model, weights copied, for batches of any size.

        Returns:
            A `LanguageModel` whose backbone has no `carry_batch_size`: to
            save, to export, to generate with.
        """
        config = {**self.backbone.get_config(), "carry_batch_size": None}
        model = type(self)(
            type(self.backbone).from_config(config), self.preprocessor
        )
        for weight, value in zip(
            model.trainable_weights, self.trainable_weights, strict=True
        ):
            weight.assign(value)
        return model

    def perplexity(self, token_ids, batch_size=1, num_steps=200):
        """Perplexity per token of one long text, its state carried along.

        ```
        exp(-1/n sum_t log p(w_t | w_1 .. w_{t-1}))
        ```

        Args:
            token_ids: Integers of shape `(tokens,)`. The first is read and
                not predicted.
            batch_size: Number of pieces to cut the text into and read side by
                side, each from a zero state: faster, and for a small number
                hardly different. What does not fill them is left out.
            num_steps: Number of tokens to read at a time.

        Returns:
            A float.

        Raises:
            ValueError: If the text is too short.
        """
        losses = self._losses_in_pieces(
            self._read, token_ids, batch_size, num_steps
        )
        return float(np.exp(losses.mean()))

    def _losses_in_pieces(self, read, token_ids, batch_size, num_steps):
        """Each token's loss, read piece by piece with what works like `_read`.

        Float64, `(batch_size, tokens in a row)`.
        """
        inputs, labels = cut(token_ids, batch_size)
        state = self.backbone.get_initial_state(batch_size)
        losses = []
        for start in range(0, inputs.shape[1], num_steps):
            steps = slice(start, start + num_steps)
            loss, state = read(inputs[:, steps], labels[:, steps], state)
            losses.append(ops.convert_to_numpy(loss))
        return np.concatenate(losses, axis=1).astype("float64")

    def _read(self, inputs, labels, state):
        """Losses of one chunk and the state after it, compiled."""
        if not hasattr(self, "_read_function"):
            self._read_function = tf.function(
                self._token_losses, reduce_retracing=True, autograph=False
            )
        return self._read_function(
            tf.constant(inputs), tf.constant(labels), state
        )

    def _token_losses(self, inputs, labels, state, mask=None):
        hidden, state = self.backbone.read(inputs, state, mask)
        losses = ops.sparse_categorical_crossentropy(
            labels, self._logits(hidden), from_logits=True
        )
        return losses, state

    def score(self, texts, batch_size=64):
        """Log-probabilities of given texts.

        Args:
            texts: List of strings.
            batch_size: Number of texts to score at a time.

        Returns:
            Tuple of two arrays of shape `(len(texts),)`: the summed natural
            log-probability of each text's tokens, end token included, and
            their number.
        """
        texts = as_bytes(texts)
        log_probs, lengths = [np.zeros(0)], [np.zeros(0, int)]
        for start in range(0, len(texts), batch_size):
            scores, counts = self.score_tensor(
                tf.constant(texts[start : start + batch_size])
            )
            log_probs.append(scores.numpy().astype("float64"))
            lengths.append(counts.numpy())
        return np.concatenate(log_probs), np.concatenate(lengths)

    def score_tensor(self, texts):
        """What `score` does, in a graph.

        Args:
            texts: String tensor of shape `(batch_size,)`.

        Returns:
            Tuple of the log-probabilities, float32, and the numbers of
            tokens, int32, both of shape `(batch_size,)`.
        """
        # whole texts, however long
        x, y, weights = self.preprocessor(texts, sequence_length=1 << 30)
        losses, _ = self._token_losses(
            x["token_ids"], y, None, x["padding_mask"]
        )
        lengths = tf.reduce_sum(tf.cast(weights, tf.int32), axis=1)
        return -tf.reduce_sum(losses * weights, axis=1), lengths

    def sample_tensor(self, prompts, max_tokens, temperature=1.0, seed=0):
        """Completes prompts by sampling, in a graph that takes any options.

        `generate` writes with any sampler of keras_hub; this is what an
        exported model does, and every option may be a tensor.

        Args:
            prompts: String tensor of shape `(batch_size,)`.
            max_tokens: Integer scalar, the most tokens to write after a
                prompt; what is above 1,000 counts as 1,000.
            temperature: Float scalar, of `zoo.decoding.sample`; 0 for the
                most probable token each time.
            seed: Integer scalar. Same seed and batch, same texts.

        Returns:
            String tensor `(batch_size,)`: prompts and what follows them.
        """
        tokenizer = self.preprocessor.tokenizer
        end = tokenizer.end_token_id
        ids = tokenizer.tokenize(prompts)
        start = tf.fill((ids.nrows(), 1), end)
        read = tf.concat([start, ids], axis=1)
        lengths = ids.row_lengths()[:, None]
        read = read.to_tensor()
        steps = tf.range(tf.shape(read)[1], dtype=lengths.dtype)
        # the last token of a prompt is the first that `sample` hands to a step
        state = self.backbone.read(read, mask=steps < lengths)[1]
        last = tf.gather(read, lengths[:, 0], batch_dims=1)

        def step(tokens, state):
            count, state = state
            logits, state = self.step(tokens, state)
            logits = writable(logits) / tf.maximum(
                tf.cast(temperature, tf.float32), 1e-6
            )
            # as many as were asked for are written: only the end is left
            is_end = tf.range(tf.shape(logits)[1]) == end
            over = (count >= max_tokens)[:, None]
            return tf.where(over & ~is_end, -np.inf, logits), (
                count + 1,
                state,
            )

        count = tf.zeros(tf.shape(last), tf.int32)
        found = sample(
            step,
            last,
            (count, state),
            max_length=_LONGEST + 1,
            end_id=end,
            seed=_SeedTensor(seed),
            pad_id=0,
        )
        written = tf.RaggedTensor.from_tensor(found.ids[:, 0], padding=0)
        return tokenizer.detokenize(tf.concat([ids, written], axis=1))

    def step(self, tokens, state):
        """Reads one token of each row.

        Args:
            tokens: Integers of shape `(batch_size,)`.
            state: What `backbone.get_initial_state` or the step before
                returned.

        Returns:
            Tuple of the logits of the next token, float32 `(batch_size,
            vocabulary_size)`, and the state: a step function for
            `zoo.decoding`.
        """
        hidden, state = self.backbone.read(tokens[:, None], state)
        return self._logits(hidden[:, 0]), state

    def generate_step(self, inputs, stop_token_ids=None):
        """Writes one batch with the compiled sampler; see keras_hub.

        Padding, unknown and start tokens are never written.
        """

        def step(tokens, state):
            logits, state = self.step(tokens, state)
            return writable(logits), state

        token_ids, mask = sample_tokens(
            self,
            inputs["token_ids"],
            ops.cast(inputs["padding_mask"], "bool"),
            lambda ids, mask: self.backbone.read(ids, mask=mask)[1],
            step,
            stop_token_ids,
        )
        return {"token_ids": token_ids, "padding_mask": mask}
