"""Tests of MogrifierLSTM and its cell: equations, rank, options, errors."""

import keras
import numpy as np
import pytest

from tests.backend import MODES
from tests.backend import compiled
from tests.backend import every_mode
from tests.backend import gradients
from tests.backend import numpy_of
from zoo.layers import LSTM
from zoo.layers import LSTMCell
from zoo.layers import MogrifierLSTM
from zoo.layers import MogrifierLSTMCell

BATCH, TIME, FEATURES, UNITS, PROJECTION, RANK = 2, 3, 4, 5, 6, 2
MASK = np.array([[1, 0, 1], [0, 0, 0]], bool)


def draw(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype("float32")


X = draw(BATCH, TIME, FEATURES)


def built(layer, shape=X.shape):
    layer.build(shape)
    for i, weight in enumerate(layer.trainable_weights):
        weight.assign(draw(i + 1, *weight.shape)[0])
    return layer


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def weights_of(cell, rounds, rank):
    """Kernel, recurrent kernel, bias; and Q^1, R^2, Q^3, ..."""
    arrays = [numpy_of(x).astype("float64") for x in cell.get_weights()]
    plain, gates = arrays[:3], arrays[3:]
    if rank is not None:
        gates = [
            left @ right
            for left, right in zip(gates[::2], gates[1::2], strict=True)
        ]
    assert len(gates) == rounds
    return *plain, gates


def reference(x, h, c, kernel, recurrent, bias, gates):
    """One step as the paper writes it, with column vectors, row by row."""
    new_h, new_c = [], []
    for x_row, h_row, c_row in zip(x, h, c, strict=True):
        xs, hs = {-1: x_row}, {0: h_row}
        for i, gate in enumerate(gates, start=1):
            if i % 2:
                xs[i] = 2 * sigmoid(gate.T @ hs[i - 1]) * xs[i - 2]
            else:
                hs[i] = 2 * sigmoid(gate.T @ xs[i - 1]) * hs[i - 2]
        z = xs[max(xs)] @ kernel + hs[max(hs)] @ recurrent + bias
        i, f, g, o = np.split(z, 4)
        c_row = sigmoid(f) * c_row + sigmoid(i) * np.tanh(g)
        new_h.append(sigmoid(o) * np.tanh(c_row))
        new_c.append(c_row)
    return np.stack(new_h), np.stack(new_c)


every_rank = pytest.mark.parametrize("rank", [None, RANK])


@every_rank
@pytest.mark.parametrize("rounds", range(6))
def test_cell_follows_its_equations(rounds, rank):
    cell = MogrifierLSTMCell(UNITS, rounds=rounds, rank=rank)
    built(cell, (BATCH, FEATURES))
    h, c = draw(BATCH, UNITS), draw(3, BATCH, UNITS)[2]
    output, (new_h, new_c) = cell(X[:, 0], [h, c])
    weights = weights_of(cell, rounds, rank)
    expected_h, expected_c = reference(X[:, 0], h, c, *weights)
    np.testing.assert_allclose(new_h, expected_h, atol=1e-5)
    np.testing.assert_allclose(new_c, expected_c, atol=1e-5)
    np.testing.assert_array_equal(output, new_h)


@every_rank
@pytest.mark.parametrize("rounds", range(6))
def test_layer_follows_the_equations_and_its_mask(rounds, rank):
    layer = built(
        MogrifierLSTM(
            UNITS,
            rounds=rounds,
            rank=rank,
            return_sequences=True,
            return_state=True,
        )
    )
    weights = weights_of(layer, rounds, rank)
    h = c = np.zeros((BATCH, UNITS))
    outputs = np.zeros((BATCH, TIME, UNITS))
    for t in range(TIME):
        real = MASK[:, t, None]
        new_h, new_c = reference(X[:, t], h, c, *weights)
        h, c = np.where(real, new_h, h), np.where(real, new_c, c)
        outputs[:, t] = np.where(real, h, 0)
    for mode in MODES:
        call = compiled(lambda x, mask: layer(x, mask=mask), mode)
        for given, expected in zip(call(X, MASK), (outputs, h, c), strict=True):
            np.testing.assert_allclose(given, expected, atol=1e-5)


def test_gates_have_the_shapes_of_the_paper():
    cell = MogrifierLSTMCell(UNITS, rounds=3, projection=PROJECTION)
    cell.build((None, FEATURES))
    assert [x.shape for [x] in cell.gate_kernels] == [
        (PROJECTION, FEATURES),
        (FEATURES, PROJECTION),
        (PROJECTION, FEATURES),
    ]
    cell = MogrifierLSTMCell(UNITS, rounds=2, rank=RANK)
    cell.build((None, FEATURES))
    assert [[x.shape for x in factors] for factors in cell.gate_kernels] == [
        [(UNITS, RANK), (RANK, FEATURES)],
        [(FEATURES, RANK), (RANK, UNITS)],
    ]


def test_gates_of_one_shape_start_apart():
    cell = MogrifierLSTMCell(UNITS, rounds=3)
    cell.build((None, FEATURES))
    first, _, third = (numpy_of(x) for [x] in cell.gate_kernels)
    assert np.any(first != third)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"peephole": True, "layer_normalization": True},
        {"projection": PROJECTION, "zoneout_h": 0.25, "zoneout_c": 0.5},
        {"dropout": 0.5, "recurrent_dropout": 0.25, "weight_drop": 0.5},
    ],
)
@pytest.mark.parametrize("training", [False, True])
def test_without_rounds_it_is_the_lstm(options, training):
    settings = {"seed": 3, "return_sequences": True, **options}
    plain = built(LSTM(UNITS, **settings))
    layer = MogrifierLSTM(UNITS, rounds=0, **settings)
    layer.build(X.shape)
    layer.set_weights(plain.get_weights())
    np.testing.assert_allclose(
        layer(X, mask=MASK, training=training),
        plain(X, mask=MASK, training=training),
        atol=1e-6,
    )


def test_gates_of_one_leave_the_lstm_as_it_is():
    options = {
        "peephole": True,
        "layer_normalization": True,
        "zoneout_h": 0.25,
        "zoneout_c": 0.5,
        "weight_drop": 0.5,
        "dropout": 0.5,
        "recurrent_dropout": 0.25,
    }
    settings = {"seed": 3, "return_sequences": True, **options}
    plain = built(LSTM(UNITS, **settings))
    layer = built(MogrifierLSTM(UNITS, rounds=4, **settings))
    for weight, value in zip(layer.weights, plain.weights, strict=False):
        if "seed" not in weight.path:
            weight.assign(value)
    for [kernel] in layer.cell.gate_kernels:  # 2 sigmoid(0) = 1
        kernel.assign(np.zeros(kernel.shape))
    for training in (False, True):
        np.testing.assert_allclose(
            layer(X, mask=MASK, training=training),
            plain(X, mask=MASK, training=training),
            atol=1e-6,
        )


def test_zoneout_keeps_the_state_that_was_not_gated():
    cell = MogrifierLSTMCell(50, zoneout_h=0.5, seed=1)
    built(cell, (None, FEATURES))
    x, h, c = draw(40, FEATURES), draw(40, 50), draw(41, 50)[1:]
    _, (new_h, _) = cell(x, [h, c], training=True)
    assert 0.4 < np.mean(numpy_of(new_h) == h) < 0.6


def test_dropout_comes_before_the_first_round():
    cell = built(
        MogrifierLSTMCell(UNITS, dropout=0.5, recurrent_dropout=0.5, seed=3),
        (BATCH, FEATURES),
    )
    plain = built(MogrifierLSTMCell(UNITS), (BATCH, FEATURES))
    h, c = draw(BATCH, UNITS), draw(3, BATCH, UNITS)[2]
    masks = cell.dropout_masks(BATCH, FEATURES, training=True)
    x_mask, h_mask = map(numpy_of, masks)
    given, _ = cell(X[:, 0], [h, c], training=True, masks=masks)
    expected, _ = plain(X[:, 0] * x_mask, [h * h_mask, c])
    np.testing.assert_allclose(given, expected, atol=1e-6)


@every_mode
def test_zoneout_draws_anew_at_every_step(mode):
    layer = built(
        MogrifierLSTM(UNITS, zoneout_h=0.5, return_sequences=True, seed=1)
    )
    state = layer.cell.seed_generator.state
    call = compiled(lambda x: layer(x, training=True), mode, [state])
    outputs = numpy_of(call(draw(20, TIME, FEATURES)))
    repeats = outputs[:, 1:] == outputs[:, :-1]
    assert 0.3 < np.mean(repeats) < 0.7
    assert np.any(repeats[:, 0] != repeats[:, 1])


@every_rank
def test_gradients_reach_every_weight(rank):
    layer = built(MogrifierLSTM(UNITS, rank=rank))
    weights = layer.trainable_weights
    assert len(weights) == 3 + 5 * (1 if rank is None else 2)
    found = gradients(
        lambda x: keras.ops.sum(layer(x, mask=MASK) ** 2), [X], weights
    )
    for gradient in found:
        assert np.all(np.isfinite(gradient))
        assert np.any(gradient)


def test_gradient_is_that_of_finite_differences():
    layer = built(MogrifierLSTM(UNITS, rounds=3, rank=RANK))
    v = draw(BATCH, UNITS)
    left = layer.cell.gate_kernels[2][0]
    (gradient,) = gradients(
        lambda: keras.ops.sum(keras.ops.multiply(layer(X), v)), [], [left]
    )
    start, change = numpy_of(left).copy(), draw(*left.shape)
    values = []
    for step in (-1e-2, 1e-2):
        left.assign(start + step * change)
        values.append(np.sum(numpy_of(layer(X)).astype("float64") * v))
    slope = (values[1] - values[0]) / 2e-2
    np.testing.assert_allclose(np.sum(gradient * change), slope, rtol=1e-2)


def test_cell_works_inside_the_rnn_of_keras():
    layer = built(MogrifierLSTM(UNITS, projection=PROJECTION, rank=RANK))
    theirs = keras.layers.RNN(layer.cell)
    np.testing.assert_allclose(layer(X), theirs(X), atol=1e-6)


def test_a_cell_without_rounds_has_the_weights_of_the_lstm():
    cells = MogrifierLSTMCell(UNITS, rounds=0, rank=RANK), LSTMCell(UNITS)
    names = []
    for cell in cells:
        cell.build((None, FEATURES))
        names.append([x.name for x in cell.trainable_weights])
    assert names[0] == names[1]


@pytest.mark.parametrize("make", [MogrifierLSTM, MogrifierLSTMCell])
@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"rounds": -1}, "`rounds` to be an integer of at least 0, got -1"),
        ({"rounds": True}, "at least 0, got True.*0 makes a plain LSTM"),
        ({"rank": 0}, "`rank` to be a positive integer, got 0. Leave it out"),
        ({"rank": 1.5}, "`rank` to be a positive integer, got 1.5"),
    ],
)
def test_wrong_arguments_are_refused(make, argument, message):
    with pytest.raises(ValueError, match=message):
        make(UNITS, **argument)
