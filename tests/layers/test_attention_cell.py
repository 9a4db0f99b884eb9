"""Tests of one step of AttentionCell against its equations in NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.backend import gradients
from tests.backend import numpy_of
from zoo.layers.attention_cell import AttentionCell
from zoo.layers.attention_cell_state import AttentionCellState
from zoo.layers.bahdanau_attention import BahdanauAttention
from zoo.layers.lstm_cell import LSTMCell
from zoo.layers.luong_attention import LuongAttention
from zoo.layers.simple_rnn_cell import SimpleRNNCell
from zoo.layers.stacked_rnn_cells import StackedRNNCells

BATCH, FEATURES, UNITS, SOURCE, DEPTH, ATTENTION = 2, 3, 5, 7, 4, 6

INNER_CELLS = {
    "zoo LSTM": lambda: LSTMCell(UNITS),
    "zoo simple": lambda: SimpleRNNCell(UNITS),
    "zoo stack": lambda: StackedRNNCells([LSTMCell(8), LSTMCell(UNITS)]),
    "keras LSTM": lambda: keras.layers.LSTMCell(UNITS),
    "keras GRU": lambda: keras.layers.GRUCell(UNITS),
    "keras stack": lambda: keras.layers.StackedRNNCells(
        [keras.layers.GRUCell(8), keras.layers.LSTMCell(UNITS)]
    ),
}


def draw(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype("float32")


def random_weights(layer):
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(size=x.shape) / 2 for x in layer.weights])
    return layer


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def numpy_lstm(cell, x, h, c):
    kernel, recurrent_kernel, bias = cell.get_weights()
    z = x @ kernel + h @ recurrent_kernel
    i, f, g, o = np.split(z + bias, 4, -1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def numpy_attend(mechanism, query, memory, mask):
    keys = memory @ numpy_of(mechanism.memory_kernel)
    scores = np.einsum("bd,bsd->bs", query, keys)
    weights = np.exp(scores) * mask
    alignments = weights / weights.sum(-1, keepdims=True)
    return np.einsum("bs,bsd->bd", alignments, memory), alignments


def build(cell):
    cell.build((BATCH, FEATURES), (BATCH, SOURCE, DEPTH))
    return random_weights(cell)


MASK = np.array([[1, 1, 0, 1, 0, 1, 1], [0, 1, 1, 1, 0, 0, 0]], bool)


@pytest.mark.parametrize("query", ["after", "before"])
@pytest.mark.parametrize("input_feeding", [True, False])
@pytest.mark.parametrize(
    ("units", "activation"),
    [(None, None), (ATTENTION, None), (ATTENTION, "tanh")],
)
@pytest.mark.parametrize("output", ["attention", "cell"])
def test_step_follows_its_equations(
    query, input_feeding, units, activation, output
):
    cell = build(
        AttentionCell(
            LSTMCell(UNITS),
            LuongAttention(),
            attention_units=units,
            attention_activation=activation,
            use_bias=activation == "tanh",
            input_feeding=input_feeding,
            query=query,
            output=output,
        )
    )
    x, memory = draw(BATCH, FEATURES), draw(BATCH, SOURCE, DEPTH)
    h, c = draw(BATCH, UNITS), draw(1 + BATCH, UNITS)[1:]
    before = query == "before"
    fed = draw(BATCH, units or DEPTH)

    expected_x = x
    if before:
        context, alignments = numpy_attend(cell.attention, h, memory, MASK)
        fed = context
    if input_feeding:
        expected_x = np.concatenate([x, fed], -1)
    new_h, new_c = numpy_lstm(cell.cell, expected_x, h, c)
    if not before:
        context, alignments = numpy_attend(cell.attention, new_h, memory, MASK)
    attention = context
    if units:
        attention = np.concatenate([new_h, context], -1)
        attention = attention @ numpy_of(cell.attention_kernel)
    if activation:
        attention = np.tanh(attention + numpy_of(cell.attention_bias))

    carried = input_feeding and not before
    state = AttentionCellState([h, c], fed if carried else (), ())
    (y, a), state = cell(x, state, memory, cell.project(memory), MASK)
    np.testing.assert_allclose(a, alignments, atol=1e-5)
    np.testing.assert_allclose(state.cell[0], new_h, atol=1e-5)
    np.testing.assert_allclose(state.cell[1], new_c, atol=1e-5)
    np.testing.assert_allclose(
        y, new_h if output == "cell" else attention, atol=1e-5
    )
    assert y.shape[-1] == cell.output_size
    if carried:
        np.testing.assert_allclose(state.attention, attention, atol=1e-5)
    else:
        assert state.attention == ()


@pytest.mark.parametrize("make", INNER_CELLS.values(), ids=INNER_CELLS.keys())
@pytest.mark.parametrize("query", ["after", "before"])
def test_any_cell_can_be_inside(make, query):
    cell = build(AttentionCell(make(), LuongAttention(), query=query))
    x, memory = draw(BATCH, FEATURES), draw(BATCH, SOURCE, DEPTH)
    keys = cell.project(memory)
    state = cell.get_initial_state(batch_size=BATCH)
    (_, first), state = cell(x, state, memory, keys)
    (y, second), new_state = cell(x, state, memory, keys)
    keras.tree.assert_same_structure(state, new_state)
    assert tuple(y.shape) == (BATCH, DEPTH)
    top = keras.tree.flatten(
        state.cell if query == "before" else new_state.cell
    )
    # The output of the last cell, an LSTM's h rather than its c, asks.
    h = next(h for h in top[-2:] if h.shape[-1] == UNITS)
    everything = np.ones((BATCH, SOURCE))
    _, expected = numpy_attend(cell.attention, numpy_of(h), memory, everything)
    np.testing.assert_allclose(second, expected, atol=1e-5)
    assert numpy_of(abs(first - second)).max() > 1e-6


def test_several_mechanisms_read_a_memory_each():
    cell = AttentionCell(
        LSTMCell(UNITS),
        [LuongAttention(), BahdanauAttention(8)],
        attention_units=[ATTENTION, 2],
    )
    memories = [draw(BATCH, SOURCE, DEPTH), draw(BATCH, 9, 3)]
    cell.build((BATCH, FEATURES), [x.shape for x in memories])
    assert [tuple(x.shape) for x in cell.attention_kernel] == [
        (UNITS + DEPTH, ATTENTION),
        (UNITS + 3, 2),
    ]
    assert cell.attention_size == cell.output_size == ATTENTION + 2
    keys = cell.project(memories)
    (y, alignments), state = cell(
        draw(BATCH, FEATURES),
        cell.get_initial_state(BATCH, memories),
        memories,
        keys,
        [MASK, None],
    )
    assert tuple(y.shape) == (BATCH, ATTENTION + 2)
    assert [tuple(x.shape) for x in alignments] == [(BATCH, SOURCE), (BATCH, 9)]
    assert not np.any(numpy_of(alignments[0])[~MASK])
    assert state.attention_state == [(), ()]


def test_list_of_one_mechanism_stays_a_list():
    cell = AttentionCell(LSTMCell(UNITS), [LuongAttention()])
    memory = draw(BATCH, SOURCE, DEPTH)
    cell.build((BATCH, FEATURES), [memory.shape])
    keys = cell.project([memory])
    (_, alignments), _ = cell(
        draw(BATCH, FEATURES), cell.get_initial_state(BATCH), [memory], keys
    )
    assert isinstance(alignments, list) and len(alignments) == 1


def test_rows_that_share_a_memory_need_no_copies_of_it():
    cell = build(
        AttentionCell(LSTMCell(UNITS), BahdanauAttention(8), ATTENTION)
    )
    beams = 3
    x, memory = draw(BATCH * beams, FEATURES), draw(BATCH, SOURCE, DEPTH)
    state = cell.get_initial_state(
        BATCH * beams,
        initial_cell_state=[draw(BATCH * beams, UNITS)] * 2,
    )
    tiled = np.repeat(memory, beams, axis=0)
    expected = cell(
        x, state, tiled, cell.project(tiled), np.repeat(MASK, beams, axis=0)
    )
    shared = cell(x, state, memory, cell.project(memory), MASK)
    keras.tree.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6),
        shared,
        expected,
    )


def test_initial_state_takes_the_inner_state_in_any_sequence():
    cell = build(AttentionCell(LSTMCell(UNITS), LuongAttention()))
    h, c = draw(BATCH, UNITS), draw(BATCH, UNITS) + 1
    state = cell.get_initial_state(BATCH, initial_cell_state=(h, c))
    assert isinstance(state.cell, list)
    np.testing.assert_array_equal(state.cell[1], c)
    assert not np.any(numpy_of(state.attention))
    assert tuple(state.attention.shape) == (BATCH, DEPTH)


def test_inner_state_that_does_not_fit_is_refused():
    cell = build(AttentionCell(LSTMCell(UNITS), LuongAttention()))
    for wrong in ([draw(BATCH, UNITS)], [draw(BATCH, 2)] * 2):
        with pytest.raises(ValueError, match=r"widths \[5, 5\], got"):
            cell.get_initial_state(BATCH, initial_cell_state=wrong)


def test_rows_that_do_not_divide_among_the_memories_are_refused():
    cell = build(AttentionCell(LSTMCell(UNITS), LuongAttention()))
    memory = draw(BATCH, SOURCE, DEPTH)
    with pytest.raises(ValueError, match="multiple.*3 rows for 2 memories"):
        cell(
            draw(3, FEATURES),
            cell.get_initial_state(3),
            memory,
            cell.project(memory),
        )


def test_config_keeps_every_argument():
    arguments = {
        "attention_units": [6, 2],
        "attention_activation": "tanh",
        "use_bias": True,
        "input_feeding": False,
        "query": "before",
        "output": "cell",
        "name": "mine",
        "dtype": "mixed_bfloat16",
    }
    cell = AttentionCell(
        StackedRNNCells([LSTMCell(8), LSTMCell(UNITS)]),
        [LuongAttention(scale=True), BahdanauAttention(8, normalize=True)],
        **arguments,
    )
    copy = AttentionCell.from_config(cell.get_config())
    assert copy.get_config() == cell.get_config()
    shapes = (BATCH, FEATURES), [(BATCH, 7, 4), (BATCH, 9, 3)]
    cell.build(*shapes)
    copy.build(*shapes)
    assert [x.path for x in copy.weights] == [x.path for x in cell.weights]
    assert [x.shape for x in copy.weights] == [x.shape for x in cell.weights]
    assert copy.attention_activation is keras.activations.tanh
    assert copy.dtype_policy.name == "mixed_bfloat16"
    for name in ("use_bias", "input_feeding", "query", "attention_units"):
        assert getattr(copy, name) == arguments[name]
    assert copy.output_kind == "cell"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cell": keras.layers.Dense(3)}, "`cell`.*get_initial_state"),
        ({"attention": keras.layers.Dense(3)}, "attention mechanism.*Dense"),
        ({"attention": []}, "attention mechanism"),
        ({"attention_units": 0}, "positive integer, got 0"),
        ({"attention_units": [3, 4]}, "each of 1 mechanisms"),
        ({"use_bias": True}, "`attention_units` with `use_bias`"),
        ({"attention_activation": "tanh"}, "`attention_units` with"),
        ({"query": "new"}, "'after', 'before', got 'new'"),
        ({"output": "both"}, "'attention', 'cell', got 'both'"),
        (
            {"cell": keras.layers.LSTMCell(3, dropout=0.5)},
            "without dropout.*`zoo.layers`",
        ),
    ],
)
def test_wrong_argument_is_refused(arguments, message):
    arguments = {
        "cell": LSTMCell(UNITS),
        "attention": LuongAttention(),
        **arguments,
    }
    with pytest.raises(ValueError, match=message):
        AttentionCell(**arguments)


def test_wrong_number_of_memories_is_refused():
    cell = AttentionCell(
        LSTMCell(UNITS), [LuongAttention(), BahdanauAttention(8)]
    )
    with pytest.raises(ValueError, match="`memory`.*each of the 2.*got 1"):
        cell.project([draw(BATCH, SOURCE, DEPTH)])


def test_width_of_attention_is_unknown_before_the_cell_is_built():
    cell = AttentionCell(LSTMCell(UNITS), LuongAttention())
    with pytest.raises(ValueError, match="not known before.*`build"):
        cell.get_initial_state(BATCH)


def test_gradients_reach_every_weight():
    cell = build(
        AttentionCell(
            LSTMCell(UNITS),
            BahdanauAttention(8, normalize=True),
            attention_units=ATTENTION,
            use_bias=True,
        )
    )
    x, memory = draw(BATCH, FEATURES), draw(BATCH, SOURCE, DEPTH)
    state = cell.get_initial_state(
        BATCH, initial_cell_state=[draw(BATCH, UNITS)] * 2
    )
    # Zeros would leave the kernel's part for the fed attention without one.
    state = state._replace(attention=draw(BATCH, ATTENTION))

    def loss():
        (y, _), _ = cell(x, state, memory, cell.project(memory), MASK)
        return ops.sum(y**2)

    weights = cell.trainable_weights
    for weight, gradient in zip(
        weights, gradients(loss, [], weights), strict=True
    ):
        assert np.isfinite(gradient).all() and np.any(gradient), weight.path
