"""Tests of sparsemax against a projection found by bisection."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.backend import compiled
from tests.backend import every_mode
from tests.backend import gradients
from tests.backend import numpy_of
from tests.backend import precision
from tests.backend import tensors
from tests.backend import with_gradients
from zoo.ops.sparsemax import sparsemax

TOLERANCES = {"float32": 1e-6, "float16": 1e-3, "bfloat16": 8e-3}


def reference(scores, mask):
    """Row by row: halves the interval in which the threshold lies."""
    result = np.zeros(scores.shape, "float64")
    mask = np.broadcast_to(mask, scores.shape)
    for row in np.ndindex(scores.shape[:-1]):
        real = np.flatnonzero(mask[row])
        if not real.size:
            continue
        x = scores[row][real].astype("float64")
        low, high = x.max() - 1, x.max()
        for _ in range(200):
            middle = (low + high) / 2
            if np.maximum(x - middle, 0).sum() > 1:
                low = middle
            else:
                high = middle
        result[row][real] = np.maximum(x - (low + high) / 2, 0)
    return result


@pytest.fixture
def scores():
    return np.random.default_rng(1).normal(0, 0.6, (4, 3, 7)).astype("float32")


@pytest.fixture
def mask():
    # Gaps anywhere; row 2 has no real position.
    mask = np.random.default_rng(2).random((4, 1, 7)) < 0.6
    mask[0, 0, 0] = False
    mask[2] = False
    return mask


@every_mode
@pytest.mark.parametrize("dtype", TOLERANCES)
def test_it_is_the_projection_of_real_positions(mode, dtype, scores, mask):
    x = ops.cast(scores, dtype)
    result = compiled(sparsemax, mode)(x, mask)
    assert keras.backend.standardize_dtype(result.dtype) == dtype
    expected = reference(numpy_of(x), mask)
    support = (expected > 0).sum(-1)
    assert support.max() > 2 and (support[[0, 1, 3]] < mask.sum(-1)[0]).any()
    result = numpy_of(result)
    np.testing.assert_allclose(result, expected, atol=TOLERANCES[dtype])
    assert (result[~np.broadcast_to(mask, scores.shape)] == 0).all()


def test_without_a_mask_all_positions_are_real(scores):
    np.testing.assert_allclose(
        sparsemax(scores), reference(scores, True), atol=1e-6
    )


def test_it_works_on_any_axis(scores, mask):
    turned = sparsemax(
        scores.transpose(2, 0, 1), mask.transpose(2, 0, 1), axis=0
    )
    np.testing.assert_allclose(
        ops.transpose(turned, (1, 2, 0)), reference(scores, mask), atol=1e-6
    )


@every_mode
def test_gradient_is_that_of_finite_differences(mode, scores, mask):
    rng = np.random.default_rng(3)
    x = scores.astype("float64")
    weights = tensors(rng.normal(size=x.shape))

    def gradient(x):
        _, (found,) = with_gradients(
            lambda x: (ops.sum(sparsemax(x, mask) * weights), ()), [x]
        )
        return found

    given = numpy_of(compiled(gradient, mode)(x))
    expected = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[place] = 1e-6
        difference = reference(x + step, mask) - reference(x - step, mask)
        expected[place] = (difference * numpy_of(weights)).sum() / 2e-6
    np.testing.assert_allclose(given, expected, atol=precision(1e-6, 1e-5))
    assert (given[~np.broadcast_to(mask, x.shape)] == 0).all()
    assert np.abs(given).max() > 0.1


def test_padding_without_a_number_reaches_no_gradient(scores, mask):
    scores[~np.broadcast_to(mask, scores.shape)] = np.nan
    assert np.isfinite(sparsemax(scores, mask)).all()
    (gradient,) = gradients(
        lambda x: ops.sum(sparsemax(x, mask) ** 2), [scores]
    )
    assert np.isfinite(gradient).all()


def test_extreme_and_equal_scores_are_exact():
    x = np.array(
        [[1e30, -1e30, 3e37], [-1e37, -1e38, 9.0], [-2e4, -2e4, 5.0]], "float32"
    )
    mask = np.array([[True, True, False]])
    np.testing.assert_array_equal(
        sparsemax(x, mask), [[1, 0, 0], [1, 0, 0], [0.5, 0.5, 0]]
    )


def test_long_rows_sum_to_one():
    x = np.random.default_rng(4).normal(0, 1e-4, (2, 5000)).astype("float32")
    result = numpy_of(sparsemax(x)).astype("float64")
    np.testing.assert_allclose(result.sum(-1), 1, atol=1e-3)
    np.testing.assert_allclose(result, reference(x, True), atol=1e-6)


def test_source_of_one_position_gets_all_the_attention():
    x = np.array([[[0.3]], [[-2.0]]], "float32")
    result = sparsemax(x, np.array([[[True]], [[False]]]))
    assert numpy_of(result).ravel().tolist() == [1, 0]
