"""Tests of LocalAttention against oracles and loops in NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.backend import gradients
from tests.backend import numpy_of
from tests.backend import of_any_size
from tests.backend import precision
from tests.backend import tensors
from zoo.layers.attention_cell import AttentionCell
from zoo.layers.attention_decoder import AttentionDecoder
from zoo.layers.local_attention import LocalAttention
from zoo.layers.lstm_cell import LSTMCell

BATCH, TIME, SOURCE, QUERY, DEPTH, UNITS = 3, 4, 9, 5, 6, 7

# Padding left, right and between; row 2 is all padding.
MASK = np.array([[0, 1, 1, 0, 1, 1, 1, 1, 0], [1] * 6 + [0] * 3, [0] * 9], bool)
CASES = {
    "monotonic": {"position": "monotonic"},
    "predictive": {"position": "predictive", "position_units": UNITS},
    "predictive concat": {
        "position": "predictive",
        "score": "concat",
        "units": 8,
        "scale": True,
    },
    "monotonic sparse": {"position": "monotonic", "probability": "sparsemax"},
}
every_case = pytest.mark.parametrize(
    "arguments", CASES.values(), ids=CASES.keys()
)


def draw(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype("float32")


def build(arguments, **kwargs):
    """A layer with random weights."""
    layer = LocalAttention(window=2, **arguments, **kwargs)
    layer.build((BATCH, TIME, QUERY), (BATCH, SOURCE, DEPTH))
    layer.set_weights([draw(*x.shape) for x in layer.weights])
    return layer


@pytest.mark.parametrize("position", ["monotonic", "predictive"])
@pytest.mark.parametrize("score", ["dot", "general"])
def test_formula_of_the_paper(position, score, oracle):
    arrays = oracle(f"g8_local_{position[0]}_{score}")
    mask = np.arange(7) < arrays["lengths"][:, None]
    layer = LocalAttention(
        position,
        window=int(arrays["D"]),
        position_units=5 if position == "predictive" else None,
        score=score,
        dtype=precision("float64", "float32"),
    )
    query, memory = arrays["h"], arrays["hs"]
    layer.build(query.shape, memory.shape)
    state = ()
    if score == "general":
        layer.memory_kernel.assign(arrays["W_a"])
    if position == "predictive":
        layer.position_kernel.assign(arrays["W_p"])
        layer.position_v.assign(arrays["v_p"])
    else:
        state = [np.full((3, 1), 2, "int32")]
    context, alignments, _ = layer.attend(
        query, layer.project(memory), memory, mask, state
    )
    tolerance = precision(1e-10, 1e-5)
    np.testing.assert_allclose(alignments, arrays["alignments"], atol=tolerance)
    np.testing.assert_allclose(context, arrays["context"], atol=tolerance)


def loop(layer, query, memory, mask):
    """One position after the other, in float64; softmax, score general."""
    keys = memory.astype("float64") @ np.asarray(layer.memory_kernel)
    alignments = np.zeros((BATCH, TIME, SOURCE))
    for b, t in np.ndindex(BATCH, TIME):
        real = np.flatnonzero(mask[b])
        center = t
        if layer.position == "predictive":
            hidden = np.tanh(query[b, t] @ np.asarray(layer.position_kernel))
            logit = hidden @ np.asarray(layer.position_v)
            center = len(real) / (1 + np.exp(-logit))
        window = [
            (number, s)
            for number, s in enumerate(real)
            if abs(number - center) <= layer.window
        ]
        if not window:
            continue
        e = np.exp([keys[b, s] @ query[b, t] for _, s in window])
        for (number, s), a in zip(window, e / e.sum(), strict=True):
            if layer.position == "predictive":
                a *= np.exp(-((number - center) ** 2) / (layer.window**2 / 2))
            alignments[b, t, s] = a
    return alignments


@pytest.mark.parametrize("name", ["monotonic", "predictive"])
def test_padding_is_not_counted(name):
    query, memory = draw(BATCH, TIME, QUERY), draw(BATCH, SOURCE, DEPTH)
    layer = build(CASES[name])
    for mask in (MASK, np.ones_like(MASK)):
        expected = loop(layer, query, memory, mask)
        context, alignments = layer(query, memory, mask=mask)
        np.testing.assert_allclose(alignments, expected, atol=1e-5)
        np.testing.assert_allclose(context, expected @ memory, atol=1e-4)
    # A mask of nothing but real positions is no mask.
    np.testing.assert_allclose(layer(query, memory)[1], expected, atol=1e-5)


@every_case
def test_gradients_are_those_of_finite_differences(arguments):
    layer = build(arguments, dtype=precision("float64", "float32"))
    inputs = [draw(BATCH, TIME, QUERY), draw(BATCH, SOURCE, DEPTH)]
    inputs = [x.astype("float64") for x in inputs]
    cotangents = draw(BATCH, TIME, DEPTH), draw(BATCH, TIME, SOURCE)
    cotangents = tensors([x.astype("float64") for x in cotangents])

    def loss(query, memory):
        outputs = layer(query, memory, mask=MASK)
        return sum(map(ops.sum, map(ops.multiply, outputs, cotangents)))

    def loss_at(values):
        layer.set_weights(values[2:])
        return float(loss(*tensors(values[:2])))

    values = [*inputs, *layer.get_weights()]
    size = precision(1e-6, 1e-3)
    for i, gradient in enumerate(gradients(loss, inputs, layer.weights)):
        direction = draw(2, *values[i].shape)[0]
        ahead, behind = (
            loss_at([*values[:i], values[i] + e * direction, *values[i + 1 :]])
            for e in (size, -size)
        )
        expected = (ahead - behind) / (2 * size)
        given = np.sum(gradient * direction)
        np.testing.assert_allclose(
            given,
            expected,
            rtol=precision(1e-5, 1e-2),
            atol=precision(1e-7, 1e-1),
        )
        assert abs(expected) > 1e-4


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_counts_beyond_256(policy):
    source = 600
    layer = LocalAttention("monotonic", 1, score="dot", dtype=policy)
    memory = np.ones((1, source, 3), "float32")
    layer.build((1, 3), memory.shape)
    keys = layer.project(memory)
    for t in (255, 256, 257, 520):
        state = [np.array([[t]], "int32")]
        _, alignments, state = layer.attend(
            np.zeros((1, 3), "float32"), keys, memory, state=state
        )
        near = np.flatnonzero(numpy_of(alignments)[0])
        assert near.tolist() == [t - 1, t, t + 1]
        assert np.asarray(state[0]).tolist() == [[t + 1]]


@every_case
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_decoder_compiled_agrees_with_single_steps(arguments, policy):
    keras.config.set_dtype_policy(policy)
    decoder = AttentionDecoder(
        AttentionCell(
            LSTMCell(QUERY),
            LocalAttention(window=2, **arguments),
            input_feeding=False,
        )
    )
    inputs, memory = draw(BATCH, TIME, 2), draw(BATCH, SOURCE, DEPTH)
    decoder(inputs, memory, MASK)
    outputs, alignments = of_any_size(
        lambda *x: decoder(*x)[:2],
        [inputs, memory, MASK],
        [(None, None, 2), (None, None, DEPTH), (None, None)],
        mode="xla",
    )
    looked = numpy_of(alignments)
    assert not np.any(looked[2]) and np.any(looked[0])
    state = decoder.get_initial_state(BATCH, memory)
    keys = decoder.project(memory)
    tolerance = 1e-5 if policy == "float32" else 4e-2
    for t in range(TIME):
        results, state = decoder.step(inputs[:, t], state, memory, keys, MASK)
        for given, expected in zip(
            (outputs[:, t], alignments[:, t]), results, strict=True
        ):
            np.testing.assert_allclose(
                numpy_of(given), numpy_of(expected), atol=tolerance
            )


def test_rows_that_share_a_memory_keep_their_own_step():
    layer = build(CASES["monotonic"])
    query, memory = draw(BATCH, 2, QUERY), draw(BATCH, SOURCE, DEPTH)
    keys = layer.project(memory)
    steps = np.array([[[0], [3]], [[1], [5]], [[2], [2]]], "int32")
    _, alignments, state = layer.attend(query, keys, memory, MASK, [steps])
    np.testing.assert_array_equal(state[0], steps + 1)
    for k in range(2):
        alone = layer.attend(query[:, k], keys, memory, MASK, [steps[:, k]])
        np.testing.assert_allclose(alignments[:, k], alone[1], atol=1e-6)


def test_state_is_that_of_the_first_step_by_default():
    layer = build(CASES["monotonic"])
    query, memory = draw(BATCH, 2, QUERY), draw(BATCH, SOURCE, DEPTH)
    keys = layer.project(memory)
    _, alignments, state = layer.attend(query, keys, memory)
    assert numpy_of(state[0]).tolist() == [[[1], [1]]] * BATCH
    expected = layer(query[:, 1], memory)[1]
    np.testing.assert_allclose(alignments[:, 1], expected, atol=1e-6)


def test_position_units_are_the_query_depth_by_default():
    layer = LocalAttention("predictive")
    layer.build((2, 5), (2, 3, 4))
    assert tuple(layer.position_kernel.shape) == (5, 5)
    assert tuple(layer.position_v.shape) == (5,)


@pytest.mark.parametrize("window", [0, -1, 2.5, True, "3", None])
def test_window_must_be_a_positive_integer(window):
    with pytest.raises(ValueError, match="`window`.*positive integer, got"):
        LocalAttention("monotonic", window)


def test_unknown_position_names_the_known_ones():
    with pytest.raises(ValueError, match="'monotonic', 'predictive', got 'p'"):
        LocalAttention("p")


def test_monotonic_refuses_position_units():
    with pytest.raises(ValueError, match="'predictive'` alone, got 3.*Leave"):
        LocalAttention("monotonic", position_units=3)


def test_position_units_must_be_a_positive_integer():
    with pytest.raises(ValueError, match="`position_units`.*got 0.*width"):
        LocalAttention("predictive", position_units=0)
