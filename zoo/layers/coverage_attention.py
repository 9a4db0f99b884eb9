"""Additive attention that knows what it has attended to."""

import keras
from keras import ops

from zoo.layers.attention_mechanism import source_length
from zoo.layers.bahdanau_attention import BahdanauAttention


@keras.saving.register_keras_serializable(package="zoo")
class CoverageAttention(BahdanauAttention):
    """Additive attention fed with the sum of its earlier alignments.

    ```
    e_s = v . tanh(q W_q + m_s W_m + c_s w_c + b)
    e_s = g v / ||v|| . tanh(q W_q + m_s W_m + c_s w_c + b)   normalize=True
    a = softmax(e)
    context = sum_s a_s m_s
    c_s = c_s + a_s, at first 0
    ```

    `q` is the query, `m_s` the memory at position `s`, `c_s` its coverage,
    how much attention it got at the steps before, which is the state. `W_q`
    is `query_kernel`, `W_m` is `memory_kernel`, `w_c` is `coverage_kernel`.
    The score can learn to leave what is done, and to return to what is not:
    against repeated and forgotten words. Half precision rounds the sum at
    every step.

    See, Liu & Manning, "Get To The Point: Summarization with
    Pointer-Generator Networks" (2017), https://aclanthology.org/P17-1099,
    Eq. 10 and 11. The idea is that of Tu, Lu, Liu, Liu & Li, "Modeling
    Coverage for Neural Machine Translation" (2016),
    https://aclanthology.org/P16-1008. Deviation: the paper also adds a
    loss, its Eq. 12, on attention to what is covered already; it can be
    computed from the alignments.

    Args:
        units: Width of the hidden layer.
        normalize: Whether to normalise `v` to the learned length `g`, which
            starts at `sqrt(1 / units)`.
        probability: `"softmax"`, `"hardmax"`, `"sparsemax"` or a callable, as
            described in `zoo.layers.AttentionMechanism`.
        kernel_initializer: Initializer of `query_kernel` and `memory_kernel`.
        **kwargs: Arguments of `keras.layers.Layer`.

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
        if the query has one. Alignments are zero at padding; a row of
        padding alone has a zero context.

    Raises:
        ValueError: As in `zoo.layers.BahdanauAttention`.

    Example:

    >>> import numpy as np
    >>> attention = CoverageAttention(units=7)
    >>> memory = np.ones((2, 4, 6), "float32")
    >>> attention.build((2, 5), memory.shape)
    >>> keys = attention.project(memory)
    >>> state = attention.get_initial_state(2, memory)
    >>> for step in range(3):
    ...     context, alignments, state = attention.attend(
    ...         np.ones((2, 5), "float32"), keys, memory, state=state
    ...     )
    >>> np.asarray(state[0])[0].tolist()
    [0.75, 0.75, 0.75, 0.75]
    """

    def build(self, query_shape, memory_shape):
        super().build(query_shape, memory_shape)
        self.coverage_kernel = self.add_weight(
            (self.units,), name="coverage_kernel", initializer="glorot_uniform"
        )
        if self.b is None:
            self._add_bias()

    def get_initial_state(self, batch_size, memory=None):
        shape = (batch_size, source_length(memory))
        return [ops.zeros(shape, dtype=self.compute_dtype)]

    def compute_alignments(self, query, keys, mask, state, training=False):
        (coverage,) = state
        # (B, Q, S, 1) x (U) -> (B, Q, S, U): each query has its own keys.
        covered = coverage[..., None] * self._weight(self.coverage_kernel)
        scores = self.compute_scores(query, keys[:, None] + covered)
        alignments = self.align(scores, mask)
        return alignments, [coverage + alignments]
