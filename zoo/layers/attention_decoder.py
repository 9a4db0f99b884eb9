"""A decoder: an attention cell over whole target sequences."""

import keras
from keras import ops

from zoo.layers.attached_mask import attached_mask
from zoo.layers.attention_cell_state import pack_state
from zoo.layers.attention_cell_state import same_nesting
from zoo.layers.reading_cell import ReadingCell
from zoo.layers.reading_cell import deserialize_all
from zoo.ops.attention import zero_padding


@keras.saving.register_keras_serializable(package="zoo")
class AttentionDecoder(keras.layers.Layer):
    """Runs an attention cell over sequences, or over one step of many beams.

    ```
    keys = project(memory)
    (y_t, a_t), s_t = cell(x_t, s_{t-1}, memory, keys)        t = 1 .. time
    ```

    Training calls the layer; search calls `step` with the same weights:

    ```
    keys = decoder.project(memory)
    state = decoder.get_initial_state(batch_size, memory, encoder_state)
    (output, alignments), state = decoder.step(
        inputs, state, memory, keys, memory_mask
    )
    ```

    With `input_feeding=False` (and the query after the cell) no step needs
    the attention of the one before: the inner cell runs over the whole
    sequence, and all steps attend in one batched product.

    At a masked step the state is carried over, and output and alignments are
    zero. What stands at the memory's padding is not used. The outputs and
    alignments carry the Keras mask of the inputs.

    Args:
        attention_cell: A `zoo.layers.AttentionCell` or `zoo.layers.GNMTCell`.
        output_layer: Keras layer that the outputs go through, such as
            `keras.layers.Dense(vocabulary)` for logits: those of all steps
            after the loop, in `step` those of one. It has to take any number
            of axes before the last. By default the outputs are the cell's.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor of shape `(batch_size, time, features)`.
        memory: Tensor of shape `(memories, source_length, memory_depth)`,
            `batch_size` a multiple of `memories`, in the usual case equal;
            consecutive rows share a memory. A list of tensors for a list of
            mechanisms.
        memory_mask: Boolean tensor of shape `(memories, source_length)`, true
            at real positions, any pattern, or a list. By default the Keras
            mask of `memory`, if it carries one.
        initial_state: State of the inner cell (for an LSTM `[h, c]`), such as
            an encoder's, or a full `AttentionCellState`, such as an earlier
            call returned. Zeros by default.
        mask: Boolean tensor of shape `(batch_size, time)`, true at real
            steps. By default the Keras mask of `inputs`, if they carry one.
        training: Whether the inner cell's dropout, and what a mechanism does
            in training only, is on.

    Returns:
        Tuple `(outputs, alignments, state)`: tensors of shape `(batch_size,
        time, output_size)`, where the size is that of the cell or of
        `output_layer`, and `(batch_size, time, source_length)`
        (alignments are a list for a list of mechanisms), and the
        `AttentionCellState` after the last real step. (As the output of a
        whole functional model, reloaded from a file, the state is a list.)

    Raises:
        ValueError: If `attention_cell` is none, or tensors do not fit.

    Example:

    >>> import numpy as np
    >>> import zoo
    >>> decoder = AttentionDecoder(
    ...     zoo.layers.AttentionCell(
    ...         zoo.layers.LSTMCell(5), zoo.layers.BahdanauAttention(7)
    ...     )
    ... )
    >>> inputs = np.ones((2, 3, 4), "float32")
    >>> memory = np.ones((2, 8, 6), "float32")
    >>> outputs, alignments, state = decoder(inputs, memory)
    >>> tuple(outputs.shape), tuple(alignments.shape)
    ((2, 3, 6), (2, 3, 8))
    >>> h, c = state.cell
    >>> tuple(h.shape)
    (2, 5)
    """

    def __init__(self, attention_cell, output_layer=None, **kwargs):
        if not isinstance(attention_cell, ReadingCell):
            raise ValueError(
                "Expected `attention_cell` to be a `zoo.layers.AttentionCell` "
                f"or `zoo.layers.GNMTCell`, got {attention_cell!r}. Wrap a "
                "cell and a mechanism: "
                "`AttentionCell(LSTMCell(units), LuongAttention())`."
            )
        is_layer = isinstance(output_layer, keras.layers.Layer)
        if output_layer is not None and not is_layer:
            raise ValueError(
                "Expected `output_layer` to be a Keras layer, got "
                f"{output_layer!r}. For logits, give "
                "`keras.layers.Dense(vocabulary)`."
            )
        super().__init__(**kwargs)
        self.attention_cell = attention_cell
        self.output_layer = output_layer

    def build(self, inputs_shape, memory_shape):
        if not self.attention_cell.built:
            self.attention_cell.build(
                (inputs_shape[0], inputs_shape[-1]), memory_shape
            )
        if self.output_layer is not None and not self.output_layer.built:
            size = self.attention_cell.output_size
            self.output_layer.build((*inputs_shape[:-1], size))

    def project(self, memory):
        """Turns a memory into keys, once for all steps.

        Args:
            memory: Tensor `(batch_size, source_length, memory_depth)`, or a
                list of them for a list of mechanisms.

        Returns:
            The keys, a list if `memory` is one.
        """
        return self.attention_cell.project(memory)

    def get_initial_state(self, batch_size, memory=None, initial_state=None):
        """State before the first step.

        Args:
            batch_size: Number of rows, an integer or a scalar tensor.
            memory: The memory; needed only by a mechanism whose state depends
                on its length.
            initial_state: As in a call.

        Returns:
            An `AttentionCellState`.
        """
        cell = self.attention_cell
        state = cell.get_initial_state(batch_size, memory)
        if initial_state is None:
            return state
        if same_nesting(initial_state, state):
            return pack_state(initial_state, state)
        return cell.get_initial_state(batch_size, memory, initial_state)

    def step(
        self, inputs, state, memory, keys, memory_mask=None, training=False
    ):
        """Decodes one step.

        The beams of a sentence share its memory: with `inputs` and `state`
        for `beams` rows a sentence, consecutive, memory, keys and mask stay
        as they are, `batch_size` rows, and are not copied.

        Args:
            inputs: Tensor `(batch_size * beams, features)`.
            state: An `AttentionCellState` with leaves
                `(batch_size * beams, ...)`.
            memory: Tensor `(batch_size, source_length, memory_depth)`.
            keys: What `project(memory)` returned.
            memory_mask: Boolean `(batch_size, source_length)`, true at real
                positions, or `None`.
            training: Whether the inner cell's dropout, and what a mechanism
                does in training only, is on.

        Returns:
            Tuple `((output, alignments), state)`: tensors
            `(batch_size * beams, output_size)`, through `output_layer` if
            there is one, and `(batch_size * beams,
            source_length)`, and the new state.
        """
        (output, alignments), state = self.attention_cell(
            inputs, state, memory, keys, memory_mask, training=training
        )
        if self.output_layer is not None:
            output = self.output_layer(output)
        return (output, alignments), state

    def __call__(
        self,
        inputs,
        memory,
        memory_mask=None,
        initial_state=None,
        mask=None,
        **kwargs,
    ):
        # By name: Keras sets a mask that is None, and fails on one by position.
        return super().__call__(
            inputs,
            memory,
            memory_mask=memory_mask,
            initial_state=initial_state,
            mask=mask,
            **kwargs,
        )

    def call(
        self,
        inputs,
        memory,
        memory_mask=None,
        initial_state=None,
        mask=None,
        training=False,
    ):
        if mask is None:
            mask = attached_mask(inputs)
        memory, memory_mask = self.attention_cell.reader.prepare(
            memory, memory_mask
        )
        state = self.get_initial_state(
            ops.shape(inputs)[0], memory, initial_state
        )
        (outputs, alignments), state = self.attention_cell.unroll(
            inputs,
            state,
            memory,
            self.project(memory),
            memory_mask,
            mask,
            training,
        )
        if self.output_layer is not None:
            outputs = zero_padding(self.output_layer(outputs), mask)
        return outputs, alignments, state

    def compute_mask(self, inputs, previous_mask=None):
        # For the outputs and the alignments; the state has none.
        count = 1 + len(self.attention_cell.reader.mechanisms)
        return [previous_mask] * count

    def get_config(self):
        config = super().get_config()
        for name in ("attention_cell", "output_layer"):
            config[name] = keras.saving.serialize_keras_object(
                getattr(self, name)
            )
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**deserialize_all(config, custom_objects))
