"""Tests of layers and functions that are given to an AttentionCell."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from tests.backend import compiled
from tests.backend import dtype_of
from tests.backend import every_mode
from tests.backend import gradients
from tests.backend import numpy_of
from zoo.layers.attention_cell import AttentionCell
from zoo.layers.attention_cell_state import AttentionCellState
from zoo.layers.attention_decoder import AttentionDecoder
from zoo.layers.bahdanau_attention import BahdanauAttention
from zoo.layers.coverage_attention import CoverageAttention
from zoo.layers.gnmt_cell import GNMTCell
from zoo.layers.lstm_cell import LSTMCell
from zoo.layers.luong_attention import LuongAttention

BATCH, TIME, FEATURES, UNITS, SOURCE, DEPTH = 2, 6, 3, 5, 7, 4
SHAPES = (BATCH, FEATURES), (BATCH, SOURCE, DEPTH)
MASK = np.array([[1, 1, 0, 1, 0, 1, 1], [0, 1, 1, 1, 0, 0, 0]], bool)


def draw(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype("float32")


X, MEMORY = draw(BATCH, TIME, FEATURES), draw(BATCH, SOURCE, DEPTH)
STEP_MASK = np.array([[1, 0, 1, 1, 0, 0], [0, 1, 1, 1, 1, 1]], bool)


def close(given, expected, atol=1e-5):
    given, expected = map(keras.tree.flatten, (given, expected))
    for x, y in zip(given, expected, strict=True):
        np.testing.assert_allclose(
            numpy_of(ops.convert_to_tensor(x)),
            numpy_of(ops.convert_to_tensor(y)),
            atol=atol,
        )


@keras.saving.register_keras_serializable(package="tests")
def gated(inputs, attention):
    """What is fed scales the inputs instead of standing beside them."""
    return inputs * ops.sum(attention, axis=-1, keepdims=True)


@keras.saving.register_keras_serializable(package="tests")
def doubled_query(mechanism, query, keys, memory, mask, state, training):
    return mechanism.attend(2 * query, keys, memory, mask, state, training)


@keras.saving.register_keras_serializable(package="tests")
class Joined(keras.layers.Layer):
    """A dense layer of inputs and attention."""

    def build(self, inputs_shape, attention_shape):
        width = inputs_shape[-1] + attention_shape[-1]
        self.kernel = self.add_weight((width, 8), name="kernel")

    def call(self, inputs, attention):
        joined = ops.concatenate([inputs, attention], axis=-1)
        return ops.matmul(joined, self.kernel)


def make(attention=None, **arguments):
    keras.utils.set_random_seed(1)
    return AttentionCell(
        LSTMCell(UNITS), attention or LuongAttention(), **arguments
    )


def run(cell, inputs=X, memory=MEMORY, memory_mask=MASK):
    return AttentionDecoder(cell)(
        inputs,
        memory,
        memory_mask,
        initial_state=[draw(BATCH, UNITS), draw(BATCH, 1, UNITS)[:, 0]],
        mask=STEP_MASK,
    )


@pytest.mark.parametrize("feeding", [True, False])
@pytest.mark.parametrize("output", ["attention", "cell"])
@pytest.mark.parametrize("query", ["after", "before"])
def test_dense_attention_layer_is_attention_units(query, output, feeding):
    common = dict(query=query, output=output, input_feeding=feeding)
    units = make(
        attention_units=6,
        attention_activation="tanh",
        use_bias=True,
        **common,
    )
    dense = keras.layers.Dense(6, activation="tanh")
    layer = make(attention_layer=dense, **common)
    units.build(*SHAPES)
    layer.build(*SHAPES)
    units.attention_bias.assign(draw(6))
    dense.set_weights([units.attention_kernel, units.attention_bias])
    layer.cell.set_weights(units.cell.get_weights())
    layer.attention.set_weights(units.attention.get_weights())
    assert layer.attention_size == 6
    assert layer.output_size == units.output_size
    close(run(layer), run(units), atol=1e-6)


@pytest.mark.parametrize("feeding", [True, False])
def test_attention_layer_that_is_no_dense_layer(feeding):
    layer = keras.Sequential(
        [keras.layers.Dense(8), keras.layers.LayerNormalization()]
    )
    cell = make(attention_layer=layer, input_feeding=feeding)
    outputs, _, state = run(cell)
    assert tuple(outputs.shape) == (BATCH, TIME, 8)
    if feeding:
        assert tuple(state.attention.shape) == (BATCH, 8)
    outputs = numpy_of(outputs)[STEP_MASK]
    np.testing.assert_allclose(outputs.mean(-1), 0, atol=1e-5)


@pytest.mark.parametrize("feeding", [True, False])
def test_each_of_several_mechanisms_has_a_layer(feeding):
    layers = [keras.layers.Dense(6), keras.layers.Dense(2, "tanh")]
    cell = make(
        [LuongAttention(), BahdanauAttention(8)],
        attention_layer=layers,
        input_feeding=feeding,
    )
    memories = [MEMORY, draw(BATCH, 9, 3)]
    outputs, alignments, state = run(cell, X, memories, [MASK, None])
    contexts = [
        ops.matmul(a, m) for a, m in zip(alignments, memories, strict=True)
    ]
    # the output of the inner cell does not depend on what makes the output
    cell.output_kind = "cell"
    h, *_ = run(cell, X, memories, [MASK, None])
    expected = [
        layer(ops.concatenate([h, context], -1))
        for layer, context in zip(layers, contexts, strict=True)
    ]
    expected = np.where(
        STEP_MASK[..., None], numpy_of(ops.concatenate(expected, -1)), 0
    )
    close(outputs, expected)


@pytest.mark.parametrize("query", ["after", "before"])
def test_input_function_makes_the_inputs_of_the_cell(query):
    cell = make(input_function=gated, query=query)
    cell.build(*SHAPES)
    assert tuple(cell.cell.kernel.shape) == (FEATURES, 4 * UNITS)
    cell_state = [draw(BATCH, UNITS), draw(BATCH, 1, UNITS)[:, 0]]
    fed = draw(BATCH, DEPTH)
    keys = cell.project(MEMORY)
    state = AttentionCellState(cell_state, fed if query == "after" else (), ())
    if query == "before":
        fed, _, _ = cell.attention.attend(cell_state[0], keys, MEMORY, MASK)
        fed = numpy_of(fed)
    x = X[:, 0] * fed.sum(-1, keepdims=True)
    expected, _ = cell.cell(ops.convert_to_tensor(x), cell_state)
    _, state = cell(X[:, 0], state, MEMORY, keys, MASK)
    close(state.cell[0], expected)


def test_a_function_that_concatenates_is_the_default():
    @keras.saving.register_keras_serializable(package="tests")
    def beside(inputs, attention):
        return ops.concatenate([inputs, attention], axis=-1)

    both = [LuongAttention(), BahdanauAttention(8)], [MEMORY, MEMORY[:, :4]]
    for query in ("after", "before"):
        for attention, memory in ((None, MEMORY), both):
            mask = MASK if attention is None else [MASK, None]
            one = make(attention, query=query)
            other = make(attention, query=query, input_function=beside)
            expected = run(one, X, memory, mask)
            run(other, X, memory, mask)
            other.set_weights(one.get_weights())
            close(run(other, X, memory, mask), expected, atol=1e-6)


@every_mode
def test_input_layer_learns(mode):
    cell = make(input_function=Joined())
    decoder = AttentionDecoder(cell)
    expected = decoder(X, MEMORY)[:2]
    kernel = cell.input_function.kernel
    assert any(x is kernel for x in cell.trainable_weights)
    close(compiled(lambda x, m: decoder(x, m)[:2], mode)(X, MEMORY), expected)
    weights = cell.trainable_weights
    found = gradients(
        lambda x, m: ops.sum(ops.square(decoder(x, m)[0])), (X, MEMORY), weights
    )
    assert all(np.isfinite(x).all() and x.any() for x in found)


@pytest.mark.parametrize(
    "wiring",
    [{}, {"query": "before"}, {"input_feeding": False, "attention_units": 6}],
)
def test_attention_function_stands_in_for_attend(wiring):
    cell = make(attention_function=doubled_query, **wiring)
    plain = make(**wiring)
    # Twice the query is twice the scores, and twice the kernel.
    run(cell)
    expected = run(plain)
    cell.set_weights(plain.get_weights())
    assert np.abs(numpy_of(run(cell)[1]) - numpy_of(expected[1])).max() > 1e-2
    kernel = cell.attention.memory_kernel
    kernel.assign(kernel / 2)
    close(run(cell), expected)


def test_attention_function_is_called_for_all_steps_at_once_without_feeding():
    shapes = []

    def spy(mechanism, query, *arguments):
        shapes.append(tuple(query.shape))
        return mechanism.attend(query, *arguments)

    run(make(attention_function=spy, input_feeding=False))
    assert shapes == [(BATCH, TIME, UNITS)]


def test_all_of_it_survives_a_config():
    cell = make(
        [LuongAttention(), BahdanauAttention(8)],
        attention_layer=[keras.layers.Dense(6), keras.layers.Dense(2, "tanh")],
        input_function=Joined(),
        attention_function=doubled_query,
    )
    config = json.loads(json.dumps(cell.get_config()))
    copy = AttentionCell.from_config(config)
    assert copy.get_config() == cell.get_config()
    arguments = X, [MEMORY, MEMORY[:, :4]], [MASK, None]
    expected = run(cell, *arguments)
    run(copy, *arguments)
    assert [x.name for x in copy.weights] == [x.name for x in cell.weights]
    copy.set_weights(cell.get_weights())
    close(run(copy, *arguments), expected, atol=0)
    assert copy.attention_function is doubled_query
    one = make(attention_layer=keras.layers.Dense(6), input_function=gated)
    copy = AttentionCell.from_config(json.loads(json.dumps(one.get_config())))
    assert copy.input_function is gated
    assert copy.attention_layer.units == 6


def test_a_model_with_layers_inside_survives_a_file(tmp_path):
    x, memory = keras.Input((None, FEATURES)), keras.Input((None, DEPTH))
    cell = make(
        attention_layer=keras.layers.Dense(6),
        input_function=Joined(),
        attention_function=doubled_query,
    )
    outputs, alignments, _ = AttentionDecoder(cell)(x, memory)
    model = keras.Model([x, memory], [outputs, alignments])
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    close(copy([X, MEMORY]), model([X, MEMORY]), atol=1e-6)


@pytest.mark.parametrize("argument", ["input_function", "attention_function"])
def test_a_function_without_a_registered_name_cannot_be_saved(argument):
    cell = make(**{argument: lambda *arguments: arguments})
    with pytest.raises(ValueError, match=f"`{argument}`.*registered.*lambda"):
        cell.get_config()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"attention_layer": keras.layers.Dense(3), "attention_units": 3},
            "one of `attention_units` and `attention_layer`",
        ),
        ({"attention_layer": "dense"}, "Keras layer.*got 'dense'"),
        (
            {"attention_layer": [keras.layers.Dense(3)] * 2},
            "each of 1 mechanisms",
        ),
        (
            {"attention_layer": keras.layers.Dense(3), "use_bias": True},
            "`attention_units` with `use_bias`",
        ),
        ({"input_function": 3}, "`input_function`.*got 3"),
        (
            {"input_function": gated, "input_feeding": False},
            "`input_feeding=True`.*nothing is fed",
        ),
        ({"attention_function": 3}, "`attention_function`.*got 3"),
    ],
)
def test_wrong_argument_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


def test_input_function_that_returns_no_step_is_refused():
    cell = make(input_function=lambda inputs, attention: [inputs, attention])
    with pytest.raises(ValueError, match="one tensor.*known width"):
        cell.build(*SHAPES)


MECHANISMS = {
    "luong": LuongAttention,
    "bahdanau": lambda **dtype: BahdanauAttention(6, **dtype),
    "coverage": lambda **dtype: CoverageAttention(6, **dtype),
}


def cell_with(attention, layer, wiring):
    if wiring == "gnmt":
        cells = [LSTMCell(UNITS), LSTMCell(UNITS)]
        return GNMTCell(cells, attention, query="after")
    feeding = wiring == "fed"
    return make(attention, attention_layer=layer, input_feeding=feeding)


@pytest.mark.parametrize("kind", MECHANISMS)
@pytest.mark.parametrize("wiring", ["fed", "not fed", "gnmt"])
@pytest.mark.parametrize(
    ("policy", "other"), [("float32", "float16"), ("mixed_float16", "float32")]
)
def test_mechanism_and_layer_of_another_dtype(kind, wiring, policy, other):
    keras.config.set_dtype_policy(policy)
    layer = keras.layers.Dense(6, dtype=other)
    cell = cell_with(MECHANISMS[kind](dtype=other), layer, wiring)
    decoder = AttentionDecoder(cell)
    outputs, alignments, _ = decoder(X, MEMORY, MASK)
    assert dtype_of(outputs) == dtype_of(alignments) == cell.compute_dtype
    # a step keeps the dtypes of the state, as a search demands
    keys = decoder.project(MEMORY)
    state = decoder.get_initial_state(BATCH, MEMORY)
    for t in range(TIME):
        before = keras.tree.map_structure(dtype_of, state)
        (output, _), state = decoder.step(X[:, t], state, MEMORY, keys, MASK)
        assert keras.tree.map_structure(dtype_of, state) == before
        np.testing.assert_allclose(
            numpy_of(output), numpy_of(outputs)[:, t], atol=2e-2
        )
