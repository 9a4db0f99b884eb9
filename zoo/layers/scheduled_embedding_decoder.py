"""Scheduled sampling of tokens."""

import keras

from zoo.layers.scheduled_decoder import ScheduledDecoder
from zoo.ops.categorical import categorical


@keras.saving.register_keras_serializable(package="zoo")
class ScheduledEmbeddingDecoder(ScheduledDecoder):
    """A decoder of tokens that in training reads some of its own ones.

    ```
    logits_t = output_layer(y_t)                    y_t, s_t = cell(x_t, ...)
    x_{t+1} = embedding(token ~ softmax(logits_t))  with probability p
    x_{t+1} = embedding(true token)                 otherwise
    ```

    With teacher forcing a decoder never sees its own mistakes in training;
    here it does. A coin is thrown for every row and step, and p rises during
    training: scheduled sampling, Bengio et al., "Scheduled Sampling for
    Sequence Prediction with Recurrent Neural Networks" (2015),
    https://arxiv.org/abs/1506.03099, section 2.4, where the probability of
    the true token, 1 - p, is called epsilon. No gradient flows through the
    drawn token.

    Outside of training the layer is a `zoo.layers.AttentionDecoder` of
    embedded tokens, that is, teacher forcing, and search calls `step` with
    tokens:

    ```
    (logits, alignments), state = decoder.step(
        tokens, state, memory, keys, memory_mask
    )
    ```

    In training every step waits for the one before, also with
    `input_feeding=False`, and the output layer is called in each of them.

    Args:
        attention_cell: A `zoo.layers.AttentionCell` or `zoo.layers.GNMTCell`.
        embedding: Keras layer from token ids to vectors, such as
            `keras.layers.Embedding(vocabulary, depth)`.
        output_layer: Keras layer from outputs of the cell to logits, such as
            `keras.layers.Dense(vocabulary)`.
        sampling_probability: `p`, a number from 0 to 1, or a schedule such as
            `zoo.training.SamplingSchedule`: any
            `keras.optimizers.schedules.LearningRateSchedule`. It is given the
            number of earlier calls in training, which the layer counts in a
            weight, so that a model that goes on training goes on there.
        seed: Integer, for reproducible coins and tokens.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Integer tensor of shape `(batch_size, time)`, the true tokens,
            start token first.
        memory, memory_mask, initial_state: As for
            `zoo.layers.AttentionDecoder`.
        mask: Boolean tensor of shape `(batch_size, time)`, true at real
            steps. By default that of `embedding` (`mask_zero=True`), or the
            Keras mask of `inputs`.
        training: Whether to sample, and what else is done in training only.

    Returns:
        Tuple `(logits, alignments, state)`, as of
        `zoo.layers.AttentionDecoder`.

    Raises:
        ValueError: If an argument is not one of those above, or tensors do
            not fit.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> import zoo
    >>> decoder = ScheduledEmbeddingDecoder(
    ...     zoo.layers.AttentionCell(
    ...         zoo.layers.LSTMCell(5), zoo.layers.LuongAttention()
    ...     ),
    ...     keras.layers.Embedding(9, 4),
    ...     keras.layers.Dense(9),
    ...     sampling_probability=0.25,
    ... )
    >>> tokens = np.array([[1, 5, 6], [1, 7, 8]])
    >>> memory = np.ones((2, 8, 6), "float32")
    >>> logits, alignments, state = decoder(tokens, memory, training=True)
    >>> tuple(logits.shape), tuple(alignments.shape)
    ((2, 3, 9), (2, 3, 8))
    """

    def __init__(
        self,
        attention_cell,
        embedding,
        output_layer,
        sampling_probability=0.0,
        seed=None,
        **kwargs,
    ):
        for name, layer in (
            ("embedding", embedding),
            ("output_layer", output_layer),
        ):
            if not isinstance(layer, keras.layers.Layer):
                raise ValueError(
                    f"Expected `{name}` to be a Keras layer, got {layer!r}. "
                    "Give `keras.layers.Embedding(vocabulary, depth)` and "
                    "`keras.layers.Dense(vocabulary)`."
                )
        super().__init__(
            attention_cell, output_layer, sampling_probability, seed, **kwargs
        )
        self.embedding = embedding

    def build(self, inputs_shape, memory_shape):
        if not self.embedding.built:
            self.embedding.build(inputs_shape)
        shape = self.embedding.compute_output_shape(inputs_shape)
        super().build(shape, memory_shape)

    def call(
        self,
        inputs,
        memory,
        memory_mask=None,
        initial_state=None,
        mask=None,
        training=False,
    ):
        if mask is None:
            mask = self.embedding.compute_mask(inputs, None)
        return super().call(
            inputs, memory, memory_mask, initial_state, mask, training
        )

    def step(
        self, inputs, state, memory, keys, memory_mask=None, training=False
    ):
        """Decodes one step; `zoo.layers.AttentionDecoder.step` for tokens.

        Args:
            inputs: Integer tensor `(batch_size * beams,)`, the last tokens.

        The other arguments and the result are those of
        `zoo.layers.AttentionDecoder.step`.
        """
        return super().step(
            self.embed(inputs), state, memory, keys, memory_mask, training
        )

    def embed(self, inputs):
        return self.embedding(inputs)

    def next_inputs(self, output, uniform):
        return self.embed(categorical(output, uniform))

    def compute_mask(self, inputs, previous_mask=None):
        mask = self.embedding.compute_mask(inputs, None)
        return super().compute_mask(
            inputs, previous_mask if mask is None else mask
        )

    def get_config(self):
        config = super().get_config()
        config["embedding"] = keras.saving.serialize_keras_object(
            self.embedding
        )
        return config
