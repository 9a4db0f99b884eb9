"""The gated recurrent unit as a layer."""

import keras

from zoo.layers.gru_cell import GRUCell
from zoo.layers.rnn import CellLayer


@keras.saving.register_keras_serializable(package="zoo")
class GRU(CellLayer):
    """Gated recurrent unit over sequences.

    ```
    h_t = z_t * h_{t-1} + (1 - z_t) * g_t
    ```

    with the gates of `zoo.layers.GRUCell`. Arguments and results are those of
    `keras.layers.GRU`, and weights can be exchanged with it, except that
    outputs are zero at masked steps.

    Args:
        units: Width of the output and of the state.
        return_sequences: If true, the outputs of all steps are returned.
        return_state: If true, the last state is returned too.
        go_backwards: If true, runs from the last step to the first and
            returns the outputs in that order.
        stateful: If true, a call goes on from the state of the last one.
        **kwargs: Arguments of `zoo.layers.GRUCell` (activation,
            recurrent_activation, reset_after, use_bias, initializers,
            regularizers, constraints, dropout, recurrent_dropout, seed) and
            of `keras.layers.Layer`.

    Call arguments:
        sequences: Shape `(batch_size, time, features)`.
        initial_state: `[h]`, shape `(batch_size, units)`.
        mask: Boolean, shape `(batch_size, time)`, true at real steps.
        training: Whether dropout is on.

    Returns:
        Outputs, `(batch_size, time, units)` if `return_sequences`, else
        `(batch_size, units)`; with `return_state` a tuple `(outputs, h)`.

    Raises:
        ValueError: As `zoo.layers.GRUCell` and `zoo.layers.RNN`.

    Example:

    >>> import numpy as np
    >>> layer = GRU(4, return_sequences=True, return_state=True)
    >>> outputs, h = layer(np.ones((2, 5, 3), "float32"))
    >>> tuple(outputs.shape), tuple(h.shape)
    ((2, 5, 4), (2, 4))
    """

    cell_class = GRUCell
