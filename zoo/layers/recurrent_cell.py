"""What the cells of the zoo have in common: weights, dropout, sequences."""

import numbers

import keras
from keras import ops

from zoo.ops.recurrent import unroll


class RecurrentCell(keras.layers.Layer):
    """Base class of cells with an input kernel and a recurrent kernel.

    A subclass sets `gates`, the number of `units`-wide blocks in its kernels,
    and implements `call`. The first of its states is its output, which the
    recurrent kernel multiplies. A cell is called for one step,
    `cell(inputs, state) -> (output, new_state)`, works inside
    `keras.layers.RNN`, and runs a whole sequence with `unroll`.

    Args:
        units: Width of the output and of each state, a positive integer.
        activation: Activation, name or callable.
        use_bias: Whether to add a bias.
        kernel_initializer: Initializer of `kernel`.
        recurrent_initializer: Initializer of `recurrent_kernel`.
        bias_initializer: Initializer of `bias`.
        kernel_regularizer: Regularizer of `kernel`.
        recurrent_regularizer: Regularizer of `recurrent_kernel`.
        bias_regularizer: Regularizer of `bias`.
        kernel_constraint: Constraint on `kernel`.
        recurrent_constraint: Constraint on `recurrent_kernel`.
        bias_constraint: Constraint on `bias`.
        dropout: Fraction of the inputs to drop, from 0 to below 1. One mask
            serves all steps of a sequence.
        recurrent_dropout: Fraction of the recurrent output to drop where it
            enters the recurrent kernel, from 0 to below 1. One mask serves
            all steps (Gal & Ghahramani, "A Theoretically Grounded Application
            of Dropout in Recurrent Neural Networks", 2016).
        seed: Seed of the dropout masks.

    Raises:
        ValueError: If `units` is no positive integer, a dropout fraction
            lies outside [0, 1), `seed` is no integer or `use_bias` neither
            true nor false.

    Example:

    >>> import numpy as np
    >>> import zoo
    >>> class LeakyCell(zoo.layers.RecurrentCell):
    ...     def call(self, inputs, state, training=False, masks=None):
    ...         z = keras.ops.matmul(inputs, self.kernel) + self.bias
    ...         z = z + keras.ops.matmul(state[0], self.recurrent_kernel)
    ...         h = 0.9 * state[0] + 0.1 * self.activation(z)
    ...         return h, [h]
    >>> layer = zoo.layers.RNN(LeakyCell(8))
    >>> tuple(layer(np.ones((2, 4, 3))).shape)
    (2, 8)
    """

    gates = 1
    states = 1

    def __init__(
        self,
        units,
        activation="tanh",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        seed=None,
        **kwargs,
    ):
        check_units(units)
        check_fraction("dropout", dropout)
        check_fraction("recurrent_dropout", recurrent_dropout)
        check_flags(use_bias=use_bias)
        check_seed(seed)
        super().__init__(**kwargs)
        self.units = units
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.recurrent_initializer = keras.initializers.get(
            recurrent_initializer
        )
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = keras.regularizers.get(
            recurrent_regularizer
        )
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.recurrent_constraint = keras.constraints.get(recurrent_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed=seed)

    @property
    def state_size(self):
        """Width of each state."""
        return [self.units] * self.states

    @property
    def output_size(self):
        """Width of the output."""
        return self.units

    @property
    def bias_shape(self):
        """Shape of the bias."""
        return (self.gates * self.units,)

    def build(self, input_shape):
        width = self.gates * self.units
        check_step_shape(self, input_shape)
        self.kernel = self.add_weight(
            shape=(input_shape[-1], width),
            name="kernel",
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.recurrent_kernel = self.add_weight(
            shape=(self.output_size, width),
            name="recurrent_kernel",
            initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                shape=self.bias_shape,
                name="bias",
                initializer=self.initial_bias,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def initial_bias(self, shape, dtype=None):
        """The bias before training."""
        return self.bias_initializer(shape, dtype=dtype)

    def get_initial_state(self, batch_size=None):
        """States of zeros.

        Args:
            batch_size: Number of rows, an integer or a scalar tensor.

        Returns:
            List of tensors, one a state, of shape `(batch_size, width)` with
            the widths in `state_size`.
        """
        return [
            ops.zeros((batch_size, width), dtype=self.compute_dtype)
            for width in self.state_size
        ]

    def dropout_masks(self, batch_size, features, training=False):
        """Draws the dropout masks of one sequence.

        Args:
            batch_size: Number of rows, an integer or a scalar tensor.
            features: Width of the inputs.
            training: If false, nothing is dropped.

        Returns:
            Pair of factors, on the inputs, `(batch_size, features)`, and on
            the recurrent output, `(batch_size, output_size)`; `None` where
            nothing is dropped. To be given to each step of the sequence.
        """
        return tuple(
            self._draw_mask((batch_size, width), rate) if training else None
            for width, rate in (
                (features, self.dropout),
                (self.output_size, self.recurrent_dropout),
            )
        )

    def _draw_mask(self, shape, rate):
        if not rate:
            return None
        ones = ops.ones(shape, dtype=self.compute_dtype)
        return keras.random.dropout(ones, rate, seed=self.seed_generator)

    def masked(self, inputs, state, training, masks):
        """Inputs and recurrent output of a step with dropout applied."""
        if masks is None:
            masks = self.dropout_masks(
                ops.shape(inputs)[0], inputs.shape[-1], training
            )
        return tuple(
            x if mask is None else x * mask
            for x, mask in zip((inputs, state[0]), masks, strict=True)
        )

    def unroll(
        self, inputs, initial_state, mask=None, reverse=False, training=False
    ):
        """Runs the cell over whole sequences.

        Args:
            inputs: Shape `(batch_size, time, features)`.
            initial_state: List of tensors `(batch_size, units)`.
            mask: Boolean, `(batch_size, time)`, true at real steps.
            reverse: If true, runs from the last step to the first.
            training: Whether dropout is on.

        Returns:
            Tuple of the outputs, `(batch_size, time, units)`, in the order of
            the inputs and zero at masked steps, and the last state.
        """
        masks = self.dropout_masks(
            ops.shape(inputs)[0], inputs.shape[-1], training
        )

        def step(inputs_t, state):
            return self.call(inputs_t, state, training=training, masks=masks)

        return unroll(step, inputs, initial_state, mask=mask, reverse=reverse)

    def compute_mask(self, inputs, previous_mask=None):
        return None  # a mask of one step is the business of who calls it

    def get_config(self):
        config = super().get_config()
        config.update(
            units=self.units,
            activation=keras.activations.serialize(self.activation),
            use_bias=self.use_bias,
            dropout=self.dropout,
            recurrent_dropout=self.recurrent_dropout,
            seed=self.seed,
        )
        for weight in ("kernel", "recurrent", "bias"):
            for kind, module in (
                ("initializer", keras.initializers),
                ("regularizer", keras.regularizers),
                ("constraint", keras.constraints),
            ):
                name = f"{weight}_{kind}"
                config[name] = module.serialize(getattr(self, name))
        return config


def check_step_shape(cell, input_shape):
    """Raises `ValueError` unless a cell can be built for such inputs."""
    if len(input_shape) != 2:
        raise ValueError(
            f"Expected the inputs of one step of {cell.name!r} to have "
            "shape (batch_size, features), got "
            f"{tuple(input_shape)}. Sequences have shape (batch_size, "
            "time, features); flatten further axes into the last."
        )
    if input_shape[-1] is None:
        raise ValueError(
            f"Expected the last axis of the inputs of {cell.name!r} to be "
            f"known, got shape {tuple(input_shape)}. Give `keras.Input` "
            "a shape such as (None, features)."
        )


def check_units(units, name="units"):
    """Raises `ValueError` unless `units` is a positive integer."""
    check_positive_integer(
        name, units, "It is the width of the layer's output."
    )


def check_positive_integer(name, value, meaning):
    """Raises `ValueError`, with the meaning, unless a value is one."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(
            f"Expected `{name}` to be a positive integer, got {value!r}. "
            f"{meaning}"
        )


def check_fraction(name, value):
    """Raises `ValueError` unless `value` lies in [0, 1)."""
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not 0 <= value < 1:
        raise ValueError(
            f"Expected `{name}` to be a fraction from 0 to below 1, got "
            f"{value!r}. It is the share of values to drop in training."
        )


def check_flags(**flags):
    """Raises `ValueError` unless every argument is true or false."""
    for name, value in flags.items():
        if value not in (True, False):
            raise ValueError(
                f"Expected `{name}` to be True or False, got {value!r}. A "
                "string such as 'no' would count as true."
            )


def check_seed(seed):
    """Raises `ValueError` unless a seed is an integer or `None`."""
    integer = isinstance(seed, int) and not isinstance(seed, bool)
    if seed is not None and not integer:
        raise ValueError(
            f"Expected `seed` to be an integer, got {seed!r}. Leave it out "
            "for one drawn from `keras.utils.set_random_seed`."
        )


def check_epsilon(value):
    """Raises `ValueError` unless `norm_epsilon` is a positive number."""
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not 0 < value < float("inf"):
        raise ValueError(
            "Expected `norm_epsilon` to be a positive number, got "
            f"{value!r}. It is added to variances, such as 1e-3."
        )
