"""The cell that an architecture search found."""

import keras
from keras import ops

from zoo.layers.projected_cell import ProjectedCell


@keras.saving.register_keras_serializable(package="zoo")
class NASCell(ProjectedCell):
    """One step of the cell found by neural architecture search.

    ```
    a_0 ... a_7 = x_t W          m_0 ... m_7 = h_{t-1} U + b
    l_0 = sigmoid(a_0 + m_0)     l_1 = relu(a_1 + m_1)
    l_2 = sigmoid(a_2 + m_2)     l_3 = relu(a_3 * m_3)
    l_4 = tanh(a_4 + m_4)        l_5 = sigmoid(a_5 + m_5)
    l_6 = tanh(a_6 + m_6)        l_7 = sigmoid(a_7 + m_7)
    u   = tanh(tanh(l_0 * l_1) + c_{t-1})
    c_t = u * tanh(l_2 + l_3)
    h_t = tanh(c_t * tanh(tanh(l_4 * l_5) + sigmoid(l_6 + l_7)))
    ```

    with kernel W, recurrent kernel U and bias b; a `projection` multiplies
    `h_t` by `projection_kernel`. Zoph & Le, "Neural Architecture Search with
    Reinforcement Learning" (2017), https://arxiv.org/abs/1611.01578, appendix
    A, in the form of TensorFlow Addons' `NASCell`, whose states, however, come
    in the order `[c, h]`.

    Args:
        units: Width of the cell state, and of the output without
            `projection`.
        projection: Width of the output, or `None` for `units`.
        use_bias: Whether to add a bias.
        **kwargs: Further arguments of `zoo.layers.RecurrentCell`;
            `activation` is a function in place of tanh. The projection
            starts as `kernel_initializer` says.

    Call arguments:
        inputs: `x_t`, shape `(batch_size, features)`.
        states: `[h_{t-1}, c_{t-1}]`, of shape `(batch_size, projection or
            units)` and `(batch_size, units)`.
        training: Whether dropout is on.
        masks: What `dropout_masks` drew for this sequence; by default every
            step draws its own.

    Returns:
        Tuple `(h_t, [h_t, c_t])`, in the shapes of the states.

    Raises:
        ValueError: If `units` or `projection` is no positive integer, or a
            dropout fraction lies outside [0, 1).

    Example:

    >>> import numpy as np
    >>> cell = NASCell(4, projection=2)
    >>> state = cell.get_initial_state(batch_size=2)
    >>> output, (h, c) = cell(np.ones((2, 3), "float32"), state)
    >>> tuple(output.shape), tuple(c.shape)
    ((2, 2), (2, 4))
    """

    gates = 8

    def __init__(self, units, projection=None, use_bias=False, **kwargs):
        super().__init__(
            units, projection=projection, use_bias=use_bias, **kwargs
        )

    def build(self, input_shape):
        super().build(input_shape)
        self.add_projection()

    def call(self, inputs, states, training=False, masks=None):
        inputs, h = self.masked(inputs, states, training, masks)
        sigmoid, relu, tanh = ops.sigmoid, ops.relu, self.activation
        a = ops.split(ops.matmul(inputs, self.kernel), 8, axis=-1)
        m = ops.matmul(h, self.recurrent_kernel)
        if self.bias is not None:
            m = m + self.bias
        m = ops.split(m, 8, axis=-1)
        u = tanh(sigmoid(a[0] + m[0]) * relu(a[1] + m[1]))
        u = tanh(u + states[1])
        c = u * tanh(sigmoid(a[2] + m[2]) + relu(a[3] * m[3]))
        shown = tanh(tanh(a[4] + m[4]) * sigmoid(a[5] + m[5]))
        shown = shown + sigmoid(tanh(a[6] + m[6]) + sigmoid(a[7] + m[7]))
        h = tanh(c * tanh(shown))
        if self.projection_kernel is not None:
            h = ops.matmul(h, self.projection_kernel)
        return h, [h, c]
