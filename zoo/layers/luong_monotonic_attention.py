"""Monotonic attention with one of Luong's scores."""

import keras

from zoo.layers.luong_attention import LuongAttention
from zoo.layers.monotonic_attention import MonotonicAttention


@keras.saving.register_keras_serializable(package="zoo")
class LuongMonotonicAttention(MonotonicAttention, LuongAttention):
    """Multiplicative attention whose pointer into the memory never goes back.

    ```
    e_s = q . (m_s W_m)                          and the other scores
    p_s = sigmoid(e_s + r)                       "parallel", "recursive"
    p_s = 1 if e_s + r > 0, else 0               "hard"
    q_s = (1 - p_{s-1}) q_{s-1} + previous a_s
    a_s = p_s q_s
    context = sum_s a_s m_s
    ```

    `q` is the query, `m_s` the memory at position `s`, `e_s` the score of
    `zoo.layers.LuongAttention` with its weights, `r` is `score_bias`. What
    the pointer does, its `mode` and the noise are described in
    `zoo.layers.BahdanauMonotonicAttention`.

    Raffel, Luong, Liu, Weiss & Eck, "Online and Linear-Time Attention by
    Enforcing Monotonic Alignments" (2017), https://arxiv.org/abs/1704.00784,
    sections 2.2, 2.3 and 2.5, with the score of Luong, Pham & Manning (2015),
    https://aclanthology.org/D15-1166, and `r`, as in TensorFlow Addons.
    Deviations from that: "parallel" is exact (`zoo.ops.monotonic_attention`),
    noise is added in training only.

    Args:
        units: As in `zoo.layers.LuongAttention`.
        mode: `"parallel"`, `"recursive"`, the same in a loop over positions,
            or `"hard"`.
        sigmoid_noise: Standard deviation of the noise on the scores in
            training. 0 is none.
        score_bias_initializer: Initializer of `r`.
        seed: Seed of the noise.
        **kwargs: Arguments of `zoo.layers.LuongAttention`, but `probability`.

    Call arguments:
        query: Tensor of shape `(batch_size, query_depth)`, the first step, or
            `(batch_size, time, query_depth)`.
        memory: Tensor of shape `(batch_size, source_length, memory_depth)`.
        mask: Boolean tensor of shape `(batch_size, source_length)`, true at
            real positions, any pattern; the pointer passes padding. By
            default the Keras mask of `memory`, if it carries one.
        training: Whether there is noise.

    Returns:
        Tuple `(context, alignments)` of shapes `(batch_size, memory_depth)`
        and `(batch_size, source_length)`, with a time axis after the batch
        if the query has one. Alignments are zero at padding and sum to one
        or less: the pointer may leave the memory, for all later steps.

    Raises:
        ValueError: If `mode` is unknown, `sigmoid_noise` is negative,
            `probability` is given, and as in `zoo.layers.LuongAttention`.

    Example:

    >>> import numpy as np
    >>> attention = LuongMonotonicAttention(score="dot", mode="hard")
    >>> memory = np.eye(4, dtype="float32")[None]
    >>> query = memory[:, [1, 0, 3]]
    >>> context, alignments = attention(query, memory)
    >>> np.asarray(alignments)[0].tolist()
    [[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]
    """

    def __init__(self, units=None, **kwargs):
        super().__init__(units=units, **kwargs)
