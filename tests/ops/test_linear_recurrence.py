"""Tests of the linear recurrence against a loop in NumPy."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from zoo.ops import linear_recurrence

BATCH, UNITS = 3, 2
TIMES = (1, 2, 5, 8, 9)


def draw(*shape):
    return np.random.default_rng(shape).normal(size=shape)


def sources_of(time):
    """Factors, summands and a state to start from."""
    a, b = draw(2, BATCH, time, UNITS)
    return a, b, draw(BATCH, UNITS)


def mask_of(time):
    """Gaps, padding alone, right padding."""
    steps = np.arange(time)
    return np.stack([steps % 2 == 1, steps < 0, steps < (time + 1) // 2])


def numpy_recurrence(a, b, h, mask=None, reverse=False):
    time = a.shape[1]
    outputs, h = np.zeros_like(b), h.copy()
    for row in range(BATCH):
        for t in reversed(range(time)) if reverse else range(time):
            if mask is None or mask[row, t]:
                h[row] = a[row, t] * h[row] + b[row, t]
                outputs[row, t] = h[row]
    return outputs, h


def weigh(outputs, h):
    outputs = tf.reduce_sum(outputs * draw(7, *outputs.shape)[0])
    return outputs + tf.reduce_sum(h * draw(7, *h.shape)[0])


def with_gradients(mask, reverse, *sources):
    with tf.GradientTape() as tape:
        tape.watch(sources)
        outputs, h = linear_recurrence(*sources, mask, reverse)
        # of unknown shape in a graph: a weight that fits any
        weights = tf.cast(tf.range(tf.size(outputs)), outputs.dtype)
        weights = tf.reshape(tf.sin(weights), tf.shape(outputs))
        loss = tf.reduce_sum(outputs * weights) + tf.reduce_sum(h**2)
    return outputs, h, *tape.gradient(loss, sources)


def assert_close(given, expected, tolerance=1e-9):
    for x, y in zip(given, expected, strict=True):
        np.testing.assert_allclose(x, y, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("time", TIMES)
def test_values_are_those_of_a_loop(time, masked, reverse):
    sources = sources_of(time)
    mask = mask_of(time) if masked else None
    given = linear_recurrence(*sources, mask, reverse)
    assert_close(given, numpy_recurrence(*sources, mask, reverse))


@pytest.mark.parametrize("reverse", [False, True])
def test_gradients_are_central_differences(reverse):
    sources, mask = sources_of(5), mask_of(5)
    tensors = [tf.constant(x) for x in sources]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        loss = weigh(*linear_recurrence(*tensors, mask, reverse))
    gradients = tape.gradient(loss, tensors)
    for i, (x, gradient) in enumerate(zip(sources, gradients, strict=True)):
        direction = draw(9, *x.shape)[0]

        def slope(step, i=i, direction=direction):
            moved = list(sources)
            moved[i] = moved[i] + step * direction
            return weigh(*numpy_recurrence(*moved, mask, reverse)).numpy()

        np.testing.assert_allclose(
            np.sum(gradient * direction),
            (slope(1e-5) - slope(-1e-5)) / 2e-5,
            rtol=1e-6,
        )


@pytest.mark.parametrize(
    ("jit_compile", "time"), [(False, 1), (False, 5), (False, 8), (True, 5)]
)
@pytest.mark.parametrize("known", [True, False])
def test_graph_and_xla_give_what_eager_gives(jit_compile, known, time):
    sources, mask = sources_of(time), mask_of(time)
    function = functools.partial(with_gradients, mask, True)
    expected = function(*(tf.constant(x) for x in sources))
    shape = (BATCH, time) if known else (None, None)
    signature = [tf.TensorSpec((*shape, UNITS), "float64")] * 2
    signature.append(tf.TensorSpec((shape[0], UNITS), "float64"))
    compiled = tf.function(function, signature, jit_compile=jit_compile)
    assert_close(compiled(*sources), expected)


def test_factors_may_be_zero_and_long_products_may_vanish():
    a = np.full((BATCH, 300, UNITS), 0.1, "float32")
    a[:, 50] = 0
    b = draw(BATCH, 300, UNITS).astype("float32")
    h = draw(BATCH, UNITS).astype("float32")
    given = linear_recurrence(a, b, h)
    assert_close(given, numpy_recurrence(a, b, h), tolerance=1e-6)


@pytest.mark.parametrize(
    ("dtype", "unit"), [("float16", 2.0**-11), ("bfloat16", 2.0**-8)]
)
def test_half_precision_rounds_only_once(dtype, unit):
    sources = [tf.cast(x, dtype) for x in sources_of(9)]
    given = linear_recurrence(*sources)
    sources = [tf.cast(x, "float64").numpy() for x in sources]
    for x, y in zip(given, numpy_recurrence(*sources), strict=True):
        assert x.dtype == dtype
        x = tf.cast(x, "float64")
        np.testing.assert_allclose(x, y, rtol=1.01 * unit, atol=1e-5)


def test_row_of_padding_returns_its_initial_state():
    sources = sources_of(5)
    outputs, h = linear_recurrence(*sources, mask_of(5))
    np.testing.assert_array_equal(h[1], sources[2][1])
    assert not np.any(outputs[1])


def test_what_does_not_fit_is_refused():
    a, b, h = sources_of(5)
    with pytest.raises(ValueError, match=r"\(3, 5\), \(3, 4\)"):
        linear_recurrence(a, b[:, :4], h)
    with pytest.raises(ValueError, match=r"\(batch_size, time\).*\(5,\)"):
        linear_recurrence(a, b, h, mask=np.ones(5, bool))
