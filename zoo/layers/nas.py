"""The cell that an architecture search found, as a layer."""

import keras

from zoo.layers.nas_cell import NASCell
from zoo.layers.rnn import CellLayer


@keras.saving.register_keras_serializable(package="zoo")
class NAS(CellLayer):
    """The cell found by neural architecture search, over sequences.

    ```
    c_t = u * tanh(l_2 + l_3)
    h_t = tanh(c_t * tanh(tanh(l_4 * l_5) + sigmoid(l_6 + l_7)))
    ```

    with `u` and `l` of `zoo.layers.NASCell`; Zoph & Le, "Neural Architecture
    Search with Reinforcement Learning" (2017). At masked steps the state is
    carried over and outputs are zero.

    Args:
        units: Width of the cell state, and of the output without
            `projection`.
        return_sequences: If true, the outputs of all steps are returned.
        return_state: If true, the last state is returned too.
        go_backwards: If true, runs from the last step to the first and
            returns the outputs in that order.
        stateful: If true, a call goes on from the state of the last one.
        **kwargs: Arguments of `zoo.layers.NASCell` (projection, use_bias,
            activation, initializers, regularizers, constraints, dropout,
            recurrent_dropout, seed) and of `keras.layers.Layer`.

    Call arguments:
        sequences: Shape `(batch_size, time, features)`.
        initial_state: `[h, c]`, of shape `(batch_size, projection or units)`
            and `(batch_size, units)`.
        mask: Boolean, shape `(batch_size, time)`, true at real steps.
        training: Whether dropout is on.

    Returns:
        Outputs, `(batch_size, time, projection or units)` if
        `return_sequences`, else `(batch_size, projection or units)`; with
        `return_state` a tuple `(outputs, h, c)`.

    Raises:
        ValueError: As `zoo.layers.NASCell` and `zoo.layers.RNN`.

    Example:

    >>> import numpy as np
    >>> layer = NAS(4, return_state=True)
    >>> outputs, h, c = layer(np.ones((2, 5, 3), "float32"))
    >>> tuple(outputs.shape), tuple(c.shape)
    ((2, 4), (2, 4))
    """

    cell_class = NASCell
