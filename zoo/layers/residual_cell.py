"""A residual connection around a cell."""

import keras

from zoo.layers.cell_wrapper import CellWrapper


@keras.saving.register_keras_serializable(package="zoo")
class ResidualCell(CellWrapper):
    """A cell to whose output its inputs are added.

    ```
    h_t, s_t = cell(x_t, s_{t-1})        y_t = x_t + h_t
    ```

    Wu et al., "Google's Neural Machine Translation System: Bridging the Gap
    between Human and Machine Translation" (2016),
    https://arxiv.org/abs/1609.08144, section 3.1. The state is the cell's:
    what recurs is `h_t`, not `y_t`.

    Args:
        cell: A cell of the zoo or of Keras whose output is as wide as its
            inputs.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: `x_t`, shape `(batch_size, units)`.
        states: The cell's state.
        training: Whether the cell's dropout is on.
        masks: What `dropout_masks` drew for this sequence.

    Returns:
        Tuple of `y_t`, shape `(batch_size, units)`, and the cell's new state.

    Raises:
        ValueError: If `cell` is no cell, or one of Keras with dropout, or
            when built for inputs that are not as wide as its output.

    Example:

    >>> import numpy as np
    >>> from zoo.layers import RNN, LSTMCell, ResidualCell, StackedRNNCells
    >>> stack = StackedRNNCells(
    ...     [LSTMCell(4), ResidualCell(LSTMCell(4)), ResidualCell(LSTMCell(4))]
    ... )
    >>> tuple(RNN(stack)(np.ones((2, 5, 3), "float32")).shape)
    (2, 4)
    """

    def join(self, inputs, outputs):
        """Adds both."""
        return inputs + outputs
