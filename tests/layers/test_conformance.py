"""Every public layer keeps its arguments, dtypes, gradients and padding."""

import inspect
import json

import keras
import numpy as np
import pytest

import zoo.layers
from tests.backend import gradients
from tests.backend import numpy_of
from tests.layers.conformance_cases import BASES
from tests.layers.conformance_cases import CASES
from tests.layers.conformance_cases import MASKS
from tests.layers.conformance_cases import STATES
from tests.layers.conformance_cases import OneStep
from tests.layers.conformance_cases import arguments_of
from tests.layers.conformance_cases import base_arguments
from tests.layers.conformance_cases import call
from tests.layers.conformance_cases import draw
from tests.layers.conformance_cases import make

POLICIES = ("float32", "mixed_float16", "mixed_bfloat16")
every_layer = pytest.mark.parametrize("name", CASES)
every_masked_layer = pytest.mark.parametrize(
    "name", [name for name, case in CASES.items() if case.mask]
)


def copy_of(layer):
    """What becomes of a layer on its way through a file of JSON."""
    config = json.dumps(keras.saving.serialize_keras_object(layer))
    return keras.saving.deserialize_keras_object(json.loads(config))


def assert_equal(given, expected, tolerance=0):
    assert len(given) == len(expected) > 0
    for x, y in zip(given, expected, strict=True):
        assert dtype_of(x) == dtype_of(y)
        np.testing.assert_allclose(
            numpy_of(x), numpy_of(y), atol=tolerance, rtol=tolerance
        )


def dtype_of(x):
    return keras.backend.standardize_dtype(x.dtype)


def training_of(layer, training):
    takes_it = "training" in inspect.signature(layer.call).parameters
    return {"training": training} if takes_it else {}


def test_every_public_name_has_a_case():
    assert set(CASES) | BASES | STATES == set(zoo.layers.__all__)


@every_layer
def test_every_argument_is_in_the_table(name):
    arguments = CASES[name].required() | CASES[name].others()
    missing = arguments_of(getattr(zoo.layers, name)) - set(arguments)
    missing -= set(CASES[name].excluding)
    assert not missing - set(CASES[name].refused)
    for argument in CASES[name].refused:
        with pytest.raises(ValueError, match=f"no `{argument}`"):
            getattr(zoo.layers, name)(
                **CASES[name].required(), **{argument: None}
            )


@every_layer
def test_every_argument_survives_from_config(name):
    dtype = "float64" if keras.backend.backend() != "jax" else "float32"
    tolerance = {"float64": 1e-12, "float32": 1e-6}[dtype]
    usual = make(name).get_config()
    # Layers within the layer shall compute in the same dtype.
    keras.config.set_dtype_policy(dtype)
    layer = make(name, others=True, dtype=dtype)
    keras.config.set_dtype_policy("float32")
    config = layer.get_config()
    for argument in {**CASES[name].others(), **base_arguments()}:
        if argument != "dtype" or dtype != "float32":
            assert config[argument] != usual.get(argument), argument
    copy = copy_of(layer)
    assert copy.get_config() == config
    # That a config is equal does not show that the layer is.
    inputs = [
        x.astype(dtype) if x.dtype.kind == "f" else x
        for x in CASES[name].inputs
    ]
    call(name, layer, *inputs)
    call(name, copy, *inputs)
    copy.set_weights(layer.get_weights())
    for training in (False, True, True):
        expected = call(name, layer, *inputs, **training_of(layer, training))
        given = call(name, copy, *inputs, **training_of(copy, training))
        assert_equal(given, expected, tolerance)
        np.testing.assert_allclose(
            numpy_of(keras.ops.convert_to_tensor(sum(copy.losses))),
            numpy_of(keras.ops.convert_to_tensor(sum(layer.losses))),
            rtol=tolerance,
        )
    assert copy.dtype_policy.name == dtype
    assert not copy.trainable_weights
    for weight, original in zip(copy.weights, layer.weights, strict=True):
        assert type(weight.constraint) is type(original.constraint)
        assert weight.name == original.name


@every_layer
def test_functional_model_survives_a_keras_file(name, tmp_path):
    case = CASES[name]
    inputs = [
        keras.Input((None,) * (x.ndim - 2) + x.shape[-1:], dtype=x.dtype.name)
        for x in case.inputs
    ]
    outputs = case.call(make(name), *inputs)
    model = keras.Model(inputs, keras.tree.flatten(outputs))
    model.set_weights([draw(*x.shape) / 2 for x in model.get_weights()])
    expected = model(list(case.inputs))
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(
        tmp_path / "model.keras", custom_objects={"OneStep": OneStep}
    )
    assert [w.name for w in copy.weights] == [w.name for w in model.weights]
    assert_equal(
        keras.tree.flatten(copy(list(case.inputs))),
        keras.tree.flatten(expected),
        tolerance=1e-6,
    )


@every_layer
@pytest.mark.parametrize("policy", POLICIES)
def test_outputs_have_the_compute_dtype_and_are_finite(name, policy):
    keras.config.set_dtype_policy(policy)
    layer = make(name)
    for output in call(name, layer, *CASES[name].inputs):
        assert dtype_of(output) == policy.removeprefix("mixed_")
        assert np.all(np.isfinite(numpy_of(output)))
    dtypes = {dtype_of(weight) for weight in layer.trainable_weights}
    assert dtypes <= {"float32"}


@every_layer
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_gradients_reach_every_weight_and_every_input(name, policy):
    keras.config.set_dtype_policy(policy)
    layer = make(name)
    inputs = CASES[name].inputs
    call(name, layer, *inputs)
    layer.set_weights([draw(*x.shape) / 2 for x in layer.get_weights()])
    real = [i for i, x in enumerate(inputs) if x.dtype.kind == "f"]

    def loss(*given):
        every = list(inputs)
        for i, x in zip(real, given, strict=True):
            every[i] = x
        return sum(
            keras.ops.sum(
                keras.ops.multiply(
                    keras.ops.cast(y, "float32"),
                    keras.ops.convert_to_tensor(draw(*y.shape)),
                )
            )
            for y in call(name, layer, *every)
        )

    weights = layer.trainable_weights
    found = gradients(loss, [inputs[i] for i in real], weights)
    paths = [f"input {i}" for i in real] + [weight.path for weight in weights]
    for path, gradient in zip(paths, found, strict=True):
        assert np.all(np.isfinite(gradient)), path
        assert np.any(gradient), path


@every_masked_layer
@pytest.mark.parametrize("filling", [0.0, 100.0, np.nan])
def test_what_padding_holds_changes_nothing(name, filling):
    argument, index = CASES[name].mask
    mask = MASKS[index]
    layer = make(name)
    inputs = list(CASES[name].inputs)
    expected = call(name, layer, *inputs, **{argument: mask})
    assert all(np.all(np.isfinite(numpy_of(x))) for x in expected)
    inputs[index] = np.where(
        mask[..., None], inputs[index], np.float32(filling)
    )
    assert_equal(call(name, layer, *inputs, **{argument: mask}), expected)

    def loss(*inputs):
        results = call(name, layer, *inputs, **{argument: mask})
        return sum(keras.ops.sum(y) for y in results)

    found = gradients(loss, inputs, layer.trainable_weights)
    assert all(np.all(np.isfinite(x)) for x in found)
    assert not np.any(found[index][~mask])
