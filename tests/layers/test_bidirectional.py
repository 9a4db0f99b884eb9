"""Tests of Bidirectional against its halves, Keras, and an oracle."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.backend import BACKEND
from tests.backend import numpy_of
from tests.backend import tensors
from tests.backend import with_gradients
from zoo.layers import LSTM
from zoo.layers import RNN
from zoo.layers import Bidirectional
from zoo.layers import LSTMCell
from zoo.layers import SimpleRNN

BATCH, TIME, FEATURES, UNITS = 3, 4, 2, 5
RIGHT = np.array([[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]], bool)
GAPS = np.array([[0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 0, 0]], bool)


def draw(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype("float32")


X = draw(BATCH, TIME, FEATURES)

MERGES = {
    "concat": lambda x, y: np.concatenate([x, y], axis=-1),
    "sum": lambda x, y: x + y,
    "ave": lambda x, y: (x + y) / 2,
    "mul": lambda x, y: x * y,
}


def randomize(layer):
    layer.set_weights([draw(*x.shape) / 2 for x in layer.get_weights()])
    return layer


def assert_close(given, expected, tolerance=1e-6):
    given, expected = keras.tree.flatten(given), keras.tree.flatten(expected)
    for x, y in zip(given, expected, strict=True):
        np.testing.assert_allclose(
            numpy_of(x), numpy_of(y), atol=tolerance, rtol=tolerance
        )


@pytest.mark.parametrize("mask", ["none", "rp"])
def test_values_and_gradients_are_those_of_tf_keras(oracle, mask):
    arrays = oracle(f"g5_bilstm_{mask}")
    x = arrays["x"]
    layer = Bidirectional(LSTM(5, return_sequences=True, return_state=True))
    layer.build(x.shape)
    names = [
        f"{direction}_{name}"
        for direction in ("fwd", "bwd")
        for name in ("kernel", "recurrent_kernel", "bias")
    ]
    layer.set_weights([arrays[name] for name in names])
    parts = ("outputs", "fwd_h", "fwd_c", "bwd_h", "bwd_c")
    cotangents = tensors([arrays[f"ct_{part}"] for part in parts])

    def loss(x):
        results = layer(x, mask=arrays.get("mask"))
        return sum(
            map(ops.sum, map(ops.multiply, results, cotangents))
        ), results

    results, found = with_gradients(loss, [x], layer.trainable_weights)
    assert_close(results, [arrays[part] for part in parts], tolerance=1e-5)
    expected = [arrays[f"grad_{name}"] for name in ("x", *names)]
    assert_close(found, expected, tolerance=1e-4)


@pytest.mark.parametrize("merge_mode", [*MERGES, None])
@pytest.mark.parametrize("return_sequences", [True, False])
def test_weights_and_results_are_those_of_keras(merge_mode, return_sequences):
    arguments = {"return_sequences": return_sequences, "return_state": True}
    ours = Bidirectional(LSTM(UNITS, **arguments), merge_mode=merge_mode)
    theirs = keras.layers.Bidirectional(
        keras.layers.LSTM(UNITS, **arguments), merge_mode=merge_mode
    )
    ours.build(X.shape)
    theirs.build(X.shape)
    randomize(ours)
    theirs.set_weights(ours.get_weights())
    assert_close(ours(X), theirs(X))
    state = [draw(i, BATCH, UNITS)[-1] for i in range(1, 5)]
    expected = theirs(X, initial_state=state)
    assert_close(ours(X, initial_state=state), expected)


@pytest.mark.parametrize("merge_mode", [*MERGES, None])
@pytest.mark.parametrize("mask", [RIGHT, GAPS], ids=["right", "gaps"])
def test_halves_are_layers_of_their_own(merge_mode, mask):
    layer = Bidirectional(
        SimpleRNN(UNITS, return_sequences=True, return_state=True), merge_mode
    )
    layer.build(X.shape)
    randomize(layer)
    outputs, *states = layer(X, mask=mask)
    forward, h = layer.forward_layer(X, mask=mask)
    backward, last = layer.backward_layer(X, mask=mask)
    forward, backward = numpy_of(forward), numpy_of(backward)[:, ::-1]
    assert_close(states, [h, last])
    if merge_mode is None:
        assert_close(outputs, [forward, backward])
        outputs = ops.concatenate(outputs, axis=-1)
    else:
        assert_close(outputs, MERGES[merge_mode](forward, backward))
    assert not np.any(np.asarray(outputs)[~mask])


def test_both_halves_of_an_output_belong_to_its_position():
    layer = Bidirectional(LSTM(UNITS, return_sequences=True))
    outputs = np.asarray(layer(X))
    changed = X.copy()
    changed[:, 2] += 1
    change = np.abs(numpy_of(layer(changed)) - outputs)
    moved = np.any(change > 1e-6, axis=(0, 2))
    forward = change[..., :UNITS].max(axis=(0, 2))
    backward = change[..., UNITS:].max(axis=(0, 2))
    assert np.all(moved)
    assert (forward > 1e-6).tolist() == [False, False, True, True]
    assert (backward > 1e-6).tolist() == [True, True, True, False]


@pytest.mark.parametrize("return_sequences", [True, False])
def test_padding_changes_nothing(return_sequences):
    layer = Bidirectional(
        LSTM(UNITS, return_sequences=return_sequences, return_state=True)
    )
    outputs, *states = layer(np.where(RIGHT[..., None], X, np.nan), mask=RIGHT)
    for row, length in enumerate(RIGHT.sum(axis=1)):
        alone, *rest = layer(X[row : row + 1, :length])
        given = outputs[row, :length] if return_sequences else outputs[row]
        assert_close(given, alone[0])
        assert_close([x[row] for x in states], [x[0] for x in rest])


@pytest.mark.parametrize("merge_mode", ["concat", None])
def test_mask_of_the_inputs_is_used_and_handed_on(merge_mode):
    x = keras.layers.Masking()(X * GAPS[..., None])
    layer = Bidirectional(
        LSTM(UNITS, return_sequences=True, return_state=True), merge_mode
    )
    for state in (None, [draw(BATCH, UNITS)] * 4):
        outputs, *states = layer(x, initial_state=state)
        expected = layer(X, initial_state=state, mask=GAPS)
        assert_close([outputs, states], [expected[0], expected[1:]])
        for y in keras.tree.flatten(outputs):
            np.testing.assert_array_equal(y._keras_mask, GAPS)
        assert all(getattr(x, "_keras_mask", None) is None for x in states)


def test_backward_layer_given_is_the_one_that_runs():
    backward = LSTM(7, return_sequences=True, go_backwards=True)
    layer = Bidirectional(
        LSTM(UNITS, return_sequences=True), backward_layer=backward
    )
    outputs = layer(X)
    assert outputs.shape == (BATCH, TIME, UNITS + 7)
    assert_close(outputs[..., UNITS:], ops.flip(backward(X), axis=1))
    copy = Bidirectional.from_config(layer.get_config())
    assert copy.backward_layer.units == 7


def test_copy_made_backwards_has_weights_of_its_own():
    layer = Bidirectional(LSTM(UNITS))
    layer.build(X.shape)
    forward, backward = layer.forward_layer, layer.backward_layer
    assert backward.go_backwards
    assert not forward.go_backwards
    assert len(layer.trainable_weights) == 6
    kernels = numpy_of(forward.cell.kernel), numpy_of(backward.cell.kernel)
    assert np.all(kernels[0] != kernels[1])


def test_stateful_halves_keep_their_states():
    layer = Bidirectional(LSTM(UNITS, stateful=True))
    first, second = layer(X), layer(X)
    assert np.all(np.any(numpy_of(abs(first - second)) > 1e-6, axis=0))
    layer.reset_state()
    assert_close(layer(X), first, tolerance=0)


def test_any_layer_around_a_cell_can_be_read_both_ways():
    layer = Bidirectional(RNN(LSTMCell(UNITS), return_sequences=True))
    layer.build(X.shape)
    plain = Bidirectional(LSTM(UNITS, return_sequences=True))
    plain.build(X.shape)
    plain.set_weights(layer.get_weights())
    assert_close(layer(X, mask=GAPS), plain(X, mask=GAPS))


def test_model_survives_a_keras_file_and_export(tmp_path):
    inputs = keras.Input((None, FEATURES))
    x = keras.layers.Masking()(inputs)
    x, *state = Bidirectional(
        LSTM(UNITS, return_sequences=True, return_state=True), "sum"
    )(x)
    x = Bidirectional(LSTM(UNITS), name="top")(x, initial_state=state)
    model = keras.Model(inputs, x)
    x = X * GAPS[..., None]
    expected = model(x)
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    assert_close(copy(x), expected)
    if BACKEND != "tensorflow":
        return
    import tensorflow as tf

    model.export(tmp_path / "1", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "1")
    assert_close(loaded.serve(tf.constant(x)), expected)
    x = draw(1, 7, FEATURES)
    assert_close(loaded.serve(tf.constant(x)), model(x))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"merge_mode": "max"}, "'concat', .* got 'max'"),
        ({"layer": keras.layers.Dense(3)}, "recurrent layer of the zoo"),
        ({"layer": LSTM(5, go_backwards=True)}, "runs forwards"),
        ({"backward_layer": LSTM(5)}, "`go_backwards=True`.*got False"),
        (
            {"backward_layer": LSTM(5, True, go_backwards=True)},
            "`return_sequences=False`.*got True",
        ),
        (
            {"backward_layer": LSTM(5, False, True, go_backwards=True)},
            "`return_state=False`.*got True",
        ),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Bidirectional(**{"layer": LSTM(5), **arguments})


def test_states_must_be_those_of_both_layers():
    layer = Bidirectional(LSTM(UNITS))
    layer.build(X.shape)
    with pytest.raises(ValueError, match="2 tensors.*got 1"):
        layer(X, initial_state=[draw(BATCH, UNITS)] * 2)
