"""Attention to a window around one position of the memory."""

import keras
from keras import ops

from zoo.layers.attention_mechanism import check_known_depth
from zoo.layers.luong_attention import LuongAttention
from zoo.layers.recurrent_cell import check_positive_integer
from zoo.ops.attention import project

POSITIONS = ("monotonic", "predictive")


@keras.saving.register_keras_serializable(package="zoo")
class LocalAttention(LuongAttention):
    """Luong's local attention: only a window of the memory is read.

    ```
    p_t = t                                      position="monotonic"
    p_t = S sigmoid(v_p . tanh(q W_p))           position="predictive"
    a = softmax of e_s over |s - p_t| <= D, zero outside
    a_s = a_s exp(-(s - p_t)^2 / (2 sigma^2)), sigma = D / 2      "predictive"
    context = sum_s a_s m_s
    ```

    `e_s` is the score of `zoo.layers.LuongAttention`, `q` the query, `m_s`
    the memory at position `s`, `D` the `window`, `S` the number of real
    positions, `t` the step, `W_p` is `position_kernel`, `v_p` is
    `position_v`. Positions and steps are counted from 0, and padding is not
    counted, wherever it stands.

    "monotonic" is for source and target that run side by side: it counts its
    steps, in its state. A window beyond the end of the memory has zero
    alignments. "predictive" looks where the query says; the factor, which
    gives `p_t` its gradient, leaves alignments that sum to less than one.

    Luong, Pham & Manning, "Effective Approaches to Attention-based Neural
    Machine Translation" (2015), https://aclanthology.org/D15-1166, section
    3.2, Eq. 9 and 10: "local-m" and "local-p". Deviation: the paper counts
    from 1.

    Args:
        position: `"monotonic"` or `"predictive"`.
        window: Number of positions that are read on either side of `p_t`. 10
            is the paper's.
        position_units: Width of the hidden layer of "predictive", the
            query's depth by default; for "predictive" alone.
        **kwargs: Arguments of `zoo.layers.LuongAttention`: `units`, `score`,
            `scale`, `probability` and so on. A callable `probability` gets
            the window as a mask of the shape of the scores.

    Call arguments:
        query: Tensor of shape `(batch_size, query_depth)`, the first step, or
            `(batch_size, time, query_depth)`.
        memory: Tensor of shape `(batch_size, source_length, memory_depth)`.
        mask: Boolean tensor of shape `(batch_size, source_length)`, true at
            real positions, any pattern. By default the Keras mask of
            `memory`, if it carries one.

    Returns:
        Tuple `(context, alignments)` of shapes `(batch_size, memory_depth)`
        and `(batch_size, source_length)`, with a time axis after the batch
        if the query has one. Alignments are zero at padding and outside of
        the window; without a real position in it the context is zero.

    Raises:
        ValueError: If `position` is unknown, `window` or `position_units` no
            positive integer, or `position_units` given for "monotonic"; and
            as in `zoo.layers.LuongAttention`.

    Example:

    >>> import numpy as np
    >>> attention = LocalAttention("monotonic", window=1, score="dot")
    >>> query = np.zeros((1, 2, 3), "float32")
    >>> memory = np.ones((1, 4, 3), "float32")
    >>> context, alignments = attention(query, memory)
    >>> np.asarray(alignments)[0, 0].tolist()
    [0.5, 0.5, 0.0, 0.0]
    >>> np.flatnonzero(alignments[0, 1]).tolist()
    [0, 1, 2]
    """

    def __init__(self, position, window=10, position_units=None, **kwargs):
        if position not in POSITIONS:
            raise ValueError(
                f"Expected `position` to be one of "
                f"{', '.join(map(repr, POSITIONS))}, got {position!r}."
            )
        check_positive_integer(
            "window", window, "It counts the positions on either side."
        )
        if position_units is not None:
            if position == "monotonic":
                raise ValueError(
                    "Expected `position_units` with `position='predictive'` "
                    f"alone, got {position_units!r}: a monotonic position is "
                    "the number of the step. Leave it out."
                )
            check_positive_integer(
                "position_units",
                position_units,
                "It is the width of the layer that predicts the position.",
            )
        super().__init__(**kwargs)
        self.position = position
        self.window = window
        self.position_units = position_units

    def build(self, query_shape, memory_shape):
        super().build(query_shape, memory_shape)
        self.position_kernel = None
        self.position_v = None
        if self.position == "predictive":
            query_depth = check_known_depth("query", query_shape)
            units = self.position_units or query_depth
            self.position_kernel = self._add_kernel(
                "position_kernel", (query_depth, units)
            )
            self.position_v = self.add_weight(
                (units,), name="position_v", initializer="glorot_uniform"
            )

    def get_initial_state(self, batch_size, memory=None):
        if self.position == "predictive":
            return ()
        # The step. No float: half precision counts to 256.
        return [ops.zeros((batch_size, 1), dtype="int32")]

    def compute_alignments(self, query, keys, mask, state, training=False):
        positions, count = self._positions(keys, mask)
        if self.position == "predictive":
            center = count * self._predict(query)
        else:
            center = ops.cast(state[0], positions.dtype)
            state = [state[0] + 1]
        # (B, 1, S) - (B, Q, 1) -> (B, Q, S)
        distance = positions - center
        inside = ops.abs(distance) <= self.window
        if mask is not None:
            inside = ops.logical_and(inside, mask)
        alignments = self.align(self.compute_scores(query, keys), inside)
        if self.position == "predictive":
            sigma = self.window / 2
            nearness = ops.exp(-ops.square(distance / sigma) / 2)
            alignments = alignments * ops.cast(nearness, alignments.dtype)
        return alignments, state

    def get_config(self):
        config = super().get_config()
        config.update(
            position=self.position,
            window=self.window,
            position_units=self.position_units,
        )
        return config

    def _positions(self, keys, mask):
        """The number of each real position, and how many there are.

        Shapes `(batch_size, 1, source_length)` and `(batch_size, 1, 1)`;
        without a mask the batch is 1. Rounded, they would move the window.
        """
        length = ops.shape(keys)[1]
        if mask is None:
            positions = ops.reshape(ops.arange(length), (1, 1, -1))
            count = ops.reshape(length, (1, 1, 1))
        else:
            real = ops.cast(mask, "int32")
            positions = ops.cumsum(real, axis=-1) - 1
            count = ops.sum(real, axis=-1, keepdims=True)
        dtype = self._exact_dtype
        return ops.cast(positions, dtype), ops.cast(count, dtype)

    def _predict(self, query):
        """Where the query looks, as a fraction of the memory, `(B, Q, 1)`."""
        dtype = self._exact_dtype
        kernel = self._weight(self.position_kernel, dtype)
        hidden = ops.tanh(project(ops.cast(query, dtype), kernel))
        v = self._weight(self.position_v, dtype)
        return ops.sigmoid(project(hidden, v[:, None]))
