"""Tests of the options of LSTM and its cell: weights, randomness, gates."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.backend import compiled
from tests.backend import every_mode
from tests.backend import gradients
from tests.backend import numpy_of
from tests.backend import of_any_size
from tests.backend import with_gradients
from zoo.layers import LSTM
from zoo.layers import AttentionCell
from zoo.layers import AttentionDecoder
from zoo.layers import Bidirectional
from zoo.layers import LSTMCell
from zoo.layers import LuongAttention
from zoo.ops import LSTMGates

BATCH, TIME, FEATURES, UNITS, PROJECTION = 2, 3, 4, 5, 6
MASK = np.array([[1, 0, 1], [0, 0, 0]], bool)
EVERYTHING = {
    "peephole": True,
    "layer_normalization": True,
    "projection": PROJECTION,
    "zoneout_h": 0.25,
    "zoneout_c": 0.5,
    "weight_drop": 0.5,
    "dropout": 0.5,
    "recurrent_dropout": 0.5,
}


def draw(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype("float32")


X = draw(BATCH, TIME, FEATURES)


def built(**arguments):
    layer = LSTM(UNITS, seed=3, **arguments)
    layer.build((None, None, FEATURES))
    for weight in layer.trainable_weights:
        weight.assign(draw(*weight.shape) / 2)
    return layer


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def twice(function, mode, cell, x):
    """What two calls give; in a graph batch and time are unknown."""
    function = compiled(
        function,
        mode,
        variables=[cell.seed_generator.state],
        shapes=[(None, None, FEATURES)],
    )
    return np.asarray(function(x)), np.asarray(function(x))


# Weights.


@pytest.mark.parametrize(
    ("option", "shapes"),
    [
        ({"peephole": True}, {f"peephole_{x}": (UNITS,) for x in "ifo"}),
        (
            {"layer_normalization": True},
            {
                "kernel_norm_gamma": (4 * UNITS,),
                "kernel_norm_beta": (4 * UNITS,),
                "recurrent_norm_gamma": (4 * UNITS,),
                "recurrent_norm_beta": (4 * UNITS,),
                "state_norm_gamma": (UNITS,),
                "state_norm_beta": (UNITS,),
            },
        ),
        (
            {"projection": PROJECTION},
            {
                "recurrent_kernel": (PROJECTION, 4 * UNITS),
                "projection_kernel": (UNITS, PROJECTION),
            },
        ),
        ({"zoneout_h": 0.5, "zoneout_c": 0.5}, {}),
        ({"weight_drop": 0.5}, {}),
    ],
)
def test_options_add_their_weights_behind_the_plain_ones(option, shapes):
    cell = LSTMCell(UNITS, **option)
    cell.build((None, FEATURES))
    expected = {
        "kernel": (FEATURES, 4 * UNITS),
        "recurrent_kernel": (UNITS, 4 * UNITS),
        "bias": (4 * UNITS,),
        **shapes,
    }
    given = {x.name: tuple(x.shape) for x in cell.trainable_weights}
    assert list(given.items()) == list(expected.items())


def test_new_norms_change_nothing_but_the_scale():
    cell = LSTMCell(UNITS, layer_normalization=True)
    cell.build((None, FEATURES))
    for gamma, beta in (cell.kernel_norm, cell.recurrent_norm, cell.state_norm):
        np.testing.assert_array_equal(gamma, 1)
        np.testing.assert_array_equal(beta, 0)


def test_projection_is_the_width_of_output_and_recurrence():
    layer = built(projection=PROJECTION, return_state=True)
    outputs, h, c = layer(X)
    assert outputs.shape == h.shape == (BATCH, PROJECTION)
    assert c.shape == (BATCH, UNITS)
    assert layer.compute_output_spec(X)[0].shape == (BATCH, PROJECTION)
    theirs = keras.layers.RNN(layer.cell, return_state=True)
    for x, y in zip(theirs(X), (outputs, h, c), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-6)


# Zoneout.


def test_zoneout_keeps_units_of_each_state_at_their_rates():
    cell = LSTMCell(50, zoneout_h=0.2, zoneout_c=0.6, seed=1)
    x, h, c = draw(40, FEATURES), draw(40, 50), draw(41, 50)[1:]
    plain = LSTMCell(50)
    for one in (cell, plain):
        one.build((None, FEATURES))
    for weight, other in zip(plain.weights, cell.weights[:3], strict=True):
        weight.assign(other)
    _, plain_state = plain(x, [h, c])
    plain_h, plain_c = map(numpy_of, plain_state)
    kept = []
    for _ in range(2):
        output, (new_h, new_c) = cell(x, [h, c], training=True)
        np.testing.assert_array_equal(output, new_h)
        new_h, new_c = numpy_of(new_h), numpy_of(new_c)
        kept_h, kept_c = new_h == h, new_c == c
        # of 2000 units, within four standard deviations
        assert abs(np.mean(kept_h) - 0.2) < 0.036
        assert abs(np.mean(kept_c) - 0.6) < 0.044
        # the output is made of the cell state before zoneout
        np.testing.assert_allclose(
            new_h, np.where(kept_h, h, plain_h), rtol=1e-6
        )
        np.testing.assert_allclose(
            new_c, np.where(kept_c, c, plain_c), rtol=1e-6
        )
        kept.append(kept_h)
    assert np.any(kept[0] != kept[1])


def test_zoneout_takes_the_expectation_at_inference():
    cell, plain = LSTMCell(UNITS, zoneout_h=0.2, zoneout_c=0.6), LSTMCell(UNITS)
    for one in (cell, plain):
        one.build((None, FEATURES))
        for weight in one.trainable_weights:
            weight.assign(draw(*weight.shape) / 2)
    x, h, c = draw(BATCH, FEATURES), draw(BATCH, UNITS), draw(3, UNITS)[1:]
    _, plain_state = plain(x, [h, c])
    plain_h, plain_c = map(numpy_of, plain_state)
    _, (new_h, new_c) = cell(x, [h, c])
    np.testing.assert_allclose(new_h, 0.2 * h + 0.8 * plain_h, atol=1e-6)
    np.testing.assert_allclose(new_c, 0.6 * c + 0.4 * plain_c, atol=1e-6)


@every_mode
def test_zoneout_draws_anew_at_every_step_of_every_sequence(mode):
    layer = built(zoneout_h=0.5, return_sequences=True)
    x = draw(20, TIME, FEATURES)

    first, second = twice(
        lambda x: layer(x, training=True), mode, layer.cell, x
    )
    repeats = first[:, 1:] == first[:, :-1]
    assert 0.3 < np.mean(repeats) < 0.7
    assert np.any(repeats[:, 0] != repeats[:, 1])
    assert np.any(first != second)


@every_mode
def test_zoneout_draws_anew_at_every_step_of_a_decoder(mode):
    cell = LSTMCell(UNITS, zoneout_h=0.5, seed=1)
    decoder = AttentionDecoder(
        AttentionCell(cell, LuongAttention(), output="cell")
    )
    x, memory = draw(20, TIME, FEATURES), draw(20, 7, PROJECTION)
    decoder(x, memory)
    first, second = twice(
        lambda x: decoder(x, memory, training=True)[0], mode, cell, x
    )
    repeats = first[:, 1:] == first[:, :-1]
    assert 0.3 < np.mean(repeats) < 0.7
    assert np.any(repeats[:, 0] != repeats[:, 1])
    assert np.any(first != second)


# Weight drop.


@pytest.mark.parametrize("activation", ["tanh", "softsign"])
def test_weight_drop_has_one_mask_for_a_sequence(activation):
    layer = built(weight_drop=0.5, return_sequences=True, activation=activation)
    start = LSTMCell(UNITS, seed=3).seed_generator.state
    layer.cell.seed_generator.state.assign(start)
    outputs = layer(X, training=True)
    layer.cell.seed_generator.state.assign(start)
    *others, mask = layer.cell.dropout_masks(BATCH, FEATURES, training=True)
    assert others == [None, None]
    mask = numpy_of(mask)
    assert set(np.unique(mask)) == {0.0, 2.0}
    kernel, recurrent, bias = layer.get_weights()[:3]
    act = np.tanh if activation == "tanh" else lambda x: x / (1 + np.abs(x))
    h = c = np.zeros((BATCH, UNITS), "float32")
    for t in range(TIME):
        z = X[:, t] @ kernel + h @ (recurrent * mask) + bias
        i, f, g, o = np.split(z, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * act(g)
        h = sigmoid(o) * act(c)
        np.testing.assert_allclose(outputs[:, t], h, atol=1e-6)
    again = layer(X, training=True)
    assert np.any(numpy_of(abs(again - outputs)) > 1e-3)


def test_nothing_is_dropped_and_nothing_is_drawn_at_inference():
    dropped = built(weight_drop=0.5)
    plain = built()
    np.testing.assert_array_equal(dropped(X), plain(X))
    assert dropped.cell.dropout_masks(BATCH, FEATURES) == (None, None, None)


def test_dropped_weights_get_no_gradient():
    layer = built(weight_drop=0.5)
    start = LSTMCell(UNITS, seed=3).seed_generator.state
    layer.cell.seed_generator.state.assign(start)
    (gradient,) = gradients(
        lambda: ops.sum(layer(X, training=True) ** 2),
        [],
        [layer.cell.recurrent_kernel],
    )
    layer.cell.seed_generator.state.assign(start)
    *_, mask = layer.cell.dropout_masks(BATCH, FEATURES, training=True)
    np.testing.assert_array_equal(gradient != 0, numpy_of(mask) != 0)


# Gates to look at.


@pytest.mark.parametrize("backwards", [False, True])
def test_gates_follow_their_equations(backwards):
    layer = built(
        return_gates=True,
        return_state=True,
        return_sequences=True,
        go_backwards=backwards,
    )
    outputs, h_last, c_last, gates = layer(X, mask=MASK)
    assert isinstance(gates, LSTMGates)
    kernel, recurrent, bias = layer.get_weights()[:3]
    h = c = np.zeros((BATCH, UNITS))
    order = range(TIME)[::-1] if backwards else range(TIME)
    for place, t in enumerate(order):
        i, f, g, o = np.split(X[:, t] @ kernel + h @ recurrent + bias, 4, -1)
        i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        real = MASK[:, t, None]
        c = np.where(real, f * c + i * g, c)
        h = np.where(real, o * np.tanh(c), h)
        for given, gate in zip(gates, (i, f, g, o), strict=True):
            expected = np.where(real, gate, 0)
            np.testing.assert_allclose(given[:, place], expected, atol=1e-6)
    np.testing.assert_allclose(h_last, h, atol=1e-6)
    np.testing.assert_allclose(c_last, c, atol=1e-6)
    plain = built(return_sequences=True, go_backwards=backwards)
    np.testing.assert_allclose(outputs, plain(X, mask=MASK), atol=1e-6)


def test_gates_come_last_and_leave_the_rest_as_it_is():
    plain = built()(X)
    outputs, gates = built(return_gates=True)(X)
    np.testing.assert_allclose(outputs, plain, atol=1e-6)
    assert {tuple(x.shape) for x in gates} == {(BATCH, TIME, UNITS)}


def test_model_with_gates_survives_a_keras_file(tmp_path):
    inputs = keras.Input((None, FEATURES))
    masked = keras.layers.Masking()(inputs)
    layer = LSTM(UNITS, return_gates=True, **EVERYTHING)
    outputs, gates = layer(masked)
    model = keras.Model(inputs, [outputs, gates.forget])
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    for x, y in zip(copy(X), model(X), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-6)


# All together.


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_everything_trains_under_xla_with_unknown_batch_and_time(policy):
    keras.config.set_dtype_policy(policy)
    layer = built(**EVERYTHING)
    weights = layer.trainable_weights

    def train(x, mask):
        def loss():
            y = layer(x, mask=mask, training=True)
            return ops.sum(ops.cast(y, "float32") ** 2), ()

        return with_gradients(loss, [], weights)[1]

    shapes = [(None, None, FEATURES), (None, None)]
    found = of_any_size(train, [X, MASK], shapes, mode="xla")
    for weight, gradient in zip(weights, found, strict=True):
        assert tuple(gradient.shape) == tuple(weight.shape)
        assert np.all(np.isfinite(numpy_of(gradient)))


def test_both_directions_have_the_options():
    layer = Bidirectional(LSTM(UNITS, return_sequences=True, **EVERYTHING))
    outputs = layer(X, mask=MASK)
    assert outputs.shape == (BATCH, TIME, 2 * PROJECTION)
    assert layer.backward_layer.cell.zoneout_c == 0.5
    assert not np.any(np.asarray(outputs)[~MASK])


# Arguments that do not fit.


@pytest.mark.parametrize("rate", [7, 1.0, -0.1, True, "0.5", None])
@pytest.mark.parametrize("name", ["zoneout_h", "zoneout_c", "weight_drop"])
def test_rates_must_be_fractions(name, rate):
    message = f"`{name}` to be a fraction from 0 to below 1, got"
    with pytest.raises(ValueError, match=message):
        LSTM(UNITS, **{name: rate})


@pytest.mark.parametrize("projection", [0, -1, 2.5, True, "3"])
def test_projection_must_be_a_width(projection):
    with pytest.raises(ValueError, match="`projection` to be a positive"):
        LSTM(UNITS, projection=projection)


def test_epsilon_must_be_positive():
    with pytest.raises(ValueError, match="`norm_epsilon` to be a positive"):
        LSTM(UNITS, norm_epsilon=0)


def test_gates_of_two_directions_are_refused():
    with pytest.raises(ValueError, match="`return_gates=True`"):
        Bidirectional(LSTM(UNITS, return_gates=True))
