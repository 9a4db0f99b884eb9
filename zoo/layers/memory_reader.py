"""One attention mechanism with its memory, or several with one each."""

import functools

import keras
from keras import ops

from zoo.layers.attention_mechanism import AttentionMechanism
from zoo.layers.attention_mechanism import check_memory
from zoo.ops.attention import zero_padding


class MemoryReader:
    """Reads memories with attention mechanisms, one for one.

    What a single mechanism takes and returns are tensors; for a list of
    mechanisms all of it is lists with one entry for each. The reader hides
    the difference, and lets several rows of queries share a memory.

    Args:
        attention: An attention mechanism, or a list of them.
        attention_function: Function with the arguments and results of
            `AttentionMechanism.attend`, the mechanism first, that is called
            in its place; by default that method itself.

    Raises:
        ValueError: If `attention` is neither, or `attention_function` can not
            be called.
    """

    def __init__(self, attention, attention_function=None):
        self.several = isinstance(attention, list | tuple)
        self.mechanisms = list(attention) if self.several else [attention]
        good = [isinstance(m, AttentionMechanism) for m in self.mechanisms]
        if not good or not all(good):
            raise ValueError(
                "Expected `attention` to be an attention mechanism, such as "
                "`zoo.layers.BahdanauAttention(units)`, or a list of them, "
                f"got {attention!r}."
            )
        if attention_function is None:
            attention_function = attend
        if not callable(attention_function):
            raise ValueError(
                "Expected `attention_function` to be a function (mechanism, "
                "query, keys, memory, mask, state, training) -> context, "
                f"alignments, state, got {attention_function!r}. Leave it out "
                "to call `mechanism.attend`."
            )
        self.attend = attention_function

    def each(self, name, values):
        """A list with the value for each mechanism.

        Args:
            name: What the values are, for the error.
            values: One value, or a list for a list of mechanisms; `None` is
                nothing for all of them.

        Raises:
            ValueError: If there is not one value for each mechanism.
        """
        if not self.several:
            return [values]
        if values is None:
            return [None] * len(self.mechanisms)
        count = len(values) if isinstance(values, list | tuple) else 1
        if count != len(self.mechanisms):
            raise ValueError(
                f"Expected `{name}` to be a list with one entry for each of "
                f"the {len(self.mechanisms)} attention mechanisms, got "
                f"{count}."
            )
        return list(values)

    def all(self, values):
        """What stands for a list of values outside: the inverse of `each`."""
        return list(values) if self.several else values[0]

    def build(self, query_size, shapes):
        """Builds the mechanisms that are not built.

        Args:
            query_size: Width of the queries.
            shapes: List of the shapes of the memories.
        """
        for mechanism, shape in zip(self.mechanisms, shapes, strict=True):
            if not mechanism.built:
                mechanism.build((None, query_size), shape)

    def prepare(self, memory, mask):
        """Checks memory and mask, and puts zeros where there is padding.

        Args:
            memory: Tensor `(memories, source_length, memory_depth)`, or a
                list.
            mask: Boolean `(memories, source_length)`, `None`, or a list.

        Returns:
            Tuple of memory and mask.
        """
        memories = self.each("memory", memory)
        masks = [
            check_memory(x, mask)
            for x, mask in zip(
                memories, self.each("memory_mask", mask), strict=True
            )
        ]
        memories = [
            zero_padding(x, mask)
            for x, mask in zip(memories, masks, strict=True)
        ]
        return self.all(memories), self.all(masks)

    def project(self, memory):
        """The keys of the memory or memories."""
        memories = self.each("memory", memory)
        return self.all(
            [
                mechanism.project(x)
                for mechanism, x in zip(self.mechanisms, memories, strict=True)
            ]
        )

    def get_initial_state(self, batch_size, memory=None):
        """The state of the mechanism or mechanisms."""
        memories = self.each("memory", memory)
        return self.all(
            [
                mechanism.get_initial_state(batch_size, x)
                for mechanism, x in zip(self.mechanisms, memories, strict=True)
            ]
        )

    def read(self, query, memory, keys, mask, state, training=False):
        """Asks every mechanism the same query.

        Args:
            query: Tensor `(batch_size, depth)` or `(batch_size, time, depth)`.
            memory: Tensor `(memories, source_length, memory_depth)`, with
                `batch_size` a multiple of `memories`, or a list.
            keys: What `project(memory)` returned.
            mask: Boolean `(memories, source_length)`, `None`, or a list.
            state: State of the mechanism or mechanisms.
            training: Whether what is done in training only is on.

        Returns:
            Tuple of the contexts, a list in any case, the alignments and the
            state.
        """
        readings = [
            attend_rows(
                functools.partial(self.attend, mechanism),
                query,
                *arguments,
                training,
            )
            for mechanism, *arguments in zip(
                self.mechanisms,
                self.each("keys", keys),
                self.each("memory", memory),
                self.each("memory_mask", mask),
                self.each("attention_state", state),
                strict=True,
            )
        ]
        contexts, alignments, states = zip(*readings, strict=True)
        return list(contexts), self.all(alignments), self.all(states)


def attend(mechanism, query, keys, memory, mask, state, training):
    """What a mechanism itself does with a query."""
    return mechanism.attend(query, keys, memory, mask, state, training)


def attend_rows(attend, query, keys, memory, mask, state, training=False):
    """Lets the rows of a batch that share a memory attend to it together.

    Args:
        attend: A mechanism's `attend`, or a function like it.
        query: Tensor `(batch_size, depth)` or `(batch_size, time, depth)`,
            `batch_size` a multiple of `memories`.
        keys: Tensor `(memories, source_length, depth)`.
        memory: Tensor `(memories, source_length, memory_depth)`.
        mask: Boolean `(memories, source_length)`, or `None`.
        state: The mechanism's state, leaves `(batch_size, ...)`.
        training: Whether what is done in training only is on.

    Returns:
        Tuple of context, alignments and state, batch axis first.

    Raises:
        ValueError: If `batch_size` is no multiple of `memories`.
    """
    rows, memories = ops.shape(query)[0], ops.shape(memory)[0]
    sharing = rows_per_memory(rows, memories)
    leading = ops.shape(query)[:-1]
    queries = sharing * leading[1] if len(leading) == 2 else sharing
    # (B K, D) -> (B, K, D), or (B K, T, D) -> (B, K T, D)
    query = ops.reshape(query, (memories, queries, query.shape[-1]))
    state = keras.tree.map_structure(
        lambda x: ops.reshape(x, (memories, sharing, *ops.shape(x)[1:])), state
    )
    context, alignments, state = attend(
        query, keys, memory, mask, state, training
    )
    context, alignments = (
        ops.reshape(x, (*leading, ops.shape(x)[-1]))
        for x in (context, alignments)
    )
    state = keras.tree.map_structure(
        lambda x: ops.reshape(x, (rows, *ops.shape(x)[2:])), state
    )
    return context, alignments, state


def rows_per_memory(rows, memories):
    """How many consecutive rows share a memory; for an empty batch any."""
    if ops.is_tensor(rows) or ops.is_tensor(memories):
        # An empty batch has no memories either.
        return ops.floor_divide(rows, ops.maximum(memories, 1))
    if rows != memories and (memories == 0 or rows % memories):
        raise ValueError(
            "Expected a batch size that is a multiple of the number of "
            f"memories, got {rows} rows for {memories} memories. Rows that "
            "share a memory, such as the beams of a sentence, follow each "
            "other."
        )
    return rows // max(memories, 1)
