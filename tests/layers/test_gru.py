"""Tests of GRU and its cell: equations, Keras, dropout, XLA."""

import keras
import numpy as np
import pytest

from tests.backend import MODES
from tests.backend import compiled
from tests.backend import numpy_of
from zoo.layers import GRU
from zoo.layers import GRUCell

BATCH, TIME, FEATURES, UNITS = 2, 3, 4, 5
VARIANTS = [
    {"reset_after": reset_after, "use_bias": use_bias}
    for reset_after in (True, False)
    for use_bias in (True, False)
]


def draw(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype("float32")


def randomize(layer):
    layer.set_weights([draw(*x.shape) / 2 for x in layer.get_weights()])
    return layer


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def numpy_step(weights, x, h, reset_after, fed=None):
    """The equations of the docstring."""
    kernel, recurrent, *bias = weights
    fed = h if fed is None else fed
    b, d = np.zeros((2, 3 * UNITS))
    if bias and reset_after:
        b, d = bias[0]
    elif bias:
        b = bias[0]
    x_z, x_r, x_h = np.split(x @ kernel + b, 3, axis=-1)
    u_z, u_r, u_h = np.split(recurrent, 3, axis=-1)
    d_z, d_r, d_h = np.split(d, 3)
    z = sigmoid(x_z + fed @ u_z + d_z)
    r = sigmoid(x_r + fed @ u_r + d_r)
    inner = r * (fed @ u_h + d_h) if reset_after else (r * fed) @ u_h
    return z * h + (1 - z) * np.tanh(x_h + inner)


@pytest.mark.parametrize("arguments", VARIANTS)
def test_cell_follows_its_equations(arguments):
    cell = GRUCell(UNITS, **arguments)
    cell.build((BATCH, FEATURES))
    randomize(cell)
    x, h = draw(BATCH, FEATURES), draw(BATCH, UNITS)
    output, (state,) = cell(x, [h])
    expected = numpy_step(cell.get_weights(), x, h, arguments["reset_after"])
    np.testing.assert_allclose(output, expected, atol=1e-6)
    np.testing.assert_array_equal(output, state)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    "arguments",
    [
        *VARIANTS,
        {"activation": "relu", "recurrent_activation": "hard_sigmoid"},
    ],
)
def test_weights_move_to_keras_and_back(arguments, backwards):
    arguments = {
        "return_sequences": True,
        "return_state": True,
        "go_backwards": backwards,
        **arguments,
    }
    ours = GRU(UNITS, **arguments)
    theirs = keras.layers.GRU(UNITS, **arguments)
    x = draw(BATCH, TIME, FEATURES)
    ours.build(x.shape)
    theirs.build(x.shape)
    assert [w.name for w in ours.weights] == [w.name for w in theirs.weights]
    randomize(ours)
    theirs.set_weights(ours.get_weights())
    for y, expected in zip(ours(x), theirs(x), strict=True):
        np.testing.assert_allclose(y, expected, atol=1e-6)
    theirs.set_weights([-weight for weight in theirs.get_weights()])
    ours.set_weights(theirs.get_weights())
    for y, expected in zip(ours(x), theirs(x), strict=True):
        np.testing.assert_allclose(y, expected, atol=1e-6)


@pytest.mark.parametrize("reset_after", [True, False])
def test_dropout_is_on_the_inputs_and_on_what_recurs(reset_after):
    layer = GRU(
        UNITS,
        reset_after=reset_after,
        return_sequences=True,
        dropout=0.5,
        recurrent_dropout=0.5,
        seed=3,
    )
    x = draw(BATCH, TIME, FEATURES)
    layer.build(x.shape)
    randomize(layer)
    start = GRUCell(UNITS, seed=3).seed_generator.state
    layer.cell.seed_generator.state.assign(start)
    outputs = layer(x, training=True)
    layer.cell.seed_generator.state.assign(start)
    masks = layer.cell.dropout_masks(BATCH, FEATURES, training=True)
    masks = [numpy_of(mask) for mask in masks]
    for mask in masks:
        assert set(np.unique(mask)) == {0.0, 2.0}
    h, weights = np.zeros((BATCH, UNITS)), layer.cell.get_weights()[:3]
    state = [np.zeros((BATCH, UNITS), "float32")]
    for t in range(TIME):
        h = numpy_step(
            weights, x[:, t] * masks[0], h, reset_after, h * masks[1]
        )
        np.testing.assert_allclose(outputs[:, t], h, atol=1e-6)
        stepped, state = layer.cell(x[:, t], state, training=True, masks=masks)
        np.testing.assert_allclose(stepped, h, atol=1e-6)


@pytest.mark.parametrize("reset_after", [True, False])
def test_xla_and_graph_give_what_eager_gives(reset_after):
    layer = GRU(
        UNITS,
        reset_after=reset_after,
        return_sequences=True,
        return_state=True,
    )
    x, mask = (
        draw(BATCH, TIME, FEATURES),
        np.array([[1, 0, 1], [0, 0, 0]], bool),
    )
    expected = layer(x, mask=mask)
    for mode in MODES:
        call = compiled(lambda x, mask: layer(x, mask=mask), mode)
        for given, value in zip(call(x, mask), expected, strict=True):
            np.testing.assert_allclose(given, value, atol=1e-6)
