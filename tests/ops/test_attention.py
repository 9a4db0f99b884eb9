"""Tests of scores and probabilities against NumPy in float64."""

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
from zoo.ops.attention import additive_score
from zoo.ops.attention import dot_score
from zoo.ops.attention import hardmax
from zoo.ops.attention import masked_softmax
from zoo.ops.attention import project
from zoo.ops.attention import zero_padding

TOLERANCES = {"float32": 1e-6, "float16": 1e-3, "bfloat16": 8e-3}


def reference_softmax(scores, mask):
    """Row by row over the real positions, in float64."""
    result = np.zeros(scores.shape, "float64")
    for row in np.ndindex(scores.shape[:-1]):
        real = np.flatnonzero(mask[row])
        if real.size:
            x = scores[row][real].astype("float64")
            x = np.exp(x - x.max())
            result[row][real] = x / x.sum()
    return result


@pytest.fixture
def scores():
    return np.random.default_rng(1).normal(0, 3, (4, 3, 7)).astype("float32")


@pytest.fixture
def mask():
    # Gaps anywhere; row 2 has no real position.
    mask = np.random.default_rng(2).random((4, 1, 7)) < 0.6
    mask[0, 0, 0] = False
    mask[2] = False
    return mask


@every_mode
@pytest.mark.parametrize("dtype", TOLERANCES)
def test_masked_softmax_is_the_softmax_of_real_positions(
    mode, dtype, scores, mask
):
    x = ops.cast(scores, dtype)
    result = compiled(masked_softmax, mode)(x, mask)
    assert keras.backend.standardize_dtype(result.dtype) == dtype
    expected = reference_softmax(
        numpy_of(x), np.broadcast_to(mask, scores.shape)
    )
    result = numpy_of(result)
    np.testing.assert_allclose(result, expected, atol=TOLERANCES[dtype])
    assert (result[~np.broadcast_to(mask, scores.shape)] == 0).all()


def test_masked_softmax_without_mask_is_softmax(scores):
    np.testing.assert_allclose(
        masked_softmax(scores),
        reference_softmax(scores, np.ones_like(scores, bool)),
        atol=1e-6,
    )


def test_masked_softmax_works_on_any_axis(scores, mask):
    expected = masked_softmax(scores, mask)
    turned = masked_softmax(
        scores.transpose(2, 0, 1), mask.transpose(2, 0, 1), axis=0
    )
    np.testing.assert_allclose(
        ops.transpose(turned, (1, 2, 0)), expected, rtol=1e-6
    )


def test_row_of_padding_has_zero_alignments_and_a_finite_gradient(scores, mask):
    (gradient,) = gradients(
        lambda x: ops.sum(masked_softmax(x, mask) ** 2), [scores]
    )
    assert not np.any(numpy_of(masked_softmax(scores, mask))[2])
    assert np.isfinite(gradient).all()
    assert (gradient[~np.broadcast_to(mask, scores.shape)] == 0).all()
    assert np.abs(gradient[0]).max() > 0


def test_masked_softmax_survives_extreme_scores():
    x = np.array([[1e30, -1e30, 3e37], [-1e37, -1e38, 9.0]], "float32")
    mask = np.array([[True, True, False], [True, True, False]])
    np.testing.assert_array_equal(
        masked_softmax(x, mask), [[1, 0, 0], [1, 0, 0]]
    )


def test_source_of_one_position_gets_all_the_attention():
    x = np.array([[[0.3]], [[-2.0]]], "float32")
    mask = np.array([[[True]], [[False]]])
    alignments = masked_softmax(x, mask)
    assert numpy_of(alignments).ravel().tolist() == [1, 0]
    (gradient,) = gradients(
        lambda x: ops.sum(masked_softmax(x, mask) ** 2), [x]
    )
    assert not np.any(gradient)
    assert numpy_of(masked_softmax(x)).ravel().tolist() == [1, 1]


def test_half_precision_sums_in_float32():
    # In float16 the sum of 5000 exponentials of 0 stops growing at 2048.
    alignments = masked_softmax(ops.zeros((1, 5000), "float16"))
    np.testing.assert_allclose(alignments[0, 0], 1 / 5000, rtol=1e-2)


@every_mode
def test_hardmax_takes_the_first_of_equals(mode, oracle):
    arrays = oracle("g1_hardmax_ties")
    np.testing.assert_array_equal(
        compiled(hardmax, mode)(arrays["logits"]), arrays["hardmax"]
    )


@every_mode
@pytest.mark.parametrize("dtype", TOLERANCES)
def test_hardmax_chooses_among_real_positions(mode, dtype, scores, mask):
    x = ops.cast(scores, dtype)
    result = compiled(hardmax, mode)(x, mask)
    assert keras.backend.standardize_dtype(result.dtype) == dtype
    expected = np.zeros(scores.shape)
    for row in np.ndindex(4, 3):
        real = np.flatnonzero(mask[row[0], 0])
        if real.size:
            best = numpy_of(x)[row][real].argmax()
            expected[row][real[best]] = 1
    np.testing.assert_array_equal(numpy_of(result), expected)


def test_hardmax_works_on_any_axis(scores, mask):
    turned = hardmax(scores.transpose(2, 0, 1), mask.transpose(2, 0, 1), axis=0)
    np.testing.assert_array_equal(
        ops.transpose(turned, (1, 2, 0)), hardmax(scores, mask)
    )


def test_dot_score_is_every_inner_product():
    rng = np.random.default_rng(3)
    query, keys = rng.normal(size=(2, 3, 5)), rng.normal(size=(2, 4, 5))
    expected = [
        [[query[b, t] @ keys[b, s] for s in range(4)] for t in range(3)]
        for b in range(2)
    ]
    np.testing.assert_allclose(
        dot_score(*tensors((query, keys))),
        expected,
        rtol=precision(1e-12, 1e-5),
    )


@every_mode
def test_additive_score_is_a_network_on_every_pair(mode):
    rng = np.random.default_rng(4)
    query, keys = rng.normal(size=(2, 3, 5)), rng.normal(size=(2, 4, 5))
    v = rng.normal(size=5)
    expected = [
        [
            [v @ np.tanh(query[b, t] + keys[b, s]) for s in range(4)]
            for t in range(3)
        ]
        for b in range(2)
    ]
    result = compiled(additive_score, mode)(query, keys, v)
    np.testing.assert_allclose(result, expected, rtol=precision(1e-10, 1e-5))


@every_mode
def test_additive_score_of_keys_that_differ_by_query(mode):
    rng = np.random.default_rng(4)
    query, keys = rng.normal(size=(2, 3, 5)), rng.normal(size=(2, 3, 4, 5))
    v = rng.normal(size=5)
    expected = np.zeros((2, 3, 4))
    for b, t, s in np.ndindex(2, 3, 4):
        expected[b, t, s] = v @ np.tanh(query[b, t] + keys[b, t, s])
    result = compiled(additive_score, mode)(query, keys, v)
    np.testing.assert_allclose(result, expected, rtol=precision(1e-10, 1e-5))


@every_mode
def test_project_is_a_product_with_the_last_axis(mode):
    rng = np.random.default_rng(5)
    kernel = rng.normal(size=(5, 6))
    for shape in ((5,), (2, 5), (2, 3, 5), (2, 3, 4, 5), (0, 3, 5)):
        x = rng.normal(size=shape)
        np.testing.assert_allclose(
            compiled(project, mode)(x, kernel),
            x @ kernel,
            rtol=precision(1e-10, 1e-5),
        )


def test_zero_padding_removes_even_nan():
    x = np.ones((2, 3, 4), "float32")
    mask = np.array([[True, False, True], [False, False, True]])
    x[~mask] = np.nan
    np.testing.assert_array_equal(
        zero_padding(ops.convert_to_tensor(x), mask),
        np.broadcast_to(mask[..., None], x.shape),
    )
    assert zero_padding(x) is x
