"""Scheduled sampling of outputs that are no tokens."""

import keras
from keras import ops

from zoo.layers.reading_cell import serialize_callable
from zoo.layers.scheduled_decoder import ScheduledDecoder


@keras.saving.register_keras_serializable(package="zoo")
class ScheduledOutputDecoder(ScheduledDecoder):
    """A decoder of vectors that in training reads some of its own outputs.

    ```
    x_{t+1} = next_inputs(output_t)   with probability p
    x_{t+1} = true inputs             otherwise
    ```

    Scheduled sampling for sequences of numbers, such as frames of speech; see
    `zoo.layers.ScheduledEmbeddingDecoder`, and Bengio et al., "Scheduled
    Sampling for Sequence Prediction with Recurrent Neural Networks" (2015),
    https://arxiv.org/abs/1506.03099. Nothing is drawn but the coins, and the
    gradient flows through the output that is read.

    Outside of training the layer is a `zoo.layers.AttentionDecoder`: its call
    is teacher forcing, and its `step` the step of a loop that feeds outputs.

    Args:
        attention_cell: A `zoo.layers.AttentionCell` or `zoo.layers.GNMTCell`.
        output_layer: Keras layer that the outputs go through, or `None`.
        next_inputs_function: Keras layer or function from outputs,
            `(batch_size, output_size)`, to inputs, `(batch_size, features)`.
            By default the outputs are the inputs, and must be as wide. To be
            saved, a function must be registered with
            `keras.saving.register_keras_serializable`.
        sampling_probability: `p`, as for
            `zoo.layers.ScheduledEmbeddingDecoder`.
        seed: Integer, for reproducible coins.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        As of `zoo.layers.AttentionDecoder`.

    Returns:
        Tuple `(outputs, alignments, state)`, as of
        `zoo.layers.AttentionDecoder`.

    Raises:
        ValueError: If an argument is not one of those above, or what would be
            read next is not as wide as the inputs.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> import zoo
    >>> decoder = ScheduledOutputDecoder(
    ...     zoo.layers.AttentionCell(
    ...         zoo.layers.LSTMCell(5), zoo.layers.LuongAttention()
    ...     ),
    ...     output_layer=keras.layers.Dense(4),
    ...     sampling_probability=0.25,
    ... )
    >>> frames = np.ones((2, 3, 4), "float32")
    >>> memory = np.ones((2, 8, 6), "float32")
    >>> outputs, alignments, state = decoder(frames, memory, training=True)
    >>> tuple(outputs.shape)
    (2, 3, 4)
    """

    def __init__(
        self,
        attention_cell,
        output_layer=None,
        next_inputs_function=None,
        sampling_probability=0.0,
        seed=None,
        **kwargs,
    ):
        if next_inputs_function is not None:
            if not callable(next_inputs_function):
                raise ValueError(
                    "Expected `next_inputs_function` to be a Keras layer or a "
                    "function from outputs to inputs, got "
                    f"{next_inputs_function!r}."
                )
        super().__init__(
            attention_cell, output_layer, sampling_probability, seed, **kwargs
        )
        self.next_inputs_function = next_inputs_function

    def build(self, inputs_shape, memory_shape):
        super().build(inputs_shape, memory_shape)
        size = self.attention_cell.output_size
        if self.output_layer is not None:
            shape = self.output_layer.compute_output_shape((None, size))
            size = shape[-1]
        # A layer is built by this.
        output = keras.KerasTensor((None, size), dtype=self.compute_dtype)
        shape = self.next_inputs(output, None).shape
        if tuple(shape) != (None, inputs_shape[-1]):
            raise ValueError(
                "Expected what is read next to be as wide as the inputs, "
                f"(batch_size, {inputs_shape[-1]}), got shape {tuple(shape)}. "
                "Give a `next_inputs_function`, or an `output_layer` of that "
                "width."
            )

    def embed(self, inputs):
        return ops.convert_to_tensor(inputs)

    def next_inputs(self, output, uniform):
        if self.next_inputs_function is None:
            return output
        return self.next_inputs_function(output)

    def get_config(self):
        config = super().get_config()
        config["next_inputs_function"] = serialize_callable(
            "next_inputs_function", self.next_inputs_function
        )
        return config
