"""Tests of the recurrent loop against the same steps in a Python loop."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

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
        return tf.where(real.reshape(-1, *[1] * (len(x.shape) - 1)), x, y)

    return keras.tree.map_structure(select, nest, other)


def python_loop(inputs, state, mask, constants, reverse):
    """The specification of `unroll`: one step after the other."""
    outputs = [None] * TIME
    for t in reversed(range(TIME)) if reverse else range(TIME):
        real = np.ones(BATCH, bool) if mask is None else mask[:, t]
        inputs_t = take(inputs, (slice(None), t))
        outputs_t, new_state = nested_step(inputs_t, state, constants)
        zeros = keras.tree.map_structure(tf.zeros_like, outputs_t)
        outputs[t] = where(real, outputs_t, zeros)
        state = where(real, new_state, state)
    stack = keras.tree.map_structure(lambda *x: tf.stack(x, axis=1), *outputs)
    return stack, state


def dynamic(x):
    """A signature whose batch and time are unknown."""
    return tf.TensorSpec((None, None, *x.shape[2:]), x.dtype)


@functools.cache
def compiled(mode, reverse, masked):
    def run(inputs, state, mask=None):
        return unroll(
            nested_step, inputs, state, mask, CONSTANTS, reverse=reverse
        )

    if mode == "eager":
        return run
    if mode == "xla":
        return tf.function(run, jit_compile=True)
    state = keras.tree.map_structure(
        lambda x: tf.TensorSpec((None, *x.shape[1:]), x.dtype), STATE
    )
    mask = [tf.TensorSpec((None, None), tf.bool)] if masked else []
    inputs = keras.tree.map_structure(dynamic, INPUTS)
    return tf.function(run, input_signature=[inputs, state, *mask])


def assert_close(given, expected, tolerance=1e-6):
    keras.tree.assert_same_structure(given, expected)
    for x, y in zip(
        keras.tree.flatten(given), keras.tree.flatten(expected), strict=True
    ):
        np.testing.assert_allclose(x, y, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("mask", [None, *MASKS])
@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
def test_nests_follow_a_loop_in_python(mode, mask, reverse):
    mask = MASKS.get(mask)
    masks = [] if mask is None else [mask]
    outputs, state = compiled(mode, reverse, mask is not None)(
        INPUTS, STATE, *masks
    )
    expected = python_loop(INPUTS, STATE, mask, CONSTANTS, reverse)
    assert_close((outputs, state), expected)
    assert state[1][1].dtype == outputs["pair"][1].dtype == tf.int32


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
        if keras.backend.is_float_dtype(x.dtype.name)
    ]
    return tf.add_n([tf.reduce_sum(tf.sin(x) * draw(*x.shape)) for x in floats])


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("mask", [None, "gaps", "empty"])
def test_gradients_are_those_of_a_loop_in_python(mask, reverse):
    mask = MASKS.get(mask)
    inputs, state, constants = keras.tree.map_structure(
        tf.constant, (INPUTS, STATE, CONSTANTS)
    )
    sources = [inputs["x"], inputs["gain"], state[0], state[1][0]]
    sources += [constants["kernel"], constants["shift"]]

    def gradients(run):
        with tf.GradientTape() as tape:
            tape.watch(sources)
            loss = total(*run())
        return [x.numpy() for x in tape.gradient(loss, sources)]

    given = gradients(
        lambda: unroll(nested_step, inputs, state, mask, constants, reverse)
    )
    expected = gradients(
        lambda: python_loop(inputs, state, mask, constants, reverse)
    )
    assert_close(given, expected, tolerance=1e-5)


def test_gradient_is_a_central_difference():
    x = draw(2, TIME, UNITS).astype("float64")
    direction = draw(2, TIME, UNITS + 1)[..., 1:].astype("float64")

    def step(x, h):
        h = ops.tanh(x + h * h)
        return h, h

    @tf.function
    def loss(x):
        mask = MASKS["gaps"][:2]
        outputs, h = unroll(step, x, tf.ones((2, UNITS), x.dtype), mask)
        return tf.reduce_sum(outputs**2) + tf.reduce_sum(h)

    with tf.GradientTape() as tape:
        variable = tf.constant(x)
        tape.watch(variable)
        value = loss(variable)
    slope = np.sum(tape.gradient(value, variable) * direction)
    ahead, behind = loss(x + 1e-5 * direction), loss(x - 1e-5 * direction)
    np.testing.assert_allclose(slope, (ahead - behind) / 2e-5, rtol=1e-7)


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_what_padding_holds_reaches_no_value_and_no_gradient(poison):
    mask = MASKS["gaps"]
    kernel = tf.constant(draw(FEATURES, UNITS))

    def run(filling):
        x = np.where(mask[..., None], INPUTS["x"], np.float32(filling))
        x = tf.constant(x)

        def step(x_t, h):
            h = ops.tanh(ops.matmul(x_t, kernel) + h)
            return h, h

        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            outputs, h = unroll(step, x, STATE[0], mask)
            loss = total(outputs, h)
        return [outputs, h, *tape.gradient(loss, [x, kernel])]

    assert_close(run(poison), run(0.0), tolerance=0)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_dtype_of_inputs_is_kept(dtype):
    x = tf.cast(INPUTS["x"], dtype)

    def step(x_t, h):
        return h - x_t, h + x_t

    outputs, h = unroll(
        step, x, tf.zeros((BATCH, FEATURES), dtype), MASKS["gaps"]
    )
    assert outputs.dtype == h.dtype == dtype
    assert np.all(np.isfinite(tf.cast(h, "float32")))


def test_masks_of_other_dtypes_and_lists_are_taken():
    def step(x, h):
        return x + h, x + h

    x, h, mask = INPUTS["gain"], STATE[0][:, 0], MASKS["gaps"]
    expected = unroll(step, x, h, mask)
    for given in (mask.astype("int32"), mask.astype("float32"), mask.tolist()):
        assert_close(unroll(step, x, h, given), expected, tolerance=0)


def test_known_time_stays_known():
    @tf.function(input_signature=[tf.TensorSpec((None, TIME, FEATURES))])
    def run(x):
        h = tf.zeros((tf.shape(x)[0], FEATURES))
        outputs, _ = unroll(lambda x, h: (x + h, x + h), x, h)
        assert outputs.shape.as_list() == [None, TIME, FEATURES]
        return outputs

    np.testing.assert_allclose(
        run(INPUTS["x"]), np.cumsum(INPUTS["x"], axis=1), atol=1e-6
    )


def test_autograph_can_read_the_loop(caplog):
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
