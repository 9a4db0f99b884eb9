"""The long short-term memory as a layer."""

import keras

from zoo.layers.lstm_cell import LSTMCell
from zoo.layers.rnn import CellLayer


@keras.saving.register_keras_serializable(package="zoo")
class LSTM(CellLayer):
    """Long short-term memory over sequences.

    ```
    c_t = f_t * c_{t-1} + i_t * g_t        h_t = o_t * tanh(c_t)
    ```

    with the gates of `zoo.layers.LSTMCell`. Arguments and results are those
    of `keras.layers.LSTM`, and weights can be exchanged with it, except that
    outputs are zero at masked steps. `zoo.ops.lstm_path` says which
    implementation runs.

    Args:
        units: Width of the output and of both states.
        return_sequences: If true, the outputs of all steps are returned.
        return_state: If true, the last state is returned too.
        go_backwards: If true, runs from the last step to the first and
            returns the outputs in that order.
        stateful: If true, a call goes on from the state of the last one.
        **kwargs: Arguments of `zoo.layers.LSTMCell` (activation,
            recurrent_activation, use_bias, unit_forget_bias, initializers,
            regularizers, constraints, dropout, recurrent_dropout, seed) and
            of `keras.layers.Layer`.

    Call arguments:
        sequences: Shape `(batch_size, time, features)`.
        initial_state: `[h, c]`, each of shape `(batch_size, units)`.
        mask: Boolean, shape `(batch_size, time)`, true at real steps.
        training: Whether dropout is on.

    Returns:
        Outputs, `(batch_size, time, units)` if `return_sequences`, else
        `(batch_size, units)`; with `return_state` a tuple `(outputs, h, c)`.

    Raises:
        ValueError: As `zoo.layers.LSTMCell` and `zoo.layers.RNN`.

    Example:

    >>> import numpy as np
    >>> layer = LSTM(4, return_sequences=True, return_state=True)
    >>> outputs, h, c = layer(np.ones((2, 5, 3), "float32"))
    >>> tuple(outputs.shape), tuple(h.shape)
    ((2, 5, 4), (2, 4))
    """

    cell_class = LSTMCell
