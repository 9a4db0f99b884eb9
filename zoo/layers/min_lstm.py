"""The minimal long short-term memory as a layer."""

import keras

from zoo.layers.min_lstm_cell import MinLSTMCell
from zoo.layers.rnn import CellLayer


@keras.saving.register_keras_serializable(package="zoo")
class MinLSTM(CellLayer):
    """Minimal long short-term memory over sequences, all steps in parallel.

    ```
    h_t = (f_t * h_{t-1} + i_t * g_t) / (f_t + i_t)
    ```

    with the gates of `zoo.layers.MinLSTMCell`; Feng et al., "Were RNNs All We
    Needed?" (2024). At masked steps the state is carried over and outputs are
    zero.

    Args:
        units: Width of the output and the state.
        return_sequences: If true, the outputs of all steps are returned.
        return_state: If true, the last state is returned too.
        go_backwards: If true, runs from the last step to the first and
            returns the outputs in that order.
        stateful: If true, a call goes on from the state of the last one.
        **kwargs: Arguments of `zoo.layers.MinLSTMCell` (use_bias,
            kernel_initializer, bias_initializer) and of
            `keras.layers.Layer`.

    Call arguments:
        sequences: Shape `(batch_size, time, features)`.
        initial_state: `[h]`, shape `(batch_size, units)`.
        mask: Boolean, shape `(batch_size, time)`, true at real steps.
        training: Ignored: nothing is dropped.

    Returns:
        Outputs, `(batch_size, time, units)` if `return_sequences`, else
        `(batch_size, units)`; with `return_state` a tuple `(outputs, h)`.

    Raises:
        ValueError: As `zoo.layers.MinLSTMCell` and `zoo.layers.RNN`.

    Example:

    >>> import numpy as np
    >>> layer = MinLSTM(4, return_sequences=True)
    >>> tuple(layer(np.ones((2, 5, 3), "float32")).shape)
    (2, 5, 4)
    """

    cell_class = MinLSTMCell
