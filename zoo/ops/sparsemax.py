"""Sparsemax: alignments that are zero wherever the score is low."""

import keras
from keras import ops

from zoo.ops.attention import HALF
from zoo.ops.attention import LOWEST


def sparsemax(scores, mask=None, axis=-1):
    """Projects scores onto the probability simplex.

    ```
    a = argmin_p ||p - e||^2        over p >= 0 with sum_s p_s = 1
    a_s = max(e_s - tau, 0)
    tau = (e_(1) + ... + e_(k) - 1) / k
    k = max {i : 1 + i e_(i) > e_(1) + ... + e_(i)}
    ```

    `e_(1) >= e_(2) >= ...` are the scores in order. Unlike a softmax it gives
    exactly zero to all but the highest scores.

    Martins & Astudillo, "From Softmax to Sparsemax: A Sparse Model of
    Attention and Multi-Label Classification" (2016),
    https://arxiv.org/abs/1602.02068, Eq. 2 and Algorithm 1.

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
    >>> scores = ops.convert_to_tensor([[1.0, 1.5, 0.0], [1.0, 2.0, 3.0]])
    >>> mask = ops.convert_to_tensor([[True] * 3, [False] * 3])
    >>> ops.convert_to_numpy(sparsemax(scores, mask)).tolist()
    [[0.25, 0.75, 0.0], [0.0, 0.0, 0.0]]
    """
    scores = ops.convert_to_tensor(scores)
    dtype = keras.backend.standardize_dtype(scores.dtype)
    if dtype in HALF:
        scores = ops.cast(scores, "float32")
    if mask is not None:
        scores = ops.where(mask, scores, ops.full_like(scores, LOWEST))
    # The same number taken from all scores changes nothing, and with the
    # highest at 0 no score below -1 has a share. (`initial` is for an empty
    # batch, of which Keras finds no maximum.)
    scores = scores - ops.max(
        ops.stop_gradient(scores), axis=axis, keepdims=True, initial=LOWEST
    )
    chosen = _support(ops.stop_gradient(scores), axis)
    if mask is not None:
        # Chosen padding stands in a row of padding alone.
        chosen = ops.logical_and(chosen, mask)
    zeros = ops.zeros_like(scores)
    total = ops.sum(ops.where(chosen, scores, zeros), axis, keepdims=True)
    count = ops.sum(ops.cast(chosen, scores.dtype), axis, keepdims=True)
    tau = (total - 1) / ops.maximum(count, 1)
    alignments = ops.relu(ops.where(chosen, scores - tau, zeros))
    return ops.cast(alignments, dtype)


def _support(scores, axis):
    """Where the projection of scores, the highest of them 0, is positive."""
    scores = ops.maximum(scores, -1)
    descending = -ops.sort(-scores, axis=axis)
    shape = [1] * len(scores.shape)
    shape[axis] = -1
    size = ops.shape(scores)[axis]
    ranks = ops.reshape(ops.arange(1, size + 1, dtype=scores.dtype), shape)
    totals = ops.cumsum(descending, axis=axis)
    among = ops.cast(1 + ranks * descending > totals, scores.dtype)
    count = ops.sum(among, axis=axis, keepdims=True)
    total = ops.sum(among * descending, axis=axis, keepdims=True)
    return scores > (total - 1) / count
