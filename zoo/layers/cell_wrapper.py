"""What residual and highway connections around a cell have in common."""

import keras
from keras import ops

from zoo.layers.inner_cell import call_cell
from zoo.layers.inner_cell import check_cell
from zoo.layers.inner_cell import masks_of
from zoo.layers.inner_cell import output_size_of
from zoo.layers.inner_cell import unroll_cell
from zoo.ops.attention import zero_padding
from zoo.ops.recurrent import check_sequences


class CellWrapper(keras.layers.Layer):
    """Base class of cells that join what goes into a cell with its output.

    A subclass implements `join(inputs, outputs)`, where both have the shape
    `(batch_size, units)` or `(batch_size, time, units)`.

    Args:
        cell: A cell of the zoo or of Keras whose output is as wide as its
            inputs.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If `cell` is no cell, or one of Keras with dropout, or
            when built for inputs that are not as wide as its output.
    """

    def __init__(self, cell, **kwargs):
        check_cell(cell)
        super().__init__(**kwargs)
        self.cell = cell

    @property
    def state_size(self):
        """The cell's state size."""
        return self.cell.state_size

    @property
    def output_size(self):
        """Width of the output, and of the inputs."""
        return output_size_of(self.cell)

    def build(self, input_shape):
        if input_shape[-1] != self.output_size:
            raise ValueError(
                f"Expected inputs of {self.name!r} as wide as the output of "
                f"its cell, {self.output_size}, got shape "
                f"{tuple(input_shape)}. Leave the bottom cell of a stack "
                "without it, or give the cell other `units`."
            )
        if not self.cell.built:
            self.cell.build(input_shape)
            self.cell.built = True

    def get_initial_state(self, batch_size=None):
        """The cell's initial state."""
        return self.cell.get_initial_state(batch_size=batch_size)

    def dropout_masks(self, batch_size, features, training=False):
        """The cell's dropout masks of one sequence; `None` if it has none."""
        return masks_of(self.cell, batch_size, features, training)

    def call(self, inputs, states, training=False, masks=None):
        outputs, states = call_cell(self.cell, inputs, states, training, masks)
        return self.join(inputs, outputs), states

    def unroll(
        self, inputs, initial_state, mask=None, reverse=False, training=False
    ):
        """Runs the cell over whole sequences, and joins all steps at once."""
        inputs = ops.convert_to_tensor(inputs)
        mask = check_sequences(inputs, mask)
        inputs = zero_padding(inputs, mask)
        outputs, state = unroll_cell(
            self.cell, inputs, initial_state, mask, reverse, training
        )
        return zero_padding(self.join(inputs, outputs), mask), state

    def compute_mask(self, inputs, previous_mask=None):
        return None  # a mask of one step is the business of who calls it

    def get_config(self):
        cell = keras.saving.serialize_keras_object(self.cell)
        return {**super().get_config(), "cell": cell}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        cell = keras.saving.deserialize_keras_object(
            config["cell"], custom_objects
        )
        return cls(**{**config, "cell": cell})
