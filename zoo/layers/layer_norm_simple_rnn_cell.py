"""The cell of a simple recurrent network with layer normalisation."""

import keras
from keras import ops

from zoo.layers.recurrent_cell import RecurrentCell
from zoo.layers.recurrent_cell import check_epsilon


@keras.saving.register_keras_serializable(package="zoo")
class LayerNormSimpleRNNCell(RecurrentCell):
    """One step of a simple recurrent network with layer normalisation.

    ```
    h_t = tanh(norm(x_t W + h_{t-1} U) + b)
    norm(z) = gamma * (z - mean(z)) / sqrt(variance(z) + epsilon)
    ```

    with kernel W, recurrent kernel U, bias b and `norm_gamma`; mean and
    variance are those of the units of one row. Ba, Kiros & Hinton, "Layer
    Normalization" (2016), https://arxiv.org/abs/1607.06450, Eq. 4. The bias is
    added after the normalisation, which would take it out again, and does the
    work of a beta. Half precision is normalised in float32.

    Args:
        units: Width of the output and the state.
        activation: Activation, tanh by default.
        norm_epsilon: Added to the variance, a positive number.
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
        ValueError: If `units` is no positive integer, a dropout fraction lies
            outside [0, 1) or `norm_epsilon` is not positive.

    Example:

    >>> import numpy as np
    >>> cell = LayerNormSimpleRNNCell(4)
    >>> state = cell.get_initial_state(batch_size=2)
    >>> output, state = cell(np.ones((2, 3), "float32"), state)
    >>> tuple(output.shape)
    (2, 4)
    """

    def __init__(self, units, activation="tanh", norm_epsilon=1e-5, **kwargs):
        check_epsilon(norm_epsilon)
        super().__init__(units, activation=activation, **kwargs)
        self.norm_epsilon = norm_epsilon

    def build(self, input_shape):
        super().build(input_shape)
        self.norm_gamma = self.add_weight(
            shape=(self.units,), name="norm_gamma", initializer="ones"
        )

    def call(self, inputs, states, training=False, masks=None):
        inputs, h = self.masked(inputs, states, training, masks)
        z = ops.matmul(inputs, self.kernel)
        z = z + ops.matmul(h, self.recurrent_kernel)
        z = ops.layer_normalization(
            z, self.norm_gamma, epsilon=self.norm_epsilon
        )
        if self.bias is not None:
            z = z + self.bias
        h = self.activation(z)
        return h, [h]

    def get_config(self):
        return {**super().get_config(), "norm_epsilon": self.norm_epsilon}
