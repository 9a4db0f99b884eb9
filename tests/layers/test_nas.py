"""Tests of NAS and its cell: equations, projection, errors."""

import keras
import numpy as np
import pytest

from tests.backend import MODES
from tests.backend import compiled
from tests.backend import numpy_of
from zoo.layers import NAS
from zoo.layers import NASCell

BATCH, TIME, FEATURES, UNITS, PROJECTION = 2, 3, 4, 5, 6
MASK = np.array([[1, 0, 1], [0, 0, 0]], bool)


def draw(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype("float32")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def relu(x):
    return np.maximum(x, 0)


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("projection", [None, PROJECTION])
@pytest.mark.parametrize("activation", ["tanh", "softsign"])
def test_cell_follows_its_equations(activation, projection, use_bias):
    cell = NASCell(
        UNITS,
        projection=projection,
        use_bias=use_bias,
        activation=activation,
    )
    cell.build((BATCH, FEATURES))
    cell.set_weights([draw(*x.shape) / 2 for x in cell.get_weights()])
    x, c = draw(BATCH, FEATURES), draw(1, BATCH, UNITS)[0]
    h = draw(BATCH, projection or UNITS)
    output, (new_h, new_c) = cell(x, [h, c])
    act = np.tanh if activation == "tanh" else lambda x: x / (1 + np.abs(x))
    m = h @ numpy_of(cell.recurrent_kernel)
    m = np.split(m + (numpy_of(cell.bias) if use_bias else 0), 8, axis=-1)
    a = np.split(x @ numpy_of(cell.kernel), 8, axis=-1)
    functions = [sigmoid, relu, sigmoid, relu, act, sigmoid, act, sigmoid]
    l0, l1, l2, l3, l4, l5, l6, l7 = (
        function(a[i] * m[i] if i == 3 else a[i] + m[i])
        for i, function in enumerate(functions)
    )
    c = act(act(l0 * l1) + c) * act(l2 + l3)
    h = act(c * act(act(l4 * l5) + sigmoid(l6 + l7)))
    if projection:
        h = h @ numpy_of(cell.projection_kernel)
    np.testing.assert_allclose(new_c, c, atol=1e-6)
    np.testing.assert_allclose(new_h, h, atol=1e-6)
    np.testing.assert_array_equal(output, new_h)


def test_projected_cell_works_inside_the_rnn_of_keras():
    cell = NASCell(UNITS, projection=PROJECTION)
    x = draw(BATCH, TIME, FEATURES)
    theirs = keras.layers.RNN(cell, return_state=True)(x)
    layer = NAS(UNITS, projection=PROJECTION, return_state=True)
    layer.build(x.shape)
    layer.set_weights([*cell.get_weights()])
    for given, expected in zip(layer(x), theirs, strict=True):
        np.testing.assert_allclose(given, expected, atol=1e-6)


def test_xla_and_graph_give_what_eager_gives():
    layer = NAS(
        UNITS, projection=PROJECTION, return_sequences=True, return_state=True
    )
    x = draw(BATCH, TIME, FEATURES)
    expected = layer(x, mask=MASK)
    for mode in MODES:
        call = compiled(lambda x, mask: layer(x, mask=mask), mode)
        for given, value in zip(call(x, MASK), expected, strict=True):
            np.testing.assert_allclose(given, value, atol=1e-6)


@pytest.mark.parametrize("projection", [0, -1, 2.5, True, "3"])
@pytest.mark.parametrize("make", [NAS, NASCell])
def test_projection_must_be_a_width(make, projection):
    with pytest.raises(ValueError, match="`projection` to be a positive"):
        make(UNITS, projection=projection)
