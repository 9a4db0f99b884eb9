"""A recurrent cell that attends to a memory at every step."""

import keras
from keras import ops

from zoo.layers.attention_cell_arguments import call_by_rows
from zoo.layers.attention_cell_arguments import check_attention_layer
from zoo.layers.attention_cell_arguments import check_attention_units
from zoo.layers.attention_cell_arguments import check_choice
from zoo.layers.attention_cell_arguments import check_input_function
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
from zoo.layers.reading_cell import serialize_callable
from zoo.layers.recurrent_cell import check_flags
from zoo.ops.attention import project
from zoo.ops.attention import zero_padding


@keras.saving.register_keras_serializable(package="zoo")
class AttentionCell(ReadingCell):
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
            each mechanism. `None`: the attention is the context, or what
            `attention_layer` makes of it.
        attention_activation: Activation of the attention, name or callable;
            needs `attention_units`.
        use_bias: Whether to add `attention_bias`; needs `attention_units`.
        input_feeding: Whether what was read enters the cell.
        query: `"after"` or `"before"` the cell.
        output: What the cell outputs: `"attention"`, or `"cell"`, the output
            of the inner cell.
        attention_layer: Keras layer that makes the attention from `[h_t;
            c_t]`, in place of `attention_units`, or a list with one layer for
            each mechanism. It is called with two axes.
        input_function: What makes the inner cell's input from `x_t` and what
            is fed to it: a Keras layer or a function `(inputs, attention) ->
            inputs` of tensors with two axes. By default it is `[x_t; a_{t-1}]`
            or `[x_t; c_t]`, as above. Needs `input_feeding`.
        attention_function: Function `(mechanism, query, keys, memory, mask,
            state, training) -> context, alignments, state` that is called in
            place of `mechanism.attend`, whose arguments and results it has:
            `query` of shape `(memories, queries, query_depth)`, a context as
            wide as the memory. By default `mechanism.attend` itself. To be
            saved, it and `input_function` must be registered with
            `keras.saving.register_keras_serializable`.
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
        attention_layer=None,
        input_function=None,
        attention_function=None,
        **kwargs,
    ):
        check_cell(cell)
        count = len(attention) if isinstance(attention, list | tuple) else 1
        check_attention_units(attention_units, count)
        check_attention_layer(attention_layer, count, attention_units)
        activation = keras.activations.get(attention_activation)
        transforms = use_bias or activation is not keras.activations.linear
        if attention_units is None and transforms:
            raise ValueError(
                "Expected `attention_units` with `use_bias` or "
                "`attention_activation`, got None: they belong to a kernel. "
                "Give its width."
            )
        check_flags(use_bias=use_bias, input_feeding=input_feeding)
        check_choice("query", query, ("after", "before"))
        check_choice("output", output, ("attention", "cell"))
        if input_function is not None:
            check_input_function(input_function, input_feeding)
        super().__init__(attention, attention_function, **kwargs)
        self.cell = cell
        self.attention_units = attention_units
        self.attention_activation = activation
        self.use_bias = use_bias
        self.input_feeding = input_feeding
        self.query = query
        # `Layer.output` is taken.
        self.output_kind = output
        self.attention_layer = attention_layer
        self.input_function = input_function

    def build(self, inputs_shape, memory_shape):
        features = check_known_depth("inputs", inputs_shape)
        shapes = self.reader.each("memory", memory_shape)
        depths = [check_known_depth("memory", x) for x in shapes]
        joined = [output_size_of(self.cell) + depth for depth in depths]
        self._attention_sizes = self._sizes_of_attention(joined, depths)
        fed = sum(depths) if self.query == "before" else self.attention_size
        self._cell_features = self._width_of_inputs(features, fed)
        build_cell(self.cell, self._cell_features)
        query_size = output_size_of(self.cell)
        if self.query == "before":
            query_size = output_part(self.cell.state_size)
        self.reader.build(query_size, shapes)
        self.attention_kernel = None
        self.attention_bias = None
        if self.attention_units is not None:
            kernels = [
                self.add_weight(shape, name="attention_kernel")
                for shape in zip(joined, self._attention_sizes, strict=True)
            ]
            self.attention_kernel = self.reader.all(kernels)
        if self.use_bias:
            biases = [
                self.add_weight(
                    (size,), name="attention_bias", initializer="zeros"
                )
                for size in self._attention_sizes
            ]
            self.attention_bias = self.reader.all(biases)

    def _sizes_of_attention(self, joined, depths):
        """Width of each attention; builds `attention_layer`."""
        if self.attention_units is not None:
            units = self.attention_units
            several = isinstance(units, list | tuple)
            return list(units) if several else [units] * len(depths)
        if self.attention_layer is None:
            return depths
        sizes = []
        layers = self.reader.each("attention_layer", self.attention_layer)
        for layer, width in zip(layers, joined, strict=True):
            if not layer.built:
                layer.build((None, width))
            sizes.append(layer.compute_output_shape((None, width))[-1])
        return sizes

    def _width_of_inputs(self, features, fed):
        """Width of what enters the inner cell; builds `input_function`."""
        if not self.input_feeding:
            return features
        if self.input_function is None:
            return features + fed
        result = self.input_function(
            *(
                keras.KerasTensor((None, width), dtype=self.compute_dtype)
                for width in (features, fed)
            )
        )
        shape = tuple(getattr(result, "shape", ()))
        if len(shape) != 2 or shape[-1] is None:
            raise ValueError(
                "Expected `input_function` to return one tensor (batch_size, "
                f"features) of a known width, got {result}. Join the inputs "
                "and the attention, `(batch_size, features)` each, with "
                "`keras.ops` or a Keras layer."
            )
        return shape[-1]

    @property
    def feeds_attention(self):
        """Whether the next step needs the attention of this one."""
        return self.input_feeding and self.query == "after"

    @property
    def attention_size(self):
        """Width of the attention, known once the cell is built."""
        if not hasattr(self, "_attention_sizes"):
            raise ValueError(
                f"The width of the attention of {self.name!r} may be that of "
                "the memory, which is not known before the cell is built. "
                "Call `build(inputs_shape, memory_shape)`."
            )
        return sum(self._attention_sizes)

    @property
    def output_size(self):
        """Width of the output, known once the cell is built."""
        if self.output_kind == "cell":
            return output_size_of(self.cell)
        return self.attention_size

    def initial_cell_state(self, batch_size):
        """State of the inner cell before the first step."""
        return self.cell.get_initial_state(batch_size=batch_size)

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
            return self.read(
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
            inputs = self._feed(inputs, fed)
        h, cell_state = call_cell(
            self.cell, inputs, state.cell, training, masks
        )
        if self.query == "after":
            reading = read(h)
        contexts, alignments, attention_state = reading
        output, attention = self.combine(h, contexts)
        new_state = AttentionCellState(
            cell_state,
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
        if self.attention_layer is not None:
            layers = self.reader.each("attention_layer", self.attention_layer)
            attentions = [
                call_by_rows(layer, ops.concatenate([h, context], -1))
                for context, layer in zip(contexts, layers, strict=True)
            ]
        if self.attention_units is not None:
            weights = (
                self.reader.each("attention_kernel", self.attention_kernel),
                self.reader.each("attention_bias", self.attention_bias),
            )
            attentions = [
                self._attention(ops.concatenate([h, context], -1), *weight)
                for context, *weight in zip(contexts, *weights, strict=True)
            ]
        # a layer may have another dtype, and so has, in a functional model on
        # PyTorch, a product with a weight
        attentions = [ops.cast(x, self.compute_dtype) for x in attentions]
        attention = ops.concatenate(attentions, axis=-1)
        return (h if self.output_kind == "cell" else attention), attention

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

        Where no step needs what the step before it has read, the inner cell
        runs over the whole sequence, and all steps attend in one product.
        """
        state = initial_state
        looks_back = keras.tree.flatten(state.attention_state)
        if self.input_feeding or self.query == "before" or looks_back:
            return super().unroll(
                inputs, state, memory, keys, memory_mask, mask, training
            )
        h, cell_state = unroll_cell(
            self.cell, inputs, state.cell, mask, training=training
        )
        contexts, alignments, _ = self.read(
            h, memory, keys, memory_mask, state.attention_state, training
        )
        output, _ = self.combine(h, contexts)
        outputs = keras.tree.map_structure(
            lambda x: zero_padding(x, mask), (output, alignments)
        )
        return outputs, state._replace(cell=cell_state)

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
        return masks_of(self.cell, batch_size, self._cell_features, training)

    def get_config(self):
        layer = self.attention_layer
        if layer is not None:
            layer = self.reader.all(
                [
                    keras.saving.serialize_keras_object(x)
                    for x in self.reader.each("attention_layer", layer)
                ]
            )
        config = super().get_config()
        config.update(
            cell=keras.saving.serialize_keras_object(self.cell),
            attention_units=self.attention_units,
            attention_activation=keras.activations.serialize(
                self.attention_activation
            ),
            use_bias=self.use_bias,
            input_feeding=self.input_feeding,
            query=self.query,
            output=self.output_kind,
            attention_layer=layer,
            input_function=serialize_callable(
                "input_function", self.input_function
            ),
        )
        return config

    def _feed(self, inputs, fed):
        """What enters the inner cell."""
        if self.input_function is None:
            return ops.concatenate([inputs, *fed], axis=-1)
        return self.input_function(inputs, ops.concatenate(fed, axis=-1))

    def _attention(self, joined, kernel, bias):
        attention = project(joined, kernel)
        if bias is not None:
            attention = attention + bias
        return self.attention_activation(attention)
