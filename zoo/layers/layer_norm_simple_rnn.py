"""The simple recurrent network with layer normalisation as a layer."""

import keras

from zoo.layers.layer_norm_simple_rnn_cell import LayerNormSimpleRNNCell
from zoo.layers.rnn import CellLayer


@keras.saving.register_keras_serializable(package="zoo")
class LayerNormSimpleRNN(CellLayer):
    """Simple recurrent network with layer normalisation over sequences.

    ```
    h_t = tanh(norm(x_t W + h_{t-1} U) + b)
    ```

    with the normalisation of `zoo.layers.LayerNormSimpleRNNCell`. At masked
    steps the state is carried over and outputs are zero.

    Args:
        units: Width of the output and the state.
        return_sequences: If true, the outputs of all steps are returned.
        return_state: If true, the last state is returned too.
        go_backwards: If true, runs from the last step to the first and
            returns the outputs in that order.
        stateful: If true, a call goes on from the state of the last one.
        **kwargs: Arguments of `zoo.layers.LayerNormSimpleRNNCell`
            (activation, norm_epsilon, use_bias, initializers, regularizers,
            constraints, dropout, recurrent_dropout, seed) and of
            `keras.layers.Layer`.

    Call arguments:
        sequences: Shape `(batch_size, time, features)`.
        initial_state: `[h]`, shape `(batch_size, units)`.
        mask: Boolean, shape `(batch_size, time)`, true at real steps.
        training: Whether dropout is on.

    Returns:
        Outputs, `(batch_size, time, units)` if `return_sequences`, else
        `(batch_size, units)`; with `return_state` a tuple `(outputs, h)`.

    Raises:
        ValueError: As `zoo.layers.LayerNormSimpleRNNCell` and
            `zoo.layers.RNN`.

    Example:

    >>> import numpy as np
    >>> layer = LayerNormSimpleRNN(4)
    >>> tuple(layer(np.ones((2, 5, 3), "float32")).shape)
    (2, 4)
    """

    cell_class = LayerNormSimpleRNNCell
