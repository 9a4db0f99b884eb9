"""A recurrence without a matrix in it, over all steps in parallel."""

import keras
from keras import ops

from zoo.ops.attention import HALF
from zoo.ops.attention import zero_padding
from zoo.ops.recurrent import check_sequences


def linear_recurrence(a, b, initial_state, mask=None, reverse=False):
    """Multiplies and adds from step to step, for all steps in parallel.

    ```
    h_t = a_t * h_{t-1} + b_t                     elementwise

    (a', b') after (a, b):   h -> a' * (a * h + b) + b'
                               =  (a' * a) * h + (a' * b + b')
    ```

    Steps that follow each other are a step of the same form, so that pairs,
    then fours, then eights of them are put together: a logarithmic number of
    rounds in place of a loop over time (Blelloch, "Prefix Sums and Their
    Applications", 1990; the rounds are those of Hillis & Steele, "Data
    Parallel Algorithms", 1986). Nothing is divided, so `a` may be zero. Half
    precision is computed in float32 and rounded at the end. Masked steps
    carry the state and output zeros.

    Args:
        a: Factors, shape `(batch_size, time, units)`.
        b: Summands, of the same shape.
        initial_state: `h_0`, shape `(batch_size, units)`.
        mask: Boolean, shape `(batch_size, time)`, true at real steps.
        reverse: If true, runs from the last step to the first.

    Returns:
        Tuple of `h` at all steps, `(batch_size, time, units)`, in the order
        of `a` also when `reverse=True`, and at the last step taken,
        `(batch_size, units)`.

    Raises:
        ValueError: If `a`, `b` and `mask` do not fit each other.

    Example:

    >>> import numpy as np
    >>> from zoo.ops import linear_recurrence
    >>> a, b = np.full((1, 3, 1), 0.5), np.ones((1, 3, 1))
    >>> h, last = linear_recurrence(a, b, np.zeros((1, 1)))
    >>> np.asarray(h).ravel().tolist(), float(last[0, 0])
    ([1.0, 1.5, 1.75], 1.75)
    """
    a, b, h = (ops.convert_to_tensor(x) for x in (a, b, initial_state))
    mask = check_sequences([a, b], mask)
    dtype = keras.backend.standardize_dtype(b.dtype)
    if dtype in HALF:
        a, b, h = (ops.cast(x, "float32") for x in (a, b, h))
    if mask is not None:
        a = ops.where(mask[..., None], a, ops.ones_like(a))
        b = zero_padding(b, mask)
    if reverse:
        a, b = ops.flip(a, axis=1), ops.flip(b, axis=1)
    a, b = _all_steps_until_each(a, b)
    h = ops.cast(a * h[:, None] + b, dtype)
    last = h[:, -1]
    if reverse:
        h = ops.flip(h, axis=1)
    return zero_padding(h, mask), last


def _all_steps_until_each(a, b):
    """Puts the steps from the first on together, up to each step."""
    time = ops.shape(a)[1]
    steps = ops.arange(time)[None, :, None]

    def join(width, a, b):
        # `a` and `b` are of `width` steps; before the first, of fewer
        there = steps >= width
        before_a = ops.where(there, ops.roll(a, width, axis=1), 1)
        before_b = ops.where(there, ops.roll(b, width, axis=1), 0)
        return 2 * width, a * before_a, a * before_b + b

    width = 1
    if isinstance(time, int):
        while width < time:
            width, a, b = join(width, a, b)
        return a, b
    _, a, b = ops.while_loop(
        lambda width, a, b: width < time,
        join,
        (ops.convert_to_tensor(width), a, b),
        maximum_iterations=31,
    )
    return a, b
