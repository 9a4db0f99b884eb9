"""Tests of what can be added to the LSTM, against loops in NumPy."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from tests.backend import MODES
from tests.backend import compiled
from tests.backend import numpy_of
from tests.backend import precision
from tests.backend import tensors
from tests.backend import with_gradients
from zoo.ops import LSTMGates
from zoo.ops import LSTMNorms
from zoo.ops import LSTMOptions
from zoo.ops import lstm
from zoo.ops import lstm_path

BATCH, TIME, FEATURES, UNITS, PROJECTION = 3, 5, 4, 6, 2
EPSILON = 1e-2
MASK = np.array(
    [[0, 1, 0, 1, 1], [0, 0, 0, 0, 0], [1, 1, 1, 0, 0]], bool
)  # gaps, padding alone, right padding
SETS = {
    "peepholes": {"peepholes"},
    "norms": {"norms"},
    "projection": {"projection"},
    "zoneout": {"zoneout"},
    "zoneout drawn": {"drawn"},
    "all": {"peepholes", "norms", "projection", "zoneout"},
    "all drawn": {"peepholes", "norms", "projection", "drawn"},
}
every_set = pytest.mark.parametrize("names", SETS.values(), ids=SETS)
every_order = pytest.mark.parametrize(
    ("masked", "reverse"), list(itertools.product([False, True], repeat=2))
)


def draw(*shape):
    return np.random.default_rng(shape).normal(size=shape)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def sources_of(names):
    """All tensors that can be differentiated, in float64."""
    width = PROJECTION if "projection" in names else UNITS
    sources = {
        "x": draw(BATCH, TIME, FEATURES),
        "h": draw(BATCH, width),
        "c": draw(1, BATCH, UNITS)[0],
        "kernel": draw(FEATURES, 4 * UNITS),
        "recurrent": draw(width, 4 * UNITS),
        "bias": draw(4 * UNITS),
    }
    if "peepholes" in names:
        sources["peepholes"] = draw(3, UNITS)
    if "norms" in names:
        sources["kernel_norm"] = draw(2, 4 * UNITS)
        sources["recurrent_norm"] = draw(5, 2, 4 * UNITS)[0]
        sources["state_norm"] = draw(2, UNITS)
    if "projection" in names:
        sources["projection"] = draw(UNITS, PROJECTION)
    return sources


def zoneout_of(names):
    """Shares of `h` and `c` to keep: numbers, drawn ones, or nothing."""
    if "zoneout" in names:
        return 0.25, 0.5
    if "drawn" not in names:
        return None
    rng = np.random.default_rng(1)
    width = PROJECTION if "projection" in names else UNITS
    return tuple(
        rng.integers(2, size=(BATCH, TIME, n)).astype("float64")
        for n in (width, UNITS)
    )


def norm(x, weights):
    gamma, beta = weights
    return gamma * (x - np.mean(x)) / np.sqrt(np.var(x) + EPSILON) + beta


def numpy_lstm(sources, names, masked, reverse):
    """The equations row by row: outputs, last h and c, gates."""
    s = sources
    h, c = s["h"].copy(), s["c"].copy()
    outputs = np.zeros((BATCH, TIME, h.shape[-1]))
    gates = np.zeros((4, BATCH, TIME, UNITS))
    zoneout = zoneout_of(names)
    for row in range(BATCH):
        for t in reversed(range(TIME)) if reverse else range(TIME):
            if masked and not MASK[row, t]:
                continue
            from_x, from_h = (
                s["x"][row, t] @ s["kernel"],
                h[row] @ s["recurrent"],
            )
            if "norms" in names:
                from_x = norm(from_x, s["kernel_norm"])
                from_h = norm(from_h, s["recurrent_norm"])
            i, f, g, o = np.split(from_x + from_h + s["bias"], 4)
            p_i, p_f, p_o = s.get("peepholes", np.zeros((3, UNITS)))
            i, f = sigmoid(i + p_i * c[row]), sigmoid(f + p_f * c[row])
            g = np.tanh(g)
            new_c = f * c[row] + i * g
            if "norms" in names:
                new_c = norm(new_c, s["state_norm"])
            o = sigmoid(o + p_o * new_c)
            new_h = o * np.tanh(new_c)
            if "projection" in names:
                new_h = new_h @ s["projection"]
            if "zoneout" in names:
                new_h = zoneout[0] * h[row] + (1 - zoneout[0]) * new_h
                new_c = zoneout[1] * c[row] + (1 - zoneout[1]) * new_c
            if "drawn" in names:
                new_h = np.where(zoneout[0][row, t] == 1, h[row], new_h)
                new_c = np.where(zoneout[1][row, t] == 1, c[row], new_c)
            h[row], c[row] = new_h, new_c
            outputs[row, t] = new_h
            gates[:, row, t] = i, f, g, o
    return outputs, h, c, gates


def run(sources, names, masked, reverse):
    """What `zoo.ops.lstm` gives for the same."""
    s = tensors(sources)
    norms = None
    if "norms" in names:
        norms = LSTMNorms(
            *(
                ops.unstack(s[f"{name}_norm"])
                for name in ("kernel", "recurrent", "state")
            ),
            EPSILON,
        )
    peepholes = ops.unstack(s["peepholes"]) if "peepholes" in names else None
    zoneout = zoneout_of(names)
    if "drawn" in names:
        zoneout = tensors(zoneout)
    options = LSTMOptions(peepholes, norms, s.get("projection"), zoneout)
    outputs, (h, c), gates = lstm(
        s["x"],
        [s["h"], s["c"]],
        s["kernel"],
        s["recurrent"],
        s["bias"],
        mask=MASK if masked else None,
        reverse=reverse,
        options=options,
        return_gates=True,
    )
    assert isinstance(gates, LSTMGates)
    return outputs, h, c, ops.stack(gates)


def weights_of(values):
    return [draw(9, *x.shape)[0] for x in values]


def trained(sources, names, masked, reverse):
    """Values, and gradients of a scalar that weighs all of them."""

    def loss(*arrays):
        given = dict(zip(sources, arrays, strict=True))
        values = run(given, names, masked, reverse)
        weights = tensors(weights_of(values))
        return sum(map(ops.sum, map(ops.multiply, values, weights))), values

    values, found = with_gradients(loss, sources.values())
    return values, dict(zip(sources, found, strict=True))


@every_set
@every_order
def test_values_follow_the_equations(names, masked, reverse):
    sources = sources_of(names)
    values = run(sources, names, masked, reverse)
    expected = numpy_lstm(sources, names, masked, reverse)
    for given, value in zip(values, expected, strict=True):
        np.testing.assert_allclose(given, value, atol=precision(1e-9, 1e-5))


@every_set
@every_order
def test_gradients_are_central_differences(names, masked, reverse):
    sources = sources_of(names)
    _, gradients = trained(sources, names, masked, reverse)
    for name in sources:
        direction = draw(7, *sources[name].shape)[0]

        def loss(step, name=name, direction=direction):
            moved = {**sources, name: sources[name] + step * direction}
            values = numpy_lstm(moved, names, masked, reverse)
            return sum(map(np.vdot, values, weights_of(values)))

        slope = np.sum(numpy_of(gradients[name]) * direction)
        expected = (loss(1e-5) - loss(-1e-5)) / 2e-5
        np.testing.assert_allclose(
            slope,
            expected,
            rtol=precision(1e-6, 1e-3),
            atol=precision(1e-8, 1e-4),
            err_msg=name,
        )


@pytest.mark.parametrize("names", [SETS["all"], SETS["all drawn"]])
def test_xla_gives_the_same_values_and_gradients(names):
    sources = sources_of(names)
    expected = trained(sources, names, True, True)
    given = compiled(
        lambda sources: trained(sources, names, True, True), MODES[-1]
    )(sources)
    for x, y in zip(
        keras.tree.flatten(given), keras.tree.flatten(expected), strict=True
    ):
        np.testing.assert_allclose(x, y, atol=precision(1e-9, 1e-4))


@pytest.mark.parametrize("names", SETS.values(), ids=SETS)
def test_row_of_padding_returns_its_initial_state(names):
    sources = sources_of(names)
    outputs, h, c, gates = run(sources, names, True, False)
    start = tensors(sources)
    np.testing.assert_array_equal(h[1], start["h"][1])
    np.testing.assert_array_equal(c[1], start["c"][1])
    assert not np.any(np.asarray(outputs)[~MASK])
    assert not np.any(np.asarray(gates)[:, ~MASK])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_stays_near(dtype):
    names = SETS["all"]
    sources = {n: x / 2 for n, x in sources_of(names).items()}
    expected = numpy_lstm(sources, names, True, False)
    half = {name: ops.cast(x, dtype) for name, x in sources.items()}
    values = run(half, names, True, False)
    for given, value in zip(values, expected, strict=True):
        assert keras.backend.standardize_dtype(given.dtype) == dtype
        tolerance = 5e-3 if dtype == "float16" else 5e-2
        np.testing.assert_allclose(numpy_of(given), value, atol=tolerance)


@pytest.mark.parametrize("name", LSTMOptions._fields)
def test_each_option_is_the_reason_for_the_loop(name):
    path, reason = lstm_path(options=LSTMOptions(**{name: True}))
    assert path == "loop"
    assert reason == f"the hand-derived gradient has no {name}"


def test_gates_are_a_reason_for_the_loop():
    assert lstm_path(return_gates=True) == (
        "loop",
        "the hand-derived gradient keeps no gates",
    )


def test_an_option_refuses_the_hand_derived_gradient():
    s = sources_of(())
    with pytest.raises(ValueError, match="'loop' .*has no zoneout.* 'bptt'"):
        lstm(
            s["x"],
            [s["h"], s["c"]],
            s["kernel"],
            s["recurrent"],
            options=LSTMOptions(zoneout=(0.5, 0.5)),
            path="bptt",
        )
