"""A highway connection around a cell."""

import numbers

import keras
from keras import ops

from zoo.layers.cell_wrapper import CellWrapper
from zoo.ops.attention import project


@keras.saving.register_keras_serializable(package="zoo")
class HighwayCell(CellWrapper):
    """A cell whose output is mixed with its inputs by a gate.

    ```
    h_t, s_t = cell(x_t, s_{t-1})
    g_t = sigmoid(x_t W + b)
    y_t = g_t * h_t + (1 - g_t) * x_t
    ```

    with `transform_kernel` W and `transform_bias` b. Srivastava, Greff &
    Schmidhuber, "Highway Networks" (2015), https://arxiv.org/abs/1505.00387,
    Eq. 3, with a cell for the layer. The highway leads upward through a stack
    of cells, not through time as in Zilly et al., "Recurrent Highway
    Networks" (2017). The state is the cell's: what recurs is `h_t`.

    Args:
        cell: A cell of the zoo or of Keras whose output is as wide as its
            inputs.
        initial_bias: What `transform_bias` starts at. Below zero, a new cell
            lets most of its inputs pass; section 2.2 of the paper takes -1
            to -3, the more the deeper the stack.
        kernel_initializer: Initializer of `transform_kernel`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: `x_t`, shape `(batch_size, units)`.
        states: The cell's state.
        training: Whether the cell's dropout is on.
        masks: What `dropout_masks` drew for this sequence.

    Returns:
        Tuple of `y_t`, shape `(batch_size, units)`, and the cell's new state.

    Raises:
        ValueError: If `cell` is no cell, or one of Keras with dropout, if
            `initial_bias` is no number, or when built for inputs that are not
            as wide as the cell's output.

    Example:

    >>> import numpy as np
    >>> from zoo.layers import RNN, GRUCell, HighwayCell, StackedRNNCells
    >>> stack = StackedRNNCells([GRUCell(4), HighwayCell(GRUCell(4))])
    >>> tuple(RNN(stack)(np.ones((2, 5, 3), "float32")).shape)
    (2, 4)
    """

    def __init__(
        self,
        cell,
        initial_bias=-1.0,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        number = isinstance(initial_bias, numbers.Real)
        if not number or isinstance(initial_bias, bool):
            raise ValueError(
                "Expected `initial_bias` to be a number, got "
                f"{initial_bias!r}. It is where the bias of the gate starts, "
                "such as -1."
            )
        super().__init__(cell, **kwargs)
        self.initial_bias = initial_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        super().build(input_shape)
        units = self.output_size
        self.transform_kernel = self.add_weight(
            shape=(units, units),
            name="transform_kernel",
            initializer=self.kernel_initializer,
        )
        self.transform_bias = self.add_weight(
            shape=(units,),
            name="transform_bias",
            initializer=keras.initializers.Constant(self.initial_bias),
        )

    def join(self, inputs, outputs):
        """Mixes both by the gate."""
        kernel = ops.convert_to_tensor(self.transform_kernel)
        gate = ops.sigmoid(project(inputs, kernel) + self.transform_bias)
        return gate * outputs + (1 - gate) * inputs

    def get_config(self):
        config = super().get_config()
        config.update(
            initial_bias=self.initial_bias,
            kernel_initializer=keras.initializers.serialize(
                self.kernel_initializer
            ),
        )
        return config
