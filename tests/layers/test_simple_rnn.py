"""Tests of SimpleRNN and its cell: equations, Keras, the book."""

import keras
import numpy as np
import pytest

from tests.backend import MODES
from tests.backend import compiled
from tests.backend import numpy_of
from tests.backend import precision
from zoo.layers import SimpleRNN
from zoo.layers import SimpleRNNCell

BATCH, TIME, FEATURES, UNITS = 2, 3, 4, 5


def draw(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype("float32")


def randomize(layer):
    layer.set_weights([draw(*x.shape) / 2 for x in layer.get_weights()])
    return layer


@pytest.mark.parametrize("use_bias", [True, False])
def test_cell_follows_its_equation(use_bias):
    cell = SimpleRNNCell(UNITS, use_bias=use_bias)
    cell.build((BATCH, FEATURES))
    randomize(cell)
    x, h = draw(BATCH, FEATURES), draw(BATCH, UNITS)
    output, (state,) = cell(x, [h])
    z = x @ numpy_of(cell.kernel) + h @ numpy_of(cell.recurrent_kernel)
    z += numpy_of(cell.bias) if use_bias else 0
    np.testing.assert_allclose(output, np.tanh(z), atol=1e-6)
    np.testing.assert_array_equal(output, state)


def test_cell_computes_the_states_of_the_book(oracle):
    arrays = oracle("g8_book")
    layer = SimpleRNN(
        2, return_sequences=True, dtype=precision("float64", "float32")
    )
    layer.build((1, 2, 1))
    layer.set_weights(
        [arrays["rnn_w_input"][None], arrays["rnn_w_state"], arrays["rnn_b"]]
    )
    states = numpy_of(layer(arrays["rnn_x"][None, :, None]))
    tolerance = precision(1e-8, 1e-6)
    np.testing.assert_allclose(states[0], arrays["rnn_state"], atol=tolerance)
    outputs = states[0] @ arrays["rnn_w_output"] + arrays["rnn_b_output"]
    np.testing.assert_allclose(outputs[:, 0], arrays["rnn_out"], atol=tolerance)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("use_bias", [True, False])
def test_weights_move_to_keras_and_back(activation, use_bias):
    arguments = {"activation": activation, "use_bias": use_bias}
    ours = SimpleRNN(UNITS, return_sequences=True, **arguments)
    theirs = keras.layers.SimpleRNN(UNITS, return_sequences=True, **arguments)
    x = draw(BATCH, TIME, FEATURES)
    ours.build(x.shape)
    theirs.build(x.shape)
    randomize(ours)
    theirs.set_weights(ours.get_weights())
    np.testing.assert_allclose(ours(x), theirs(x), atol=1e-6)
    theirs.set_weights([-weight for weight in theirs.get_weights()])
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(ours(x), theirs(x), atol=1e-6)


def test_xla_and_graph_give_what_eager_gives():
    layer = SimpleRNN(UNITS, return_sequences=True, return_state=True)
    x, mask = (
        draw(BATCH, TIME, FEATURES),
        np.array([[1, 0, 1], [0, 0, 0]], bool),
    )
    expected = layer(x, mask=mask)
    for mode in MODES:
        call = compiled(lambda x, mask: layer(x, mask=mask), mode)
        for given, value in zip(call(x, mask), expected, strict=True):
            np.testing.assert_allclose(given, value, atol=1e-6)


def test_new_recurrent_kernel_is_orthogonal():
    layer = SimpleRNN(UNITS)
    layer.build((BATCH, TIME, FEATURES))
    kernel = numpy_of(layer.cell.recurrent_kernel)
    np.testing.assert_allclose(kernel @ kernel.T, np.eye(UNITS), atol=1e-6)
