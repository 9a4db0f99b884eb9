"""The cell of the gated recurrent unit."""

import keras
from keras import ops

from zoo.layers.recurrent_cell import RecurrentCell
from zoo.layers.recurrent_cell import check_flags
from zoo.ops.gru import gru
from zoo.ops.gru import gru_step


@keras.saving.register_keras_serializable(package="zoo")
class GRUCell(RecurrentCell):
    """One step of a gated recurrent unit.

    ```
    z_t = sigmoid(x_t W_z + h_{t-1} U_z + b_z)        update gate
    r_t = sigmoid(x_t W_r + h_{t-1} U_r + b_r)        reset gate
    g_t = tanh(x_t W_h + b_h + r_t * (h_{t-1} U_h + d_h))     reset after, or
    g_t = tanh(x_t W_h + (r_t * h_{t-1}) U_h + b_h)           before
    h_t = z_t * h_{t-1} + (1 - z_t) * g_t
    ```

    Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder for
    Statistical Machine Translation" (2014), eqs. 5-8, is the second line of
    `g_t`; the first is what cuDNN computes. The kernels hold the blocks in the
    order z, r, h, so that weights can be exchanged with `keras.layers.GRU`.

    Args:
        units: Width of the output and of the state.
        activation: Function of the candidate, tanh by default.
        recurrent_activation: Function of the gates, sigmoid by default.
        reset_after: Whether the reset gate acts after the product with `U_h`.
            Then the bias has shape `(2, 3 * units)`: a row for `x_t W` and a
            row `d` for `h_{t-1} U`.
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
    >>> cell = GRUCell(4)
    >>> state = cell.get_initial_state(batch_size=2)
    >>> output, state = cell(np.ones((2, 3), "float32"), state)
    >>> tuple(output.shape)
    (2, 4)
    """

    gates = 3

    def __init__(
        self,
        units,
        activation="tanh",
        recurrent_activation="sigmoid",
        reset_after=True,
        **kwargs,
    ):
        check_flags(reset_after=reset_after)
        super().__init__(units, activation=activation, **kwargs)
        self.recurrent_activation = keras.activations.get(recurrent_activation)
        self.reset_after = reset_after

    @property
    def bias_shape(self):
        width = self.gates * self.units
        return (2, width) if self.reset_after else (width,)

    def _biases(self):
        if self.bias is None:
            return None, None
        bias = ops.convert_to_tensor(self.bias)
        return (bias[0], bias[1]) if self.reset_after else (bias, None)

    def call(self, inputs, states, training=False, masks=None):
        inputs, fed = self.masked(inputs, states, training, masks)
        bias, recurrent_bias = self._biases()
        x = ops.matmul(inputs, self.kernel)
        if bias is not None:
            x = x + bias
        h = gru_step(
            x,
            states[0],
            ops.convert_to_tensor(self.recurrent_kernel),
            recurrent_bias,
            self.activation,
            self.recurrent_activation,
            self.reset_after,
            fed,
        )
        return h, [h]

    def unroll(
        self, inputs, initial_state, mask=None, reverse=False, training=False
    ):
        input_mask, recurrent_mask = self.dropout_masks(
            ops.shape(inputs)[0], inputs.shape[-1], training
        )
        if input_mask is not None:
            inputs = inputs * input_mask[:, None]
        bias, recurrent_bias = self._biases()
        return gru(
            inputs,
            initial_state,
            ops.convert_to_tensor(self.kernel),
            ops.convert_to_tensor(self.recurrent_kernel),
            bias,
            recurrent_bias,
            mask=mask,
            reverse=reverse,
            activation=self.activation,
            recurrent_activation=self.recurrent_activation,
            reset_after=self.reset_after,
            recurrent_mask=recurrent_mask,
        )

    def get_config(self):
        config = super().get_config()
        config.update(
            recurrent_activation=keras.activations.serialize(
                self.recurrent_activation
            ),
            reset_after=self.reset_after,
        )
        return config
