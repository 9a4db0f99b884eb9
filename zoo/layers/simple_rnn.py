"""The simple recurrent network as a layer."""

import keras

from zoo.layers.rnn import CellLayer
from zoo.layers.simple_rnn_cell import SimpleRNNCell


@keras.saving.register_keras_serializable(package="zoo")
class SimpleRNN(CellLayer):
    """Simple recurrent network over sequences.

    ```
    h_t = tanh(x_t W + h_{t-1} U + b)
    ```

    Elman, "Finding Structure in Time" (1990). Arguments and results are those
    of `keras.layers.SimpleRNN`, and weights can be exchanged with it, except
    that outputs are zero at masked steps.

    Args:
        units: Width of the output and the state.
        return_sequences: If true, the outputs of all steps are returned.
        return_state: If true, the last state is returned too.
        go_backwards: If true, runs from the last step to the first and
            returns the outputs in that order.
        stateful: If true, a call goes on from the state of the last one.
        **kwargs: Arguments of `zoo.layers.SimpleRNNCell` (activation,
            use_bias, initializers, regularizers, constraints, dropout,
            recurrent_dropout, seed) and of `keras.layers.Layer`.

    Call arguments:
        sequences: Shape `(batch_size, time, features)`.
        initial_state: `[h]`, shape `(batch_size, units)`.
        mask: Boolean, shape `(batch_size, time)`, true at real steps.
        training: Whether dropout is on.

    Returns:
        Outputs, `(batch_size, time, units)` if `return_sequences`, else
        `(batch_size, units)`; with `return_state` a tuple `(outputs, h)`.

    Raises:
        ValueError: As `zoo.layers.SimpleRNNCell` and `zoo.layers.RNN`.

    Example:

    >>> import numpy as np
    >>> layer = SimpleRNN(4)
    >>> tuple(layer(np.ones((2, 5, 3), "float32")).shape)
    (2, 4)
    """

    cell_class = SimpleRNNCell
