"""The decoder cell of GNMT: the bottom layer attends for all layers."""

import keras
from keras import ops

from zoo.layers.attention_cell_arguments import check_choice
from zoo.layers.attention_cell_state import AttentionCellState
from zoo.layers.attention_cell_state import output_part
from zoo.layers.attention_mechanism import check_known_depth
from zoo.layers.inner_cell import call_cell
from zoo.layers.inner_cell import check_cell
from zoo.layers.inner_cell import masks_of
from zoo.layers.inner_cell import output_size_of
from zoo.layers.inner_cell import unroll_cell
from zoo.layers.reading_cell import ReadingCell
from zoo.layers.reading_cell import build_cell
from zoo.layers.recurrent_cell import check_positive_integer
from zoo.ops.recurrent import unroll


@keras.saving.register_keras_serializable(package="zoo")
class GNMTCell(ReadingCell):
    """A stack of cells whose bottom one attends, for all of them.

    ```
    query="before" (the paper, the default)   query="after"

    c_t = attend(h_{t-1}^1, memory)           h_t^1 = cell_1([x_t; c_{t-1}])
    h_t^1 = cell_1([x_t; c_t])                c_t = attend(h_t^1, memory)

    h_t^l = cell_l([h_t^{l-1}; c_t]) (+ h_t^{l-1} if l >= residual_from)
    ```

    `x_t` is the input, `h_t^l` the output of layer `l`, `c_t` the context;
    the states of the cells are left out. The output is `h_t^L`, that of the
    top layer; as only the bottom one waits for the context, the others run
    over a whole sequence after it. `c_0` is zero.

    Wu et al., "Google's Neural Machine Translation System: Bridging the Gap
    between Human and Machine Translation" (2016),
    https://arxiv.org/abs/1609.08144: section 3 for the context, which is that
    of the bottom layer's output at the step before and goes to all layers;
    section 3.1 for the residual connections, which start from the
    third layer from the bottom (here without the context, which is no output
    of a layer). "after" is what https://github.com/tensorflow/nmt calls
    `gnmt_v2`; its `gnmt` is "before", save that its first context is zero.

    The score of the paper is a feedforward network with one hidden layer:
    `zoo.layers.BahdanauAttention`.

    Args:
        cells: List of at least two cells, bottom first, of the zoo or of
            Keras.
        attention: An attention mechanism, or a list of them, whose contexts
            are joined; see `zoo.layers.AttentionCell`.
        query: `"before"` or `"after"` the bottom cell.
        residual_from: Number of the first layer, counted from 1 at the
            bottom, whose output gets its input added; at least 2. `None`: no
            layer.
        attention_function: As for `zoo.layers.AttentionCell`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor of shape `(batch_size, features)`.
        state: `AttentionCellState` with leaves `(batch_size, ...)`; its `cell`
            is the list of the cells' states.
        memory: Tensor of shape `(memories, source_length, memory_depth)`,
            `batch_size` a multiple of `memories`.
        keys: What `project(memory)` returned.
        memory_mask: Boolean tensor of shape `(memories, source_length)`, true
            at real positions, or `None`.
        training: Whether the cells' dropout, and what a mechanism does in
            training only, is on.
        masks: Dropout masks of this sequence, from `dropout_masks`.

    Returns:
        Tuple `((output, alignments), state)`: tensors of shape `(batch_size,
        output_size)` and `(batch_size, source_length)`, and the state after
        this step.

    Raises:
        ValueError: If an argument is not one of those above, if a layer with
            a residual connection is not as wide as the one below, or tensors
            do not fit each other.

    Example:

    >>> import numpy as np
    >>> import zoo
    >>> cells = [zoo.layers.LSTMCell(5) for _ in range(4)]
    >>> decoder = zoo.layers.AttentionDecoder(
    ...     GNMTCell(cells, zoo.layers.BahdanauAttention(7))
    ... )
    >>> inputs = np.ones((2, 3, 4), "float32")
    >>> memory = np.ones((2, 8, 6), "float32")
    >>> outputs, alignments, state = decoder(inputs, memory)
    >>> tuple(outputs.shape), tuple(alignments.shape), len(state.cell)
    ((2, 3, 5), (2, 3, 8), 4)
    """

    def __init__(
        self,
        cells,
        attention,
        query="before",
        residual_from=3,
        attention_function=None,
        **kwargs,
    ):
        if not isinstance(cells, list | tuple) or len(cells) < 2:
            raise ValueError(
                "Expected `cells` to be a list of at least two cells, got "
                f"{cells!r}. A single one is a `zoo.layers.AttentionCell`."
            )
        for cell in cells:
            check_cell(cell)
        check_choice("query", query, ("before", "after"))
        check_residual_from(residual_from, cells)
        super().__init__(attention, attention_function, **kwargs)
        self.cells = list(cells)
        self.query = query
        self.residual_from = residual_from

    def build(self, inputs_shape, memory_shape):
        features = check_known_depth("inputs", inputs_shape)
        shapes = self.reader.each("memory", memory_shape)
        self._depths = [check_known_depth("memory", x) for x in shapes]
        for cell in self.cells:
            build_cell(cell, features + self.attention_size)
            features = output_size_of(cell)
        query_size = output_size_of(self.cells[0])
        if self.query == "before":
            query_size = output_part(self.cells[0].state_size)
        self.reader.build(query_size, shapes)

    @property
    def feeds_attention(self):
        """Whether the next step needs the context of this one."""
        return self.query == "after"

    @property
    def attention_size(self):
        """Width of the context, known once the cell is built."""
        if not hasattr(self, "_depths"):
            raise ValueError(
                f"The width of the context of {self.name!r} is that of the "
                "memory, which is not known before the cell is built. Call "
                "`build(inputs_shape, memory_shape)`."
            )
        return sum(self._depths)

    @property
    def output_size(self):
        """Width of the output."""
        return output_size_of(self.cells[-1])

    def initial_cell_state(self, batch_size):
        """States of the cells before the first step."""
        return [cell.get_initial_state(batch_size) for cell in self.cells]

    def call(
        self,
        inputs,
        state,
        memory,
        keys,
        memory_mask=None,
        training=False,
        masks=None,
    ):
        state = AttentionCellState(*state)
        masks = masks or [None] * len(self.cells)
        reading = memory, keys, memory_mask, training
        (h, context, alignments), bottom = self._attend(
            inputs,
            state._replace(cell=state.cell[0]),
            reading,
            masks[0],
        )
        cell_states = [bottom.cell]
        for i, cell in enumerate(self.cells[1:], start=1):
            below = ops.concatenate([h, context], axis=-1)
            output, new_state = call_cell(
                cell, below, state.cell[i], training, masks[i]
            )
            cell_states.append(new_state)
            h = output + h if self._is_residual(i) else output
        return (h, alignments), bottom._replace(cell=cell_states)

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
        """Runs the cell over whole sequences, as `ReadingCell.unroll`.

        Only the bottom layer walks step by step with the attention.
        """
        state = AttentionCellState(*initial_state)
        reading = memory, keys, memory_mask, training
        masks = masks_of(
            self.cells[0],
            ops.shape(inputs)[0],
            inputs.shape[-1] + self.attention_size,
            training,
        )

        def step(inputs_t, state):
            return self._attend(inputs_t, state, reading, masks)

        (h, context, alignments), bottom = unroll(
            step, inputs, state._replace(cell=state.cell[0]), mask=mask
        )
        cell_states = [bottom.cell]
        for i, cell in enumerate(self.cells[1:], start=1):
            below = ops.concatenate([h, context], axis=-1)
            output, new_state = unroll_cell(
                cell, below, state.cell[i], mask, training=training
            )
            cell_states.append(new_state)
            h = output + h if self._is_residual(i) else output
        return (h, alignments), bottom._replace(cell=cell_states)

    def dropout_masks(self, batch_size, features, training=False):
        """The dropout masks of one sequence, one entry a cell."""
        masks = []
        for cell in self.cells:
            width = features + self.attention_size
            masks.append(masks_of(cell, batch_size, width, training))
            features = output_size_of(cell)
        return masks

    def get_config(self):
        config = super().get_config()
        config.update(
            cells=[keras.saving.serialize_keras_object(x) for x in self.cells],
            query=self.query,
            residual_from=self.residual_from,
        )
        return config

    def _attend(self, inputs, state, reading, masks):
        """One step of the bottom layer, `state.cell` being its own state."""
        memory, keys, memory_mask, training = reading

        def read(query):
            contexts, *results = self.read(
                query,
                memory,
                keys,
                memory_mask,
                state.attention_state,
                training,
            )
            return ops.concatenate(contexts, axis=-1), *results

        fed = state.attention
        if self.query == "before":
            context, alignments, attention_state = read(output_part(state.cell))
            fed = context
        h, cell_state = call_cell(
            self.cells[0],
            ops.concatenate([inputs, fed], axis=-1),
            state.cell,
            training,
            masks,
        )
        if self.query == "after":
            context, alignments, attention_state = read(h)
        state = AttentionCellState(
            cell_state,
            context if self.feeds_attention else (),
            attention_state,
        )
        return (h, context, alignments), state

    def _is_residual(self, index):
        """Whether the cell of an index, from 0, gets its input added."""
        start = self.residual_from
        return start is not None and index + 1 >= start


def check_residual_from(start, cells):
    """Raises `ValueError` unless residual connections can start there."""
    if start is None:
        return
    check_positive_integer(
        "residual_from", start, "It is the number of a layer, from the bottom."
    )
    if start == 1:
        raise ValueError(
            "Expected `residual_from` to be at least 2, got 1: the bottom "
            "layer has no layer below whose output could be added."
        )
    for number in range(start, len(cells) + 1):
        below, size = (output_size_of(x) for x in cells[number - 2 : number])
        if below != size:
            raise ValueError(
                "Expected a layer with a residual connection to be as wide as "
                f"the one below, got {size} for layer {number} and {below} "
                "below. Give them the same width, or pass "
                "`residual_from=None`."
            )
