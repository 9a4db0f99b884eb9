"""Tests of GNMTCell against its equations in NumPy, in double precision."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from tests.backend import compiled
from tests.backend import every_mode
from tests.backend import gradients
from tests.backend import numpy_of
from tests.backend import of_any_size
from zoo.decoding import beam_search
from zoo.layers import AttentionDecoder
from zoo.layers import BahdanauAttention
from zoo.layers import CoverageAttention
from zoo.layers import GNMTCell
from zoo.layers import GRUCell
from zoo.layers import LSTMCell
from zoo.layers import LuongAttention
from zoo.layers.attention_cell_state import AttentionCellState
from zoo.layers.reading_cell import ReadingCell

BATCH, TIME, FEATURES, SOURCE, DEPTH = 3, 6, 2, 7, 4
WIDTHS = 3, 5, 5, 5  # of the layers, bottom first


def draw(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype("float32")


X, MEMORY = draw(BATCH, TIME, FEATURES), draw(BATCH, SOURCE, DEPTH)
MEMORY_MASK = np.random.default_rng(5).random((BATCH, SOURCE)) < 0.6
# Gaps, padding on the left, and a row without a real step.
MASK = np.array([[1, 1, 0, 1, 1, 0], [0, 1, 1, 1, 1, 1], [0] * 6], bool)
STATE = [[draw(BATCH, w), draw(1, BATCH, w)[0]] for w in WIDTHS]


def make(attention=None, widths=WIDTHS, policy=None, **arguments):
    """A decoder with random weights."""
    cell = GNMTCell(
        [LSTMCell(width, dtype=policy) for width in widths],
        attention or LuongAttention(dtype=policy),
        dtype=policy,
        **arguments,
    )
    decoder = AttentionDecoder(cell, dtype=policy)
    shape = MEMORY.shape
    several = isinstance(attention, list)
    decoder.build(X.shape, [shape, shape] if several else shape)
    rng = np.random.default_rng(1)
    decoder.set_weights([rng.normal(size=w.shape) / 2 for w in decoder.weights])
    return decoder


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(cell, x, state):
    h, c = state
    kernel, recurrent_kernel, bias = (
        numpy_of(w).astype("float64")
        for w in (cell.kernel, cell.recurrent_kernel, cell.bias)
    )
    i, f, g, o = np.split(x @ kernel + h @ recurrent_kernel + bias, 4, -1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return [sigmoid(o) * np.tanh(c), c]


def attend(cell, query):
    kernel = numpy_of(cell.attention.memory_kernel).astype("float64")
    scores = np.einsum("bd,bsd->bs", query, MEMORY @ kernel)
    weights = np.exp(scores) * MEMORY_MASK
    alignments = weights / weights.sum(-1, keepdims=True)
    return np.einsum("bs,bsd->bd", alignments, MEMORY), alignments


def reference(cell, query, residual_from):
    """Outputs, alignments and states, step by step."""
    states = [[x.astype("float64") for x in state] for state in STATE]
    last = np.zeros((BATCH, DEPTH))
    outputs, all_alignments = [], []
    for t in range(TIME):
        real = MASK[:, t, None]
        if query == "before":
            context, alignments = attend(cell, states[0][0])
            fed = context
        else:
            fed = last
        new = [
            lstm(cell.cells[0], np.concatenate([X[:, t], fed], -1), states[0])
        ]
        if query == "after":
            context, alignments = attend(cell, new[0][0])
        h = new[0][0]
        for number in range(2, len(WIDTHS) + 1):
            below = np.concatenate([h, context], -1)
            new.append(lstm(cell.cells[number - 1], below, states[number - 1]))
            residual = residual_from is not None and number >= residual_from
            h = new[-1][0] + (h if residual else 0)
        outputs.append(np.where(real, h, 0))
        all_alignments.append(np.where(real, alignments, 0))
        states = [
            [np.where(real, a, b) for a, b in zip(n, o, strict=True)]
            for n, o in zip(new, states, strict=True)
        ]
        last = np.where(real, context, last)
    return np.stack(outputs, 1), np.stack(all_alignments, 1), states, last


def close(given, expected, atol=1e-5):
    given, expected = map(keras.tree.flatten, (given, expected))
    for x, y in zip(given, expected, strict=True):
        x, y = (numpy_of(ops.convert_to_tensor(z)) for z in (x, y))
        np.testing.assert_allclose(x, y, atol=atol)


@pytest.mark.parametrize("residual_from", [3, 4, None])
@pytest.mark.parametrize("query", ["before", "after"])
def test_decoder_follows_its_equations(query, residual_from):
    decoder = make(query=query, residual_from=residual_from)
    outputs, alignments, state = decoder(
        X, MEMORY, MEMORY_MASK, initial_state=STATE, mask=MASK
    )
    expected = reference(decoder.attention_cell, query, residual_from)
    close((outputs, alignments, state.cell), expected[:3])
    if query == "after":
        close(state.attention, expected[3])
    else:
        assert state.attention == ()


@pytest.mark.parametrize("query", ["before", "after"])
def test_layers_one_after_the_other_are_the_loop(query):
    decoder = make(CoverageAttention(4), query=query)
    expected = decoder(X, MEMORY, MEMORY_MASK, STATE, MASK)
    cell = decoder.attention_cell
    (outputs, alignments), state = ReadingCell.unroll(
        cell,
        X,
        decoder.get_initial_state(BATCH, MEMORY, STATE),
        MEMORY,
        decoder.project(MEMORY),
        MEMORY_MASK,
        MASK,
    )
    close((outputs, alignments, state), expected)


@every_mode
def test_compiled_is_the_same(mode):
    decoder = make()

    def run(x, memory, memory_mask, mask):
        return decoder(x, memory, memory_mask, mask=mask)

    arguments = X, MEMORY, MEMORY_MASK, MASK
    close(compiled(run, mode)(*arguments), run(*arguments))


def test_sizes_need_not_be_known():
    decoder = make(query="after")
    shapes = (None, None, FEATURES), (None, None, DEPTH)

    def run(x, memory):
        return decoder(x, memory)[:2]

    close(of_any_size(run, (X, MEMORY), shapes), run(X, MEMORY))


def test_gradients_are_those_of_differences():
    decoder = make()

    def loss(x, memory):
        outputs, alignments, _ = decoder(x, memory, MEMORY_MASK, mask=MASK)
        return sum(
            ops.sum(ops.multiply(x, draw(*x.shape)))
            for x in (outputs, alignments)
        )

    weights = decoder.trainable_weights
    found = gradients(loss, (X, MEMORY), weights)
    assert all(np.isfinite(x).all() and x.any() for x in found)
    assert not found[0][~MASK].any() and not found[1][2].any()
    rng = np.random.default_rng(2)
    steps = [rng.normal(size=x.shape).astype("float32") for x in found]
    slope = sum((a * b).sum() for a, b in zip(found, steps, strict=True))
    values = decoder.get_weights()

    def moved(by):
        decoder.set_weights(
            [w + by * s for w, s in zip(values, steps[2:], strict=True)]
        )
        return float(numpy_of(loss(X + by * steps[0], MEMORY + by * steps[1])))

    measured = (moved(1e-3) - moved(-1e-3)) / 2e-3
    np.testing.assert_allclose(measured, slope, rtol=2e-2)


@pytest.mark.parametrize(
    ("policy", "atol"), [("mixed_float16", 2e-2), ("mixed_bfloat16", 1e-1)]
)
def test_half_precision_is_near(policy, atol):
    expected = make()(X, MEMORY, MEMORY_MASK, STATE)[:2]
    given = make(policy=policy)(X, MEMORY, MEMORY_MASK, STATE)[:2]
    for x in given:
        dtype = keras.backend.standardize_dtype(x.dtype)
        assert dtype == policy.removeprefix("mixed_")
    close(given, expected, atol=atol)


def test_several_mechanisms_join_their_contexts():
    decoder = make([LuongAttention(), BahdanauAttention(8)])
    cell = decoder.attention_cell
    assert cell.attention_size == 2 * DEPTH
    kernels = [tuple(x.kernel.shape) for x in cell.cells]
    assert kernels == [
        (below + 2 * DEPTH, 4 * width)
        for below, width in zip((FEATURES, *WIDTHS), WIDTHS, strict=False)
    ]
    outputs, alignments, _ = decoder(X, [MEMORY] * 2, [MEMORY_MASK, None])
    assert tuple(outputs.shape) == (BATCH, TIME, 5)
    assert not numpy_of(alignments[0])[
        ~np.repeat(MEMORY_MASK[:, None], TIME, 1)
    ].any()


def test_dropout_masks_are_those_of_the_sequence():
    cell = GNMTCell(
        [LSTMCell(64, dropout=0.5, seed=1), GRUCell(64, dropout=0.5, seed=2)],
        LuongAttention(),
    )
    decoder = AttentionDecoder(cell)
    kept, *_ = decoder(X, MEMORY)
    dropped, *_ = decoder(X, MEMORY, training=True)
    assert np.abs(numpy_of(kept) - numpy_of(dropped)).max() > 1e-2
    masks = cell.dropout_masks(BATCH, FEATURES, training=True)
    widths = [tuple(inputs.shape) for inputs, _ in masks]
    assert widths == [(BATCH, FEATURES + DEPTH), (BATCH, 64 + DEPTH)]


@pytest.mark.parametrize("query", ["before", "after"])
def test_beams_share_a_memory_in_search(query):
    decoder = make(query=query)
    embeddings, kernel = draw(9, FEATURES), draw(5, 9)
    keys = decoder.project(MEMORY)

    def step(tokens, state):
        (output, alignments), state = decoder.step(
            ops.take(embeddings, tokens, axis=0),
            state,
            MEMORY,
            keys,
            MEMORY_MASK,
        )
        return ops.matmul(output, kernel), state, alignments

    start = decoder.get_initial_state(BATCH, MEMORY, STATE)
    found = beam_search(step, [1] * BATCH, start, 3, 5, end_id=2)
    for k in range(3):
        ids = numpy_of(found.ids)[:, k]
        real = np.arange(5) < numpy_of(found.lengths)[:, k, None]
        inputs = np.concatenate([np.ones((BATCH, 1), int), ids[:, :-1]], 1)
        outputs, alignments, _ = decoder(
            embeddings[inputs], MEMORY, MEMORY_MASK, STATE, real
        )
        log_probs = numpy_of(ops.log_softmax(ops.matmul(outputs, kernel)))
        picked = np.take_along_axis(log_probs, ids[..., None], -1)[..., 0]
        close(found.log_probs[:, k], (picked * real).sum(1), atol=1e-4)
        close(found.alignments[:, k], alignments)


def test_state_of_one_call_goes_into_the_next():
    decoder = make(query="after")
    whole = decoder(X, MEMORY, MEMORY_MASK, STATE)
    first = decoder(X[:, :4], MEMORY, MEMORY_MASK, STATE)
    second = decoder(X[:, 4:], MEMORY, MEMORY_MASK, first[2])
    close(second[0], whole[0][:, 4:])
    close(second[2], whole[2])
    assert isinstance(second[2], AttentionCellState)


def test_config_survives_json():
    cell = GNMTCell(
        [GRUCell(3), LSTMCell(5), LSTMCell(5)],
        [LuongAttention(), BahdanauAttention(8)],
        query="after",
        residual_from=None,
        name="mine",
    )
    copy = GNMTCell.from_config(json.loads(json.dumps(cell.get_config())))
    assert copy.get_config() == cell.get_config()
    assert (copy.query, copy.residual_from) == ("after", None)
    assert [type(x) for x in copy.cells] == [GRUCell, LSTMCell, LSTMCell]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"widths": (5,)}, "at least two cells.*AttentionCell"),
        ({"query": "new"}, "'before', 'after', got 'new'"),
        ({"residual_from": 1}, "at least 2, got 1"),
        ({"residual_from": 2.0}, "positive integer, got 2.0"),
        ({"residual_from": 2}, "got 5 for layer 2 and 3 below"),
        ({"attention": keras.layers.Dense(3)}, "attention mechanism"),
    ],
)
def test_wrong_argument_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


def test_cell_that_is_none_is_refused():
    with pytest.raises(ValueError, match="`cell`.*get_initial_state"):
        GNMTCell([LSTMCell(3), keras.layers.Dense(3)], LuongAttention())
