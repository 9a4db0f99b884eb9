"""The cell of the long short-term memory."""

import keras
from keras import ops

from zoo.layers.recurrent_cell import RecurrentCell
from zoo.ops.lstm import lstm
from zoo.ops.lstm import lstm_step


@keras.saving.register_keras_serializable(package="zoo")
class LSTMCell(RecurrentCell):
    """One step of a long short-term memory.

    ```
    f_t = sigmoid(x_t W_f + h_{t-1} U_f + b_f)        forget gate
    i_t = sigmoid(x_t W_i + h_{t-1} U_i + b_i)        input gate
    g_t = tanh(x_t W_c + h_{t-1} U_c + b_c)           candidate
    o_t = sigmoid(x_t W_o + h_{t-1} U_o + b_o)        output gate
    c_t = f_t * c_{t-1} + i_t * g_t
    h_t = o_t * tanh(c_t)
    ```

    Hochreiter & Schmidhuber, "Long Short-Term Memory" (1997), with the forget
    gate of Gers, Schmidhuber & Cummins, "Learning to Forget" (2000). The
    kernels hold the blocks in the order i, f, c, o, so that weights can be
    exchanged with `keras.layers.LSTM`.

    Args:
        units: Width of the output and of both states.
        activation: Function of candidate and cell state, tanh by default.
        recurrent_activation: Function of the gates, sigmoid by default.
        unit_forget_bias: Whether the bias of the forget gate starts at 1, so
            that a new cell remembers.
        **kwargs: Further arguments of `zoo.layers.RecurrentCell`.

    Call arguments:
        inputs: `x_t`, shape `(batch_size, features)`.
        states: `[h_{t-1}, c_{t-1}]`, each of shape `(batch_size, units)`.
        training: Whether dropout is on.
        masks: What `dropout_masks` drew for this sequence; by default every
            step draws its own.

    Returns:
        Tuple `(h_t, [h_t, c_t])`, each of shape `(batch_size, units)`.

    Raises:
        ValueError: If `units` is no positive integer or a dropout fraction
            lies outside [0, 1).

    Example:

    >>> import numpy as np
    >>> cell = LSTMCell(4)
    >>> state = cell.get_initial_state(batch_size=2)
    >>> output, (h, c) = cell(np.ones((2, 3), "float32"), state)
    >>> tuple(output.shape), tuple(c.shape)
    ((2, 4), (2, 4))
    """

    gates = 4
    states = 2

    def __init__(
        self,
        units,
        activation="tanh",
        recurrent_activation="sigmoid",
        unit_forget_bias=True,
        **kwargs,
    ):
        super().__init__(units, activation=activation, **kwargs)
        self.recurrent_activation = keras.activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias

    def initial_bias(self, shape, dtype=None):
        bias = super().initial_bias(shape, dtype=dtype)
        if not self.unit_forget_bias:
            return bias
        i, _, g, o = ops.split(bias, 4)
        ones = ops.ones((self.units,), dtype=bias.dtype)
        return ops.concatenate([i, ones, g, o])

    def call(self, inputs, states, training=False, masks=None):
        inputs, h = self.masked(inputs, states, training, masks)
        z = ops.matmul(inputs, self.kernel)
        z = z + ops.matmul(h, self.recurrent_kernel)
        if self.bias is not None:
            z = z + self.bias
        h, c = lstm_step(
            z, states[1], self.activation, self.recurrent_activation
        )
        return h, [h, c]

    def unroll(
        self, inputs, initial_state, mask=None, reverse=False, training=False
    ):
        input_mask, recurrent_mask = self.dropout_masks(
            ops.shape(inputs)[0], inputs.shape[-1], training
        )
        if input_mask is not None:
            inputs = inputs * input_mask[:, None]
        return lstm(
            inputs,
            initial_state,
            ops.convert_to_tensor(self.kernel),
            ops.convert_to_tensor(self.recurrent_kernel),
            None if self.bias is None else ops.convert_to_tensor(self.bias),
            mask=mask,
            reverse=reverse,
            activation=self.activation,
            recurrent_activation=self.recurrent_activation,
            recurrent_mask=recurrent_mask,
        )

    def get_config(self):
        config = super().get_config()
        config.update(
            recurrent_activation=keras.activations.serialize(
                self.recurrent_activation
            ),
            unit_forget_bias=self.unit_forget_bias,
        )
        return config
