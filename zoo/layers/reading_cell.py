"""What cells that attend to a memory have in common."""

import keras
from keras import ops

from zoo.layers.attention_cell_state import AttentionCellState
from zoo.layers.attention_cell_state import pack_state
from zoo.layers.inner_cell import cast_floats
from zoo.layers.memory_reader import MemoryReader
from zoo.ops.recurrent import unroll


class ReadingCell(keras.layers.Layer):
    """Base class of cells that attend to a memory at every step.

    A subclass implements `build(inputs_shape, memory_shape)`, `call(inputs,
    state, memory, keys, memory_mask, training, masks) -> ((output,
    alignments), state)`, `initial_cell_state`, `dropout_masks` and the
    properties `feeds_attention`, `attention_size` and `output_size`.
    `zoo.layers.AttentionDecoder` runs any such cell.

    Args:
        attention: An attention mechanism, or a list of them.
        attention_function: What is called in place of a mechanism's `attend`,
            or `None`.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, attention, attention_function=None, **kwargs):
        reader = MemoryReader(attention, attention_function)
        super().__init__(**kwargs)
        self.attention = attention
        self.attention_function = attention_function
        self.reader = reader

    def project(self, memory):
        """Turns a memory into keys, once for all steps.

        Args:
            memory: Tensor `(batch_size, source_length, memory_depth)`, or a
                list of them for a list of mechanisms.

        Returns:
            The keys, a list if `memory` is one.
        """
        return self.reader.project(memory)

    def read(self, query, memory, keys, mask, state, training=False):
        """Asks the mechanisms, as `MemoryReader.read`, in the cell's dtype."""
        contexts, alignments, state = self.reader.read(
            query, memory, keys, mask, state, training
        )
        contexts, alignments = cast_floats(
            (contexts, alignments), self.compute_dtype
        )
        return contexts, alignments, state

    def get_initial_state(
        self, batch_size=None, memory=None, initial_cell_state=None
    ):
        """State before the first step.

        Args:
            batch_size: Number of rows, an integer or a scalar tensor.
            memory: The memory; needed only by a mechanism whose state depends
                on its length.
            initial_cell_state: State of the inner cell, zeros by default.

        Returns:
            An `AttentionCellState`.

        Raises:
            ValueError: If the cell is not built, or `initial_cell_state` does
                not fit the inner cell.
        """
        # a call casts to the cell's dtype whatever state it is given
        cell_state = cast_floats(
            self.initial_cell_state(batch_size), self.compute_dtype
        )
        if initial_cell_state is not None:
            cell_state = pack_state(initial_cell_state, cell_state)
        attention = ()
        if self.feeds_attention:
            shape = (batch_size, self.attention_size)
            attention = ops.zeros(shape, dtype=self.compute_dtype)
        return AttentionCellState(
            cell_state,
            attention,
            self.reader.get_initial_state(batch_size, memory),
        )

    def unroll(
        self,
        inputs,
        initial_state,
        memory,
        keys,
        memory_mask=None,
        mask=None,
        training=False,
    ):
        """Runs the cell over whole sequences.

        Args:
            inputs: Shape `(batch_size, time, features)`.
            initial_state: An `AttentionCellState`.
            memory: As in a call.
            keys: What `project(memory)` returned.
            memory_mask: As in a call.
            mask: Boolean, `(batch_size, time)`, true at real steps.
            training: Whether what is done in training only is on.

        Returns:
            Tuple `((outputs, alignments), state)`, with a time axis after the
            batch, zero at masked steps, and the last state.
        """
        masks = self.dropout_masks(
            ops.shape(inputs)[0], inputs.shape[-1], training
        )

        def step(inputs_t, state):
            return self(
                inputs_t,
                state,
                memory,
                keys,
                memory_mask,
                training=training,
                masks=masks,
            )

        return unroll(step, inputs, initial_state, mask=mask)

    def __call__(self, inputs, state, memory, keys, memory_mask=None, **kwargs):
        # By name: Keras sets a mask that is None, and fails on one by position.
        return super().__call__(
            inputs, state, memory, keys, memory_mask=memory_mask, **kwargs
        )

    def compute_mask(self, inputs, previous_mask=None):
        return None

    def get_config(self):
        config = super().get_config()
        config["attention"] = self.reader.all(
            [
                keras.saving.serialize_keras_object(x)
                for x in self.reader.mechanisms
            ]
        )
        config["attention_function"] = serialize_callable(
            "attention_function", self.attention_function
        )
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**deserialize_all(config, custom_objects))


def build_cell(cell, features):
    """Builds a cell for inputs of some width, unless it is built."""
    if not cell.built:
        cell.build((None, features))
        cell.built = True


def serialize_callable(name, value):
    """Config of a layer or a function; `None` stays `None`.

    Args:
        name: The argument's name, for the error.
        value: A Keras layer, a registered function, or `None`.

    Raises:
        ValueError: If `value` is a function that could not be found again.
    """
    if value is None:
        return None
    if not isinstance(value, keras.Operation):
        registered = keras.saving.get_registered_name(value)
        if keras.saving.get_registered_object(registered) is not value:
            raise ValueError(
                f"Expected `{name}` to be a Keras layer or a function that is "
                "registered with `keras.saving.register_keras_serializable`, "
                f"got {value!r}: it could not be found again when the cell is "
                "loaded. Register it; a lambda needs a name first."
            )
    return keras.saving.serialize_keras_object(value)


def deserialize_all(config, custom_objects=None):
    """A copy of a config with its layers and functions made from theirs."""

    def revive(value):
        if isinstance(value, list | tuple):
            return [revive(x) for x in value]
        if isinstance(value, dict) and "class_name" in value:
            return keras.saving.deserialize_keras_object(value, custom_objects)
        return value

    return {name: revive(value) for name, value in config.items()}
