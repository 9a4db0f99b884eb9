"""Monotonic alignments: a pointer that moves only forward."""

import keras
from keras import ops

from zoo.ops.attention import HALF
from zoo.ops.recurrent import unroll

MODES = ("parallel", "recursive", "hard")


def monotonic_attention(probabilities, previous, mode="parallel"):
    """Alignments of a pointer that walks on from where it last stopped.

    ```
    q_0 = previous_0
    q_s = (1 - p_{s-1}) q_{s-1} + previous_s        it comes to s,
    a_s = p_s q_s                                   and stops there
    ```

    From the position where it stopped at the step before, the pointer passes
    position after position and stops at `s` with probability `p_s`. It may
    pass the last one without stopping: alignments sum to one or less.

    Raffel, Luong, Liu, Weiss & Eck, "Online and Linear-Time Attention by
    Enforcing Monotonic Alignments" (2017), https://arxiv.org/abs/1704.00784,
    section 2.3 for the expectation and 2.2 for "hard". Deviation: the paper's
    parallel form, and that of TensorFlow Addons, divides by products of
    `1 - p`, which are soon too small, and loses what stops behind a `p` near
    one. Here "parallel" solves the recurrence as what it is, a triangular
    system of equations with ones on the diagonal, and is as exact as
    "recursive".

    Half precision is computed in float32 and rounded at the end.

    Args:
        probabilities: `p`, float tensor of shape `(..., source_length)`,
            values from 0 to 1; 0 at padding, which is so passed without
            stopping.
        previous: Alignments of the step before, of the shape of
            `probabilities`; before the first step one at position 0 and zero
            elsewhere.
        mode: `"parallel"`, one solution for all positions, which takes memory
            for `source_length` squared numbers a row; `"recursive"`, a loop
            over the positions; or `"hard"`, the first position from the
            previous one on with `p > 0.5`, which for probabilities of 0 and 1
            is the same again, without a gradient.

    Returns:
        Alignments, of the shape and dtype of `probabilities`.

    Raises:
        ValueError: If `mode` is unknown.

    Example:

    >>> from keras import ops
    >>> p = ops.convert_to_tensor([[0.5, 0.5, 1.0]])
    >>> previous = ops.convert_to_tensor([[1.0, 0.0, 0.0]])
    >>> ops.convert_to_numpy(monotonic_attention(p, previous)).tolist()
    [[0.5, 0.25, 0.25]]
    """
    check_mode(mode)
    probabilities = ops.convert_to_tensor(probabilities)
    dtype = keras.backend.standardize_dtype(probabilities.dtype)
    exact = "float32" if dtype in HALF else dtype
    p = ops.cast(probabilities, exact)
    previous = ops.cast(ops.convert_to_tensor(previous), exact)
    if mode == "hard":
        alignments = _stop(p, previous)
    else:
        arrive = _solve if mode == "parallel" else _walk
        alignments = p * arrive(1 - p, previous)
    return ops.cast(alignments, dtype)


def _solve(passing, previous):
    """`q` of `q_s - passing_{s-1} q_{s-1} = previous_s`."""
    positions = ops.arange(ops.shape(passing)[-1])
    row, column = positions[:, None], positions[None, :]
    # (..., S) -> (..., S, S)
    below = ops.where(row == column + 1, -passing[..., None, :], 0)
    matrix = below + ops.cast(row == column, passing.dtype)
    return ops.solve_triangular(matrix, previous[..., None], lower=True)[..., 0]


def _walk(passing, previous):
    """`q` in a loop over the positions."""
    shape = ops.shape(passing)
    rows = [ops.reshape(x, (-1, shape[-1])) for x in (passing, previous)]

    def step(inputs, carried):
        passing_s, previous_s = inputs
        q = carried + previous_s
        return q, passing_s * q

    q, _ = unroll(step, rows, ops.zeros_like(rows[0][:, 0]))
    return ops.reshape(q, shape)


def _stop(p, previous):
    """One at the first position with `p > 0.5` from the last stop on."""
    reached = ops.cumsum(previous, axis=-1) > 0.5
    stops = ops.cast(ops.logical_and(reached, p > 0.5), "int32")
    first = ops.logical_and(stops > 0, ops.cumsum(stops, axis=-1) == 1)
    return ops.cast(first, p.dtype)


def check_mode(mode):
    """Raises `ValueError` unless `mode` is one of monotonic attention."""
    if mode not in MODES:
        raise ValueError(
            f"Expected `mode` to be one of {', '.join(map(repr, MODES))}, got "
            f"{mode!r}."
        )
