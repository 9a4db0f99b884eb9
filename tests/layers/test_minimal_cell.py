"""Tests of MinGRU, MinLSTM and their cells against their equations."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.backend import gradients
from tests.backend import numpy_of
from tests.backend import of_any_size
from tests.backend import with_gradients
from zoo.layers import RNN
from zoo.layers import AttentionCell
from zoo.layers import AttentionDecoder
from zoo.layers import Bidirectional
from zoo.layers import LuongAttention
from zoo.layers import MinGRU
from zoo.layers import MinGRUCell
from zoo.layers import MinLSTM
from zoo.layers import MinLSTMCell
from zoo.layers import ResidualCell
from zoo.layers import StackedRNNCells

BATCH, TIME, FEATURES, UNITS = 3, 4, 2, 5
MASK = np.array([[0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 0, 0]], bool)
LAYERS = {"gru": MinGRU, "lstm": MinLSTM}
every_layer = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)


def draw(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype("float32")


X = draw(BATCH, TIME, FEATURES)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def positive(x):
    return np.where(x >= 0, x + 0.5, sigmoid(x))


def built(make, **arguments):
    layer = make(UNITS, **arguments)
    layer.build((None, None, FEATURES))
    for weight in layer.trainable_weights:
        weight.assign(2 * draw(*weight.shape))
    return layer


def numpy_step(cell, x, h):
    """The equations of the docstrings."""
    z = x @ numpy_of(cell.kernel)
    z += 0 if cell.bias is None else numpy_of(cell.bias)
    if isinstance(cell, MinGRUCell):
        z, g = np.split(z, 2, axis=-1)
        return (1 - sigmoid(z)) * h + sigmoid(z) * positive(g)
    f, i, g = np.split(z, 3, axis=-1)
    f, i = sigmoid(f), sigmoid(i)
    return (f * h + i * positive(g)) / (f + i)


@every_layer
@pytest.mark.parametrize("use_bias", [True, False])
def test_cell_follows_its_equations(make, use_bias):
    cell = built(make, use_bias=use_bias).cell
    x, h = draw(BATCH, FEATURES), draw(BATCH, UNITS)
    output, (state,) = cell(x, [h])
    np.testing.assert_allclose(output, numpy_step(cell, x, h), atol=1e-6)
    np.testing.assert_array_equal(output, state)


@every_layer
@pytest.mark.parametrize("backwards", [False, True])
def test_all_steps_at_once_are_one_step_after_the_other(make, backwards):
    layer = built(
        make,
        return_sequences=True,
        return_state=True,
        go_backwards=backwards,
    )
    h = start = draw(BATCH, UNITS)
    outputs, last = layer(X, initial_state=[start], mask=MASK)
    order = range(TIME)[::-1] if backwards else range(TIME)
    for place, t in enumerate(order):
        real = MASK[:, t, None]
        h = np.where(real, numpy_step(layer.cell, X[:, t], h), h)
        expected = np.where(real, h, 0)
        np.testing.assert_allclose(outputs[:, place], expected, atol=1e-6)
    np.testing.assert_allclose(last, h, atol=1e-6)
    np.testing.assert_array_equal(last[1], start[1])


@every_layer
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_gates_that_are_shut_divide_nothing_by_zero(make, policy):
    keras.config.set_dtype_policy(policy)
    layer = built(make, return_sequences=True)
    layer.cell.kernel.assign(ops.zeros_like(layer.cell.kernel))
    bias = np.full(layer.cell.bias.shape, -200.0)
    bias[-UNITS:] = 1.0
    layer.cell.bias.assign(bias)
    y = numpy_of(layer(X))
    assert np.all(np.isfinite(y))
    (gradient,) = gradients(
        lambda: ops.sum(ops.cast(layer(X), "float32")), [], [layer.cell.bias]
    )
    assert np.all(np.isfinite(gradient))
    if make is MinLSTM:
        # f = i, however small: each step goes half the way to 1.5
        expected = 1.5 * (1 - 0.5 ** np.arange(1, TIME + 1))
        np.testing.assert_allclose(y[0, :, 0], expected, rtol=2e-3)


@every_layer
@pytest.mark.parametrize("signature", [(BATCH, TIME), (None, None)])
def test_xla_trains_with_known_and_unknown_sizes(make, signature):
    layer = built(make, return_sequences=True)

    def train(x, mask):
        def loss():
            y = layer(x, mask=mask)
            return ops.sum(ops.sin(y)), y

        y, found = with_gradients(loss, [], layer.trainable_weights)
        return y, *found

    shapes = [(*signature, FEATURES), signature]
    given = of_any_size(train, [X, MASK], shapes, mode="xla")
    expected = train(X, MASK)
    for x, y in zip(given, expected, strict=True):
        np.testing.assert_allclose(x, y, atol=1e-5)


@every_layer
def test_cell_works_where_other_cells_do(make):
    cell = built(make).cell
    expected = RNN(cell, return_sequences=True)(X)
    theirs = keras.layers.RNN(cell, return_sequences=True)
    np.testing.assert_allclose(theirs(X), expected, atol=1e-6)
    both = Bidirectional(built(make, return_sequences=True), merge_mode=None)
    forward, _ = both(X)
    np.testing.assert_allclose(forward, expected, atol=1e-6)
    cells = [type(cell)(UNITS), ResidualCell(type(cell)(UNITS))]
    stack = StackedRNNCells(cells)
    decoder = AttentionDecoder(AttentionCell(stack, LuongAttention()))
    outputs, _, _ = decoder(X, draw(BATCH, 6, 7), mask=MASK)
    assert outputs.shape == (BATCH, TIME, 7)
    assert np.all(np.any(np.asarray(outputs)[MASK], axis=-1))


@pytest.mark.parametrize("units", [0, -1, 2.5, True, "3", None])
@pytest.mark.parametrize("make", [MinGRU, MinLSTM, MinGRUCell, MinLSTMCell])
def test_units_must_be_a_positive_integer(make, units):
    with pytest.raises(ValueError, match="`units` to be a positive integer"):
        make(units)


@every_layer
def test_sequences_must_be_of_rank_3(make):
    with pytest.raises(ValueError, match=r"\(batch_size, features\), got"):
        make(UNITS)(draw(3, 4))
    with pytest.raises(ValueError, match="last axis.*to be known"):
        make(UNITS)(keras.Input((None, None)))
