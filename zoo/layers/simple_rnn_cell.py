"""The cell of the simple recurrent network of Elman (1990)."""

import keras
from keras import ops

from zoo.layers.recurrent_cell import RecurrentCell
from zoo.ops.simple_rnn import simple_rnn


@keras.saving.register_keras_serializable(package="zoo")
class SimpleRNNCell(RecurrentCell):
    """One step of a simple recurrent network.

    ```
    h_t = tanh(x_t W + h_{t-1} U + b)
    ```

    with kernel W, recurrent kernel U and bias b; Elman, "Finding Structure in
    Time" (1990), with tanh in place of the logistic function. The arguments
    are those of `zoo.layers.RecurrentCell`.

    Args:
        units: Width of the output and the state.
        activation: Activation, tanh by default.
        **kwargs: Further arguments of `zoo.layers.RecurrentCell`.

    Call arguments:
        inputs: `x_t`, shape `(batch_size, features)`.
        states: `[h_{t-1}]`, shape `(batch_size, units)`.
        training: Whether dropout is on.
        masks: What `dropout_masks` drew for this sequence; by default every
            step draws its own.

    Returns:
        Tuple `(h_t, [h_t])`, shape `(batch_size, units)`.

    Raises:
        ValueError: If `units` is no positive integer or a dropout fraction
            lies outside [0, 1).

    Example:

    >>> import numpy as np
    >>> cell = SimpleRNNCell(4)
    >>> state = cell.get_initial_state(batch_size=2)
    >>> output, state = cell(np.ones((2, 3), "float32"), state)
    >>> tuple(output.shape)
    (2, 4)
    """

    def call(self, inputs, states, training=False, masks=None):
        inputs, h = self.masked(inputs, states, training, masks)
        z = ops.matmul(inputs, self.kernel)
        z = z + ops.matmul(h, self.recurrent_kernel)
        if self.bias is not None:
            z = z + self.bias
        h = self.activation(z)
        return h, [h]

    def unroll(
        self, inputs, initial_state, mask=None, reverse=False, training=False
    ):
        input_mask, recurrent_mask = self.dropout_masks(
            ops.shape(inputs)[0], inputs.shape[-1], training
        )
        if input_mask is not None:
            inputs = inputs * input_mask[:, None]
        return simple_rnn(
            inputs,
            initial_state,
            ops.convert_to_tensor(self.kernel),
            ops.convert_to_tensor(self.recurrent_kernel),
            None if self.bias is None else ops.convert_to_tensor(self.bias),
            mask=mask,
            reverse=reverse,
            activation=self.activation,
            recurrent_mask=recurrent_mask,
        )
