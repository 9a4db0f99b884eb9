"""Scores of attention and what turns them into alignments."""

import keras
from keras import ops

HALF = ("float16", "bfloat16")

# Stands in for the scores of padding. Finite, so that a row of padding alone
# has a softmax, and its gradient, without NaN.
LOWEST = -3e38


def dot_score(query, keys):
    """Scores each key by its inner product with the query.

    ```
    score(q, k) = q . k
    ```

    Luong, Pham & Manning, "Effective Approaches to Attention-based Neural
    Machine Translation" (2015), https://aclanthology.org/D15-1166, Eq. 8
    ("dot", and "general" if the keys are `memory W_a`).

    Args:
        query: Tensor of shape `(batch_size, queries, depth)`.
        keys: Tensor of shape `(batch_size, source_length, depth)`.

    Returns:
        Scores of shape `(batch_size, queries, source_length)`.

    Example:

    >>> from keras import ops
    >>> keys = ops.convert_to_tensor([[[1.0, 0.0], [0.0, 2.0]]])
    >>> query = ops.convert_to_tensor([[[3.0, 4.0]]])
    >>> ops.convert_to_numpy(dot_score(query, keys)).tolist()
    [[[3.0, 8.0]]]
    """
    return ops.matmul(query, ops.transpose(keys, (0, 2, 1)))


def additive_score(query, keys, v):
    """Scores each key by a network with one hidden layer.

    ```
    score(q, k) = v . tanh(q + k)
    ```

    Bahdanau, Cho & Bengio, "Neural Machine Translation by Jointly Learning to
    Align and Translate" (2015), https://arxiv.org/abs/1409.0473, appendix
    A.1.2; `q` and `k` come projected. The hidden layer is a tensor of shape
    `(batch_size, queries, source_length, units)`.

    Args:
        query: Projected query, shape `(batch_size, queries, units)`.
        keys: Projected memory, shape `(batch_size, source_length, units)`, or
            `(batch_size, queries, source_length, units)` if every query has
            keys of its own.
        v: Tensor of shape `(units,)`.

    Returns:
        Scores of shape `(batch_size, queries, source_length)`.

    Example:

    >>> from keras import ops
    >>> query = ops.zeros((2, 3, 5))
    >>> keys = ops.zeros((2, 4, 5))
    >>> tuple(additive_score(query, keys, ops.ones(5)).shape)
    (2, 3, 4)
    """
    if len(keys.shape) == 3:
        keys = keys[:, None]
    hidden = ops.tanh(query[:, :, None] + keys)
    # (B, T, S, U) x (U, 1) -> (B, T, S, 1)
    return ops.squeeze(project(hidden, v[:, None]), axis=-1)


def project(x, kernel):
    """Multiplies the last axis by a matrix, in one product of matrices.

    ```
    y = x W
    ```

    The same as `ops.matmul`, which TensorFlow computes by `tensordot` if `x`
    has more than two axes: that costs a dozen small operations in every step
    of a loop, and XLA can't differentiate it there for unknown shapes.

    Args:
        x: Tensor of shape `(..., depth)`.
        kernel: Tensor of shape `(depth, units)`.

    Returns:
        Tensor of shape `(..., units)`.

    Example:

    >>> from keras import ops
    >>> x = ops.ones((2, 3, 4))
    >>> tuple(project(x, ops.ones((4, 5))).shape)
    (2, 3, 5)
    """
    rows = ops.matmul(ops.reshape(x, (-1, x.shape[-1])), kernel)
    return ops.reshape(rows, (*ops.shape(x)[:-1], kernel.shape[-1]))


def masked_softmax(scores, mask=None, axis=-1):
    """Softmax over the real positions.

    ```
    a_s = m_s exp(score_s) / sum_r m_r exp(score_r)
    ```

    Positions where the mask is false get exactly zero and no gradient. A row
    without a real position is zero everywhere. Half precision is computed in
    float32 and rounded at the end.

    Args:
        scores: Float tensor.
        mask: Boolean tensor that broadcasts to `scores`, true at real
            positions. `None` means that all positions are real.
        axis: The axis to normalise.

    Returns:
        Tensor of the shape and dtype of `scores`.

    Example:

    >>> from keras import ops
    >>> scores = ops.convert_to_tensor([[1.0, 1.0, 9.0], [1.0, 2.0, 3.0]])
    >>> mask = ops.convert_to_tensor([[True, True, False], [False] * 3])
    >>> ops.convert_to_numpy(masked_softmax(scores, mask)).tolist()
    [[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]
    """
    scores = ops.convert_to_tensor(scores)
    dtype = keras.backend.standardize_dtype(scores.dtype)
    if dtype in HALF:
        scores = ops.cast(scores, "float32")
    if mask is None:
        return ops.cast(_softmax(scores, axis), dtype)
    lowest = ops.full_like(scores, LOWEST)
    alignments = _softmax(ops.where(mask, scores, lowest), axis)
    # Only a row without a real position is not zero there already.
    alignments = ops.where(mask, alignments, ops.zeros_like(alignments))
    return ops.cast(alignments, dtype)


def _softmax(scores, axis):
    if scores.shape[axis] == 1:
        # A source of one position is legal; Keras warns of it. This is 1,
        # with a gradient of 0.
        return ops.exp(scores - scores)
    return ops.softmax(scores, axis=axis)


def hardmax(scores, mask=None, axis=-1):
    """One at the highest score of the real positions, zero elsewhere.

    Of equal scores the first one wins. The function is piecewise constant:
    no gradient flows to the scores. A row without a real position is zero
    everywhere.

    Args:
        scores: Float tensor.
        mask: Boolean tensor that broadcasts to `scores`, true at real
            positions. `None` means that all positions are real.
        axis: The axis on which to choose.

    Returns:
        Tensor of the shape and dtype of `scores`.

    Example:

    >>> from keras import ops
    >>> scores = ops.convert_to_tensor([[1.0, 4.0, 4.0], [9.0, 2.0, 3.0]])
    >>> mask = ops.convert_to_tensor([[True] * 3, [False, True, True]])
    >>> ops.convert_to_numpy(hardmax(scores, mask)).tolist()
    [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    scores = ops.convert_to_tensor(scores)
    if mask is not None:
        lowest = ops.full_like(scores, float("-inf"))
        scores = ops.where(mask, scores, lowest)
    best = ops.expand_dims(ops.argmax(scores, axis=axis), axis)
    shape = [1] * len(scores.shape)
    shape[axis] = -1
    positions = ops.arange(ops.shape(scores)[axis], dtype=best.dtype)
    chosen = ops.reshape(positions, shape) == best
    if mask is not None:
        chosen = ops.logical_and(chosen, mask)
    return ops.cast(chosen, scores.dtype)


def zero_padding(sequences, mask=None):
    """Replaces what stands at padding by zeros.

    Multiplying by a mask would keep NaN and infinity, and so would any sum
    weighted with zeros.

    Args:
        sequences: Tensor of shape `(batch_size, time, ...)`.
        mask: Boolean tensor of shape `(batch_size, time)`, true at real
            positions, or `None`, which changes nothing.

    Returns:
        Tensor of the shape and dtype of `sequences`.

    Example:

    >>> from keras import ops
    >>> x = ops.convert_to_tensor([[[1.0], [float("nan")]]])
    >>> mask = ops.convert_to_tensor([[True, False]])
    >>> ops.convert_to_numpy(zero_padding(x, mask)).tolist()
    [[[1.0], [0.0]]]
    """
    if mask is None:
        return sequences
    rank = len(sequences.shape)
    mask = ops.reshape(mask, (*ops.shape(mask), *(1,) * (rank - 2)))
    return ops.where(mask, sequences, ops.zeros_like(sequences))
