"""Layers against NumPy in double precision, at the edges of their shapes.

Batches, sequences, memories and layers of size one, and some of none of that,
with random masks of any pattern: each seed is another case.
"""

import numpy as np
import pytest

from tests.backend import numpy_of
from zoo.layers import GRU
from zoo.layers import LSTM
from zoo.layers import BahdanauAttention
from zoo.layers import LuongAttention
from zoo.layers import SimpleRNN

SHAPES = [  # batch, time, features, units
    (1, 1, 1, 1),
    (1, 7, 3, 1),
    (5, 1, 2, 3),
    (2, 3, 1, 6),
    (3, 40, 4, 2),
    (7, 5, 33, 17),
]
cases = pytest.mark.parametrize(
    ("seed", "shape"), list(enumerate(SHAPES)), ids=str
)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def simple_rnn(x, state, weights):
    kernel, recurrent, bias = weights
    h = np.tanh(x @ kernel + state[0] @ recurrent + bias)
    return [h]


def lstm(x, state, weights):
    kernel, recurrent, bias = weights
    i, f, g, o = np.split(x @ kernel + state[0] @ recurrent + bias, 4, -1)
    c = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(g)
    return [sigmoid(o) * np.tanh(c), c]


def gru_after(x, state, weights):
    kernel, recurrent, bias = weights
    h = state[0]
    xz, xr, xh = np.split(x @ kernel + bias[0], 3, -1)
    hz, hr, hh = np.split(h @ recurrent + bias[1], 3, -1)
    z, r = sigmoid(xz + hz), sigmoid(xr + hr)
    return [z * h + (1 - z) * np.tanh(xh + r * hh)]


def gru_before(x, state, weights):
    kernel, recurrent, bias = weights
    h, units = state[0], state[0].shape[-1]
    xz, xr, xh = np.split(x @ kernel + bias, 3, -1)
    hz, hr = np.split(h @ recurrent[:, : 2 * units], 2, -1)
    z, r = sigmoid(xz + hz), sigmoid(xr + hr)
    candidate = np.tanh(xh + (r * h) @ recurrent[:, 2 * units :])
    return [z * h + (1 - z) * candidate]


def over_time(step, x, state, weights, mask):
    """Masked steps carry the state over and put out zeros."""
    outputs = []
    for t in range(x.shape[1]):
        real = mask[:, t, None]
        new = step(x[:, t], state, weights)
        state = [np.where(real, a, b) for a, b in zip(new, state, strict=True)]
        outputs.append(np.where(real, state[0], 0.0))
    return np.stack(outputs, axis=1), state


def draw(rng, *shape):
    return rng.normal(size=shape).astype("float32")


def double(arrays):
    return [np.asarray(x, "float64") for x in arrays]


def random_mask(rng, rows, columns):
    """Any pattern, a row of padding alone if there are several rows."""
    mask = rng.random((rows, columns)) < 0.6
    mask[0] = False if rows > 1 else mask[0]
    return mask


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    ("layer_class", "options", "step", "count"),
    [
        (SimpleRNN, {}, simple_rnn, 1),
        (LSTM, {}, lstm, 2),
        (GRU, {}, gru_after, 1),
        (GRU, {"reset_after": False}, gru_before, 1),
    ],
    ids=["SimpleRNN", "LSTM", "GRU after", "GRU before"],
)
@cases
def test_recurrent_layer(
    seed, shape, layer_class, options, step, count, backwards
):
    rng = np.random.default_rng(seed)
    batch, time, features, units = shape
    layer = layer_class(
        units,
        return_sequences=True,
        return_state=True,
        go_backwards=backwards,
        **options,
    )
    x = draw(rng, batch, time, features)
    state = [draw(rng, batch, units) for _ in range(count)]
    mask = random_mask(rng, batch, time)
    layer.build(x.shape)
    weights = [draw(rng, *weight.shape) for weight in layer.get_weights()]
    layer.set_weights(weights)
    found = layer(x, mask=mask, initial_state=state if count > 1 else state[0])
    order = slice(None, None, -1 if backwards else 1)
    outputs, last = over_time(
        step,
        np.float64(x)[:, order],
        double(state),
        double(weights),
        mask[:, order],
    )
    for one, expected in zip(found, [outputs, *last], strict=True):
        np.testing.assert_allclose(numpy_of(one), expected, atol=2e-5)


def attend(scores, memory, mask):
    scores = np.where(mask[:, None], scores, -np.inf)
    with np.errstate(invalid="ignore"):
        e = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights = e / e.sum(axis=-1, keepdims=True)
    weights = np.where(mask.any(axis=1)[:, None, None], weights, 0.0)
    return weights @ memory, weights


@pytest.mark.parametrize(
    "kind", ["additive", "normalized", "general", "concat"]
)
@cases
def test_attention(seed, shape, kind):
    rng = np.random.default_rng(100 + seed)
    batch, source, depth, units = shape
    layer = {
        "additive": lambda: BahdanauAttention(units),
        "normalized": lambda: BahdanauAttention(units, normalize=True),
        "general": lambda: LuongAttention(score="general"),
        "concat": lambda: LuongAttention(units, score="concat"),
    }[kind]()
    query, memory = draw(rng, batch, 3, units), draw(rng, batch, source, depth)
    mask = random_mask(rng, batch, source)
    layer.build(query.shape, memory.shape)
    layer.set_weights([draw(rng, *x.shape) for x in layer.get_weights()])
    weights = {
        weight.name: np.float64(numpy_of(weight)) for weight in layer.weights
    }
    q, m = double([query, memory])
    keys = m @ weights["memory_kernel"]
    if kind == "general":
        scores = q @ keys.swapaxes(1, 2)
    else:
        projected = (q @ weights["query_kernel"])[:, :, None]
        v = weights["v"]
        if kind == "normalized":
            keys = keys + weights["b"]
            v = weights["g"] * v / np.linalg.norm(v)
        scores = np.tanh(projected + keys[:, None]) @ v
    expected = attend(scores, m, mask)
    for one, other in zip(
        layer(query, memory, mask=mask), expected, strict=True
    ):
        np.testing.assert_allclose(numpy_of(one), other, atol=2e-5)
