"""A recurrent cell that attends to a memory at every step."""

import keras
from keras import ops

from zoo.layers.attention_cell_state import AttentionCellState
from zoo.layers.attention_cell_state import output_part
from zoo.layers.attention_cell_state import pack_state
from zoo.layers.attention_mechanism import check_known_depth
from zoo.layers.memory_reader import MemoryReader
from zoo.layers.recurrent_cell import check_cell
from zoo.layers.recurrent_cell import check_flags
from zoo.layers.recurrent_cell import check_units
from zoo.ops.attention import project


@keras.saving.register_keras_serializable(package="zoo")
class AttentionCell(keras.layers.Layer):
    """A recurrent cell whose output is joined with what it read from a memory.

    ```
    query="after" (Luong, the default)      query="before" (Bahdanau)

    h_t, s_t = cell([x_t; a_{t-1}], s_{t-1})    c_t = attend(h_{t-1}, memory)
    c_t = attend(h_t, memory)                   h_t, s_t = cell([x_t; c_t],
                                                                s_{t-1})
    a_t = f([h_t; c_t] W + b)                   a_t = f([h_t; c_t] W + b)
    ```

    `x_t` is the input, `s_t` the state of the inner cell and `h_t` its
    output, `c_t` the context, `a_t` the attention, `W` is `attention_kernel`,
    `b` is `attention_bias`, `f` is `attention_activation`. Without
    `attention_units`, `a_t = c_t`. Without `input_feeding` the cell sees
    `x_t` alone. `a_0` is zero.

    "before" is the decoder of Bahdanau, Cho & Bengio, "Neural Machine
    Translation by Jointly Learning to Align and Translate" (2015),
    https://arxiv.org/abs/1409.0473, section 3.1. There the query is the output
    in the previous state: the first tensor of the state, of the last cell if
    several are stacked. "after" is the decoder of Luong, Pham & Manning,
    "Effective Approaches to Attention-based Neural Machine Translation"
    (2015), https://aclanthology.org/D15-1166, Eq. 5 and section 3.3, with
    `attention_activation="tanh"`; linear, it is TensorFlow Addons'
    AttentionWrapper.

    The memory is an argument of every call, and `keys = project(memory)` is
    computed once. The batch size of the inputs may be a multiple of the
    memory's, as in beam search: consecutive rows then share a memory, which is
    not copied.

    Args:
        cell: Inner cell: `cell(inputs, state) -> (output, state)`, of the zoo
            or of Keras, `StackedRNNCells` included.
        attention: An attention mechanism, or a list of them. Memory, keys,
            mask and alignments are then lists too, and the attentions of all
            are joined.
        attention_units: Width of the attention, or a list with one width for
            each mechanism. `None`: the attention is the context.
        attention_activation: Activation of the attention, name or callable;
            needs `attention_units`.
        use_bias: Whether to add `attention_bias`; needs `attention_units`.
        input_feeding: Whether what was read enters the cell.
        query: `"after"` or `"before"` the cell.
        output: What the cell outputs: `"attention"`, or `"cell"`, the output
            of the inner cell.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor of shape `(batch_size, features)`.
        state: `AttentionCellState` with leaves `(batch_size, ...)`.
        memory: Tensor of shape `(memories, source_length, memory_depth)`,
            `batch_size` a multiple of `memories`.
        keys: What `project(memory)` returned.
        memory_mask: Boolean tensor of shape `(memories, source_length)`, true
            at real positions, or `None`.
        training: Whether the inner cell's dropout, and what a mechanism does
            in training only, is on.
        masks: Dropout masks of this sequence, for a cell of the zoo that
            drew them; see `zoo.layers.LSTMCell`.

    Returns:
        Tuple `((output, alignments), state)`: tensors of shape `(batch_size,
        output_size)` and `(batch_size, source_length)`, and the state after
        this step.

    Raises:
        ValueError: If an argument is not one of those above, or tensors do
            not fit each other.

    Example:

    >>> import numpy as np
    >>> import zoo
    >>> cell = AttentionCell(
    ...     zoo.layers.LSTMCell(5), zoo.layers.LuongAttention(),
    ...     attention_units=7, attention_activation="tanh",
    ... )
    >>> memory = np.ones((2, 4, 6), "float32")
    >>> cell.build((2, 3), memory.shape)
    >>> keys = cell.project(memory)
    >>> state = cell.get_initial_state(batch_size=2)
    >>> (output, alignments), state = cell(
    ...     np.ones((2, 3), "float32"), state, memory, keys
    ... )
    >>> tuple(output.shape), tuple(alignments.shape)
    ((2, 7), (2, 4))
    """

    def __init__(
        self,
        cell,
        attention,
        attention_units=None,
        attention_activation=None,
        use_bias=False,
        input_feeding=True,
        query="after",
        output="attention",
        **kwargs,
    ):
        check_cell(cell)
        reader = MemoryReader(attention)
        check_attention_units(attention_units, len(reader.mechanisms))
        activation = keras.activations.get(attention_activation)
        transforms = use_bias or activation is not keras.activations.linear
        if attention_units is None and transforms:
            raise ValueError(
                "Expected `attention_units` with `use_bias` or "
                "`attention_activation`, got None: without a kernel the "
                "attention is the context itself. Give its width."
            )
        check_flags(use_bias=use_bias, input_feeding=input_feeding)
        check_choice("query", query, ("after", "before"))
        check_choice("output", output, ("attention", "cell"))
        super().__init__(**kwargs)
        self.cell = cell
        self.attention = attention
        self.attention_units = attention_units
        self.attention_activation = activation
        self.use_bias = use_bias
        self.input_feeding = input_feeding
        self.query = query
        # `Layer.output` is taken.
        self.output_kind = output
        self.reader = reader

    def build(self, inputs_shape, memory_shape):
        features = check_known_depth("inputs", inputs_shape)
        shapes = self.reader.each("memory", memory_shape)
        self._depths = tuple(check_known_depth("memory", x) for x in shapes)
        output_size = self._cell_output_size()
        query_size = output_size
        if self.query == "before":
            query_size = output_part(self.cell.state_size)
        if not self.cell.built:
            self.cell.build((inputs_shape[0], self._cell_features(features)))
            self.cell.built = True
        for mechanism, shape in zip(
            self.reader.mechanisms, shapes, strict=True
        ):
            if not mechanism.built:
                mechanism.build((inputs_shape[0], query_size), shape)
        sizes = self._attention_sizes()
        self.attention_kernel = None
        self.attention_bias = None
        if self.attention_units is not None:
            kernels = [
                self.add_weight(
                    (output_size + depth, size), name="attention_kernel"
                )
                for depth, size in zip(self._depths, sizes, strict=True)
            ]
            self.attention_kernel = self.reader.all(kernels)
        if self.use_bias:
            biases = [
                self.add_weight(
                    (size,), name="attention_bias", initializer="zeros"
                )
                for size in sizes
            ]
            self.attention_bias = self.reader.all(biases)

    @property
    def feeds_attention(self):
        """Whether the next step needs the attention of this one."""
        return self.input_feeding and self.query == "after"

    @property
    def attention_size(self):
        """Width of the attention, known once the cell is built."""
        return sum(self._attention_sizes())

    @property
    def output_size(self):
        """Width of the output, known once the cell is built."""
        if self.output_kind == "cell":
            return self._cell_output_size()
        return self.attention_size

    def project(self, memory):
        """Turns a memory into keys, once for all steps.

        Args:
            memory: Tensor `(batch_size, source_length, memory_depth)`, or a
                list of them for a list of mechanisms.

        Returns:
            The keys, a list if `memory` is one.
        """
        return self.reader.project(memory)

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
        cell_state = self.cell.get_initial_state(batch_size=batch_size)
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

    def __call__(self, inputs, state, memory, keys, memory_mask=None, **kwargs):
        # By name: Keras sets a mask that is None, and fails on one by position.
        return super().__call__(
            inputs, state, memory, keys, memory_mask=memory_mask, **kwargs
        )

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

        def read(query):
            return self.reader.read(
                query,
                memory,
                keys,
                memory_mask,
                state.attention_state,
                training,
            )

        fed = [state.attention]
        if self.query == "before":
            reading = read(output_part(state.cell))
            fed = reading[0]
        if self.input_feeding:
            inputs = ops.concatenate([inputs, *fed], axis=-1)
        arguments = {} if masks is None else {"masks": masks}
        h, cell_state = self.cell(
            inputs, state.cell, training=training, **arguments
        )
        if self.query == "after":
            reading = read(h)
        contexts, alignments, attention_state = reading
        output, attention = self.combine(h, contexts)
        new_state = AttentionCellState(
            pack_state(cell_state, state.cell),
            attention if self.feeds_attention else (),
            attention_state,
        )
        return (output, alignments), new_state

    def combine(self, h, contexts):
        """Joins what the inner cell put out with what was read.

        Args:
            h: Output of the inner cell, `(..., units)`.
            contexts: List of contexts, `(..., memory_depth)`, one for each
                mechanism.

        Returns:
            Tuple of the output and the attention, `(..., output_size)` and
            `(..., attention_size)`.
        """
        attentions = contexts
        if self.attention_units is not None:
            weights = (
                self.reader.each("attention_kernel", self.attention_kernel),
                self.reader.each("attention_bias", self.attention_bias),
            )
            attentions = [
                self._attention(ops.concatenate([h, context], -1), *weight)
                for context, *weight in zip(contexts, *weights, strict=True)
            ]
        attention = ops.concatenate(attentions, axis=-1)
        return (h if self.output_kind == "cell" else attention), attention

    def dropout_masks(self, batch_size, features, training=False):
        """Draws the inner cell's dropout masks of one sequence.

        Args:
            batch_size: Number of rows, an integer or a scalar tensor.
            features: Width of the inputs.
            training: If false, nothing is dropped.

        Returns:
            The `masks` for every call of the sequence; `None` for a cell that
            has no such masks.
        """
        if not hasattr(self.cell, "dropout_masks"):
            return None
        features = self._cell_features(features)
        return self.cell.dropout_masks(batch_size, features, training)

    def compute_mask(self, inputs, previous_mask=None):
        return None

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        config = super().get_config()
        config.update(
            cell=serialize(self.cell),
            attention=self.reader.all(
                [serialize(x) for x in self.reader.mechanisms]
            ),
            attention_units=self.attention_units,
            attention_activation=keras.activations.serialize(
                self.attention_activation
            ),
            use_bias=self.use_bias,
            input_feeding=self.input_feeding,
            query=self.query,
            output=self.output_kind,
        )
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        for name in ("cell", "attention"):
            config[name] = keras.saving.deserialize_keras_object(
                config[name], custom_objects
            )
        return cls(**config)

    def _attention_sizes(self):
        units = self.attention_units
        if isinstance(units, list | tuple):
            return list(units)
        if units is not None:
            return [units] * len(self.reader.mechanisms)
        if not hasattr(self, "_depths"):
            raise ValueError(
                f"The width of the attention of {self.name!r} is that of the "
                "memory, which is not known before the cell is built. Call "
                "`build(inputs_shape, memory_shape)`."
            )
        return list(self._depths)

    def _cell_output_size(self):
        size = getattr(self.cell, "output_size", None)
        return output_part(self.cell.state_size) if size is None else size

    def _cell_features(self, features):
        """Width of what enters the inner cell."""
        if not self.input_feeding:
            return features
        if self.query == "before":
            return features + sum(self._depths)
        return features + self.attention_size

    def _attention(self, joined, kernel, bias):
        attention = project(joined, kernel)
        if bias is not None:
            attention = attention + bias
        return self.attention_activation(attention)


def check_attention_units(units, count):
    """Raises `ValueError` unless `attention_units` fits the mechanisms."""
    several = isinstance(units, list | tuple)
    if several and len(units) != count:
        raise ValueError(
            "Expected `attention_units` to be one width, or a list with one "
            f"for each of {count} mechanisms, got {units!r}."
        )
    for width in units if several else [units]:
        if several or width is not None:
            check_units(width, "attention_units")


def check_choice(name, value, choices):
    """Raises `ValueError` unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(
            f"Expected `{name}` to be one of "
            f"{', '.join(map(repr, choices))}, got {value!r}."
        )
