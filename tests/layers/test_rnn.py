"""Tests of what RNN and the layers with a cell of their own share."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.backend import BACKEND
from tests.backend import dtype_of
from tests.backend import numpy_of
from tests.backend import tensorflow_only
from tests.backend import with_gradients
from zoo.layers import LSTM
from zoo.layers import NAS
from zoo.layers import RNN
from zoo.layers import HighwayCell
from zoo.layers import LayerNormSimpleRNN
from zoo.layers import LSTMCell
from zoo.layers import MinGRU
from zoo.layers import MinLSTM
from zoo.layers import ResidualCell
from zoo.layers import SimpleRNN
from zoo.layers import SimpleRNNCell
from zoo.layers import StackedRNNCells

BATCH, TIME, FEATURES, UNITS = 3, 4, 2, 5
MASK = np.array([[0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 0, 0]], bool)


def draw(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype("float32")


X = draw(BATCH, TIME, FEATURES)

LAYERS = {
    "simple": SimpleRNN,
    "lstm": LSTM,
    "lstm options": lambda units, **arguments: LSTM(
        7,
        peephole=True,
        layer_normalization=True,
        projection=units,
        zoneout_h=0.25,
        zoneout_c=0.5,
        weight_drop=0.5,
        **arguments,
    ),
    "nas": lambda units, **arguments: NAS(7, projection=units, **arguments),
    "norm simple": LayerNormSimpleRNN,
    "cell": lambda units, **arguments: RNN(LSTMCell(units), **arguments),
    "stack": lambda units, **arguments: RNN(
        StackedRNNCells([SimpleRNNCell(3), LSTMCell(units)]), **arguments
    ),
    "min gru": MinGRU,
    "min lstm": MinLSTM,
    "wrapped": lambda units, **arguments: RNN(
        StackedRNNCells(
            [
                LSTMCell(units),
                ResidualCell(LSTMCell(units)),
                HighwayCell(SimpleRNNCell(units)),
            ]
        ),
        **arguments,
    ),
}
every_layer = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
with_dropout = pytest.mark.parametrize(
    "make",
    [
        lambda **arguments: SimpleRNN(
            UNITS, return_sequences=True, **arguments
        ),
        lambda **arguments: LSTM(UNITS, return_sequences=True, **arguments),
        lambda **arguments: LSTM(
            UNITS, return_sequences=True, activation="relu", **arguments
        ),
        lambda **arguments: RNN(
            StackedRNNCells(
                [SimpleRNNCell(3, **arguments), LSTMCell(UNITS, **arguments)]
            ),
            return_sequences=True,
        ),
    ],
    ids=["simple", "lstm", "lstm loop", "stack"],
)


@keras.saving.register_keras_serializable(package="test_rnn")
class Counter(keras.layers.Layer):
    """A cell with nests everywhere, an integer state, and one of rank 3."""

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape["x"][-1], UNITS))

    def get_initial_state(self, batch_size=None):
        count = ops.zeros((batch_size,), "int32")
        return {"h": [ops.zeros((batch_size, UNITS, 1))], "count": count}

    def call(self, inputs, state):
        h = ops.tanh(ops.matmul(inputs["x"], self.kernel) + inputs["gain"])
        h = 0.5 * state["h"][0] + h[:, :, None]
        count = state["count"] + 1
        return (h, {"count": count}), {"h": [h], "count": count}


NEST = {"x": X, "gain": draw(BATCH, TIME, 1)}


def assert_close(given, expected, tolerance=1e-6):
    keras.tree.assert_same_structure(given, expected)
    for x, y in zip(
        keras.tree.flatten(given), keras.tree.flatten(expected), strict=True
    ):
        np.testing.assert_allclose(x, y, atol=tolerance, rtol=tolerance)


# States and steps.


@every_layer
def test_steps_of_the_cell_are_the_whole_sequence(make):
    layer = make(UNITS, return_sequences=True, return_state=True)
    outputs, *last = layer(X)
    state = layer.get_initial_state(BATCH)
    for t in range(TIME):
        output, state = layer.cell(X[:, t], state)
        np.testing.assert_allclose(outputs[:, t], output, atol=1e-6)
    assert_close(last, keras.tree.flatten(state))


@every_layer
def test_state_returned_is_where_the_next_part_goes_on(make):
    layer = make(UNITS, return_sequences=True, return_state=True)
    outputs, *last = layer(X)
    first, *state = layer(X[:, :3])
    second, *state = layer(X[:, 3:], initial_state=state)
    assert_close(np.concatenate([first, second], axis=1), outputs)
    assert_close(state, last)


@every_layer
def test_last_output_is_that_of_the_last_real_step(make):
    layer = make(UNITS)
    layer.build(X.shape)
    given = layer(X, mask=MASK)
    for row, end in ((0, [1, 3]), (2, [0, 1])):
        alone = layer(X[row : row + 1, end])
        np.testing.assert_allclose(given[row], alone[0], atol=1e-6)
    assert not np.any(numpy_of(given)[1])


@every_layer
def test_going_backwards_is_reading_the_flipped_sequence(make):
    forwards = make(UNITS, return_sequences=True, return_state=True)
    backwards = make(
        UNITS, return_sequences=True, return_state=True, go_backwards=True
    )
    last = make(UNITS, go_backwards=True)
    for layer in (forwards, backwards, last):
        layer.build(X.shape)
        layer.set_weights(forwards.get_weights())
    flipped = X[:, ::-1].copy()
    expected = forwards(flipped, mask=MASK[:, ::-1].copy())
    assert_close(backwards(X, mask=MASK), expected)
    np.testing.assert_allclose(
        np.asarray(last(X, mask=MASK))[[0, 2]],
        [numpy_of(expected[0])[0, 2], numpy_of(expected[0])[2, 3]],
        atol=1e-6,
    )
    np.testing.assert_allclose(last(X), forwards(flipped)[0][:, -1], atol=1e-6)


@every_layer
def test_row_of_padding_returns_its_initial_state(make):
    layer = make(UNITS, return_sequences=True, return_state=True)
    state = keras.tree.map_structure(
        lambda x: draw(*x.shape), layer.get_initial_state(BATCH)
    )
    outputs, *last = layer(X, initial_state=state, mask=MASK)
    for given, start in zip(last, keras.tree.flatten(state), strict=True):
        np.testing.assert_array_equal(given[1], start[1])
    assert not np.any(np.asarray(outputs)[~MASK])
    assert np.all(np.any(np.asarray(outputs)[MASK], axis=-1))


# Padding.


@every_layer
@pytest.mark.parametrize("filling", [100.0, np.nan, np.inf])
def test_what_padding_holds_changes_no_value_and_no_gradient(make, filling):
    layer = make(UNITS, return_sequences=True, return_state=True)
    layer.build(X.shape)

    def loss(x):
        results = layer(x, mask=MASK)
        return sum(ops.sum(y**2) for y in results), results

    def run(filling):
        x = np.where(MASK[..., None], X, np.float32(filling))
        return with_gradients(loss, [x], layer.trainable_weights)

    assert_close(run(filling), run(0.0), tolerance=0)


@every_layer
def test_sequence_alone_is_itself_in_a_batch(make):
    layer = make(UNITS, return_sequences=True, return_state=True)
    together = layer(X, mask=MASK)
    for row in range(BATCH):
        one = slice(row, row + 1)
        alone = layer(X[one], mask=MASK[one])
        assert_close(alone, tuple(y[one] for y in together))


@pytest.mark.parametrize("state", [None, "given"])
def test_mask_of_an_embedding_reaches_the_layer(state):
    ids = np.array([[3, 1, 0, 0], [0, 0, 0, 0], [1, 0, 2, 4]])
    x = keras.layers.Embedding(5, FEATURES, mask_zero=True)(ids)
    layer = LSTM(UNITS, return_sequences=True, return_state=True)
    if state is not None:
        state = [draw(BATCH, UNITS), draw(2, BATCH, UNITS)[0]]
    outputs, h, c = layer(x, initial_state=state)
    expected = layer(x, initial_state=state, mask=ids != 0)
    assert_close((outputs, h, c), expected, tolerance=0)
    np.testing.assert_array_equal(outputs._keras_mask, ids != 0)
    assert getattr(h, "_keras_mask", None) is None


def test_output_mask_has_the_order_of_the_outputs():
    x = keras.layers.Masking()(X * MASK[..., None])
    layer = SimpleRNN(UNITS, return_sequences=True, go_backwards=True)
    np.testing.assert_array_equal(layer(x)._keras_mask, MASK[:, ::-1])
    assert getattr(SimpleRNN(UNITS)(x), "_keras_mask", None) is None


def test_mask_may_be_a_list_or_of_numbers():
    layer = RNN(LSTMCell(UNITS))
    expected = layer(X, mask=MASK)
    for mask in (MASK.tolist(), MASK.astype("int32"), MASK.astype("float32")):
        assert_close(layer(X, mask=mask), expected, tolerance=0)


# Cells with nests.


def test_nested_inputs_states_and_outputs_are_those_of_the_cell():
    layer = RNN(Counter(), return_sequences=True, return_state=True)
    (h, counts), count, last = layer(NEST, mask=MASK)
    expected = np.where(MASK, np.cumsum(MASK, axis=1) - 0, 0)
    np.testing.assert_array_equal(counts["count"], expected)
    np.testing.assert_array_equal(count, MASK.sum(axis=1))
    np.testing.assert_array_equal(np.asarray(last)[0], np.asarray(h)[0, 3])
    state = layer.cell.get_initial_state(1)
    for t in (1, 3):
        step = {name: x[:1, t] for name, x in NEST.items()}
        _, state = layer.cell(step, state)
    np.testing.assert_allclose(last[0], state["h"][0][0], atol=1e-6)


@pytest.mark.parametrize("backwards", [False, True])
def test_nested_last_outputs_are_those_of_the_last_real_step(backwards):
    layer = RNN(Counter(), go_backwards=backwards, return_state=True)
    (h, counts), count, last = layer(NEST, mask=MASK)
    np.testing.assert_array_equal(counts["count"], [2, 0, 2])
    np.testing.assert_array_equal(h, last)
    assert dtype_of(counts["count"]) == dtype_of(count) == "int32"
    (h, counts), _, last = layer(NEST)
    np.testing.assert_array_equal(counts["count"], [4, 4, 4])
    np.testing.assert_array_equal(h, last)


def test_integer_state_given_stays_an_integer():
    layer = RNN(Counter(), return_state=True)
    layer(NEST)
    state = {"h": [draw(BATCH, UNITS, 1)], "count": np.array([7, 8, 9])}
    _, count, _ = layer(NEST, initial_state=state)
    np.testing.assert_array_equal(count, [11, 12, 13])


def test_masks_of_nested_inputs_are_joined():
    masking = keras.layers.Masking()
    x = masking(X * MASK[..., None])
    gain = masking(NEST["gain"] * (np.arange(TIME) < 3)[:, None])
    layer = RNN(Counter(), return_sequences=True)
    (_, counts) = layer({"x": x, "gain": gain})
    joined = MASK & (np.arange(TIME) < 3)
    np.testing.assert_array_equal(np.asarray(counts["count"]) > 0, joined)


def test_nested_cell_survives_a_keras_file(tmp_path):
    inputs = {
        "x": keras.Input((None, FEATURES), name="x"),
        "gain": keras.Input((None, 1), name="gain"),
    }
    model = keras.Model(inputs, RNN(Counter(), return_sequences=True)(inputs))
    expected = model(NEST)
    model.save(tmp_path / "model.keras")
    model = keras.models.load_model(tmp_path / "model.keras")
    # Keras writes tuples as lists.
    assert_close(keras.tree.flatten(model(NEST)), keras.tree.flatten(expected))


# Keras around the zoo, and the zoo around Keras.


@pytest.mark.parametrize(
    "make",
    [
        lambda: SimpleRNNCell(UNITS),
        lambda: LSTMCell(UNITS),
        lambda: StackedRNNCells([LSTMCell(UNITS), LSTMCell(UNITS)]),
    ],
    ids=["simple", "lstm", "stack"],
)
def test_cells_work_inside_the_rnn_of_keras(make):
    cell = make()
    theirs = keras.layers.RNN(cell, return_sequences=True, return_state=True)
    ours = RNN(cell, return_sequences=True, return_state=True)
    given, expected = theirs(X), ours(X)
    assert_close(keras.tree.flatten(given), keras.tree.flatten(expected))


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.layers.LSTMCell(UNITS),
        lambda: keras.layers.GRUCell(UNITS),
        lambda: keras.layers.SimpleRNNCell(UNITS),
        lambda: keras.layers.StackedRNNCells(
            [keras.layers.GRUCell(7), keras.layers.LSTMCell(UNITS)]
        ),
    ],
    ids=["lstm", "gru", "simple", "stack"],
)
def test_cells_of_keras_work_inside_the_rnn_of_the_zoo(make):
    cell = make()
    theirs = keras.layers.RNN(cell, return_sequences=True, return_state=True)
    ours = RNN(cell, return_sequences=True, return_state=True)
    given, expected = ours(X), theirs(X)
    assert_close(keras.tree.flatten(given), keras.tree.flatten(expected))
    masked = ours(X, mask=MASK)
    assert not np.any(np.asarray(masked[0])[~MASK])


def test_cell_of_keras_with_dropout_is_refused():
    for cell in (
        keras.layers.LSTMCell(UNITS, dropout=0.5),
        StackedRNNCells([keras.layers.GRUCell(UNITS, recurrent_dropout=0.5)]),
    ):
        with pytest.raises(ValueError, match="Expected a cell without dropout"):
            RNN(cell)


# Dropout.


@with_dropout
def test_nothing_is_dropped_at_inference(make):
    layer, plain = make(dropout=0.5, recurrent_dropout=0.5), make()
    layer.build(X.shape)
    plain.build(X.shape)
    plain.set_weights(layer.get_weights())
    assert_close(layer(X), plain(X), tolerance=0)
    assert_close(layer(X, training=False), plain(X), tolerance=0)
    assert np.any(numpy_of(abs(layer(X, training=True) - plain(X))) > 1e-3)


@with_dropout
@pytest.mark.parametrize("kind", ["dropout", "recurrent_dropout"])
def test_same_seed_gives_the_same_masks_call_after_call(make, kind):
    layers = [make(**{kind: 0.5, "seed": seed}) for seed in (3, 3, 8)]
    for layer in layers:
        layer.build(X.shape)
        layer.set_weights(layers[0].get_weights())
    first = [np.asarray(layer(X, training=True)) for layer in layers]
    second = [np.asarray(layer(X, training=True)) for layer in layers]
    np.testing.assert_array_equal(first[0], first[1])
    np.testing.assert_array_equal(second[0], second[1])
    assert np.any(first[0] != first[2])
    assert np.any(first[0] != second[0])


@pytest.mark.parametrize("make", [SimpleRNN, LSTM], ids=["simple", "lstm"])
def test_one_dropout_mask_serves_all_steps(make):
    # The output shows which of the inputs, all ones, a step has seen.
    layer = make(1, dropout=0.5, return_sequences=True, use_bias=False, seed=1)
    layer.build((8, TIME, 3))
    kernel, recurrent = layer.get_weights()
    scale = 10.0 ** -np.arange(1, 4)[:, None] / 3
    layer.set_weights([scale + 0 * kernel, 0 * recurrent])
    plain = make(1, return_sequences=True, use_bias=False)
    plain.build((8, TIME, 3))
    plain.set_weights(layer.get_weights())
    outputs = np.asarray(layer(np.ones((8, TIME, 3)), training=True))
    kept = np.array(np.meshgrid(*[[0, 2.0]] * 3)).reshape(3, 8).T
    possible = numpy_of(plain(np.repeat(kept[:, None], TIME, axis=1)))
    chosen = [
        np.flatnonzero(np.all(np.abs(row - possible) < 1e-6, axis=(1, 2)))
        for row in outputs
    ]
    assert all(len(choice) == 1 for choice in chosen)
    assert len(np.unique(chosen)) > 1


# State kept between calls.


@every_layer
def test_stateful_layer_goes_on_where_it_stopped(make):
    layer = make(UNITS, return_sequences=True, stateful=True)
    plain = make(UNITS, return_sequences=True)
    plain.build(X.shape)
    layer.build((BATCH, 2, FEATURES))
    layer.cell.set_weights(plain.cell.get_weights())
    parts = [layer(X[:, :2]), layer(X[:, 2:])]
    assert_close(np.concatenate(parts, axis=1), plain(X))
    layer.reset_state()
    assert_close(layer(X), plain(X))


def test_stateful_layer_in_a_model_keeps_its_state_in_predict():
    inputs = keras.Input((2, FEATURES), batch_size=BATCH)
    layer = LSTM(UNITS, return_sequences=True, stateful=True)
    model = keras.Model(inputs, layer(inputs))
    plain = LSTM(UNITS, return_sequences=True)
    plain.build(X.shape)
    plain.cell.set_weights(layer.cell.get_weights())
    parts = [
        model.predict(part, batch_size=BATCH, verbose=0)
        for part in (X[:, :2], X[:, 2:])
    ]
    assert_close(np.concatenate(parts, axis=1), np.asarray(plain(X)), 1e-5)
    state = [draw(BATCH, UNITS), draw(BATCH, UNITS) + 1]
    assert_close(layer(X, initial_state=state), plain(X, initial_state=state))


def test_state_variables_have_the_dtype_of_the_states():
    layer = LSTM(UNITS, stateful=True, dtype="mixed_bfloat16")
    layer(X)
    assert [x.dtype for x in layer.state] == ["bfloat16"] * 2
    assert len(layer.trainable_weights) == 3


def test_stateful_layer_needs_a_batch_size():
    with pytest.raises(ValueError, match="fixed batch size.*`batch_size`"):
        LSTM(UNITS, stateful=True)(keras.Input((None, FEATURES)))


# Models: shapes, files, half precision.


@every_layer
def test_model_survives_a_keras_file(make, tmp_path):
    inputs = keras.Input((None, FEATURES))
    masked = keras.layers.Masking()(inputs)
    outputs, *state = make(UNITS, return_sequences=True, return_state=True)(
        masked
    )
    last = make(UNITS, go_backwards=True)(outputs, initial_state=state)
    model = keras.Model(inputs, [outputs, last])
    x = X * MASK[..., None]
    expected = model(x)
    model.save(tmp_path / "model.keras")
    assert_close(keras.models.load_model(tmp_path / "model.keras")(x), expected)


@tensorflow_only
def test_exported_model_takes_any_batch_and_time(tmp_path):
    import tensorflow as tf

    inputs = keras.Input((None, FEATURES))
    x = keras.layers.Masking()(inputs)
    x = LSTM(UNITS, return_sequences=True)(x)
    x = RNN(
        StackedRNNCells([SimpleRNNCell(3), LSTMCell(UNITS)]),
        return_sequences=True,
    )(x)
    model = keras.Model(inputs, SimpleRNN(UNITS)(x))
    model.export(tmp_path / "1", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "1")
    for x in (X * MASK[..., None], draw(1, 7, FEATURES)):
        assert_close(loaded.serve(tf.constant(x)), model(x))


def test_known_time_stays_known():
    inputs = keras.Input((TIME, FEATURES))
    for name, make in LAYERS.items():
        outputs = make(UNITS, return_sequences=True)(inputs)
        assert outputs.shape == (None, TIME, UNITS), name


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@every_layer
def test_half_precision_stays_near(make, policy):
    expected = make(UNITS, return_sequences=True, return_state=True)
    values = expected(X, mask=MASK)
    keras.config.set_dtype_policy(policy)
    layer = make(UNITS, return_sequences=True, return_state=True)
    layer.build(X.shape)
    layer.set_weights(expected.get_weights())
    for given, value in zip(layer(X, mask=MASK), values, strict=True):
        assert dtype_of(given) == policy.removeprefix("mixed_")
        np.testing.assert_allclose(numpy_of(given), value, atol=3e-2)


@pytest.mark.parametrize(
    ("outer", "inner"),
    [("float32", "mixed_bfloat16"), ("mixed_bfloat16", "float32")],
)
@pytest.mark.parametrize("make", [SimpleRNNCell, LSTMCell])
def test_cell_may_compute_in_another_dtype_than_its_layer(make, outer, inner):
    cell = make(UNITS, dtype=inner, dropout=0.5, seed=1)
    ours = RNN(cell, return_sequences=True, dtype=outer)
    theirs = keras.layers.RNN(cell, return_sequences=True, dtype=outer)
    given, expected = ours(X), theirs(X)
    for x in (given, expected):
        assert dtype_of(x) == outer.removeprefix("mixed_")
    # XLA leaves out roundings to bfloat16 that are cast back at once
    rounded = BACKEND == "jax" and inner == "mixed_bfloat16"
    tolerance = 1e-2 if rounded else 1e-6
    assert_close(numpy_of(given), numpy_of(expected), tolerance)
    assert np.all(np.isfinite(numpy_of(ours(X, training=True))))


# Arguments that do not fit.


@pytest.mark.parametrize("units", [0, -1, 2.5, True, "3", None])
@pytest.mark.parametrize("make", [SimpleRNN, LSTM, SimpleRNNCell, LSTMCell])
def test_units_must_be_a_positive_integer(make, units):
    with pytest.raises(ValueError, match="`units` to be a positive integer"):
        make(units)


@pytest.mark.parametrize("rate", [7, 1.0, -0.1, True, "0.5", None, np.nan])
@pytest.mark.parametrize("name", ["dropout", "recurrent_dropout"])
def test_dropout_must_be_a_fraction(name, rate):
    message = f"`{name}` to be a fraction from 0 to below 1, got"
    with pytest.raises(ValueError, match=message):
        LSTM(UNITS, **{name: rate})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mask": MASK[0]}, r"\(batch_size, time\).*got shape \(4,\)"),
        ({"mask": MASK[..., None]}, r"got shape \(3, 4, 1\)"),
        ({"mask": MASK[:, :3]}, r"\(3, 4\), \(3, 3\)"),
        ({"initial_state": [draw(BATCH, UNITS)]}, "2 tensors.*got 1 of"),
        ({"initial_state": [draw(BATCH, UNITS)] * 3}, "2 tensors.*got 3 of"),
        (
            {"initial_state": [draw(BATCH, UNITS), draw(BATCH, 7)]},
            r"\[\(5,\), \(5,\)\].*got 2 of \[\(5,\), \(7,\)\]",
        ),
    ],
)
def test_mask_and_initial_state_must_fit(arguments, message):
    layer = LSTM(UNITS)
    layer.build(X.shape)
    with pytest.raises(ValueError, match=message):
        layer(X, **arguments)


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 2, 6)])
def test_sequences_must_be_of_rank_3(shape):
    with pytest.raises(ValueError, match=r"\(batch_size, features\), got"):
        LSTM(UNITS)(draw(*shape))


def test_features_must_be_known():
    with pytest.raises(ValueError, match="last axis.*to be known"):
        LSTM(UNITS)(keras.Input((None, None)))


@pytest.mark.parametrize("cell", [None, 5, LSTMCell, [LSTMCell(5)]])
def test_cell_must_be_a_cell(cell):
    with pytest.raises((ValueError, TypeError), match="cell"):
        RNN(cell)
