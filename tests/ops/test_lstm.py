"""Tests of the LSTM's implementations against each other and the oracles."""

import functools
import itertools

import keras
import numpy as np
import pytest
from keras import ops

from tests.backend import BACKEND
from tests.backend import MODES
from tests.backend import compiled
from tests.backend import gradients
from tests.backend import numpy_of
from tests.backend import of_any_size
from tests.backend import precision
from tests.backend import tensorflow_only
from tests.backend import tensors
from tests.backend import with_gradients
from zoo.ops import lstm
from zoo.ops import lstm_path
from zoo.ops import lstm_step

BATCH, TIME, FEATURES, UNITS = 3, 5, 4, 2
MASK = np.array(
    [[0, 1, 0, 1, 1], [0, 0, 0, 0, 0], [1, 1, 1, 0, 0]], bool
)  # gaps, padding alone, right padding


def draw(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype("float32")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


X = draw(BATCH, TIME, FEATURES)
H, C = draw(BATCH, UNITS), draw(1, BATCH, UNITS)[0]
KERNEL = draw(FEATURES, 4 * UNITS)
RECURRENT = draw(UNITS, 4 * UNITS)
BIAS = draw(4 * UNITS)
RECURRENT_MASK = np.array([[0, 2], [2, 2], [2, 0]], "float32")
WEIGHT_OUTPUTS = draw(BATCH, TIME, UNITS)
WEIGHT_H, WEIGHT_C = draw(2, BATCH, UNITS)
WEIGHTS = WEIGHT_OUTPUTS, WEIGHT_H, WEIGHT_C
SOURCES = [X, H, C, KERNEL, RECURRENT, BIAS]

OPTIONS = list(itertools.product([False, True], [False, True], [False, True]))
NAMES = ("masked", "reverse", "recurrent_dropout")
# "bptt" is TensorFlow's alone.
PATHS = [
    "loop",
    pytest.param("bptt", marks=tensorflow_only),
]
every_path = pytest.mark.parametrize("path", PATHS)


def numpy_lstm(x, h, c, kernel, recurrent, bias, masked, reverse, dropout):
    """The equations row by row, in float64."""
    outputs = np.zeros((BATCH, TIME, UNITS))
    h, c = np.array(h, "float64"), np.array(c, "float64")
    for row in range(BATCH):
        for t in reversed(range(TIME)) if reverse else range(TIME):
            if masked and not MASK[row, t]:
                continue
            fed = h[row] * RECURRENT_MASK[row] if dropout else h[row]
            z = x[row, t].astype("float64") @ kernel + fed @ recurrent + bias
            i, f, g, o = np.split(z, 4)
            c[row] = sigmoid(f) * c[row] + sigmoid(i) * np.tanh(g)
            h[row] = sigmoid(o) * np.tanh(c[row])
            outputs[row, t] = h[row]
    return outputs, h, c


def run(path, masked, reverse, dropout, *sources):
    """Values, and gradients of a scalar that weighs all of them."""

    def loss(x, h, c, kernel, recurrent, bias):
        outputs, (h, c) = lstm(
            x,
            [h, c],
            kernel,
            recurrent,
            bias,
            mask=MASK if masked else None,
            reverse=reverse,
            recurrent_mask=tensors(RECURRENT_MASK) if dropout else None,
            path=path,
        )
        values = [outputs, h, c]
        return sum(
            ops.sum(x * tensors(weight))
            for x, weight in zip(values, WEIGHTS, strict=True)
        ), values

    return with_gradients(loss, sources or SOURCES)


@functools.cache
def truth(*options):
    """What the plain loop gives, step by step in eager mode."""
    return run("loop", *options)


def assert_close(given, expected, tolerance):
    for x, y in zip(given, expected, strict=True):
        np.testing.assert_allclose(x, y, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize(NAMES, OPTIONS)
@every_path
def test_values_follow_the_equations(path, masked, reverse, recurrent_dropout):
    values, _ = run(path, masked, reverse, recurrent_dropout)
    expected = numpy_lstm(*SOURCES, masked, reverse, recurrent_dropout)
    assert_close(values, expected, tolerance=1e-6)


@tensorflow_only
@pytest.mark.parametrize(NAMES, OPTIONS)
@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_bptt_has_the_gradients_of_the_loop(
    mode, masked, reverse, recurrent_dropout
):
    options = masked, reverse, recurrent_dropout
    function = functools.partial(run, "bptt", *options)
    if mode == "eager":
        values, gradients = function(*SOURCES)
    else:
        shapes = [(None, None, FEATURES), (None, UNITS), (None, UNITS)]
        shapes += [x.shape for x in (KERNEL, RECURRENT, BIAS)]
        values, gradients = of_any_size(function, SOURCES, shapes)
    assert_close(values, truth(*options)[0], tolerance=1e-6)
    assert_close(gradients, truth(*options)[1], tolerance=2e-5)


@every_path
def test_xla_gives_the_same_values_and_gradients(path):
    options = True, True, True
    function = functools.partial(run, path, *options)
    values, gradients = compiled(function, MODES[-1])(*SOURCES)
    assert_close(values, truth(*options)[0], tolerance=1e-6)
    assert_close(gradients, truth(*options)[1], tolerance=2e-5)


@every_path
def test_gradients_are_central_differences(path):
    options = True, True, True
    sources = [x.astype("float64") for x in SOURCES]
    directions = [draw(7, *x.shape)[0] for x in sources]

    def loss(step):
        moved = [x + step * d for x, d in zip(sources, directions, strict=True)]
        outputs, h, c = numpy_lstm(*moved, *options)
        return (
            np.sum(outputs * WEIGHT_OUTPUTS)
            + np.sum(h * WEIGHT_H)
            + np.sum(c * WEIGHT_C)
        )

    _, gradients = run(path, *options)
    slope = sum(
        np.sum(numpy_of(x) * d)
        for x, d in zip(gradients, directions, strict=True)
    )
    expected = (loss(1e-5) - loss(-1e-5)) / 2e-5
    np.testing.assert_allclose(slope, expected, rtol=1e-5)


@tensorflow_only
def test_bptt_can_be_differentiated_twice():
    def penalty(path):
        def squares(x, recurrent):
            outputs, _ = lstm(
                x, [H, C], KERNEL, recurrent, BIAS, MASK, path=path
            )
            return ops.sum(outputs**2), ()

        def loss(x, recurrent):
            _, (slope, _) = with_gradients(squares, [x, recurrent])
            return ops.sum(slope**2)

        return gradients(loss, [X, RECURRENT])

    assert_close(penalty("bptt"), penalty("loop"), tolerance=1e-4)


@every_path
@pytest.mark.parametrize("direction", ["", "_back"])
@pytest.mark.parametrize("mask", ["none", "rp", "gap"])
def test_states_and_gradients_are_those_of_tf_keras(
    oracle, mask, direction, path
):
    arrays = oracle(f"g5_lstm_{mask}{direction}")
    names = ("x", "h0", "c0", "kernel", "recurrent_kernel", "bias")
    sources = [arrays[name] for name in names]
    shape = arrays["x"].shape
    reverse = bool(arrays["go_backwards"])
    mask = arrays.get("mask", np.ones(shape[:2], bool))
    # Keras leaves outputs in the order read, and repeats them where masked.
    order = slice(None, None, -1) if reverse else slice(None)
    read = mask[:, order]
    folded = np.zeros_like(arrays["ct_outputs"])
    last = np.full(shape[0], -1)
    for t in range(shape[1]):
        last = np.where(read[:, t], t, last)
        for row in np.flatnonzero(last >= 0):
            folded[row, last[row]] += arrays["ct_outputs"][row, t]
    cotangents = tensors([folded, arrays["ct_h"], arrays["ct_c"]])

    def loss(x, h, c, *weights):
        outputs, (h, c) = lstm(
            x, [h, c], *weights, mask=mask, reverse=reverse, path=path
        )
        if reverse:
            outputs = ops.flip(outputs, axis=1)
        values = [outputs, h, c]
        return sum(
            ops.sum(x * weight)
            for x, weight in zip(values, cotangents, strict=True)
        ), values

    values, found = with_gradients(loss, sources)
    expected = np.where(read[..., None], arrays["outputs"], 0)
    assert_close(values, [expected, arrays["h"], arrays["c"]], tolerance=1e-5)
    expected = [arrays[f"grad_{name}"] for name in names]
    assert_close(found, expected, tolerance=1e-4)


def test_the_basic_lstm_cell_of_tensorflow_1(oracle):
    arrays = oracle("g8_book")
    h = c = np.zeros((1, 1))
    tolerance = precision(1e-8, 1e-6)
    outputs, (h, c) = lstm(
        *tensors(
            [
                arrays["lstm_x"][None],
                [h, c],
                arrays["lstm_keras_kernel"],
                arrays["lstm_keras_recurrent_kernel"],
                arrays["lstm_keras_bias"],
            ]
        )
    )
    np.testing.assert_allclose(
        outputs[0, :, 0], arrays["lstm_h"], atol=tolerance
    )
    np.testing.assert_allclose(c[0], arrays["lstm_c"][-1:], atol=tolerance)


@every_path
@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_what_padding_holds_changes_nothing(path, poison):
    options = True, False, True
    x = np.where(MASK[..., None], X, np.float32(poison))
    values, gradients = run(path, *options, x, *SOURCES[1:])
    expected = run(path, *options)
    assert_close(values, expected[0], tolerance=0)
    assert_close(gradients, expected[1], tolerance=0)


@every_path
def test_row_of_padding_returns_its_initial_state(path):
    (outputs, h, c), gradients = run(path, True, False, False)
    assert not np.any(numpy_of(outputs)[1])
    assert_close([h[1], c[1]], [H[1], C[1]], tolerance=0)
    assert_close(
        [gradients[1][1], gradients[2][1]],
        [WEIGHT_H[1], WEIGHT_C[1]],
        tolerance=0,
    )


@every_path
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float16", 5e-3), ("bfloat16", 5e-2)]
)
def test_half_precision_stays_near(path, dtype, tolerance):
    sources = [ops.cast(x, dtype) for x in SOURCES]
    outputs, (h, c) = lstm(
        sources[0], sources[1:3], *sources[3:], mask=MASK, path=path
    )
    for x in (outputs, h, c):
        assert keras.backend.standardize_dtype(x.dtype) == dtype
    expected = numpy_lstm(*SOURCES, True, False, False)
    values = [numpy_of(x) for x in (outputs, h, c)]
    assert_close(values, expected, tolerance)


def test_without_bias_is_with_a_bias_of_zeros():
    given = lstm(X, [H, C], KERNEL, RECURRENT)
    expected = lstm(X, [H, C], KERNEL, RECURRENT, np.zeros_like(BIAS))
    assert_close(
        keras.tree.flatten(given), keras.tree.flatten(expected), tolerance=1e-7
    )


def test_other_activations_follow_the_equations():
    outputs, _ = lstm(
        X,
        [H, C],
        KERNEL,
        RECURRENT,
        BIAS,
        activation=ops.relu,
        recurrent_activation=ops.hard_sigmoid,
    )
    i, f, g, o = np.split(X[:, 0] @ KERNEL + H @ RECURRENT + BIAS, 4, axis=-1)
    i, f, o = (np.clip(gate / 6 + 0.5, 0, 1) for gate in (i, f, o))
    c = f * C + i * np.maximum(g, 0)
    np.testing.assert_allclose(outputs[:, 0], o * np.maximum(c, 0), atol=1e-6)


def test_one_step_follows_the_equations():
    z = draw(BATCH, 4 * UNITS)
    i, f, g, o = np.split(z, 4, axis=-1)
    c = sigmoid(f) * C + sigmoid(i) * np.tanh(g)
    assert_close(lstm_step(z, C), [sigmoid(o) * np.tanh(c), c], tolerance=1e-6)


@tensorflow_only
@pytest.mark.parametrize(
    ("functions", "path", "reason"),
    [
        ({}, "bptt", "hand-derived gradient: tanh and sigmoid"),
        ({"activation": keras.activations.tanh}, "bptt", "hand-derived"),
        ({"activation": ops.relu}, "loop", "activation is not tanh"),
        (
            {"recurrent_activation": keras.activations.hard_sigmoid},
            "loop",
            "recurrent_activation is not sigmoid",
        ),
    ],
)
def test_path_is_named_with_its_reason(functions, path, reason):
    given, why = lstm_path(**functions)
    assert given == path
    assert reason in why


@pytest.mark.skipif(BACKEND == "tensorflow", reason="it has a path of its own")
def test_other_backends_have_the_loop():
    path, reason = lstm_path()
    assert path == "loop"
    assert reason == "the hand-derived gradient is TensorFlow's alone"
    with pytest.raises(ValueError, match="'loop' .*TensorFlow's.*got 'bptt'"):
        lstm(X, [H, C], KERNEL, RECURRENT, path="bptt")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": "cudnn"}, "'loop' .*got 'cudnn'"),
        (
            {"path": "bptt", "activation": ops.relu},
            "to be 'loop' .activation is not tanh., got 'bptt'",
        ),
        ({"mask": np.ones(TIME, bool)}, "got shape .5,."),
        ({"mask": np.ones((BATCH, TIME + 1), bool)}, r"\(3, 5\), \(3, 6\)"),
        ({"inputs": X[:, 0]}, "got shape .3, 4."),
        ({"inputs": X[:, :0]}, "at least one time step, got shape .3, 0, 4."),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message):
    call = {
        "inputs": X,
        "initial_state": [H, C],
        "kernel": KERNEL,
        "recurrent_kernel": RECURRENT,
        **arguments,
    }
    with pytest.raises(ValueError, match=message):
        lstm(**call)
