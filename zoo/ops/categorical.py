"""Samples of a categorical distribution from given random numbers."""

from keras import ops


def categorical(logits, uniform):
    """Draws one token a row, with one random number for it.

    ```
    token = min {k : p_1 + ... + p_k >= (1 - u) (p_1 + ... + p_V)}
    p = softmax(logits)
    ```

    This is the inverse of the distribution function. As the random numbers
    are an argument, a loop over steps can draw all of them before it starts,
    `(batch_size, time)` of them, where Gumbel noise would be `(batch_size,
    time, vocabulary)`. A token whose logit is `-inf` is never drawn.

    Args:
        logits: Tensor of shape `(batch_size, vocabulary)`, unnormalised
            log-probabilities; no row of `-inf` alone.
        uniform: Tensor of shape `(batch_size,)`, independent numbers in
            [0, 1).

    Returns:
        The tokens, int32 of shape `(batch_size,)`.

    Example:

    >>> import numpy as np
    >>> from zoo.ops import categorical
    >>> logits = np.log([[0.5, 0.25, 0.25]]).astype("float32")
    >>> [int(categorical(logits, [u])[0]) for u in (0.9, 0.6, 0.3, 0.1)]
    [0, 0, 1, 2]
    """
    probabilities = ops.softmax(ops.cast(logits, "float32"), axis=-1)
    possible = probabilities > 0
    # Where rounding lets the sum exceed that at the last possible token, or
    # stand still, the comparisons must nevertheless find a possible one.
    reached = ops.where(possible, ops.cumsum(probabilities, axis=-1), 0.0)
    uniform = ops.cast(ops.convert_to_tensor(uniform), "float32")
    share = (1 - uniform)[:, None] * ops.max(reached, axis=-1, keepdims=True)
    found = ops.logical_and(possible, reached >= share)
    return ops.cast(ops.argmax(found, axis=-1), "int32")
