"""Length and coverage penalties that make hypotheses comparable."""

from keras import ops

# A source position that got less attention than this, over all target tokens
# together, counts as if it had got this much: log(0) would make every
# hypothesis that skips one word equally worthless.
COVERAGE_FLOOR = 1e-6


def length_penalty(length, alpha):
    """What log-probabilities are divided by, to give long outputs a chance.

    ```
    lp(n) = ((5 + n) / 6) ^ alpha
    ```

    Wu et al., 2016, "Google's Neural Machine Translation System: Bridging the
    Gap between Human and Machine Translation", Eq. 14,
    https://arxiv.org/abs/1609.08144. `n` counts the end token.

    Args:
        length: `n`, in tokens, end token included: a number or a tensor of any
            shape, at least 1.
        alpha: float, at least 0. With 0 the penalty is 1 at every length, with
            1 it is almost the length itself; 0.6 to 1 is usual.

    Returns:
        A float32 tensor of the shape of `length`.

    Example:

    >>> import zoo
    >>> print(float(zoo.decoding.length_penalty(7, alpha=1.0)))
    2.0
    """
    return ops.power((5.0 + ops.cast(length, "float32")) / 6.0, float(alpha))


def coverage_penalty(attention_totals, memory_mask, beta):
    """What a hypothesis loses for source positions it hardly looked at.

    ```
    cp = beta * sum_s log(min(max(a_s, floor), 1))
    a_s = sum_t alignments[t, s]
    ```

    `s` runs over the real source positions, `t` over the target tokens, end
    token included. Wu et al., 2016, Eq. 14,
    https://arxiv.org/abs/1609.08144, but for the floor of 1e-6: without it one
    position that got no attention at all (hard attention, half precision) would
    cost infinitely much.

    Args:
        attention_totals: `a`, `(B, S)` or with any dimensions in between, such
            as `(B, K, S)` for `K` beams.
        memory_mask: `(B, S)` bool, True = real position; or `None` where all
            positions are real. Padding costs nothing. May also have the shape
            of `attention_totals`.
        beta: float, at least 0. With 0 nothing is penalised; 0.2 is usual.

    Returns:
        A float32 tensor, the shape of `attention_totals` without `S`; never
        above 0, to be added to the length-normalised log-probability.

    Example:

    >>> import numpy as np
    >>> import zoo
    >>> totals = np.array([[1.3, 0.5, 0.0]])
    >>> mask = np.array([[True, True, False]])
    >>> penalty = zoo.decoding.coverage_penalty(totals, mask, beta=1.0)
    >>> print(f"{float(penalty[0]):.3f}")
    -0.693
    """
    totals = ops.cast(attention_totals, "float32")
    covered = ops.log(ops.clip(totals, COVERAGE_FLOOR, 1.0))
    if memory_mask is not None:
        mask = ops.cast(memory_mask, "bool")
        while ops.ndim(mask) < ops.ndim(covered):
            mask = ops.expand_dims(mask, -2)
        covered = ops.where(mask, covered, 0.0)
    return float(beta) * ops.sum(covered, axis=-1)
