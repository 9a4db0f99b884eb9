"""Cross entropy per token."""

import keras
import numpy as np
import pytest

from tests.backend import of_any_size
from zoo.training import TokenCrossentropy


def reference(logits, labels, weights, smoothing):
    """The formula of the docstring in NumPy, token by token."""
    total = 0.0
    for b, t in np.ndindex(labels.shape):
        x = logits[b, t].astype("float64")
        nll = np.log(np.exp(x).sum()) - x
        loss = (1 - smoothing) * nll[labels[b, t]] + smoothing * nll.mean()
        total += weights[b, t] * loss
    return total / weights.sum()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_padding_does_not_dilute_the_loss(smoothing):
    random = np.random.default_rng(0)
    logits = random.normal(size=(2, 3, 5)).astype("float32")
    labels = random.integers(0, 5, (2, 3))
    weights = np.array([[1, 1, 0], [1, 0, 0]], "float32")
    loss = TokenCrossentropy(smoothing)
    expected = reference(logits, labels, weights, smoothing)
    found = loss(labels, logits, sample_weight=weights)
    assert float(found) == pytest.approx(expected, rel=1e-5)
    other = np.where(weights[..., None] > 0, logits, 100.0)
    found = loss(labels, other, sample_weight=weights)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_the_books_example_comes_out():
    # the figures that the book prints for its cross entropy sample
    logits = np.array([[[2.0, -1.0, 3.0], [1.0, 0.0, -0.5]]], "float32")
    loss = TokenCrossentropy(reduction=None)(np.array([[2, 0]]), logits)
    np.testing.assert_allclose(loss, [[0.32656264, 0.46436879]], atol=1e-6)
    # its targets 0.98, 0.01, 0.01 are a smoothing of 0.03 over three classes
    loss = TokenCrossentropy(0.03, reduction=None)(np.array([[2, 0]]), logits)
    np.testing.assert_allclose(loss, [[0.37656265, 0.48936883]], atol=1e-6)


def test_half_precision_logits_give_a_full_precision_loss():
    logits = np.full((1, 1, 3000), 10.0, "float16")
    found = TokenCrossentropy()(np.array([[7]]), logits)
    assert float(found) == pytest.approx(np.log(3000), rel=1e-6)


@pytest.mark.parametrize("with_mask", [False, True])
def test_the_sum_over_time_is_averaged_over_rows(with_mask):
    random = np.random.default_rng(0)
    logits = random.normal(size=(2, 3, 5)).astype("float32")
    labels = random.integers(0, 5, (2, 3))
    weights = np.array([[1, 1, 0], [1, 0, 0]], "float32")
    loss = TokenCrossentropy(sum_over_time=True)
    expected = reference(logits, labels, weights, 0.0) * weights.sum() / 2
    if with_mask:
        logits = keras.ops.convert_to_tensor(logits)
        logits._keras_mask = keras.ops.convert_to_tensor(weights > 0)
        found = loss(labels, logits)
    else:
        found = loss(labels, logits, sample_weight=weights)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_the_sum_over_time_of_full_rows():
    logits = np.zeros((4, 35, 10), "float32")
    found = TokenCrossentropy(sum_over_time=True)(
        np.zeros((4, 35), "int32"), logits
    )
    assert float(found) == pytest.approx(35 * np.log(10), rel=1e-5)


def test_the_sum_over_time_of_batches_of_any_size():
    loss = TokenCrossentropy(sum_over_time=True)
    logits = np.random.default_rng(2).normal(size=(3, 4, 5)).astype("float32")
    labels, weights = np.zeros((3, 4), "int32"), np.ones((3, 4), "float32")
    found = of_any_size(
        loss,
        (labels, logits, weights),
        [(None, None), (None, None, 5), (None, None)],
    )
    np.testing.assert_allclose(found, loss(labels, logits, weights), rtol=1e-6)


def test_the_sum_over_time_takes_no_reduction():
    with pytest.raises(ValueError, match="no `reduction`"):
        TokenCrossentropy(sum_over_time=True, reduction="sum")
    loss = TokenCrossentropy(sum_over_time=True)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert again.sum_over_time


def test_the_config_is_complete():
    loss = TokenCrossentropy(0.2, reduction="sum", name="other")
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert again.get_config() == loss.get_config()
    assert (again.label_smoothing, again.reduction) == (0.2, "sum")


@pytest.mark.parametrize("smoothing", [-0.1, 1, 7])
def test_smoothing_outside_its_range_is_refused(smoothing):
    with pytest.raises(ValueError, match=f"fraction.*got {smoothing}"):
        TokenCrossentropy(smoothing)
