"""Several cells on top of each other as one cell."""

import keras

from zoo.layers.inner_cell import call_cell
from zoo.layers.inner_cell import masks_of
from zoo.layers.inner_cell import unroll_cell


@keras.saving.register_keras_serializable(package="zoo")
class StackedRNNCells(keras.layers.Layer):
    """A deep cell: the output of each cell is the input of the next.

    ```
    h_t^1 = cell_1(x_t, s_{t-1}^1)     h_t^l = cell_l(h_t^{l-1}, s_{t-1}^l)
    ```

    Its state is the list of the cells' states, bottom first, and its output
    that of the top cell. For dropout between the cells, as in Zaremba et al.,
    "Recurrent Neural Network Regularization" (2014), give the upper cells a
    `dropout`.

    Args:
        cells: List of cells, bottom first, of the zoo or of Keras.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Shape `(batch_size, features)`.
        states: List of the cells' states.
        training: Whether dropout is on.

    Returns:
        Tuple of the top cell's output and the list of new states.

    Raises:
        ValueError: If `cells` is empty or holds something that is no cell.

    Example:

    >>> import numpy as np
    >>> from zoo.layers import LSTMCell, StackedRNNCells
    >>> cell = StackedRNNCells([LSTMCell(4), LSTMCell(5)])
    >>> state = cell.get_initial_state(batch_size=2)
    >>> output, state = cell(np.ones((2, 3), "float32"), state)
    >>> tuple(output.shape)
    (2, 5)
    """

    def __init__(self, cells, **kwargs):
        listed = isinstance(cells, list | tuple) and len(cells) > 0
        if not listed or not all(hasattr(cell, "state_size") for cell in cells):
            raise ValueError(
                "Expected `cells` to be a list of at least one cell, each "
                f"with a `state_size`, got {cells!r}. A cell is, for instance, "
                "`zoo.layers.LSTMCell(units)`."
            )
        super().__init__(**kwargs)
        self.cells = list(cells)

    @property
    def state_size(self):
        """List of the cells' state sizes."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self):
        """Width of the top cell's output."""
        return self.cells[-1].output_size

    def build(self, input_shape):
        for cell in self.cells:
            if not cell.built:
                cell.build(input_shape)
                cell.built = True
            input_shape = (*input_shape[:-1], cell.output_size)

    def get_initial_state(self, batch_size=None):
        """List of the cells' initial states."""
        return [
            cell.get_initial_state(batch_size=batch_size) for cell in self.cells
        ]

    def call(self, inputs, states, training=False, masks=None):
        new_states = []
        masks = masks or [None] * len(self.cells)
        for cell, state, mask in zip(self.cells, states, masks, strict=True):
            inputs, state = call_cell(cell, inputs, state, training, mask)
            new_states.append(state)
        return inputs, new_states

    def dropout_masks(self, batch_size, features, training=False):
        """The dropout masks of one sequence, one entry a cell."""
        masks = []
        for cell in self.cells:
            masks.append(masks_of(cell, batch_size, features, training))
            features = cell.output_size
        return masks

    def unroll(
        self, inputs, initial_state, mask=None, reverse=False, training=False
    ):
        """Runs the stack over whole sequences, cell by cell."""
        final_state = []
        for cell, state in zip(self.cells, initial_state, strict=True):
            inputs, state = unroll_cell(
                cell, inputs, state, mask, reverse, training
            )
            final_state.append(state)
        return inputs, final_state

    def compute_mask(self, inputs, previous_mask=None):
        return None  # a mask of one step is the business of who calls it

    def get_config(self):
        config = super().get_config()
        config["cells"] = [
            keras.saving.serialize_keras_object(cell) for cell in self.cells
        ]
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        config["cells"] = [
            keras.saving.deserialize_keras_object(cell, custom_objects)
            for cell in config["cells"]
        ]
        return cls(**config)
