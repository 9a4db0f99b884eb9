"""Luong's attention: dot, general, concat and location scores."""

import keras
from keras import ops

from zoo.layers.attention_mechanism import AttentionMechanism
from zoo.layers.attention_mechanism import check_known_depth
from zoo.layers.recurrent_cell import check_flags
from zoo.layers.recurrent_cell import check_positive_integer
from zoo.layers.recurrent_cell import check_units
from zoo.ops.attention import additive_score
from zoo.ops.attention import dot_score
from zoo.ops.attention import project

SCORES = ("dot", "general", "concat", "location")


@keras.saving.register_keras_serializable(package="zoo")
class LuongAttention(AttentionMechanism):
    """Multiplicative attention: inner products score the memory.

    ```
    e_s = q . m_s                                score="dot"
    e_s = q . (m_s W_m)                          score="general"
    e_s = v . tanh(q W_q + m_s W_m)              score="concat"
    e_s = (q W_a)_s                              score="location"
    e_s = g e_s                                  scale=True
    a = softmax(e)
    context = sum_s a_s m_s
    ```

    `q` is the query, `m_s` the memory at position `s`, `W_q` is
    `query_kernel`, `W_m` is `memory_kernel`; `[W_q; W_m]` is the one matrix
    that the paper applies to `[q; m_s]` in "concat". `W_a` is
    `location_kernel`, with a column for each index of the longest memory:
    "location" doesn't look at the memory to score it, so a token must keep
    its index, whatever it is batched with. Pad on the right.

    Luong, Pham & Manning, "Effective Approaches to Attention-based Neural
    Machine Translation" (2015), https://aclanthology.org/D15-1166, section
    3.1, Eq. 7 and 8. The learned factor `g` is that of TensorFlow Addons,
    whose LuongAttention is "general". Deviation: "general" multiplies the
    memory, once, where the paper multiplies the query; the scores are the
    same with the kernel transposed.

    This is the score. The paper's wiring, the new state as query and
    `attention = tanh(W [cell output; context])`, is
    `zoo.layers.AttentionCell(..., attention_activation="tanh")`.

    Args:
        units: Width of the hidden layer of "concat", which needs it. "dot"
            and "general" work in the depth of the query and need no `units`,
            and so does "location"; if given, it must be that depth.
        score: `"dot"` (query and memory of the same depth), `"general"`,
            `"concat"` or `"location"`.
        scale: Whether to multiply the scores by a learned scalar `g`, which
            starts at one.
        probability: `"softmax"`, `"hardmax"`, `"sparsemax"` or a callable, as
            described in `zoo.layers.AttentionMechanism`.
        kernel_initializer: Initializer of the kernels.
        max_source_length: Number of positions of the longest memory, padding
            included; for "location", which needs it, alone.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        query: Tensor of shape `(batch_size, query_depth)` or `(batch_size,
            time, query_depth)`.
        memory: Tensor of shape `(batch_size, source_length, memory_depth)`.
        mask: Boolean tensor of shape `(batch_size, source_length)`, true at
            real positions, any pattern. By default the Keras mask of
            `memory`, if it carries one.

    Returns:
        Tuple `(context, alignments)` of shapes `(batch_size, memory_depth)`
        and `(batch_size, source_length)`, with a time axis after the batch
        if the query has one. Alignments are zero at padding; a row of
        padding alone has a zero context.

    Raises:
        ValueError: If `score` or `probability` is unknown, `units` is no
            positive integer, missing, or not the query's depth,
            `max_source_length` is no positive integer, missing, or given for
            another score, a memory is longer than that, or a tensor has the
            wrong rank, size or dtype. (In a graph of unknown lengths a memory
            that is too long is an error of the backend.)

    Example:

    >>> import numpy as np
    >>> attention = LuongAttention(score="dot")
    >>> memory = np.array([[[1.0, 0.0], [0.0, 1.0]]], "float32")
    >>> query = np.array([[50.0, 0.0]], "float32")
    >>> context, alignments = attention(query, memory)
    >>> np.asarray(context).round(3).tolist()
    [[1.0, 0.0]]
    """

    def __init__(
        self,
        units=None,
        score="general",
        scale=False,
        probability="softmax",
        kernel_initializer="glorot_uniform",
        max_source_length=None,
        **kwargs,
    ):
        if score not in SCORES:
            raise ValueError(
                f"Expected `score` to be one of "
                f"{', '.join(map(repr, SCORES))}, got {score!r}."
            )
        if units is not None:
            check_units(units)
        elif score == "concat":
            raise ValueError(
                "Expected `units`, the width of the hidden layer, with "
                "`score='concat'`, got None. Give a positive integer."
            )
        check_max_source_length(max_source_length, score)
        check_flags(scale=scale)
        super().__init__(probability=probability, **kwargs)
        self.units = units
        self.score = score
        self.scale = scale
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.max_source_length = max_source_length

    def build(self, query_shape, memory_shape):
        query_depth = check_known_depth("query", query_shape)
        memory_depth = check_known_depth("memory", memory_shape)
        self._check_depths(query_depth, memory_depth)
        self._check_length(memory_shape)
        self.query_kernel = None
        self.memory_kernel = None
        self.location_kernel = None
        self.v = None
        if self.score == "general":
            self.memory_kernel = self._add_kernel(
                "memory_kernel", (memory_depth, query_depth)
            )
        elif self.score == "concat":
            self.query_kernel = self._add_kernel(
                "query_kernel", (query_depth, self.units)
            )
            self.memory_kernel = self._add_kernel(
                "memory_kernel", (memory_depth, self.units)
            )
            self.v = self.add_weight(
                (self.units,), name="v", initializer="glorot_uniform"
            )
        elif self.score == "location":
            self.location_kernel = self._add_kernel(
                "location_kernel", (query_depth, self.max_source_length)
            )
        self.g = None
        if self.scale:
            self.g = self.add_weight((), name="g", initializer="ones")

    def project(self, memory):
        self._check_length(memory.shape)
        memory = super().project(memory)
        if self.memory_kernel is None:
            return memory
        return project(memory, self._weight(self.memory_kernel))

    def compute_scores(self, query, keys):
        if self.score == "concat":
            query = project(query, self._weight(self.query_kernel))
            scores = additive_score(query, keys, self._weight(self.v))
        elif self.score == "location":
            scores = project(query, self._weight(self.location_kernel))
            scores = scores[..., : ops.shape(keys)[1]]
        else:
            scores = dot_score(query, keys)
        return self._weight(self.g) * scores if self.scale else scores

    def get_config(self):
        config = super().get_config()
        config.update(
            units=self.units,
            score=self.score,
            scale=self.scale,
            kernel_initializer=keras.initializers.serialize(
                self.kernel_initializer
            ),
            max_source_length=self.max_source_length,
        )
        return config

    def _check_depths(self, query_depth, memory_depth):
        if self.score == "dot" and query_depth != memory_depth:
            raise ValueError(
                "Expected query and memory of the same depth with "
                f"`score='dot'`, got {query_depth} and {memory_depth}. Use "
                "`score='general'`, which maps one to the other."
            )
        if self.score == "concat" or self.units is None:
            return
        if self.units != query_depth:
            raise ValueError(
                "Expected `units` to be the depth of the query, "
                f"{query_depth}, with `score={self.score!r}`, got "
                f"{self.units}. Leave `units` out, or use `score='concat'`, "
                "which takes any width."
            )

    def _check_length(self, memory_shape):
        length, longest = memory_shape[1], self.max_source_length
        if longest is not None and length is not None and length > longest:
            raise ValueError(
                "Expected a memory of at most `max_source_length` = "
                f"{longest} positions with `score='location'`, got {length}. "
                "Shorten the source, or give a larger `max_source_length`."
            )


def check_max_source_length(length, score):
    """Raises `ValueError` unless the longest memory fits a score.

    Args:
        length: A positive integer for "location", `None` for other scores.
        score: Name of the score.
    """
    if score == "location":
        check_positive_integer(
            "max_source_length",
            length,
            "It is the length of the longest memory: `score='location'` has "
            "a column of weights for each of its positions.",
        )
    elif length is not None:
        raise ValueError(
            "Expected `max_source_length` with `score='location'` alone, got "
            f"{length!r} with `score={score!r}`, which takes a memory of any "
            "length. Leave it out."
        )
