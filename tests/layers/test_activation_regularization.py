"""Tests of ActivationRegularization against NumPy."""

import numpy as np
import pytest

from tests.backend import numpy_of
from zoo.layers import ActivationRegularization


def draw(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype("float32")


def loss_of(layer):
    return float(numpy_of(sum(layer.losses)))


def test_the_loss_is_that_of_the_paper():
    layer, x = ActivationRegularization(alpha=2.0, beta=0.5), draw(3, 4, 5)
    found = layer(x, training=True)
    np.testing.assert_array_equal(numpy_of(found), x)
    change = np.mean((x[:, 1:] - x[:, :-1]) ** 2)
    expected = 2 * np.mean(x**2) + 0.5 * change
    np.testing.assert_allclose(loss_of(layer), expected, rtol=1e-5)


def test_padding_and_steps_to_and_from_it_do_not_count():
    layer, x = ActivationRegularization(alpha=2.0, beta=0.5), draw(2, 4, 5)
    mask = np.array([[1, 1, 0, 1], [0, 1, 1, 1]], bool)
    x[~mask] = np.inf
    layer(x, mask=mask, training=True)
    pairs = x[[0, 1, 1], [1, 2, 3]] - x[[0, 1, 1], [0, 1, 2]]
    expected = 2 * np.mean(x[mask] ** 2) + 0.5 * np.mean(pairs**2)
    np.testing.assert_allclose(loss_of(layer), expected, rtol=1e-5)


def test_nothing_real_costs_nothing():
    layer = ActivationRegularization(alpha=1.0, beta=1.0)
    layer(draw(2, 3, 4), mask=np.zeros((2, 3), bool), training=True)
    assert loss_of(layer) == 0
    layer(draw(2, 1, 4), training=True)
    assert np.isfinite(loss_of(layer))


def test_only_in_training():
    layer = ActivationRegularization(alpha=1.0)
    layer(draw(2, 3, 4))
    assert not layer.losses


def test_a_step_is_no_sequence():
    with pytest.raises(ValueError, match="return_sequences=True"):
        ActivationRegularization(alpha=1.0)(draw(2, 3))
