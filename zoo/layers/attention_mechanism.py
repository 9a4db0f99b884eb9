"""What all attention mechanisms have in common."""

import keras
from keras import ops

from zoo.layers.attached_mask import attached_mask
from zoo.layers.kernels import add_kernel
from zoo.ops.attention import HALF
from zoo.ops.attention import hardmax
from zoo.ops.attention import masked_softmax
from zoo.ops.attention import zero_padding
from zoo.ops.recurrent import unroll
from zoo.ops.sparsemax import sparsemax

PROBABILITIES = {
    "softmax": masked_softmax,
    "hardmax": hardmax,
    "sparsemax": sparsemax,
}


class AttentionMechanism(keras.layers.Layer):
    """Base class of attention: a query reads a memory.

    ```
    k_s = project(memory)_s             keys, once per memory
    e_s = compute_scores(query, k_s)    scores
    a_s = probability(e, mask)_s        alignments
    context = sum_s a_s memory_s
    ```

    A mechanism holds weights, never a memory: memory, keys, mask and state
    are arguments. It is used as a layer, `mechanism(query, memory, mask=...)`,
    or step by step, with the keys projected once:

    ```
    keys = mechanism.project(memory)
    context, alignments, state = mechanism.attend(
        query, keys, memory, mask, state
    )
    ```

    A subclass creates its weights in `build` and implements `compute_scores`,
    and `project` if the keys are not the memory itself. A mechanism that looks
    back at earlier steps (at its last alignments, say) returns what it
    carries from `get_initial_state` and overrides `compute_alignments`;
    several queries given to one `attend` are alternatives for the same step,
    not successive steps. As a layer it then walks over the time axis of the
    query.

    Padding, where the mask is false, gets alignments of exactly zero, and what
    stands there is not used. A row of padding alone has zero alignments and a
    zero context. The outputs carry the Keras mask of the query.

    Args:
        probability: How scores become alignments: `"softmax"`; `"hardmax"`,
            one at the highest score (the first of equals), without gradient
            to the scores; `"sparsemax"`, zero but for the highest scores
            (`zoo.ops.sparsemax`); or a callable `(scores, mask) ->
            alignments` for scores of shape `(batch_size, queries,
            source_length)` and a boolean mask that broadcasts to them, or
            `None`. Whatever a callable returns at padding is set to zero. To
            be saved with a model, it must be registered with
            `keras.saving.register_keras_serializable`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        query: Tensor of shape `(batch_size, query_depth)` or `(batch_size,
            time, query_depth)`.
        memory: Tensor of shape `(batch_size, source_length, memory_depth)`.
        mask: Boolean tensor of shape `(batch_size, source_length)`, true at
            real positions, any pattern. By default the Keras mask of
            `memory`, if it carries one.
        training: Whether what is done in training only, such as noise, is on.

    Returns:
        Tuple `(context, alignments)` of shapes `(batch_size, memory_depth)`
        and `(batch_size, source_length)`, with a time axis after the batch
        if the query has one.

    Raises:
        ValueError: If `probability` is unknown, or a tensor has the wrong
            rank, size or dtype.

    Example:

    >>> import numpy as np
    >>> from zoo.ops.attention import dot_score
    >>> class Nearest(AttentionMechanism):
    ...     def compute_scores(self, query, keys):
    ...         return dot_score(query, keys)
    >>> memory = np.array([[[1.0, 0.0], [0.0, 1.0]]], "float32")
    >>> query = np.array([[0.0, 5.0]], "float32")
    >>> context, alignments = Nearest(probability="hardmax")(query, memory)
    >>> np.asarray(context).tolist(), np.asarray(alignments).tolist()
    ([[0.0, 1.0]], [[0.0, 1.0]])
    """

    def __init__(self, probability="softmax", **kwargs):
        if not callable(probability) and probability not in PROBABILITIES:
            raise ValueError(
                "Expected `probability` to be one of "
                f"{', '.join(map(repr, PROBABILITIES))} or a callable "
                f"(scores, mask) -> alignments, got {probability!r}."
            )
        super().__init__(**kwargs)
        self.probability = probability

    def build(self, query_shape, memory_shape):
        """Creates the weights from the shapes of query and memory."""

    def project(self, memory):
        """Turns a memory into keys, once for all queries.

        Args:
            memory: Tensor `(batch_size, source_length, memory_depth)`.

        Returns:
            Keys, `(batch_size, source_length, depth)`.
        """
        self._check_built()
        return ops.cast(memory, self.compute_dtype)

    def compute_scores(self, query, keys):
        """Scores every key for every query.

        Args:
            query: Tensor `(batch_size, queries, query_depth)`.
            keys: What `project` returned.

        Returns:
            Scores, `(batch_size, queries, source_length)`.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must implement "
            "`compute_scores(query, keys)`."
        )

    def compute_alignments(self, query, keys, mask, state, training=False):
        """Turns the scores of one step into alignments.

        Args:
            query: Tensor `(batch_size, queries, query_depth)`.
            keys: What `project` returned.
            mask: Boolean `(batch_size, 1, source_length)`, or `None`.
            state: State before this step, leaves `(batch_size, queries,
                ...)`.
            training: Whether what is done in training only is on.

        Returns:
            Tuple of the alignments, `(batch_size, queries, source_length)`,
            and the state after this step, like `state`.
        """
        return self.align(self.compute_scores(query, keys), mask), state

    def get_initial_state(self, batch_size, memory=None):
        """What the mechanism carries from step to step before the first.

        Args:
            batch_size: Number of queries, an integer or a scalar tensor.
            memory: The memory, for what depends on its length.

        Returns:
            Nest of tensors with the batch axis first; `()`, nothing, for a
            mechanism that does not look back.
        """
        return ()

    def attend(
        self, query, keys, memory, mask=None, state=None, training=False
    ):
        """Answers the queries of one step.

        Args:
            query: Tensor `(batch_size, query_depth)`, or `(batch_size,
                queries, query_depth)` for independent queries that share a
                memory, such as the beams of a sentence.
            keys: What `project(memory)` returned.
            memory: Tensor `(batch_size, source_length, memory_depth)`.
            mask: Boolean `(batch_size, source_length)`, true at real
                positions, or `None`.
            state: State before this step; its leaves have the leading axes
                of `query`. By default that before the first step.
            training: Whether what is done in training only is on.

        Returns:
            Tuple `(context, alignments, state)`: context and alignments as
            of the layer itself, and the state after this step.
        """
        self._check_built()
        query = ops.cast(query, self.compute_dtype)
        # A cell of another dtype has cast what it was given.
        keys = self._cast_floats(keys)
        if state is not None:
            state = self._cast_floats(state)
        if len(query.shape) == 2:
            if state is not None:
                state = keras.tree.map_structure(lambda x: x[:, None], state)
            results = self.attend(
                query[:, None], keys, memory, mask, state, training
            )
            return keras.tree.map_structure(lambda x: x[:, 0], results)
        if state is None:
            rows, queries = ops.shape(query)[:2]
            state = keras.tree.map_structure(
                lambda x: ops.repeat(x[:, None], queries, axis=1),
                self.get_initial_state(rows, memory),
            )
        mask = None if mask is None else mask[:, None]
        alignments, state = self.compute_alignments(
            query, keys, mask, state, training
        )
        context = ops.matmul(alignments, ops.cast(memory, self.compute_dtype))
        return context, alignments, state

    def align(self, scores, mask=None):
        """Applies `probability` to scores, `(batch_size, queries, source)`."""
        if not callable(self.probability):
            return PROBABILITIES[self.probability](scores, mask)
        alignments = self.probability(scores, mask)
        if mask is None:
            return alignments
        return ops.where(mask, alignments, ops.zeros_like(alignments))

    def call(self, query, memory, mask=None, training=False):
        if mask is None:
            mask = attached_mask(memory)
        check_query(query)
        mask = check_memory(memory, mask)
        check_same_batch(query, memory)
        memory = zero_padding(memory, mask)
        keys = self.project(memory)
        state = self.get_initial_state(ops.shape(query)[0], memory)
        if len(query.shape) == 2 or not keras.tree.flatten(state):
            return self.attend(query, keys, memory, mask, state, training)[:2]

        def step(query_t, state):
            *outputs, state = self.attend(
                query_t, keys, memory, mask, state, training
            )
            return tuple(outputs), state

        return unroll(step, query, state)[0]

    def compute_mask(self, query, previous_mask=None):
        # `previous_mask` may be the memory's.
        mask = attached_mask(query)
        return mask, mask

    def compute_output_spec(self, query, memory, mask=None, training=False):
        check_query(query)
        check_memory(memory, mask)
        return tuple(
            keras.KerasTensor(
                (*query.shape[:-1], size), dtype=self.compute_dtype
            )
            for size in (memory.shape[2], memory.shape[1])
        )

    def get_config(self):
        config = super().get_config()
        probability = self.probability
        if callable(probability):
            probability = keras.saving.serialize_keras_object(probability)
        return {**config, "probability": probability}

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        if isinstance(config.get("probability"), dict):
            config["probability"] = keras.saving.deserialize_keras_object(
                config["probability"]
            )
        return cls(**config)

    @property
    def _exact_dtype(self):
        """Dtype of what half precision would round too much."""
        return "float32" if self.compute_dtype in HALF else self.compute_dtype

    def _add_kernel(self, name, shape):
        return add_kernel(self, name, shape)

    def _weight(self, variable, dtype=None):
        """A weight in the dtype of the computation, inside a call or not."""
        variable = ops.convert_to_tensor(variable)
        return ops.cast(variable, dtype or self.compute_dtype)

    def _cast_floats(self, nest):
        """A nest with its floats in the dtype of the computation."""

        def cast(x):
            is_float = keras.backend.is_float_dtype(
                keras.backend.standardize_dtype(x.dtype)
            )
            return ops.cast(x, self.compute_dtype) if is_float else x

        return keras.tree.map_structure(cast, nest)

    def _check_built(self):
        if not self.built:
            raise ValueError(
                f"The weights of {self.name!r} do not exist yet, as their "
                "shapes depend on query and memory. Call the layer once, or "
                "`build(query_shape, memory_shape)`."
            )


def check_query(query):
    """Raises `ValueError` unless a query is of rank 2 or 3."""
    if len(query.shape) not in (2, 3):
        raise ValueError(
            "Expected a query of shape (batch_size, query_depth) or "
            f"(batch_size, time, query_depth), got shape {tuple(query.shape)}."
        )


def check_memory(memory, mask=None):
    """Raises `ValueError` unless memory and mask fit each other.

    Args:
        memory: Tensor of shape `(batch_size, source_length, depth)`.
        mask: Boolean `(batch_size, source_length)`, or `None`.

    Returns:
        The mask as a tensor, or `None`.
    """
    if len(memory.shape) != 3:
        raise ValueError(
            "Expected a memory of shape (batch_size, source_length, depth), "
            f"got shape {tuple(memory.shape)}. An encoder must return its "
            "outputs at all steps: `return_sequences=True`."
        )
    if mask is None:
        return None
    if not isinstance(mask, keras.KerasTensor):
        mask = ops.convert_to_tensor(mask)
    dtype = keras.backend.standardize_dtype(mask.dtype)
    if dtype != "bool":
        raise ValueError(
            "Expected the mask of a memory to be boolean, true at real "
            f"positions, got dtype {dtype}. Cast it: "
            "`keras.ops.cast(mask, 'bool')`; from lengths: "
            "`keras.ops.arange(source_length) < lengths[:, None]`."
        )
    expected = tuple(memory.shape[:2])
    given = tuple(mask.shape)
    if len(given) != 2 or not all(map(_may_be_equal, expected, given)):
        raise ValueError(
            "Expected the mask of a memory to have shape (batch_size, "
            f"source_length) = {expected}, got shape {given}. Give one "
            "boolean for each position of the memory."
        )
    return mask


def check_same_batch(query, memory):
    """Raises `ValueError` if query and memory differ in their batch size."""
    if not _may_be_equal(query.shape[0], memory.shape[0]):
        raise ValueError(
            "Expected query and memory to have the same batch size, got "
            f"shapes {tuple(query.shape)} and {tuple(memory.shape)}. For "
            "several queries of one memory give the query a time axis."
        )


def source_length(memory):
    """Number of positions of a memory; raises `ValueError` without one."""
    if memory is None:
        raise ValueError(
            "Expected `memory`, as the state of this mechanism has a number "
            "for each of its positions, got None. Call "
            "`get_initial_state(batch_size, memory)`."
        )
    return ops.shape(memory)[1]


def check_known_depth(name, shape):
    """Returns the last axis of a shape; raises `ValueError` if unknown."""
    if shape[-1] is None:
        raise ValueError(
            f"Expected the depth of the {name} to be known, got shape "
            f"{tuple(shape)}. Give `keras.Input` a shape such as "
            "(None, depth)."
        )
    return shape[-1]


def _may_be_equal(size, other):
    return size is None or other is None or size == other
