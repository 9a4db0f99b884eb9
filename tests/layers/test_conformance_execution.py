"""Every public layer gives one result, however and wherever it is run."""

import keras
import numpy as np
import pytest

from tests.backend import MODES
from tests.backend import compiled
from tests.backend import numpy_of
from tests.backend import of_any_size
from tests.backend import tensorflow_only
from tests.layers.conformance_cases import CASES
from tests.layers.conformance_cases import MASKS
from tests.layers.conformance_cases import call
from tests.layers.conformance_cases import draw
from tests.layers.conformance_cases import make

every_layer = pytest.mark.parametrize("name", CASES)
every_masked_layer = pytest.mark.parametrize(
    "name", [name for name, case in CASES.items() if case.mask]
)
TOLERANCE = 1e-5


def masked(name):
    """Arrays to call a layer with, a mask among them if it takes one.

    Returns:
        Tuple of the function of layer and arrays, and the arrays.
    """
    case = CASES[name]
    if case.mask is None:
        return lambda layer, *x: call(name, layer, *x), case.inputs
    argument, index = case.mask

    def function(layer, *arrays):
        *inputs, mask = arrays
        return call(name, layer, *inputs, **{argument: mask})

    return function, (*case.inputs, MASKS[index])


def drawn(name, **arguments):
    """A layer with weights that are not those it starts with."""
    layer = make(name, **arguments)
    call(name, layer, *CASES[name].inputs)
    layer.set_weights([draw(*x.shape) / 2 for x in layer.get_weights()])
    return layer


def assert_close(given, expected):
    given, expected = keras.tree.flatten(given), keras.tree.flatten(expected)
    assert len(given) == len(expected) > 0
    for x, y in zip(given, expected, strict=True):
        np.testing.assert_allclose(
            numpy_of(keras.ops.convert_to_tensor(x)),
            numpy_of(keras.ops.convert_to_tensor(y)),
            atol=TOLERANCE,
            rtol=TOLERANCE,
        )


@every_layer
def test_compiled_equals_eager(name):
    function, arrays = masked(name)
    layer = drawn(name)
    arrays = [keras.ops.convert_to_tensor(x) for x in arrays]
    run = compiled(lambda *x: function(layer, *x), MODES[-1])
    assert_close(run(*arrays), function(layer, *arrays))


@every_layer
def test_trace_of_unknown_batch_and_time_equals_eager(name):
    function, arrays = masked(name)
    layer = drawn(name)
    shapes = [
        (None,) * x.ndim if x.dtype.kind != "f" else unknown(x.shape)
        for x in arrays
    ]
    given = of_any_size(lambda *x: function(layer, *x), arrays, shapes)
    assert_close(given, function(layer, *arrays))


def unknown(shape):
    return (*(None for _ in shape[:-1]), shape[-1])


@tensorflow_only
@every_layer
def test_functional_model_survives_a_saved_model(name, tmp_path):
    import tensorflow as tf

    function, arrays = masked(name)
    inputs = [
        keras.Input(
            unknown(x.shape)[1:] if x.dtype.kind == "f" else (None,),
            dtype=x.dtype.name,
        )
        for x in arrays
    ]
    outputs = keras.tree.flatten(symbolic(name, make(name), inputs))
    model = keras.Model(inputs, outputs)
    model.set_weights([draw(*x.shape) / 2 for x in model.get_weights()])
    model.export(tmp_path / "saved", verbose=False)
    # The variables live as long as what was loaded.
    loaded = tf.saved_model.load(tmp_path / "saved")
    assert_close(loaded.serve(list(arrays)), model(list(arrays)))
    # of another size than any that was seen before
    fewer = [x[1:] for x in arrays]
    assert_close(loaded.serve(fewer), model(fewer))


def symbolic(name, layer, inputs):
    case = CASES[name]
    if case.mask is None:
        return case.call(layer, *inputs)
    *inputs, mask = inputs
    return case.call(layer, *inputs, **{case.mask[0]: mask})


@every_layer
def test_row_alone_is_what_it_is_in_a_batch(name):
    function, arrays = masked(name)
    layer = drawn(name)
    batch = function(layer, *arrays)
    for row in range(len(arrays[0])):
        alone = function(layer, *(x[row : row + 1] for x in arrays))
        assert_close(alone, [x[row : row + 1] for x in batch])


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if c.by_steps])
def test_step_by_step_equals_the_layer(name):
    case = CASES[name]
    layer = drawn(name, **case.whole)
    assert_close(
        case.by_steps(layer, *case.inputs), call(name, layer, *case.inputs)
    )


@every_masked_layer
def test_masked_row_is_the_row_without_its_padding(name):
    function, arrays = masked(name)
    layer = drawn(name, **CASES[name].whole)
    *inputs, mask = arrays
    index = CASES[name].mask[1]
    for row, real in enumerate(mask):
        if not real.any():
            continue
        whole = function(layer, *(x[row : row + 1] for x in arrays))
        shorter = [x[row : row + 1] for x in inputs]
        shorter[index] = shorter[index][:, real]
        expected = call(name, layer, *shorter)
        for x, y in zip(whole, expected, strict=True):
            x, y = numpy_of(x), numpy_of(y)
            if x.shape != y.shape:
                # The axis of the padding: nothing is there.
                axis = np.flatnonzero(np.array(x.shape) != y.shape)[0]
                assert not np.any(np.compress(~real, x, axis))
                x = np.compress(real, x, axis)
            np.testing.assert_allclose(x, y, atol=TOLERANCE)


@every_masked_layer
def test_row_of_padding_alone_is_empty(name):
    function, arrays = masked(name)
    layer = drawn(name, **CASES[name].whole)
    *inputs, mask = arrays
    (row,) = np.flatnonzero(~mask.any(axis=1))
    results = function(layer, *(x[row : row + 1] for x in arrays))
    argument, index = CASES[name].mask
    if argument == "mask":
        # No step, so zeros and the initial state; no memory, so no context.
        assert not any(np.any(numpy_of(x)) for x in results)
        return
    nothing = [x[row : row + 1] for x in inputs]
    nothing[index] = np.zeros_like(nothing[index])
    length = mask.shape[1]
    for x, y in zip(results, call(name, layer, *nothing), strict=True):
        if x.shape[-1] == length:
            assert not np.any(numpy_of(x))
        else:
            np.testing.assert_allclose(numpy_of(x), numpy_of(y), atol=TOLERANCE)
