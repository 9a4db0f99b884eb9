"""The LSTM whose input and output gate each other, as a layer."""

import keras

from zoo.layers.lstm import LSTM
from zoo.layers.mogrifier_lstm_cell import MogrifierLSTMCell


@keras.saving.register_keras_serializable(package="zoo")
class MogrifierLSTM(LSTM):
    """LSTM over sequences whose input and output gate each other.

    ```
    x^i = 2 sigmoid(h^{i-1} Q^i) * x^{i-2}         i = 1, 3, .. up to rounds
    h^i = 2 sigmoid(x^{i-1} R^i) * h^{i-2}         i = 2, 4, .. up to rounds
    h_t, c_t = lstm(x, h, c_{t-1})
    ```

    with the details of `zoo.layers.MogrifierLSTMCell`; Melis, Kočiský &
    Blunsom, "Mogrifier LSTM" (2020), https://arxiv.org/abs/1909.01792. The
    input of a step depends on the output before it, so that all products stay
    inside the loop: it is slower than `zoo.layers.LSTM` by more than the
    weights that it adds. With `rounds=0` it is that layer, at its speed.

    Args:
        units: Width of the cell state, and of the output without
            `projection`.
        return_sequences: If true, the outputs of all steps are returned.
        return_state: If true, the last state is returned too.
        go_backwards: If true, runs from the last step to the first and
            returns the outputs in that order.
        stateful: If true, a call goes on from the state of the last one.
        return_gates: If true, the gates i, f and o and the candidate of all
            steps are returned too, as by `zoo.layers.LSTM`.
        **kwargs: Arguments of `zoo.layers.MogrifierLSTMCell` (rounds, rank),
            of `zoo.layers.LSTM` and of `keras.layers.Layer`.

    Call arguments:
        sequences: Shape `(batch_size, time, features)`.
        initial_state: `[h, c]`, of shape `(batch_size, projection or units)`
            and `(batch_size, units)`.
        mask: Boolean, shape `(batch_size, time)`, true at real steps.
        training: Whether dropout is on.

    Returns:
        As `zoo.layers.LSTM`.

    Raises:
        ValueError: As `zoo.layers.MogrifierLSTMCell` and `zoo.layers.RNN`.

    Example:

    >>> import numpy as np
    >>> layer = MogrifierLSTM(4, rounds=4, return_sequences=True)
    >>> tuple(layer(np.ones((2, 5, 3), "float32")).shape)
    (2, 5, 4)
    """

    cell_class = MogrifierLSTMCell
