"""What the minimal cells, whose gates see the input alone, have in common."""

import keras
from keras import ops

from zoo.layers.recurrent_cell import check_flags
from zoo.layers.recurrent_cell import check_step_shape
from zoo.layers.recurrent_cell import check_units
from zoo.ops.linear_recurrence import linear_recurrence
from zoo.ops.recurrent import project_sequences


class MinimalCell(keras.layers.Layer):
    """Base class of cells that are linear in their state.

    ```
    h_t = a_t * h_{t-1} + b_t
    ```

    A subclass sets `gates`, the number of `units`-wide blocks in its kernel,
    and implements `coefficients(z) -> (a, b)`, where `z` is the product of
    the inputs with the kernel, bias added. Over a sequence all steps are taken
    in parallel.

    Args:
        units: Width of the output and the state, a positive integer.
        use_bias: Whether to add a bias.
        kernel_initializer: Initializer of `kernel`.
        bias_initializer: Initializer of `bias`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If `units` is no positive integer or `use_bias` neither
            true nor false.
    """

    gates = 2

    def __init__(
        self,
        units,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        **kwargs,
    ):
        check_units(units)
        check_flags(use_bias=use_bias)
        super().__init__(**kwargs)
        self.units = units
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    @property
    def state_size(self):
        """Width of the one state, in a list."""
        return [self.units]

    @property
    def output_size(self):
        """Width of the output."""
        return self.units

    def build(self, input_shape):
        check_step_shape(self, input_shape)
        width = self.gates * self.units
        self.kernel = self.add_weight(
            shape=(input_shape[-1], width),
            name="kernel",
            initializer=self.kernel_initializer,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                shape=(width,), name="bias", initializer=self.bias_initializer
            )

    def get_initial_state(self, batch_size=None):
        """A list of one state of zeros, `(batch_size, units)`."""
        return [ops.zeros((batch_size, self.units), dtype=self.compute_dtype)]

    def call(self, inputs, states, training=False):
        z = ops.matmul(inputs, self.kernel)
        if self.bias is not None:
            z = z + self.bias
        a, b = self.coefficients(z)
        h = a * states[0] + b
        return h, [h]

    def unroll(
        self, inputs, initial_state, mask=None, reverse=False, training=False
    ):
        """Runs the cell over whole sequences, all steps in parallel."""
        z, mask = project_sequences(
            inputs,
            ops.convert_to_tensor(self.kernel),
            None if self.bias is None else ops.convert_to_tensor(self.bias),
            mask,
        )
        outputs, h = linear_recurrence(
            *self.coefficients(z), initial_state[0], mask, reverse
        )
        return outputs, [h]

    def compute_mask(self, inputs, previous_mask=None):
        return None  # a mask of one step is the business of who calls it

    def get_config(self):
        serialize = keras.initializers.serialize
        config = super().get_config()
        config.update(
            units=self.units,
            use_bias=self.use_bias,
            kernel_initializer=serialize(self.kernel_initializer),
            bias_initializer=serialize(self.bias_initializer),
        )
        return config


def positive(x):
    """Makes a candidate positive: `x + 0.5` from 0 on, else `sigmoid(x)`."""
    return ops.where(x >= 0, x + 0.5, ops.sigmoid(x))
