"""A layer that runs any cell over sequences."""

import functools

import keras
from keras import ops

from zoo.layers.attached_mask import attached_mask
from zoo.layers.inner_cell import cast_floats
from zoo.layers.inner_cell import check_cell
from zoo.layers.inner_cell import unroll_cell
from zoo.layers.recurrent_cell import check_flags


@keras.saving.register_keras_serializable(package="zoo")
class RNN(keras.layers.Layer):
    """Runs a cell over the time axis of its inputs.

    ```
    y_t, s_t = cell(x_t, s_{t-1})
    ```

    Outputs and states of the cell may be any nests of tensors of any rank. At
    a masked step the state is carried over and the outputs are zero, whatever
    the pattern of the mask and on every device.

    Args:
        cell: A cell of the zoo or of Keras: `cell(inputs, state)` returns
            `(outputs, new_state)`, and `cell.get_initial_state(batch_size)`
            the state to start from.
        return_sequences: If true, the outputs of all steps are returned, else
            those of the last real step.
        return_state: If true, the last state is returned too.
        go_backwards: If true, the steps are taken from the last to the first
            and the outputs are returned in the order taken.
        stateful: If true, a call starts with the state at which the call
            before it ended; needs a fixed batch size. See `reset_state`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        sequences: Shape `(batch_size, time, features)`, or a nest of such.
        initial_state: The state to start from; by default the cell's.
        mask: Boolean, shape `(batch_size, time)`, true at real steps. By
            default the mask that Keras attached to `sequences`.
        training: Whether dropout is on.

    Returns:
        The outputs, `(batch_size, time, units)` if `return_sequences` and
        else `(batch_size, units)`; with `return_state` a tuple of the outputs
        and each of the state's tensors. A row without a real step returns the
        initial state; its last output is zero if the cell's output is not its
        first state.

    Raises:
        ValueError: If `cell` is no cell, or one of Keras with dropout, if
            `initial_state` does not fit it, or if `stateful` meets an
            unknown batch size.

    Example:

    >>> import numpy as np
    >>> from zoo.layers import RNN, LSTMCell
    >>> layer = RNN(LSTMCell(4), return_sequences=True)
    >>> tuple(layer(np.ones((2, 5, 3), "float32")).shape)
    (2, 5, 4)
    """

    # whether the last output is the first tensor of the last state
    output_is_state = False

    def __init__(
        self,
        cell,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        **kwargs,
    ):
        check_cell(cell)
        check_flags(
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
        )
        super().__init__(**kwargs)
        self.cell = cell
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.supports_masking = True
        self.state = None

    def build(self, sequences_shape, initial_state_shape=None):
        step_shape = keras.tree.map_shape_structure(
            lambda shape: (shape[0], *shape[2:]), sequences_shape
        )
        if not self.cell.built:
            self.cell.build(step_shape)
            self.cell.built = True
        if self.stateful:
            batch_size = first_shape(sequences_shape)[0]
            if batch_size is None:
                raise ValueError(
                    "Expected a fixed batch size with `stateful=True`, got "
                    f"inputs of shape {sequences_shape}. Give "
                    "`keras.Input` a `batch_size`."
                )
            self.state = keras.tree.map_structure(
                lambda x: self.add_weight(
                    shape=x.shape,
                    dtype=x.dtype,
                    initializer="zeros",
                    trainable=False,
                    name="state",
                ),
                self.cell.get_initial_state(batch_size=batch_size),
            )

    def get_initial_state(self, batch_size):
        """The state that a call starts from by default."""
        return self.cell.get_initial_state(batch_size=batch_size)

    def reset_state(self):
        """Sets the state of a stateful layer back to zeros."""
        for variable in keras.tree.flatten(self.state or []):
            variable.assign(ops.zeros(variable.shape, variable.dtype))

    def call(self, sequences, initial_state=None, mask=None, training=False):
        mask = sequence_mask(sequences, mask)
        start = self._start_state(sequences, initial_state)
        outputs, state = unroll_cell(
            self.cell,
            sequences,
            start,
            mask=mask,
            reverse=self.go_backwards,
            training=training,
        )
        return self._results(outputs, state, mask)

    def _results(self, outputs, state, mask):
        """What a call returns, once the last state is kept if it is to be."""
        if self.stateful:
            for variable, x in zip(
                keras.tree.flatten(self.state),
                keras.tree.flatten(state),
                strict=True,
            ):
                variable.assign(x)
        if not self.return_sequences:
            outputs = self._last_outputs(outputs, state, mask)
        else:
            outputs = self._in_order_taken(outputs)
        # the layer's dtype need not be the cell's
        outputs = cast_floats(outputs, self.compute_dtype)
        if self.return_state:
            return (outputs, *keras.tree.flatten(state))
        return outputs

    def _in_order_taken(self, sequences):
        if not self.go_backwards:
            return sequences
        return keras.tree.map_structure(
            lambda x: ops.flip(x, axis=1), sequences
        )

    def _start_state(self, sequences, initial_state):
        if initial_state is None and self.stateful:
            # a copy: PyTorch writes the last state into the variable itself
            initial_state = keras.tree.map_structure(ops.copy, self.state)
        if initial_state is None:
            batch_size = ops.shape(keras.tree.flatten(sequences)[0])[0]
            return self.get_initial_state(batch_size)
        structure = self.get_initial_state(1)
        expected = keras.tree.flatten(structure)
        given = [
            ops.convert_to_tensor(x) for x in keras.tree.flatten(initial_state)
        ]
        shapes = [tuple(x.shape[1:]) for x in expected]
        given_shapes = [tuple(x.shape[1:]) for x in given]
        if given_shapes != shapes:
            raise ValueError(
                f"Expected `initial_state` of {self.name!r} to hold "
                f"{len(shapes)} tensors, of shapes {shapes} after the batch "
                f"axis, got {len(given_shapes)} of {given_shapes}. Its "
                "structure is that of `layer.get_initial_state(batch_size)`."
            )
        return keras.tree.pack_sequence_as(
            structure,
            [
                ops.cast(x, like.dtype)
                for x, like in zip(given, expected, strict=True)
            ],
        )

    def _last_outputs(self, outputs, state, mask):
        if self.output_is_state:
            return keras.tree.flatten(state)[0]
        if mask is None:
            last = 0 if self.go_backwards else -1
            return keras.tree.map_structure(lambda x: x[:, last], outputs)
        mask = ops.cast(ops.convert_to_tensor(mask), "bool")
        # the last real step in the order taken; none gives a row of zeros
        steps = ops.arange(ops.shape(mask)[1]) + 1
        if self.go_backwards:
            steps = ops.flip(steps, axis=0)
        order = ops.where(mask, steps, 0)
        last = ops.one_hot(ops.argmax(order, axis=1), ops.shape(mask)[1])
        last = ops.cast(last, "bool")

        def pick(x):
            chosen = ops.reshape(
                last, (*ops.shape(last), *(1,) * (len(x.shape) - 2))
            )
            return ops.sum(ops.where(chosen, x, ops.zeros_like(x)), axis=1)

        return keras.tree.map_structure(pick, outputs)

    def compute_mask(self, sequences, mask=None):
        mask = sequence_mask(sequences, mask)
        if not self.return_sequences:
            mask = None
        elif mask is not None:
            mask = self._in_order_taken(mask)
        if not self.return_state:
            return mask
        states = keras.tree.flatten(self.get_initial_state(1))
        return (mask, *(None for _ in states))

    def get_config(self):
        config = super().get_config()
        config.update(
            cell=keras.saving.serialize_keras_object(self.cell),
            return_sequences=self.return_sequences,
            return_state=self.return_state,
            go_backwards=self.go_backwards,
            stateful=self.stateful,
        )
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        config["cell"] = keras.saving.deserialize_keras_object(
            config["cell"], custom_objects
        )
        return cls(**config)


def sequence_mask(sequences, mask=None):
    """The mask of a call: as given, or as attached to the sequences.

    Keras hands a mask over only if `sequences` is the call's one tensor
    argument, so not beside an `initial_state`; of a nest of sequences it
    hands over a nest of masks.

    Args:
        sequences: Nest of tensors of shape `(batch_size, time, ...)`.
        mask: Boolean `(batch_size, time)`, a nest of such, or `None`.

    Returns:
        Boolean tensor of shape `(batch_size, time)`, true where all
        sequences are real, or `None`.
    """
    nested = keras.tree.is_nested(sequences)
    if mask is not None and not nested:
        return mask
    if mask is None:
        mask = [attached_mask(x) for x in keras.tree.flatten(sequences)]
    masks = [x for x in keras.tree.flatten(mask) if x is not None]
    return functools.reduce(ops.logical_and, masks) if masks else None


def first_shape(shape):
    """The first shape in a nest of shapes."""
    shapes = []
    keras.tree.map_shape_structure(shapes.append, shape)
    return shapes[0]


class CellLayer(RNN):
    """Base class of the layers that make a cell of their own.

    A subclass sets `cell_class`. Arguments that are not those of `RNN` go to
    the cell.
    """

    cell_class = None
    output_is_state = True

    def __init__(
        self,
        units,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        activity_regularizer=None,
        dtype=None,
        name=None,
        trainable=True,
        **kwargs,
    ):
        super().__init__(
            self.cell_class(units, dtype=dtype, name="cell", **kwargs),
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            activity_regularizer=activity_regularizer,
            dtype=dtype,
            name=name,
            trainable=trainable,
        )

    @property
    def units(self):
        """Width of the output."""
        return self.cell.units

    def get_config(self):
        config = super().get_config()
        cell_config = self.cell.get_config()
        for name in ("name", "dtype", "trainable"):
            del cell_config[name]
        del config["cell"]
        activity_regularizer = keras.regularizers.serialize(
            self.activity_regularizer
        )
        return {
            **config,
            **cell_config,
            "activity_regularizer": activity_regularizer,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)
