"""Tests of LayerNormSimpleRNN and its cell: equation, errors."""

import numpy as np
import pytest

from tests.backend import numpy_of
from zoo.layers import LayerNormSimpleRNN
from zoo.layers import LayerNormSimpleRNNCell

BATCH, FEATURES, UNITS = 2, 4, 5


def draw(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype("float32")


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("epsilon", [1e-5, 0.5])
def test_cell_follows_its_equation(use_bias, epsilon):
    cell = LayerNormSimpleRNNCell(
        UNITS, use_bias=use_bias, norm_epsilon=epsilon
    )
    cell.build((BATCH, FEATURES))
    cell.set_weights([draw(*x.shape) / 2 for x in cell.get_weights()])
    x, h = draw(BATCH, FEATURES), draw(BATCH, UNITS)
    output, (state,) = cell(x, [h])
    z = x @ numpy_of(cell.kernel) + h @ numpy_of(cell.recurrent_kernel)
    z = z - z.mean(-1, keepdims=True)
    z = z / np.sqrt((z**2).mean(-1, keepdims=True) + epsilon)
    z = z * numpy_of(cell.norm_gamma) + (numpy_of(cell.bias) if use_bias else 0)
    np.testing.assert_allclose(output, np.tanh(z), atol=1e-6)
    np.testing.assert_array_equal(output, state)


def test_scale_of_the_kernels_does_not_matter():
    cell = LayerNormSimpleRNNCell(UNITS, norm_epsilon=1e-12)
    cell.build((BATCH, FEATURES))
    x, h = draw(BATCH, FEATURES), draw(BATCH, UNITS)
    expected, _ = cell(x, [h])
    for kernel in (cell.kernel, cell.recurrent_kernel):
        kernel.assign(100 * kernel.value)
    given, _ = cell(x, [h])
    np.testing.assert_allclose(given, expected, atol=1e-5)


@pytest.mark.parametrize("epsilon", [0, -1e-3, "1e-3", None, True, np.nan])
@pytest.mark.parametrize("make", [LayerNormSimpleRNN, LayerNormSimpleRNNCell])
def test_epsilon_must_be_positive(make, epsilon):
    with pytest.raises(ValueError, match="`norm_epsilon` to be a positive"):
        make(UNITS, norm_epsilon=epsilon)
