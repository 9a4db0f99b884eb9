"""The cell of the minimal long short-term memory."""

import keras
from keras import ops

from zoo.layers.minimal_cell import MinimalCell
from zoo.layers.minimal_cell import positive


@keras.saving.register_keras_serializable(package="zoo")
class MinLSTMCell(MinimalCell):
    """One step of a minimal long short-term memory.

    ```
    f_t = sigmoid(x_t W_f + b_f)                forget gate
    i_t = sigmoid(x_t W_i + b_i)                input gate
    g_t = positive(x_t W_h + b_h)               candidate
    h_t = (f_t * h_{t-1} + i_t * g_t) / (f_t + i_t)
    positive(v) = v + 0.5 if v >= 0, else sigmoid(v)
    ```

    Feng, Tung, Hajimirsadeghi, Bengio & Ahmed, "Were RNNs All We Needed?"
    (2024), https://arxiv.org/abs/2410.01201, section 3.2, with the positive
    candidate of its log-space form. Gates and candidate see the input alone,
    so that a layer takes all steps of a sequence in parallel; it needs no
    logarithms for that, see `zoo.ops.linear_recurrence`. The kernel holds the
    blocks in the order f, i, h.

    Args:
        units: Width of the output and the state.
        **kwargs: `use_bias`, `kernel_initializer`, `bias_initializer`, and
            arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: `x_t`, shape `(batch_size, features)`.
        states: `[h_{t-1}]`, shape `(batch_size, units)`.
        training: Ignored: nothing is dropped.

    Returns:
        Tuple `(h_t, [h_t])`, shape `(batch_size, units)`.

    Raises:
        ValueError: If `units` is no positive integer.

    Example:

    >>> import numpy as np
    >>> cell = MinLSTMCell(4)
    >>> state = cell.get_initial_state(batch_size=2)
    >>> output, state = cell(np.ones((2, 3), "float32"), state)
    >>> tuple(output.shape)
    (2, 4)
    """

    gates = 3

    def coefficients(self, z):
        """What multiplies `h_{t-1}`, and what is added."""
        f, i, g = ops.split(z, 3, axis=-1)
        # f / (f + i) is a sigmoid of this, and never 0 / 0
        difference = ops.log_sigmoid(f) - ops.log_sigmoid(i)
        return ops.sigmoid(difference), ops.sigmoid(-difference) * positive(g)
