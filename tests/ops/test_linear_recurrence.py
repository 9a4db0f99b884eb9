"""Tests of the linear recurrence against a loop in NumPy."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

from tests.backend import gradients
from tests.backend import numpy_of
from tests.backend import of_any_size
from tests.backend import precision
from tests.backend import tensors
from tests.backend import with_gradients
from zoo.ops import linear_recurrence

BATCH, UNITS = 3, 2
TIMES = (1, 2, 5, 8, 9)
TOLERANCE = precision(1e-9, 1e-5)


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
    weights = tensors([draw(7, *x.shape)[0] for x in (outputs, h)])
    outputs, h = tensors([outputs, h])
    return ops.sum(outputs * weights[0]) + ops.sum(h * weights[1])


def trained(mask, reverse, *sources):
    """Outputs, last state and gradients."""

    def loss(*sources):
        outputs, h = linear_recurrence(*sources, mask, reverse)
        # of unknown shape in a graph: a weight that fits any
        weights = ops.arange(ops.size(outputs), dtype=outputs.dtype)
        weights = ops.reshape(ops.sin(weights), ops.shape(outputs))
        return ops.sum(outputs * weights) + ops.sum(h**2), (outputs, h)

    values, gradients = with_gradients(loss, sources)
    return (*values, *gradients)


def assert_close(given, expected, tolerance=TOLERANCE):
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
    found = gradients(
        lambda *sources: weigh(*linear_recurrence(*sources, mask, reverse)),
        sources,
    )
    for i, (x, gradient) in enumerate(zip(sources, found, strict=True)):
        direction = draw(9, *x.shape)[0]

        def slope(step, i=i, direction=direction):
            moved = list(sources)
            moved[i] = moved[i] + step * direction
            outputs, h = numpy_recurrence(*moved, mask, reverse)
            weights = [draw(7, *x.shape)[0] for x in (outputs, h)]
            return np.sum(outputs * weights[0]) + np.sum(h * weights[1])

        np.testing.assert_allclose(
            np.sum(gradient * direction),
            (slope(1e-5) - slope(-1e-5)) / 2e-5,
            rtol=precision(1e-6, 1e-4),
        )


@pytest.mark.parametrize(
    ("mode", "time"), [("graph", 1), ("graph", 5), ("graph", 8), ("xla", 5)]
)
@pytest.mark.parametrize("known", [True, False])
def test_graph_and_xla_give_what_eager_gives(mode, known, time):
    sources, mask = sources_of(time), mask_of(time)
    function = functools.partial(trained, mask, True)
    expected = function(*sources)
    shape = (BATCH, time) if known else (None, None)
    shapes = [(*shape, UNITS)] * 2 + [(shape[0], UNITS)]
    assert_close(of_any_size(function, sources, shapes, mode), expected)


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
    sources = [ops.cast(x, dtype) for x in sources_of(9)]
    given = linear_recurrence(*sources)
    sources = [numpy_of(x).astype("float64") for x in sources]
    for x, y in zip(given, numpy_recurrence(*sources), strict=True):
        assert keras.backend.standardize_dtype(x.dtype) == dtype
        x = numpy_of(x)
        np.testing.assert_allclose(x, y, rtol=1.01 * unit, atol=1e-5)


def test_row_of_padding_returns_its_initial_state():
    sources = sources_of(5)
    outputs, h = linear_recurrence(*tensors(sources), mask_of(5))
    np.testing.assert_array_equal(h[1], tensors(sources)[2][1])
    assert not np.any(numpy_of(outputs)[1])


def test_what_does_not_fit_is_refused():
    a, b, h = sources_of(5)
    with pytest.raises(ValueError, match=r"\(3, 5\), \(3, 4\)"):
        linear_recurrence(a, b[:, :4], h)
    with pytest.raises(ValueError, match=r"\(batch_size, time\).*\(5,\)"):
        linear_recurrence(a, b, h, mask=np.ones(5, bool))
