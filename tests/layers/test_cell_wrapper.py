"""Tests of ResidualCell and HighwayCell against their equations."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.backend import MODES
from tests.backend import compiled
from tests.backend import gradients
from tests.backend import numpy_of
from zoo.layers import LSTM
from zoo.layers import RNN
from zoo.layers import AttentionCell
from zoo.layers import AttentionDecoder
from zoo.layers import BahdanauAttention
from zoo.layers import Bidirectional
from zoo.layers import GRUCell
from zoo.layers import HighwayCell
from zoo.layers import LSTMCell
from zoo.layers import ResidualCell
from zoo.layers import SimpleRNNCell
from zoo.layers import StackedRNNCells

BATCH, TIME, FEATURES, UNITS = 3, 4, 2, 5
MASK = np.array([[0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 0, 0]], bool)
INNER = {
    "lstm": lambda **arguments: LSTMCell(UNITS, **arguments),
    "gru": lambda **arguments: GRUCell(UNITS, **arguments),
    "keras": lambda **arguments: keras.layers.LSTMCell(UNITS, **arguments),
    "stack": lambda **arguments: StackedRNNCells(
        [SimpleRNNCell(7, **arguments), LSTMCell(UNITS, **arguments)]
    ),
}
every_wrapper = pytest.mark.parametrize("wrapper", [ResidualCell, HighwayCell])
every_inner = pytest.mark.parametrize("make", INNER.values(), ids=INNER)


def draw(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype("float32")


X = draw(BATCH, TIME, UNITS)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def built(wrapper, cell):
    cell = wrapper(cell)
    cell.build((None, UNITS))
    for weight in cell.trainable_weights:
        weight.assign(draw(*weight.shape) / 2)
    return cell


def joined(cell, inputs, outputs):
    """The equations of the docstrings."""
    if isinstance(cell, ResidualCell):
        return inputs + outputs
    kernel, bias = cell.transform_kernel, cell.transform_bias
    gate = sigmoid(inputs @ numpy_of(kernel) + numpy_of(bias))
    return gate * outputs + (1 - gate) * inputs


@every_wrapper
@every_inner
def test_step_joins_inputs_and_output_and_leaves_the_state(wrapper, make):
    cell = built(wrapper, make())
    state = keras.tree.map_structure(
        lambda x: draw(*x.shape), cell.get_initial_state(BATCH)
    )
    output, new_state = cell(X[:, 0], state)
    inner, expected = cell.cell(X[:, 0], state)
    np.testing.assert_allclose(
        output, joined(cell, X[:, 0], numpy_of(inner)), atol=1e-6
    )
    for given, value in zip(
        keras.tree.flatten(new_state), keras.tree.flatten(expected), strict=True
    ):
        np.testing.assert_array_equal(given, value)


@every_wrapper
@every_inner
@pytest.mark.parametrize("filling", [None, np.nan])
def test_sequence_joins_at_real_steps_and_is_zero_elsewhere(
    wrapper, make, filling
):
    cell = built(wrapper, make())
    layer = RNN(cell, return_sequences=True, return_state=True)
    inner = RNN(cell.cell, return_sequences=True, return_state=True)
    x = X if filling is None else np.where(MASK[..., None], X, filling)
    x = x.astype("float32")
    outputs, *state = layer(x, mask=MASK)
    inner, *expected = inner(X, mask=MASK)
    inner = joined(cell, X, numpy_of(inner))
    np.testing.assert_allclose(
        outputs, np.where(MASK[..., None], inner, 0), atol=1e-6
    )
    for given, value in zip(state, expected, strict=True):
        np.testing.assert_allclose(given, value, atol=1e-6)


@every_wrapper
def test_padding_reaches_no_gradient(wrapper):
    layer = RNN(built(wrapper, LSTMCell(UNITS)), return_sequences=True)
    x = np.where(MASK[..., None], X, np.float32(np.nan))
    found = gradients(
        lambda x: ops.sum(layer(x, mask=MASK) ** 2),
        [x],
        layer.trainable_weights,
    )
    assert not np.any(found[0][~MASK])
    for weight in found:
        assert np.all(np.isfinite(weight))
        assert np.any(weight)


@every_wrapper
def test_dropout_of_the_cell_has_one_mask_for_a_sequence(wrapper):
    cell = built(wrapper, LSTMCell(UNITS, dropout=0.5, seed=3))
    start = LSTMCell(UNITS, seed=3).seed_generator.state
    seed = cell.cell.seed_generator.state
    seed.assign(start)
    outputs, _ = cell.unroll(X, cell.get_initial_state(BATCH), training=True)
    seed.assign(start)
    masks = cell.dropout_masks(BATCH, UNITS, training=True)
    state = cell.get_initial_state(BATCH)
    for t in range(TIME):
        output, state = cell(X[:, t], state, training=True, masks=masks)
        np.testing.assert_allclose(outputs[:, t], output, atol=1e-6)
    kept, _ = cell.unroll(X, cell.get_initial_state(3))
    assert np.any(numpy_of(outputs) != numpy_of(kept))


def test_new_highway_lets_most_of_the_inputs_pass():
    cell = HighwayCell(
        SimpleRNNCell(UNITS, kernel_initializer="zeros"),
        kernel_initializer="zeros",
    )
    output, _ = cell(X[:, 0], cell.get_initial_state(BATCH))
    share = 1 - sigmoid(-1.0)
    np.testing.assert_allclose(output, share * X[:, 0], atol=1e-6)


def test_stack_of_both_has_the_layers_of_its_cells():
    cells = [
        LSTMCell(UNITS),
        ResidualCell(LSTMCell(UNITS)),
        HighwayCell(LSTMCell(UNITS)),
    ]
    stack = RNN(StackedRNNCells(cells), return_sequences=True)
    x = draw(BATCH, TIME, FEATURES)
    given = stack(x, mask=MASK)
    for cell in cells:
        inner = getattr(cell, "cell", cell)
        y = numpy_of(RNN(inner, return_sequences=True)(x, mask=MASK))
        x = y if cell is inner else joined(cell, x, y)
        x = np.where(MASK[..., None], x, 0)
    np.testing.assert_allclose(given, x, atol=1e-6)
    assert stack.cell.state_size == [[UNITS, UNITS]] * 3


@every_wrapper
def test_cell_works_where_other_cells_do(wrapper):
    cell = built(wrapper, LSTMCell(UNITS))
    expected = RNN(cell, return_sequences=True)(X)
    theirs = keras.layers.RNN(cell, return_sequences=True)
    np.testing.assert_allclose(theirs(X), expected, atol=1e-6)
    both = Bidirectional(RNN(cell, return_sequences=True), merge_mode=None)
    both.build(X.shape)
    both.backward_layer.set_weights(cell.get_weights())
    forward, backward = both(X)
    np.testing.assert_allclose(forward, expected, atol=1e-6)
    flipped = RNN(cell, return_sequences=True)(ops.flip(X, axis=1))
    np.testing.assert_allclose(backward, ops.flip(flipped, axis=1), atol=1e-6)
    decoder = AttentionDecoder(
        AttentionCell(cell, BahdanauAttention(3), input_feeding=False)
    )
    outputs, alignments, _ = decoder(X, draw(BATCH, 6, 7), mask=MASK)
    assert outputs.shape == (BATCH, TIME, 7)
    np.testing.assert_allclose(numpy_of(alignments).sum(-1), MASK, atol=1e-6)


@every_wrapper
def test_xla_gives_what_eager_gives(wrapper):
    layer = RNN(built(wrapper, LSTMCell(UNITS)), return_sequences=True)
    call = compiled(lambda x, mask: layer(x, mask=mask), MODES[-1])
    np.testing.assert_allclose(call(X, MASK), layer(X, mask=MASK), atol=1e-6)


@every_wrapper
def test_width_must_not_change(wrapper):
    message = "as wide as the output of its cell, 5, got shape .*4.*bottom cell"
    with pytest.raises(ValueError, match=message):
        RNN(wrapper(LSTMCell(UNITS)))(draw(BATCH, TIME, 4))


@every_wrapper
@pytest.mark.parametrize("cell", [None, 5, LSTMCell, LSTM])
def test_cell_must_be_a_cell(wrapper, cell):
    with pytest.raises(ValueError, match="Expected `cell` to have"):
        wrapper(cell)


@every_wrapper
def test_cell_of_keras_with_dropout_is_refused(wrapper):
    with pytest.raises(ValueError, match="Expected a cell without dropout"):
        wrapper(keras.layers.LSTMCell(UNITS, dropout=0.5))


@pytest.mark.parametrize("bias", [None, "-1", True, [0.0]])
def test_initial_bias_must_be_a_number(bias):
    with pytest.raises(ValueError, match="`initial_bias` to be a number, got"):
        HighwayCell(LSTMCell(UNITS), initial_bias=bias)
