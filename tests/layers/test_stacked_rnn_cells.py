"""Tests of StackedRNNCells against its cells, one above the other."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.backend import gradients
from zoo.layers import RNN
from zoo.layers import LSTMCell
from zoo.layers import MinGRUCell
from zoo.layers import ResidualCell
from zoo.layers import SimpleRNNCell
from zoo.layers import StackedRNNCells

BATCH, TIME, FEATURES = 2, 3, 4
MASK = np.array([[0, 1, 1], [0, 0, 0]], bool)


def draw(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype("float32")


X = draw(BATCH, TIME, FEATURES)

STACKS = {
    "zoo": lambda: [LSTMCell(7), SimpleRNNCell(6), LSTMCell(5)],
    "keras": lambda: [keras.layers.GRUCell(7), keras.layers.LSTMCell(5)],
    "both": lambda: [SimpleRNNCell(7), keras.layers.GRUCell(5)],
    "in each other": lambda: [
        StackedRNNCells([SimpleRNNCell(8), LSTMCell(7)]),
        LSTMCell(5),
    ],
}
every_stack = pytest.mark.parametrize("make", STACKS.values(), ids=STACKS)


def assert_close(given, expected, tolerance=1e-6):
    for x, y in zip(
        keras.tree.flatten(given), keras.tree.flatten(expected), strict=True
    ):
        np.testing.assert_allclose(x, y, atol=tolerance, rtol=tolerance)


@every_stack
def test_one_step_is_cell_upon_cell(make):
    cells = make()
    stack = StackedRNNCells(cells)
    stack.build((BATCH, FEATURES))
    state = [
        [draw(*x.shape) for x in keras.tree.flatten(part)]
        for part in stack.get_initial_state(BATCH)
    ]
    state = keras.tree.pack_sequence_as(
        stack.get_initial_state(BATCH), keras.tree.flatten(state)
    )
    output, new_state = stack(X[:, 0], state)
    expected, states = X[:, 0], []
    for cell, part in zip(cells, state, strict=True):
        expected, part = cell(expected, part)
        states.append(part)
    assert_close([output, new_state], [expected, states])
    assert output.shape == (BATCH, stack.output_size)


@every_stack
@pytest.mark.parametrize("reverse", [False, True])
def test_whole_sequences_are_layer_upon_layer(make, reverse):
    cells = make()
    stack = StackedRNNCells(cells)
    stack.build((BATCH, FEATURES))
    outputs, state = stack.unroll(
        X, stack.get_initial_state(BATCH), mask=MASK, reverse=reverse
    )
    expected, states = X, []
    for cell in cells:
        layer = RNN(
            cell,
            return_sequences=True,
            return_state=True,
            go_backwards=reverse,
        )
        expected, *part = layer(expected, mask=MASK)
        expected = ops.flip(expected, axis=1) if reverse else expected
        states.append(part)
    assert_close([outputs, state], [expected, states])


def test_steps_with_masks_drawn_once_are_the_whole_sequence():
    def make():
        return StackedRNNCells(
            [
                LSTMCell(7, dropout=0.5, seed=1),
                SimpleRNNCell(5, recurrent_dropout=0.5, seed=2),
            ]
        )

    whole, steps = make(), make()
    for stack in (whole, steps):
        stack.build((BATCH, FEATURES))
        stack.set_weights(whole.get_weights())
    outputs, state = whole.unroll(
        X, whole.get_initial_state(BATCH), training=True
    )
    masks = steps.dropout_masks(BATCH, FEATURES, training=True)
    other = steps.get_initial_state(BATCH)
    for t in range(TIME):
        output, other = steps(X[:, t], other, training=True, masks=masks)
        np.testing.assert_allclose(outputs[:, t], output, atol=1e-6)
    assert_close(state, other)


def test_sizes_are_those_of_the_cells():
    stack = StackedRNNCells([LSTMCell(7), SimpleRNNCell(5)])
    assert stack.state_size == [[7, 7], [5]]
    assert stack.output_size == 5
    shapes = keras.tree.map_structure(
        lambda x: tuple(x.shape), stack.get_initial_state(BATCH)
    )
    assert shapes == [[(BATCH, 7), (BATCH, 7)], [(BATCH, 5)]]


def test_gradients_reach_every_cell():
    layer = RNN(StackedRNNCells([LSTMCell(7), SimpleRNNCell(5)]))
    layer.build(X.shape)
    for gradient in gradients(
        lambda: ops.sum(layer(X) ** 2), [], layer.trainable_weights
    ):
        assert np.any(gradient)


@pytest.mark.parametrize("cells", [[], [3], [keras.layers.Dense(3)]])
def test_cells_must_be_cells(cells):
    with pytest.raises(ValueError, match="list of at least one cell"):
        StackedRNNCells(cells)


def test_a_step_on_a_masked_embedding_raises_no_warning():
    embedding = keras.layers.Embedding(5, 3, mask_zero=True)
    cell = StackedRNNCells([ResidualCell(LSTMCell(3)), MinGRUCell(4)])
    state = cell.get_initial_state(batch_size=2)
    output, _ = cell(embedding(np.array([1, 0])), state)
    assert getattr(output, "_keras_mask", None) is None
