"""Tests of monotonic alignments against oracles and loops in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.ops.monotonic import monotonic_attention

RUNNERS = {
    "eager": lambda function: function,
    "graph": tf.function,
    "xla": lambda function: tf.function(function, jit_compile=True),
}
EXACT = ("parallel", "recursive")

run_everywhere = pytest.mark.parametrize(
    "run", RUNNERS.values(), ids=RUNNERS.keys()
)


def loop(p, previous):
    """Where the pointer may start, and where it stops from there."""
    alignments = np.zeros_like(p)
    for row in np.ndindex(p.shape[:-1]):
        for start, mass in enumerate(previous[row]):
            for s in range(start, p.shape[-1]):
                alignments[row][s] += mass * p[row][s]
                mass *= 1 - p[row][s]
    return alignments


@run_everywhere
@pytest.mark.parametrize("mode", EXACT)
def test_oracle_with_probabilities_of_zero_and_one(run, mode, oracle):
    arrays = oracle("g7_function")
    result = run(lambda p, previous: monotonic_attention(p, previous, mode))(
        arrays["p"], arrays["prev"]
    )
    np.testing.assert_allclose(result, arrays["recursive"], atol=1e-6)
    rows = [0, 1, 3, 4]  # where the form with a quotient is right
    np.testing.assert_allclose(
        result.numpy()[rows], arrays["parallel"][rows], atol=1e-5
    )


@run_everywhere
def test_hard_oracle_is_matched_to_the_bit(run, oracle):
    arrays = oracle("g7_function")
    result = run(lambda p, previous: monotonic_attention(p, previous, "hard"))(
        arrays["hard_p"], arrays["hard_prev"]
    )
    np.testing.assert_array_equal(result, arrays["hard"])


@run_everywhere
@pytest.mark.parametrize("mode", EXACT)
def test_values_and_gradients_of_a_long_confident_row(run, mode):
    # Products of 1 - p underflow many times over on 300 positions.
    rng = np.random.default_rng(1)
    p = rng.uniform(0.5, 1, (2, 3, 300))
    p[0, 0, ::7] = 1
    p[1, 2, ::5] = 0
    previous = rng.dirichlet(np.ones(300), (2, 3))
    weights = rng.normal(size=p.shape)

    def gradients(p, previous):
        with tf.GradientTape() as tape:
            tape.watch([p, previous])
            alignments = monotonic_attention(p, previous, mode)
            loss = tf.reduce_sum(alignments * tf.cast(weights, p.dtype))
        return alignments, tape.gradient(loss, [p, previous])

    alignments, _ = run(gradients)(
        tf.constant(p, "float32"), tf.constant(previous, "float32")
    )
    expected = loop(p, previous)
    np.testing.assert_allclose(alignments, expected, atol=1e-7)
    assert alignments.numpy().sum(-1).min() > 0.8
    _, given = run(gradients)(tf.constant(p), tf.constant(previous))
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
            (gradient.numpy() * change).sum(),
            ((ahead - behind) * weights).sum() / 2,
            rtol=1e-6,
            err_msg=name,
        )


@pytest.mark.parametrize("mode", [*EXACT, "hard"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_rounded_at_the_end(mode, dtype):
    rng = np.random.default_rng(2)
    p = tf.cast(rng.uniform(0, 1, (2, 9)), dtype)
    previous = tf.cast(rng.dirichlet(np.ones(9), 2), dtype)
    result = monotonic_attention(p, previous, mode)
    assert keras.backend.standardize_dtype(result.dtype) == dtype
    expected = monotonic_attention(
        tf.cast(p, "float32"), tf.cast(previous, "float32"), mode
    )
    np.testing.assert_array_equal(result, tf.cast(expected, dtype))


@pytest.mark.parametrize("mode", [*EXACT, "hard"])
def test_shapes_need_not_be_known(mode):
    rng = np.random.default_rng(3)
    p = rng.integers(0, 2, (2, 3, 4)).astype("float32")
    previous = np.eye(4, dtype="float32")[rng.integers(0, 4, (2, 3))]
    compiled = tf.function(
        lambda *x: monotonic_attention(*x, mode),
        input_signature=[tf.TensorSpec((None, None, None))] * 2,
        jit_compile=True,
    )
    np.testing.assert_array_equal(compiled(p, previous), loop(p, previous))
    assert tuple(compiled(p[:0], previous[:0]).shape) == (0, 3, 4)


def test_unknown_mode_names_the_known_ones():
    p = np.ones((1, 2), "float32")
    with pytest.raises(ValueError, match="'recursive', 'hard', got 'soft'"):
        monotonic_attention(p, p, "soft")
