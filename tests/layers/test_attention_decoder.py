"""Tests of AttentionDecoder against its own steps, and inside of models."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.backend import dtype_of
from tests.backend import gradients
from tests.backend import numpy_of
from tests.backend import of_any_size
from tests.backend import recording
from tests.backend import tensorflow_only
from tests.backend import tensors
from tests.backend import with_gradients
from zoo.layers.attention_cell import AttentionCell
from zoo.layers.attention_cell_state import AttentionCellState
from zoo.layers.attention_decoder import AttentionDecoder
from zoo.layers.bahdanau_attention import BahdanauAttention
from zoo.layers.lstm_cell import LSTMCell
from zoo.layers.luong_attention import LuongAttention
from zoo.layers.reading_cell import ReadingCell
from zoo.layers.simple_rnn_cell import SimpleRNNCell
from zoo.layers.stacked_rnn_cells import StackedRNNCells

BATCH, TIME, FEATURES, UNITS, SOURCE, DEPTH = 3, 6, 2, 5, 7, 4

WIRINGS = {
    "luong": dict(attention_units=8, attention_activation="tanh"),
    "luong without feeding": dict(
        attention_units=8, use_bias=True, input_feeding=False
    ),
    "context": {},
    "bahdanau": dict(query="before", attention_units=8),
    "before without feeding": dict(query="before", input_feeding=False),
    "cell output": dict(output="cell"),
}
TOLERANCES = {"float32": 1e-5, "mixed_float16": 2e-2, "mixed_bfloat16": 1e-1}

every_wiring = pytest.mark.parametrize(
    "wiring", WIRINGS.values(), ids=WIRINGS.keys()
)


def make(wiring, cell=None, attention=None, **kwargs):
    return AttentionDecoder(
        AttentionCell(
            cell or LSTMCell(UNITS), attention or BahdanauAttention(3), **wiring
        ),
        **kwargs,
    )


@pytest.fixture
def data():
    rng = np.random.default_rng(1)
    shapes = {
        "inputs": (BATCH, TIME, FEATURES),
        "memory": (BATCH, SOURCE, DEPTH),
        "h": (BATCH, UNITS),
        "c": (BATCH, UNITS),
    }
    data = {k: rng.normal(size=v).astype("float32") for k, v in shapes.items()}
    data["memory_mask"] = rng.random((BATCH, SOURCE)) < 0.6
    # Gaps, padding on the left, and a row without a real step.
    data["mask"] = np.array(
        [[1, 1, 0, 1, 1, 0], [0, 1, 1, 1, 1, 1], [0] * 6], bool
    )
    return data


def step_by_step(decoder, data, mask=None):
    """Outputs, alignments and state of a loop over `decoder.step`."""
    memory, keys = data["memory"], decoder.project(data["memory"])
    state = decoder.get_initial_state(BATCH, memory, [data["h"], data["c"]])
    outputs = []
    for t in range(TIME):
        y, new_state = decoder.step(
            data["inputs"][:, t], state, memory, keys, data["memory_mask"]
        )
        real = np.ones(BATCH, bool) if mask is None else mask[:, t]
        y = [numpy_of(x) for x in y]
        outputs.append([np.where(real[:, None], x, 0) for x in y])
        state = keras.tree.map_structure(
            lambda new, old, real=real: np.where(
                real[:, None], numpy_of(new), numpy_of(old)
            ),
            new_state,
            state,
        )
    return *(np.stack(x, 1) for x in zip(*outputs, strict=True)), state


def assert_close(results, expected, atol=1e-5):
    keras.tree.assert_same_structure(results, expected)
    for x, y in zip(
        keras.tree.flatten(results), keras.tree.flatten(expected), strict=True
    ):
        np.testing.assert_allclose(numpy_of(x), numpy_of(y), atol=atol)


@every_wiring
@pytest.mark.parametrize("masked", [False, True])
def test_whole_sequence_is_step_by_step(wiring, masked, data):
    decoder = make(wiring)
    mask = data["mask"] if masked else None
    results = decoder(
        data["inputs"],
        data["memory"],
        data["memory_mask"],
        [data["h"], data["c"]],
        mask=mask,
    )
    assert_close(results, step_by_step(decoder, data, mask))
    if masked:
        outputs, alignments, state = results
        assert not np.any(numpy_of(outputs)[~mask])
        assert not np.any(numpy_of(alignments)[~mask])
        np.testing.assert_allclose(state.cell[1][2], data["c"][2])


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    "make_cell",
    [
        lambda: LSTMCell(UNITS),
        lambda: SimpleRNNCell(UNITS),
        lambda: StackedRNNCells([LSTMCell(8), LSTMCell(UNITS)]),
        lambda: keras.layers.LSTMCell(UNITS),
    ],
    ids=["LSTM", "simple", "stack", "keras"],
)
def test_one_batched_attention_is_the_loop(make_cell, masked, data):
    decoder = make(WIRINGS["luong without feeding"], make_cell())
    mask = data["mask"] if masked else None
    arguments = data["inputs"], data["memory"], data["memory_mask"]
    results = decoder(*arguments, mask=mask)
    (*outputs,), state = ReadingCell.unroll(
        decoder.attention_cell,
        data["inputs"],
        decoder.get_initial_state(BATCH),
        data["memory"],
        decoder.project(data["memory"]),
        data["memory_mask"],
        mask,
    )
    assert_close(results, (*outputs, state))


@tensorflow_only
def test_attention_without_feeding_stands_outside_of_the_loop(data):
    import tensorflow as tf

    outside = {}
    for name in ("luong", "luong without feeding"):
        decoder = make(WIRINGS[name])
        arguments = [tf.constant(data[k]) for k in ("inputs", "memory")]
        decoder(*arguments)
        function = tf.function(lambda x, m, layer=decoder: layer(x, m)[0])
        graph = function.get_concrete_function(*arguments).graph
        types = [op.type for op in graph.get_operations()]
        outside[name] = types.count("Softmax")
    assert outside == {"luong": 0, "luong without feeding": 1}


@every_wiring
def test_beams_share_a_memory_as_if_it_were_tiled(wiring, data):
    decoder = make(wiring)
    beams = 4
    rng = np.random.default_rng(2)
    memory, mask = data["memory"], data["memory_mask"]
    inputs = rng.normal(size=(BATCH * beams, FEATURES)).astype("float32")
    decoder.build((None, None, FEATURES), memory.shape)
    state = decoder.get_initial_state(BATCH * beams)
    state = keras.tree.map_structure(
        lambda x: rng.normal(size=x.shape).astype("float32"), state
    )
    tiled = np.repeat(memory, beams, axis=0)
    expected = decoder.step(
        inputs, state, tiled, decoder.project(tiled), np.repeat(mask, beams, 0)
    )
    shared = decoder.step(inputs, state, memory, decoder.project(memory), mask)
    assert_close(shared, expected)


@every_wiring
def test_several_targets_of_a_source_are_decoded_as_if_it_were_tiled(
    wiring, data
):
    decoder = make(wiring)
    inputs = np.random.default_rng(3).normal(size=(BATCH * 2, TIME, FEATURES))
    inputs = inputs.astype("float32")
    memory, mask = data["memory"], data["memory_mask"]
    assert_close(
        decoder(inputs, memory, mask),
        decoder(inputs, np.repeat(memory, 2, 0), np.repeat(mask, 2, 0)),
    )


def test_earlier_state_continues_the_sequence(data):
    decoder = make(WIRINGS["luong"])
    inputs, memory = data["inputs"], data["memory"]
    outputs, _, state = decoder(inputs, memory)
    first, _, middle = decoder(inputs[:, :2], memory)
    assert isinstance(middle, AttentionCellState)
    for form in (middle, tuple(middle), [list(middle[0]), *middle[1:]]):
        second, _, last = decoder(inputs[:, 2:], memory, initial_state=form)
        assert_close(np.concatenate([first, second], 1), outputs)
        assert_close(last, state)


@pytest.mark.parametrize("garbage", [1e9, np.nan])
def test_padding_of_the_memory_is_not_used(garbage, data):
    decoder = make(WIRINGS["luong"])
    inputs, memory, mask = (
        data[k] for k in ("inputs", "memory", "memory_mask")
    )
    expected = decoder(inputs, memory, mask)
    memory = memory.copy()
    memory[~mask] = garbage
    assert_close(decoder(inputs, memory, mask), expected, atol=0)
    found = gradients(
        lambda: ops.sum(decoder(inputs, memory, mask)[0] ** 2),
        [],
        decoder.trainable_weights,
    )
    assert all(np.isfinite(x).all() for x in found)


def test_memory_of_padding_alone_gives_a_zero_context(data):
    decoder = make({})
    mask = data["memory_mask"].copy()
    mask[1] = False
    outputs, alignments, _ = decoder(data["inputs"], data["memory"], mask)
    assert not np.any(numpy_of(outputs)[1])
    assert not np.any(numpy_of(alignments)[1])


def test_masks_come_from_keras_where_none_is_given(data):
    decoder = make(WIRINGS["luong"])
    inputs, memory = tensors([data["inputs"], data["memory"]])
    expected = decoder(inputs, memory, data["memory_mask"], mask=data["mask"])
    inputs._keras_mask = tensors(data["mask"])
    memory._keras_mask = tensors(data["memory_mask"])
    outputs, alignments, state = decoder(inputs, memory)
    assert_close((outputs, alignments, state), expected)
    for x in (outputs, alignments):
        np.testing.assert_array_equal(x._keras_mask, data["mask"])
    for x in keras.tree.flatten(state):
        assert getattr(x, "_keras_mask", None) is None


@every_wiring
def test_gradients_reach_every_weight(wiring, data):
    decoder = make(wiring, attention=BahdanauAttention(3, normalize=True))
    decoder.build(data["inputs"].shape, data["memory"].shape)
    weights = decoder.trainable_weights

    def loss():
        outputs, alignments, _ = decoder(
            data["inputs"],
            data["memory"],
            data["memory_mask"],
            [data["h"], data["c"]],
            mask=data["mask"],
        )
        return ops.sum(outputs**2) + ops.sum(alignments**2)

    for weight, gradient in zip(
        weights, gradients(loss, [], weights), strict=True
    ):
        assert np.isfinite(gradient).all() and np.any(gradient), weight.path


@pytest.mark.parametrize("name", ["luong", "luong without feeding", "bahdanau"])
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_is_close_to_float32(name, policy, data):
    exact = make(WIRINGS[name])
    arguments = data["inputs"], data["memory"], data["memory_mask"]
    expected = exact(*arguments, mask=data["mask"])
    keras.config.set_dtype_policy(policy)
    decoder = make(WIRINGS[name])
    decoder.build(data["inputs"].shape, data["memory"].shape)
    decoder.set_weights(exact.get_weights())
    results = decoder(*arguments, mask=data["mask"])
    for x in keras.tree.flatten(results):
        assert dtype_of(x) == decoder.compute_dtype
    assert_close(results, expected, atol=TOLERANCES[policy])
    keys = decoder.project(data["memory"])
    (output, _), state = decoder.step(
        data["inputs"][:, 0],
        decoder.get_initial_state(BATCH),
        data["memory"],
        keys,
        data["memory_mask"],
    )
    for x in (keys, output, state.cell[1]):
        assert dtype_of(x) == decoder.compute_dtype


@pytest.mark.parametrize("name", ["luong", "luong without feeding"])
def test_xla_with_dynamic_shapes_agrees(name, data):
    decoder = make(WIRINGS[name])
    names = ("inputs", "memory", "memory_mask", "mask")
    expected = decoder(**{k: data[k] for k in names})

    def train(*arguments):
        def loss():
            results = decoder(**dict(zip(names, arguments, strict=True)))
            return ops.sum(results[0] ** 2), results

        return with_gradients(loss, [], decoder.trainable_weights)

    shapes = [(None, None, FEATURES), (None, None, DEPTH)]
    shapes += [(None, None)] * 2
    results, found = of_any_size(
        train, [data[k] for k in names], shapes, mode="xla"
    )
    assert_close(results, expected)
    assert all(np.isfinite(numpy_of(x)).all() for x in found)


def functional_model(decoder):
    inputs = {
        "inputs": keras.Input((None, FEATURES), name="inputs"),
        "memory": keras.Input((None, DEPTH), name="memory"),
        "memory_mask": keras.Input((None,), dtype="bool", name="memory_mask"),
        "h": keras.Input((UNITS,), name="h"),
        "c": keras.Input((UNITS,), name="c"),
    }
    _, _, state = decoder(
        inputs["inputs"],
        inputs["memory"],
        inputs["memory_mask"],
        [inputs["h"], inputs["c"]],
    )
    # The whole state as an argument, and as an output.
    outputs, alignments, state = decoder(
        inputs["inputs"], inputs["memory"], initial_state=state
    )
    assert tuple(outputs.shape) == (
        None, None, decoder.attention_cell.output_size
    )  # fmt: skip
    assert tuple(alignments.shape) == (None, None, None)
    outputs = {"outputs": outputs, "alignments": alignments, "state": state}
    return keras.Model(inputs, outputs)


@pytest.mark.parametrize("name", ["luong", "luong without feeding", "bahdanau"])
def test_functional_model_survives_keras_file(name, data, tmp_path):
    model = functional_model(make(WIRINGS[name]))
    inputs = {k: x for k, x in data.items() if k != "mask"}
    expected = model(inputs)
    assert isinstance(expected["state"], AttentionCellState)
    model.save(tmp_path / "model.keras")
    results = keras.models.load_model(tmp_path / "model.keras")(inputs)
    for x, y in zip(
        keras.tree.flatten(results), keras.tree.flatten(expected), strict=True
    ):
        np.testing.assert_array_equal(x, y)


def test_decoder_of_two_memories_survives_keras_file(data, tmp_path):
    decoder = make(
        {"attention_units": [8, 6]},
        attention=[LuongAttention(scale=True), BahdanauAttention(3)],
    )
    shapes = [(None, FEATURES), (None, DEPTH), (None, 9)]
    inputs, *memories = [keras.Input(shape) for shape in shapes]
    mask = keras.Input((None,), dtype="bool")
    outputs, alignments, _ = decoder(inputs, memories, [mask, None])
    model = keras.Model([inputs, *memories, mask], [outputs, *alignments])
    second = np.random.default_rng(7).normal(size=(BATCH, 3, 9))
    arguments = [
        data["inputs"],
        data["memory"],
        second.astype("float32"),
        data["memory_mask"],
    ]
    expected = model(arguments)
    assert [tuple(x.shape) for x in expected] == [
        (BATCH, TIME, 14),
        (BATCH, TIME, SOURCE),
        (BATCH, TIME, 3),
    ]
    model.save(tmp_path / "model.keras")
    results = keras.models.load_model(tmp_path / "model.keras")(arguments)
    assert_close(results, expected, atol=0)


@tensorflow_only
def test_export_keeps_batch_and_lengths_free(data, tmp_path):
    import tensorflow as tf

    model = functional_model(make(WIRINGS["luong"]))
    # A signature of TensorFlow returns tensors by name, no nests.
    names = ("outputs", "alignments")
    model = keras.Model(model.input, {k: model.output[k] for k in names})
    model.export(tmp_path / "1", verbose=False)
    served = tf.saved_model.load(tmp_path / "1")
    for batch, time, source in ((BATCH, TIME, SOURCE), (1, 2, 3)):
        inputs = {
            "inputs": data["inputs"][:batch, :time],
            "memory": data["memory"][:batch, :source],
            "memory_mask": data["memory_mask"][:batch, :source],
            "h": data["h"][:batch],
            "c": data["c"][:batch],
        }
        results, expected = served.serve(inputs), model(inputs)
        for name in names:
            np.testing.assert_allclose(results[name], expected[name], atol=1e-5)


def test_model_learns_to_copy_what_it_attends_to():
    rng = np.random.default_rng(6)
    memory = keras.ops.one_hot(rng.integers(0, DEPTH, (32, TIME)), DEPTH)
    position = np.broadcast_to(np.eye(TIME, dtype="float32"), (32, TIME, TIME))
    memory = np.concatenate([memory, position], -1)
    inputs = keras.Input((None, TIME))
    source = keras.Input((None, DEPTH + TIME))
    decoder = make({"input_feeding": False}, LSTMCell(16), LuongAttention())
    model = keras.Model([inputs, source], decoder(inputs, source)[0])
    model.compile(keras.optimizers.Adam(0.03), "mse")
    with recording():
        history = model.fit(
            [position, memory], memory, epochs=40, batch_size=32, verbose=0
        )
    losses = history.history["loss"]
    assert losses[-1] < 0.3 * losses[0]


@pytest.mark.parametrize("input_feeding", [True, False])
def test_one_dropout_mask_serves_the_whole_sequence(input_feeding):
    decoder = make(
        {"input_feeding": input_feeding, "output": "cell"},
        SimpleRNNCell(64, dropout=0.5, seed=1),
    )
    inputs = np.ones((1, TIME, 8), "float32")
    # Nothing to read and nothing carried: the steps differ by dropout alone.
    memory = np.zeros((1, SOURCE, DEPTH), "float32")
    decoder.build(inputs.shape, memory.shape)
    decoder.attention_cell.cell.recurrent_kernel.assign(np.zeros((64, 64)))
    dropped, *_ = decoder(inputs, memory, training=True)
    dropped = numpy_of(dropped)
    same = np.broadcast_to(dropped[:, :1], dropped.shape)
    np.testing.assert_allclose(dropped, same, atol=1e-6)
    kept, *_ = decoder(inputs, memory)
    assert np.abs(dropped - numpy_of(kept)).max() > 1e-2


def test_empty_batch_gives_an_empty_result(data):
    for name in ("luong", "luong without feeding", "bahdanau"):
        decoder = make(WIRINGS[name])
        decoder(data["inputs"], data["memory"])
        outputs, alignments, _ = decoder(data["inputs"][:0], data["memory"][:0])
        assert outputs.shape[0] == alignments.shape[0] == 0
        result = of_any_size(
            lambda x, m, decoder=decoder: decoder(x, m)[1],
            [data["inputs"][:0], data["memory"][:0]],
            [(None, None, FEATURES), (None, None, DEPTH)],
        )
        assert tuple(result.shape) == (0, TIME, SOURCE)


def test_none_may_be_given_by_position(data):
    decoder = make(WIRINGS["luong"])
    state = [data["h"], data["c"]]
    assert_close(
        decoder(data["inputs"], data["memory"], None, state, None),
        decoder(data["inputs"], data["memory"], initial_state=state),
    )


def test_config_restores_the_decoder():
    decoder = make(
        WIRINGS["luong"],
        attention=[LuongAttention(), BahdanauAttention(3)],
        name="mine",
        dtype="float64",
    )
    copy = AttentionDecoder.from_config(decoder.get_config())
    assert copy.get_config() == decoder.get_config()
    assert copy.name == "mine" and copy.dtype == "float64"
    assert copy.attention_cell.attention_units == 8


def test_wrong_arguments_are_refused(data):
    with pytest.raises(ValueError, match="`attention_cell`.*AttentionCell"):
        AttentionDecoder(LSTMCell(UNITS))
    decoder = make({})
    inputs, memory = data["inputs"], data["memory"]
    with pytest.raises(ValueError, match="boolean.*got dtype float32"):
        decoder(inputs, memory, np.ones((BATCH, SOURCE), "float32"))
    with pytest.raises(ValueError, match=r"\(3, 7\), got shape \(3, 6\)"):
        decoder(inputs, memory, data["mask"])
    with pytest.raises(ValueError, match="widths.*got"):
        decoder(inputs, memory, initial_state=[data["h"]])
    with pytest.raises(ValueError, match="2 rows for 3 memories"):
        decoder(inputs[:2], memory)


@pytest.mark.parametrize("wiring", ["luong", "luong without feeding"])
def test_output_layer_is_applied_to_all_steps_and_to_one(wiring, data):
    layer = keras.layers.Dense(9, bias_initializer="ones")
    plain = make(WIRINGS[wiring])
    inputs, memory, mask = data["inputs"], data["memory"], data["mask"]
    outputs, alignments, state = plain(inputs, memory, mask=mask)
    decoder = AttentionDecoder(plain.attention_cell, output_layer=layer)
    given = decoder(inputs, memory, mask=mask)
    logits = np.where(mask[..., None], numpy_of(layer(outputs)), 0)
    assert_close(given, (ops.convert_to_tensor(logits), alignments, state))
    arguments = plain.get_initial_state(BATCH), memory, plain.project(memory)
    (output, _), _ = plain.step(inputs[:, 0], *arguments)
    (logits, _), _ = decoder.step(inputs[:, 0], *arguments)
    assert_close(logits, layer(output))
    copy = AttentionDecoder.from_config(decoder.get_config())
    assert copy.output_layer.units == 9
    assert layer.kernel.shape == (8, 9)


def test_output_layer_that_is_none_is_refused():
    with pytest.raises(ValueError, match="`output_layer`.*got 'dense'"):
        AttentionDecoder(make({}).attention_cell, output_layer="dense")
