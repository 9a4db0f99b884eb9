"""Tests of every path of every recurrence: equations, gradients, precision."""

import functools
import itertools

import keras
import numpy as np
import pytest
from keras import ops

from tests.backend import BACKEND
from tests.backend import compiled
from tests.backend import every_mode
from tests.backend import gradients
from tests.backend import numpy_of
from tests.backend import of_any_size
from tests.backend import tensorflow_only
from tests.backend import tensors
from tests.backend import with_gradients
from zoo.ops import gru
from zoo.ops import gru_path
from zoo.ops import lstm
from zoo.ops import simple_rnn
from zoo.ops import simple_rnn_path

BATCH, TIME, FEATURES, UNITS = 3, 5, 4, 2
MASK = np.array(
    [[0, 1, 0, 1, 1], [0, 0, 0, 0, 0], [1, 1, 1, 0, 0]], bool
)  # gaps, padding alone, right padding
DROPOUT = np.array([[0, 2], [2, 2], [2, 0]], "float32")
PATHS = ["loop", "bptt"] if BACKEND == "tensorflow" else ["loop"]
OPTIONS = list(itertools.product([False, True], repeat=3))


def draw(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype("float32")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


WEIGHT_OUTPUTS = draw(BATCH, TIME, UNITS)
WEIGHT_STATES = draw(2, BATCH, UNITS)


class SimpleRNN:
    gates, states, biases = 1, 1, 1
    run = functools.partial(simple_rnn)

    @staticmethod
    def step(x, state, fed, recurrent):
        return [np.tanh(x + fed @ recurrent)]


class LSTM:
    gates, states, biases = 4, 2, 1
    run = functools.partial(lstm)

    @staticmethod
    def step(x, state, fed, recurrent):
        i, f, g, o = np.split(x + fed @ recurrent, 4)
        c = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(g)
        return [sigmoid(o) * np.tanh(c), c]


class GRUResetAfter:
    gates, states, biases = 3, 1, 2
    run = functools.partial(gru, reset_after=True)

    @staticmethod
    def step(x, state, fed, recurrent, recurrent_bias):
        x_z, x_r, x_g = np.split(x, 3)
        h_z, h_r, h_g = np.split(fed @ recurrent + recurrent_bias, 3)
        z, r = sigmoid(x_z + h_z), sigmoid(x_r + h_r)
        return [z * state[0] + (1 - z) * np.tanh(x_g + r * h_g)]


class GRUResetBefore:
    gates, states, biases = 3, 1, 2
    run = functools.partial(gru, reset_after=False)

    @staticmethod
    def step(x, state, fed, recurrent, recurrent_bias):
        x_z, x_r, x_g = np.split(x + recurrent_bias, 3)
        u_z, u_r, u_g = np.split(recurrent, 3, axis=-1)
        z, r = sigmoid(x_z + fed @ u_z), sigmoid(x_r + fed @ u_r)
        return [z * state[0] + (1 - z) * np.tanh(x_g + (r * fed) @ u_g)]


every_recurrence = pytest.mark.parametrize(
    "recurrence", [SimpleRNN, LSTM, GRUResetAfter, GRUResetBefore]
)
every_path = pytest.mark.parametrize("path", PATHS)
every_option = pytest.mark.parametrize(
    ("masked", "reverse", "dropout"), OPTIONS
)


def sources_of(recurrence):
    """Inputs, states, kernels, biases, and the factor of dropout."""
    width = recurrence.gates * UNITS
    return [
        draw(BATCH, TIME, FEATURES),
        *(draw(i + 1, BATCH, UNITS)[i] for i in range(recurrence.states)),
        draw(FEATURES, width),
        draw(UNITS, width),
        *(draw(i + 1, width)[i] for i in range(recurrence.biases)),
        DROPOUT,
    ]


def apply(recurrence, path, masked, reverse, dropout, *sources):
    """Outputs and last states, from the sources."""
    x, *rest, factor = tensors(sources)
    state, weights = rest[: recurrence.states], rest[recurrence.states :]
    outputs, state = recurrence.run(
        x,
        state,
        *weights,
        mask=MASK if masked else None,
        reverse=reverse,
        recurrent_mask=factor if dropout else None,
        path=path,
    )
    return [outputs, *state]


def equations(recurrence, masked, reverse, dropout, *sources):
    """The same row by row, in float64."""
    sources = [np.array(x, "float64") for x in sources]
    x, *rest, factor = sources
    states, weights = rest[: recurrence.states], rest[recurrence.states :]
    kernel, recurrent, bias, *recurrent_bias = weights
    outputs = np.zeros((BATCH, TIME, UNITS))
    for row in range(BATCH):
        state = [x[row] for x in states]
        for t in reversed(range(TIME)) if reverse else range(TIME):
            if masked and not MASK[row, t]:
                continue
            fed = state[0] * factor[row] if dropout else state[0]
            z = x[row, t] @ kernel + bias
            state = recurrence.step(z, state, fed, recurrent, *recurrent_bias)
            outputs[row, t] = state[0]
        for x_rows, new in zip(states, state, strict=True):
            x_rows[row] = new
    return [outputs, *states]


def weigh(results):
    """A scalar in which every value counts differently."""
    outputs, *state = results
    return ops.sum(outputs * ops.cast(WEIGHT_OUTPUTS, outputs.dtype)) + sum(
        ops.sum(x * ops.cast(weight, x.dtype))
        for x, weight in zip(state, WEIGHT_STATES, strict=False)
    )


def assert_close(given, expected, tolerance):
    for x, y in zip(given, expected, strict=True):
        x = x if isinstance(x, np.ndarray) else numpy_of(x)
        np.testing.assert_allclose(x, y, atol=tolerance, rtol=tolerance)


def weighed_equations(recurrence, *arguments):
    outputs, *state = equations(recurrence, *arguments)
    return np.sum(outputs * WEIGHT_OUTPUTS) + sum(
        np.sum(x * weight)
        for x, weight in zip(state, WEIGHT_STATES, strict=False)
    )


@functools.cache
def slopes(recurrence, *options):
    """Central differences of the equations, of each entry of each source."""
    sources = [x.astype("float64") for x in sources_of(recurrence)]
    found = []
    for x in sources:
        slope = np.zeros_like(x)
        for at in np.ndindex(*x.shape):
            kept = x[at]
            x[at] = kept + 1e-5
            above = weighed_equations(recurrence, *options, *sources)
            x[at] = kept - 1e-5
            below = weighed_equations(recurrence, *options, *sources)
            x[at] = kept
            slope[at] = (above - below) / 2e-5
        found.append(slope)
    return found


@every_option
@every_path
@every_recurrence
def test_values_follow_the_equations(
    recurrence, path, masked, reverse, dropout
):
    options = masked, reverse, dropout
    sources = sources_of(recurrence)
    given = apply(recurrence, path, *options, *sources)
    expected = equations(recurrence, *options, *sources)
    assert_close(given, expected, tolerance=2e-6)


@every_option
@every_path
@every_recurrence
def test_gradients_are_central_differences(
    recurrence, path, masked, reverse, dropout
):
    options = masked, reverse, dropout

    def loss(*sources):
        return weigh(apply(recurrence, path, *options, *sources))

    given = gradients(loss, sources_of(recurrence))
    assert_close(given, slopes(recurrence, *options), tolerance=2e-5)


@every_mode
@every_path
@every_recurrence
def test_every_mode_gives_the_same(recurrence, path, mode):
    options = True, True, True
    sources = sources_of(recurrence)

    def weighed(*sources):
        results = apply(recurrence, path, *options, *sources)
        return weigh(results), results

    function = functools.partial(with_gradients, weighed)
    given, found = compiled(lambda *xs: function(xs), mode)(*sources)
    expected = equations(recurrence, *options, *sources)
    assert_close(given, expected, tolerance=2e-6)
    assert_close(found, slopes(recurrence, *options), tolerance=2e-5)


@every_path
@every_recurrence
def test_batch_and_time_can_be_unknown(recurrence, path):
    options = False, True, True
    sources = sources_of(recurrence)
    shapes = [x.shape for x in sources]
    states = recurrence.states
    shapes[0] = (None, None, FEATURES)
    shapes[1 : 1 + states] = [(None, UNITS)] * states

    def weighed(*sources):
        results = apply(recurrence, path, *options, *sources)
        return weigh(results), results

    given, found = of_any_size(
        lambda *sources: with_gradients(weighed, sources), sources, shapes
    )
    expected = equations(recurrence, *options, *sources)
    assert_close(given, expected, tolerance=2e-6)
    assert_close(found, slopes(recurrence, *options), tolerance=2e-5)


@every_path
@every_recurrence
@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_what_padding_holds_changes_nothing(recurrence, path, poison):
    options = True, False, True

    def loss(*sources):
        return weigh(apply(recurrence, path, *options, *sources))

    clean = sources_of(recurrence)
    x = np.where(MASK[..., None], clean[0], np.float32(poison))
    poisoned = [x, *clean[1:]]
    given = apply(recurrence, path, *options, *poisoned)
    expected = map(numpy_of, apply(recurrence, path, *options, *clean))
    assert_close(given, list(expected), tolerance=0)
    assert_close(gradients(loss, poisoned), gradients(loss, clean), tolerance=0)


@every_path
@every_recurrence
def test_row_of_padding_returns_its_initial_state(recurrence, path):
    sources = sources_of(recurrence)
    outputs, *state = apply(recurrence, path, True, False, False, *sources)
    assert not np.any(numpy_of(outputs)[1])
    initial = sources[1 : 1 + recurrence.states]
    for given, expected in zip(state, initial, strict=True):
        np.testing.assert_array_equal(numpy_of(given)[1], expected[1])


@every_path
@every_recurrence
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float16", 1e-2), ("bfloat16", 1e-1)]
)
def test_half_precision_stays_near(recurrence, path, dtype, tolerance):
    options = True, False, True
    sources = sources_of(recurrence)
    halves = [ops.cast(x, dtype) for x in sources]
    given = apply(recurrence, path, *options, *halves)
    assert all(keras.backend.standardize_dtype(x.dtype) == dtype for x in given)
    expected = equations(recurrence, *options, *sources)
    assert_close(given, expected, tolerance)

    def loss(*sources):
        return weigh(apply(recurrence, path, *options, *sources))

    for x, y in zip(
        gradients(loss, halves), slopes(recurrence, *options), strict=True
    ):
        # rounded at every step, in both directions
        scale = 1 + np.max(np.abs(y))
        assert np.max(np.abs(x - y)) < 2 * tolerance * scale


@every_path
@every_recurrence
def test_without_biases_is_with_biases_of_zeros(recurrence, path):
    sources = sources_of(recurrence)
    count = 3 + recurrence.states
    x, *state = sources[: 1 + recurrence.states]
    kernels = sources[1 + recurrence.states : count]
    biases = [np.zeros_like(bias) for bias in sources[count:-1]]
    given = recurrence.run(x, state, *kernels, path=path)
    expected = recurrence.run(x, state, *kernels, *biases, path=path)
    assert_close(
        keras.tree.flatten(given),
        [numpy_of(x) for x in keras.tree.flatten(expected)],
        tolerance=1e-6,
    )


@tensorflow_only
@every_recurrence
@every_mode
def test_bptt_can_be_differentiated_twice(recurrence, mode):
    sources = sources_of(recurrence)

    def penalty(path, *sources):
        def loss(*sources):
            results = apply(recurrence, path, True, True, True, *sources)
            return weigh([x**2 for x in results]), ()

        _, found = with_gradients(loss, sources)
        return sum(ops.sum(x**2) for x in found), ()

    def second(path, mode):
        function = functools.partial(penalty, path)
        return compiled(lambda *xs: with_gradients(function, xs)[1], mode)(
            *sources
        )

    expected = second("loop", "eager")
    for x, y in zip(second("bptt", mode), expected, strict=True):
        scale = np.max(np.abs(y))
        assert scale > 0
        np.testing.assert_allclose(x, y, atol=1e-5 * scale)


@pytest.mark.parametrize(
    ("says", "arguments", "path", "reason"),
    [
        (simple_rnn_path, {}, "bptt", "hand-derived gradient: tanh on"),
        (
            simple_rnn_path,
            {"activation": ops.relu},
            "loop",
            "activation is not tanh",
        ),
        (gru_path, {}, "bptt", "hand-derived gradient: tanh and sigmoid"),
        (
            gru_path,
            {"activation": keras.activations.relu},
            "loop",
            "activation is not tanh",
        ),
        (
            gru_path,
            {"recurrent_activation": ops.hard_sigmoid},
            "loop",
            "recurrent_activation is not sigmoid",
        ),
    ],
)
def test_path_is_named_with_its_reason(says, arguments, path, reason):
    if BACKEND != "tensorflow" and path == "bptt":
        path, reason = "loop", "TensorFlow's alone"
    given, why = says(**arguments)
    assert given == path
    assert reason in why


@every_recurrence
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": "cudnn"}, "to be .*'loop'.*, got 'cudnn'.*_path`"),
        (
            {"path": "bptt", "activation": ops.relu},
            "to be 'loop' .activation is not tanh., got 'bptt'",
        ),
        ({"mask": np.ones(TIME, bool)}, "got shape .5,."),
        ({"mask": np.ones((BATCH, TIME + 1), bool)}, r"\(3, 5\), \(3, 6\)"),
        ({"inputs": draw(BATCH, FEATURES)}, "got shape .3, 4."),
    ],
)
def test_what_does_not_fit_is_refused(recurrence, arguments, message):
    sources = sources_of(recurrence)
    states = recurrence.states
    call = {
        "inputs": sources[0],
        "initial_state": sources[1 : 1 + states],
        "kernel": sources[1 + states],
        "recurrent_kernel": sources[2 + states],
        **arguments,
    }
    with pytest.raises(ValueError, match=message):
        recurrence.run(**call)
