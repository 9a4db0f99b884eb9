"""Monotonic attention with an additive score."""

import keras

from zoo.layers.bahdanau_attention import BahdanauAttention
from zoo.layers.monotonic_attention import MonotonicAttention


@keras.saving.register_keras_serializable(package="zoo")
class BahdanauMonotonicAttention(MonotonicAttention, BahdanauAttention):
    """Additive attention whose pointer into the memory never goes back.

    ```
    e_s = v . tanh(q W_q + m_s W_m)              plain
    e_s = g v / ||v|| . tanh(q W_q + m_s W_m + b)        normalize=True
    p_s = sigmoid(e_s + r)                       "parallel", "recursive"
    p_s = 1 if e_s + r > 0, else 0               "hard"
    q_s = (1 - p_{s-1}) q_{s-1} + previous a_s
    a_s = p_s q_s
    context = sum_s a_s m_s
    ```

    `q` is the query, `m_s` the memory at position `s`, the weights of `e_s`
    are those of `zoo.layers.BahdanauAttention`, `r` is `score_bias`. From
    where it last stopped, at first position 0, the pointer passes or stops at
    one position after the other. Training averages over its ways; "hard"
    lets it stop at the first position that is likelier than not, so that
    reading takes linear time, and has no gradient to the weights. A model
    trained with one mode can run with another: the weights are the same.

    Raffel, Luong, Liu, Weiss & Eck, "Online and Linear-Time Attention by
    Enforcing Monotonic Alignments" (2017), https://arxiv.org/abs/1704.00784,
    sections 2.2 to 2.5; the normalised score with `r` is its Eq. 15. Named as
    in TensorFlow Addons. Deviations from that: "parallel" is exact
    (`zoo.ops.monotonic_attention`), noise is added in training only.

    Args:
        units: Width of the hidden layer.
        mode: `"parallel"`, `"recursive"`, the same in a loop over positions,
            or `"hard"`.
        sigmoid_noise: Standard deviation of the noise on the scores in
            training, which drives them away from zero, so that "hard" can
            replace the training's mode. The paper takes 1; 0 is none.
        score_bias_initializer: Initializer of `r`. Below zero, such as
            `keras.initializers.Constant(-4)`, the pointer starts out walking
            far.
        seed: Seed of the noise.
        **kwargs: Arguments of `zoo.layers.BahdanauAttention`, but
            `probability`.

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
            `probability` is given, and as in `zoo.layers.BahdanauAttention`.

    Example:

    >>> import numpy as np
    >>> attention = BahdanauMonotonicAttention(units=7)
    >>> query = np.zeros((1, 2, 5), "float32")
    >>> memory = np.zeros((1, 4, 6), "float32")
    >>> context, alignments = attention(query, memory)
    >>> np.asarray(alignments).tolist()
    [[[0.5, 0.25, 0.125, 0.0625], [0.25, 0.25, 0.1875, 0.125]]]
    """

    def __init__(self, units, **kwargs):
        super().__init__(units=units, **kwargs)
