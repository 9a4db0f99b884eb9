"""Tests of LSTM and its cell: equations, Keras, oracles."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.backend import MODES
from tests.backend import compiled
from tests.backend import numpy_of
from tests.backend import with_gradients
from zoo.layers import LSTM
from zoo.layers import LSTMCell

BATCH, TIME, FEATURES, UNITS = 2, 3, 4, 5


def draw(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype("float32")


def randomize(layer):
    layer.set_weights([draw(*x.shape) / 2 for x in layer.get_weights()])
    return layer


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("use_bias", [True, False])
def test_cell_follows_its_equations(use_bias):
    cell = LSTMCell(UNITS, use_bias=use_bias)
    cell.build((BATCH, FEATURES))
    randomize(cell)
    x, h, c = draw(BATCH, FEATURES), draw(BATCH, UNITS), draw(BATCH, UNITS) + 1
    output, (new_h, new_c) = cell(x, [h, c])
    z = x @ numpy_of(cell.kernel) + h @ numpy_of(cell.recurrent_kernel)
    z += numpy_of(cell.bias) if use_bias else 0
    i, f, g, o = np.split(z, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    np.testing.assert_allclose(new_c, c, atol=1e-6)
    np.testing.assert_allclose(output, sigmoid(o) * np.tanh(c), atol=1e-6)
    np.testing.assert_array_equal(output, new_h)


@pytest.mark.parametrize("unit_forget_bias", [True, False])
def test_forget_gate_starts_open_if_asked(unit_forget_bias):
    layer = LSTM(
        UNITS,
        unit_forget_bias=unit_forget_bias,
        bias_initializer=keras.initializers.Constant(0.25),
    )
    layer.build((BATCH, TIME, FEATURES))
    i, f, g, o = np.split(numpy_of(layer.cell.bias), 4)
    np.testing.assert_array_equal(f, 1.0 if unit_forget_bias else 0.25)
    np.testing.assert_array_equal([i, g, o], 0.25)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"use_bias": False},
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
    ours, theirs = (
        LSTM(UNITS, **arguments),
        keras.layers.LSTM(UNITS, **arguments),
    )
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


@pytest.mark.parametrize("direction", ["", "_back"])
@pytest.mark.parametrize("mask", ["none", "rp", "gap"])
def test_layer_gives_the_outputs_of_tf_keras(oracle, mask, direction):
    arrays = oracle(f"g5_lstm_{mask}{direction}")
    backwards = bool(arrays["go_backwards"])
    x = arrays["x"]
    layer = LSTM(
        UNITS, return_sequences=True, return_state=True, go_backwards=backwards
    )
    layer.build(x.shape)
    layer.set_weights(
        [arrays[n] for n in ("kernel", "recurrent_kernel", "bias")]
    )
    mask = arrays.get("mask", np.ones(x.shape[:2], bool))
    outputs, h, c = layer(
        x, initial_state=[arrays["h0"], arrays["c0"]], mask=mask
    )
    read = mask[:, ::-1] if backwards else mask
    expected = np.where(read[..., None], arrays["outputs"], 0)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    np.testing.assert_allclose(h, arrays["h"], atol=1e-5)
    np.testing.assert_allclose(c, arrays["c"], atol=1e-5)


def test_two_layers_and_a_loss_have_the_gradients_of_tf_keras(oracle):
    arrays = oracle("g5_stack_loss")
    x, mask = arrays["x"], arrays["mask"]
    layers = [LSTM(UNITS, return_sequences=True) for _ in range(2)]
    dense = keras.layers.Dense(arrays["dense_kernel"].shape[1])
    prefixes = ("l1", "l2", "dense")
    names, weights = [], []
    for layer, prefix in zip([*layers, dense], prefixes, strict=True):
        layer.build((None, None, FEATURES if prefix == "l1" else UNITS))
        parts = [f"{prefix}_{weight.name}" for weight in layer.weights]
        layer.set_weights([arrays[name] for name in parts])
        names += parts
        weights += layer.weights

    def loss():
        hidden = layers[1](layers[0](x, mask=mask), mask=mask)
        logits = dense(hidden)
        losses = keras.losses.sparse_categorical_crossentropy(
            arrays["targets"], logits, from_logits=True
        )
        mean = ops.sum(ops.where(mask, losses, 0)) / mask.sum()
        return mean, (mean, logits)

    (mean, logits), found = with_gradients(loss, [], weights)
    np.testing.assert_allclose(
        numpy_of(logits)[mask], arrays["logits"][mask], atol=1e-5
    )
    np.testing.assert_allclose(mean, arrays["loss"], atol=1e-6)
    for gradient, name in zip(found, names, strict=True):
        np.testing.assert_allclose(
            gradient, arrays[f"grad_{name}"], atol=1e-5, err_msg=name
        )


def test_xla_and_graph_give_what_eager_gives():
    layer = LSTM(UNITS, return_sequences=True, return_state=True)
    x, mask = (
        draw(BATCH, TIME, FEATURES),
        np.array([[1, 0, 1], [0, 0, 0]], bool),
    )
    expected = layer(x, mask=mask)
    for mode in MODES:
        call = compiled(lambda x, mask: layer(x, mask=mask), mode)
        for given, value in zip(call(x, mask), expected, strict=True):
            np.testing.assert_allclose(given, value, atol=1e-6)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_dropout_is_on_the_inputs_and_on_what_recurs(activation):
    layer = LSTM(
        UNITS,
        activation=activation,
        return_sequences=True,
        dropout=0.5,
        recurrent_dropout=0.5,
        seed=3,
    )
    x = draw(BATCH, TIME, FEATURES)
    layer.build(x.shape)
    outputs = layer(x, training=True)
    layer.cell.seed_generator.state.assign(
        LSTMCell(UNITS, seed=3).seed_generator.state
    )
    input_mask, recurrent_mask = map(
        numpy_of, layer.cell.dropout_masks(BATCH, FEATURES, training=True)
    )
    assert set(np.unique(input_mask)) == {0.0, 2.0}
    assert set(np.unique(recurrent_mask)) == {0.0, 2.0}
    h = c = np.zeros((BATCH, UNITS), "float32")
    kernel, recurrent, bias = layer.get_weights()
    act = np.tanh if activation == "tanh" else lambda x: np.maximum(x, 0)
    for t in range(TIME):
        z = (x[:, t] * input_mask) @ kernel + (h * recurrent_mask) @ recurrent
        i, f, g, o = np.split(np.asarray(z + bias), 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * act(g)
        h = sigmoid(o) * act(c)
        np.testing.assert_allclose(outputs[:, t], h, atol=1e-6)
