"""Tests of the recurrent loop against the same steps in a Python loop."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

from tests.backend import MODES
from tests.backend import compiled
from tests.backend import every_mode
from tests.backend import gradients
from tests.backend import numpy_of
from tests.backend import of_any_size
from tests.backend import precision
from tests.backend import tensorflow_only
from tests.backend import tensors
from tests.backend import with_gradients
from zoo.ops import unroll

BATCH, TIME, FEATURES, UNITS, ROWS = 3, 5, 4, 2, 6

MASKS = {
    "right": [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]],
    "gaps": [[0, 1, 0, 1, 1], [1, 0, 0, 0, 1], [0, 0, 1, 0, 0]],
    "empty": [[0, 0, 0, 0, 0], [1, 1, 0, 1, 1], [0, 0, 0, 0, 0]],
}
MASKS = {name: np.array(mask, bool) for name, mask in MASKS.items()}


def draw(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype("float32")


INPUTS = {"x": draw(BATCH, TIME, FEATURES), "gain": draw(BATCH, TIME)}
STATE = (
    draw(BATCH, UNITS),
    [draw(BATCH, ROWS, UNITS), np.array([7, 8, 9], "int32")],
)
CONSTANTS = {"kernel": draw(FEATURES, UNITS) / 2, "shift": draw(BATCH, UNITS)}


def nested_step(inputs, state, constants):
    """Nests everywhere, a state of rank 3, and one that counts."""
    h, (matrix, count) = state
    z = ops.matmul(inputs["x"], constants["kernel"]) + constants["shift"]
    h = ops.tanh(z + h * inputs["gain"][:, None])
    matrix = 0.5 * matrix + h[:, None]
    outputs = {"h": h, "pair": (matrix, count)}
    return outputs, (h, [matrix, count + 1])


def take(nest, index):
    return keras.tree.map_structure(lambda x: x[index], nest)


def where(real, nest, other):
    """Rows of `nest` where `real`, else of `other`."""

    def select(x, y):
        return ops.where(real.reshape(-1, *[1] * (len(x.shape) - 1)), x, y)

    return keras.tree.map_structure(select, nest, other)


def python_loop(inputs, state, mask, constants, reverse):
    """The specification of `unroll`: one step after the other."""
    outputs = [None] * TIME
    for t in reversed(range(TIME)) if reverse else range(TIME):
        real = np.ones(BATCH, bool) if mask is None else mask[:, t]
        inputs_t = take(inputs, (slice(None), t))
        outputs_t, new_state = nested_step(inputs_t, state, constants)
        zeros = keras.tree.map_structure(ops.zeros_like, outputs_t)
        outputs[t] = where(real, outputs_t, zeros)
        state = where(real, new_state, state)
    stack = keras.tree.map_structure(lambda *x: ops.stack(x, axis=1), *outputs)
    return stack, state


def run_in(mode, reverse, masks):
    """`unroll` of the nests; in graph mode batch and time are unknown."""
    constants = tensors(CONSTANTS)

    def run(inputs, state, mask=None):
        return unroll(
            nested_step, inputs, state, mask, constants, reverse=reverse
        )

    if mode != "graph":
        return compiled(run, mode)(INPUTS, STATE, *masks)
    nests = (INPUTS, STATE)

    def run_flat(*arrays):
        count = len(keras.tree.flatten(nests))
        nest = keras.tree.pack_sequence_as(nests, arrays[:count])
        return run(*nest, *arrays[count:])

    flat = [*keras.tree.flatten(nests), *masks]
    sequences = [*keras.tree.flatten(INPUTS), *masks]
    known = [2 if any(x is y for y in sequences) else 1 for x in flat]
    shapes = [
        (*[None] * n, *x.shape[n:]) for n, x in zip(known, flat, strict=True)
    ]
    return of_any_size(run_flat, flat, shapes)


def assert_close(given, expected, tolerance=1e-6):
    keras.tree.assert_same_structure(given, expected)
    for x, y in zip(
        keras.tree.flatten(given), keras.tree.flatten(expected), strict=True
    ):
        np.testing.assert_allclose(x, y, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("mask", [None, *MASKS])
@every_mode
def test_nests_follow_a_loop_in_python(mode, mask, reverse):
    mask = MASKS.get(mask)
    masks = [] if mask is None else [mask]
    outputs, state = run_in(mode, reverse, masks)
    nests = tensors((INPUTS, STATE))
    expected = python_loop(*nests, mask, tensors(CONSTANTS), reverse)
    assert_close((outputs, state), expected)
    for x in (state[1][1], outputs["pair"][1]):
        assert keras.backend.standardize_dtype(x.dtype) == "int32"


def test_row_of_padding_returns_its_initial_state_and_zeros():
    outputs, state = unroll(
        nested_step, INPUTS, STATE, MASKS["empty"], CONSTANTS
    )
    for x in keras.tree.flatten(outputs):
        assert not np.any(np.asarray(x)[0])
    for x, y in zip(
        keras.tree.flatten(state), keras.tree.flatten(STATE), strict=True
    ):
        np.testing.assert_array_equal(np.asarray(x)[0], y[0])


def total(outputs, state):
    """A scalar in which every float output and state has a weight."""
    floats = [
        x
        for x in keras.tree.flatten((outputs, state))
        if "float" in keras.backend.standardize_dtype(x.dtype)
    ]
    return sum(ops.sum(ops.sin(x) * tensors(draw(*x.shape))) for x in floats)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("mask", [None, "gaps", "empty"])
def test_gradients_are_those_of_a_loop_in_python(mask, reverse):
    mask = MASKS.get(mask)
    sources = [INPUTS["x"], INPUTS["gain"], STATE[0], STATE[1][0]]
    sources += [CONSTANTS["kernel"], CONSTANTS["shift"]]

    def gradients_of(loop):
        def loss(x, gain, h, matrix, kernel, shift):
            inputs = {"x": x, "gain": gain}
            state = (h, [matrix, tensors(STATE[1][1])])
            constants = {"kernel": kernel, "shift": shift}
            return total(*loop(inputs, state, mask, constants, reverse))

        return gradients(loss, sources)

    given = gradients_of(functools.partial(unroll, nested_step))
    expected = gradients_of(python_loop)
    assert_close(given, expected, tolerance=1e-5)


def test_gradient_is_a_central_difference():
    x = draw(2, TIME, UNITS).astype("float64")
    direction = draw(2, TIME, UNITS + 1)[..., 1:].astype("float64")

    def step(x, h):
        h = ops.tanh(x + h * h)
        return h, h

    def loss(x):
        mask = MASKS["gaps"][:2]
        outputs, h = unroll(step, x, ops.ones((2, UNITS), x.dtype), mask)
        return ops.sum(outputs**2) + ops.sum(h)

    value = compiled(loss, MODES[-1])
    slope = np.sum(gradients(loss, [x])[0] * direction)
    size = precision(1e-5, 1e-3)
    ahead, behind = (numpy_of(value(x + e * direction)) for e in (size, -size))
    np.testing.assert_allclose(
        slope, (ahead - behind) / (2 * size), rtol=precision(1e-7, 1e-3)
    )


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_what_padding_holds_reaches_no_value_and_no_gradient(poison):
    mask = MASKS["gaps"]

    def loss(x, kernel):
        def step(x_t, h):
            h = ops.tanh(ops.matmul(x_t, kernel) + h)
            return h, h

        values = unroll(step, x, STATE[0], mask)
        return total(*values), values

    def run(filling):
        x = np.where(mask[..., None], INPUTS["x"], np.float32(filling))
        return with_gradients(loss, [x, draw(FEATURES, UNITS)])

    assert_close(run(poison), run(0.0), tolerance=0)


@pytest.mark.parametrize(
    "dtype", ["float16", "bfloat16", precision("float64", "float32")]
)
def test_dtype_of_inputs_is_kept(dtype):
    x = ops.cast(INPUTS["x"], dtype)

    def step(x_t, h):
        return h - x_t, h + x_t

    outputs, h = unroll(
        step, x, ops.zeros((BATCH, FEATURES), dtype), MASKS["gaps"]
    )
    assert outputs.dtype == h.dtype == x.dtype
    assert np.all(np.isfinite(numpy_of(h)))


def test_masks_of_other_dtypes_and_lists_are_taken():
    def step(x, h):
        return x + h, x + h

    x, h, mask = INPUTS["gain"], STATE[0][:, 0], MASKS["gaps"]
    expected = unroll(step, x, h, mask)
    for given in (mask.astype("int32"), mask.astype("float32"), mask.tolist()):
        assert_close(unroll(step, x, h, given), expected, tolerance=0)


def test_known_time_stays_known():
    def run(x):
        h = ops.zeros((ops.shape(x)[0], FEATURES))
        outputs, _ = unroll(lambda x, h: (x + h, x + h), x, h)
        assert tuple(outputs.shape[1:]) == (TIME, FEATURES)
        return outputs

    given = of_any_size(run, [INPUTS["x"]], [(None, TIME, FEATURES)])
    expected = np.cumsum(INPUTS["x"], axis=1)
    np.testing.assert_allclose(given, expected, atol=1e-6)


@tensorflow_only
def test_autograph_can_read_the_loop(caplog):
    import tensorflow as tf

    @tf.function
    def run(x):
        return unroll(lambda x, h: (x + h, x + h), x, x[:, 0])[1]

    run(tf.constant(INPUTS["gain"]))
    assert "AutoGraph" not in caplog.text


def echo(x, h):
    return x, h


@pytest.mark.parametrize(
    ("inputs", "mask", "message"),
    [
        ([], None, "at least one tensor"),
        (draw(3), None, "at least one time step, got shape .3,."),
        (draw(3, 0, 2), None, "at least one time step, got shape .3, 0, 2."),
        (draw(3, 5), np.ones(5, bool), "got shape .5,."),
        (draw(3, 5, 2), np.ones((3, 5, 2), bool), "got shape .3, 5, 2."),
        (draw(3, 5), np.ones((3, 4), bool), r"\[\(3, 5\), \(3, 4\)\]"),
        (draw(3, 5), np.ones((1, 5), bool), r"\[\(3, 5\), \(1, 5\)\]"),
        ([draw(3, 5), draw(3, 6)], None, r"\[\(3, 5\), \(3, 6\)\]"),
    ],
)
def test_what_does_not_fit_is_refused(inputs, mask, message):
    with pytest.raises(ValueError, match=message):
        unroll(echo, inputs, draw(3, 2), mask)


def test_a_state_of_another_structure_is_refused():
    with pytest.raises(ValueError, match="structure|type"):
        unroll(lambda x, h: (x, (h, h)), draw(3, 5), draw(3, 2))
