"""Tests of monotonic alignments against oracles and loops in NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.backend import compiled
from tests.backend import every_mode
from tests.backend import numpy_of
from tests.backend import of_any_size
from tests.backend import precision
from tests.backend import with_gradients
from zoo.ops.monotonic import monotonic_attention

EXACT = ("parallel", "recursive")


def loop(p, previous):
    """Where the pointer may start, and where it stops from there."""
    alignments = np.zeros_like(p)
    for row in np.ndindex(p.shape[:-1]):
        for start, mass in enumerate(previous[row]):
            for s in range(start, p.shape[-1]):
                alignments[row][s] += mass * p[row][s]
                mass *= 1 - p[row][s]
    return alignments


@every_mode
@pytest.mark.parametrize("form", EXACT)
def test_oracle_with_probabilities_of_zero_and_one(mode, form, oracle):
    arrays = oracle("g7_function")
    result = compiled(lambda *x: monotonic_attention(*x, form), mode)(
        arrays["p"], arrays["prev"]
    )
    np.testing.assert_allclose(result, arrays["recursive"], atol=1e-6)
    rows = [0, 1, 3, 4]  # where the form with a quotient is right
    np.testing.assert_allclose(
        numpy_of(result)[rows], arrays["parallel"][rows], atol=1e-5
    )


@every_mode
def test_hard_oracle_is_matched_to_the_bit(mode, oracle):
    arrays = oracle("g7_function")
    result = compiled(lambda *x: monotonic_attention(*x, "hard"), mode)(
        arrays["hard_p"], arrays["hard_prev"]
    )
    np.testing.assert_array_equal(result, arrays["hard"])


@every_mode
@pytest.mark.parametrize("form", EXACT)
def test_values_and_gradients_of_a_long_confident_row(mode, form):
    # Products of 1 - p underflow many times over on 300 positions.
    rng = np.random.default_rng(1)
    p = rng.uniform(0.5, 1, (2, 3, 300))
    p[0, 0, ::7] = 1
    p[1, 2, ::5] = 0
    previous = rng.dirichlet(np.ones(300), (2, 3))
    weights = rng.normal(size=p.shape)

    def weigh(p, previous):
        alignments = monotonic_attention(p, previous, form)
        return ops.sum(alignments * ops.cast(weights, p.dtype)), alignments

    run = compiled(lambda *x: with_gradients(weigh, x), mode)
    alignments, _ = run(p.astype("float32"), previous.astype("float32"))
    expected = loop(p, previous)
    np.testing.assert_allclose(alignments, expected, atol=1e-7)
    assert numpy_of(alignments).sum(-1).min() > 0.8
    _, given = run(p, previous)
    for name, gradient, change in zip(
        ("p", "previous"), given, rng.normal(size=(2, *p.shape)), strict=True
    ):
        change = 1e-6 * change
        ahead, behind = (
            loop(p + e * change, previous)
            if name == "p"
            else loop(p, previous + e * change)
            for e in (1, -1)
        )
        np.testing.assert_allclose(
            (numpy_of(gradient) * change).sum(),
            ((ahead - behind) * weights).sum() / 2,
            rtol=precision(1e-6, 1e-3),
            err_msg=name,
        )


@pytest.mark.parametrize("mode", [*EXACT, "hard"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_rounded_at_the_end(mode, dtype):
    rng = np.random.default_rng(2)
    p = ops.cast(rng.uniform(0, 1, (2, 9)), dtype)
    previous = ops.cast(rng.dirichlet(np.ones(9), 2), dtype)
    result = monotonic_attention(p, previous, mode)
    assert keras.backend.standardize_dtype(result.dtype) == dtype
    expected = monotonic_attention(
        ops.cast(p, "float32"), ops.cast(previous, "float32"), mode
    )
    np.testing.assert_array_equal(
        numpy_of(result), numpy_of(ops.cast(expected, dtype))
    )


@pytest.mark.parametrize("mode", [*EXACT, "hard"])
def test_shapes_need_not_be_known(mode):
    rng = np.random.default_rng(3)
    p = rng.integers(0, 2, (2, 3, 4)).astype("float32")
    previous = np.eye(4, dtype="float32")[rng.integers(0, 4, (2, 3))]
    for rows in (2, 0):
        result = of_any_size(
            lambda *x: monotonic_attention(*x, mode),
            [p[:rows], previous[:rows]],
            [(None, None, None)] * 2,
            mode="xla",
        )
        np.testing.assert_array_equal(result, loop(p[:rows], previous[:rows]))


def test_unknown_mode_names_the_known_ones():
    p = np.ones((1, 2), "float32")
    with pytest.raises(ValueError, match="'recursive', 'hard', got 'soft'"):
        monotonic_attention(p, p, "soft")
