"""What every public layer keeps to, from one table of cases."""

import inspect
import json
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo.layers

BATCH, TIME, FEATURES, SOURCE, DEPTH, UNITS = 3, 4, 2, 6, 7, 5
POLICIES = ("float32", "mixed_float16", "mixed_bfloat16")

# Public names that are no layer to be used as it is: a case for each class
# derived from them stands below.
BASES = {"AttentionMechanism", "RecurrentCell"}
STATES = {"AttentionCellState"}


def draw(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype("float32")


X = draw(BATCH, TIME, FEATURES)
STEP = draw(BATCH, FEATURES)
MEMORY = draw(BATCH, SOURCE, DEPTH)
QUERY = draw(BATCH, TIME, UNITS)
ALIGNMENTS = draw(BATCH, TIME, SOURCE)
TOKEN_IDS = np.arange(BATCH * TIME, dtype="int32").reshape(BATCH, TIME)
H, C = draw(BATCH, UNITS), draw(1, BATCH, UNITS)[0]
TIME_MASK = np.array([[0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 0]], bool)
SOURCE_MASK = np.array(
    [[0, 1, 0, 1, 1, 0], [0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0]], bool
)


class Case(NamedTuple):
    """How to make and call a layer.

    Attributes:
        required: Function that returns the arguments without a default.
        others: Function that returns every other argument of `__init__`, at
            a value that is not its default.
        inputs: Arrays that the layer is called with.
        call: `call(layer, *inputs, **arguments)`.
        mask: Name of the mask's argument and the index of the input that it
            belongs to, or `None` for a layer without a mask.
        refused: Arguments of a base class that the layer does not take.
        excluding: Arguments that rule out others of the table; the layer's
            own tests have them.
    """

    required: Callable
    others: Callable
    inputs: tuple
    call: Callable = lambda layer, *inputs, **arguments: layer(
        *inputs, **arguments
    )
    mask: tuple | None = None
    refused: tuple = ()
    excluding: tuple = ()


class OneStep(keras.layers.Layer):
    """An attention cell with what surrounds its one step."""

    def __init__(self, cell, **kwargs):
        super().__init__(**kwargs)
        self.cell = cell

    def build(self, inputs_shape, memory_shape, h_shape):
        if not self.cell.built:
            self.cell.build(inputs_shape, memory_shape)

    def call(self, inputs, memory, h, training=False):
        cell = self.cell
        keys = cell.project(memory)
        state = cell.get_initial_state(
            keras.ops.shape(inputs)[0], memory, initial_cell_state=[h, h]
        )
        (output, alignments), _ = cell(
            inputs, state, memory, keys, training=training
        )
        return output, alignments

    def get_config(self):
        cell = keras.saving.serialize_keras_object(self.cell)
        return {**super().get_config(), "cell": cell}

    @classmethod
    def from_config(cls, config):
        cell = keras.saving.deserialize_keras_object(config["cell"])
        return cls(**{**config, "cell": cell})


def one_step(cell, *inputs, **arguments):
    return OneStep(cell, dtype=cell.dtype_policy)(*inputs, **arguments)


@keras.saving.register_keras_serializable(package="tests")
def attend_gently(mechanism, query, *arguments):
    return mechanism.attend(query / 2, *arguments)


def units():
    return {"units": UNITS}


def of_a_cell():
    return {
        "activation": "softsign",
        "use_bias": False,
        "kernel_initializer": "he_normal",
        "recurrent_initializer": "lecun_normal",
        "bias_initializer": "ones",
        "kernel_regularizer": keras.regularizers.L2(0.125),
        "recurrent_regularizer": "l1",
        "bias_regularizer": "l2",
        "kernel_constraint": "max_norm",
        "recurrent_constraint": "unit_norm",
        "bias_constraint": "non_neg",
        "dropout": 0.25,
        "recurrent_dropout": 0.5,
        "seed": 3,
    }


def of_an_lstm_cell():
    return {
        **of_a_cell(),
        "recurrent_activation": "hard_sigmoid",
        "unit_forget_bias": False,
        "peephole": True,
        "layer_normalization": True,
        "norm_epsilon": 1e-2,
        "projection": UNITS,
        "zoneout_h": 0.25,
        "zoneout_c": 0.5,
        "weight_drop": 0.125,
    }


def of_a_gru_cell():
    return {
        **of_a_cell(),
        "recurrent_activation": "hard_sigmoid",
        "reset_after": False,
    }


def of_monotonic_attention():
    return {
        "mode": "recursive",
        "sigmoid_noise": 0.5,
        "score_bias_initializer": "ones",
        "seed": 3,
        "kernel_initializer": "he_normal",
    }


def of_a_nas_cell():
    return {**of_a_cell(), "use_bias": True, "projection": UNITS}


def of_a_minimal_cell():
    return {
        "use_bias": False,
        "kernel_initializer": "he_normal",
        "bias_initializer": "ones",
    }


def of_a_norm_simple_cell():
    return {**of_a_cell(), "norm_epsilon": 1e-2}


def of_a_layer():
    return {
        "return_sequences": True,
        "return_state": True,
        "go_backwards": True,
        "stateful": True,
    }


def base_arguments():
    return {
        "activity_regularizer": "l2",
        "dtype": "float64",
        "name": "given",
        "trainable": False,
    }


CASES = {
    "SimpleRNNCell": Case(
        units,
        of_a_cell,
        (STEP, H),
        lambda cell, x, h, **arguments: cell(x, [h], **arguments),
    ),
    "LSTMCell": Case(
        units,
        of_an_lstm_cell,
        (STEP, H, C),
        lambda cell, x, h, c, **arguments: cell(x, [h, c], **arguments),
    ),
    "GRUCell": Case(
        units,
        of_a_gru_cell,
        (STEP, H),
        lambda cell, x, h, **arguments: cell(x, [h], **arguments),
    ),
    "LayerNormSimpleRNNCell": Case(
        units,
        of_a_norm_simple_cell,
        (STEP, H),
        lambda cell, x, h, **arguments: cell(x, [h], **arguments),
    ),
    "NASCell": Case(
        units,
        of_a_nas_cell,
        (STEP, H, C),
        lambda cell, x, h, c, **arguments: cell(x, [h, c], **arguments),
    ),
    "StackedRNNCells": Case(
        lambda: {"cells": [zoo.layers.LSTMCell(UNITS, seed=3, dropout=0.5)]},
        dict,
        (STEP, H, C),
        lambda cell, x, h, c, **arguments: cell(x, [[h, c]], **arguments),
    ),
    "MinGRUCell": Case(
        units,
        of_a_minimal_cell,
        (STEP, H),
        lambda cell, x, h, **arguments: cell(x, [h], **arguments),
    ),
    "MinLSTMCell": Case(
        units,
        of_a_minimal_cell,
        (STEP, H),
        lambda cell, x, h, **arguments: cell(x, [h], **arguments),
    ),
    "ResidualCell": Case(
        lambda: {"cell": zoo.layers.LSTMCell(UNITS, seed=3, dropout=0.5)},
        dict,
        (QUERY[:, 0], H, C),
        lambda cell, x, h, c, **arguments: cell(x, [h, c], **arguments),
    ),
    "HighwayCell": Case(
        lambda: {"cell": zoo.layers.LSTMCell(UNITS, seed=3, dropout=0.5)},
        lambda: {"initial_bias": -2.0, "kernel_initializer": "he_normal"},
        (QUERY[:, 0], H, C),
        lambda cell, x, h, c, **arguments: cell(x, [h, c], **arguments),
    ),
    "SimpleRNN": Case(
        units,
        lambda: {
            **of_a_layer(),
            **of_a_cell(),
            **base_arguments(),
        },
        (X,),
        mask=("mask", 0),
    ),
    "LSTM": Case(
        units,
        lambda: {
            **of_a_layer(),
            **of_an_lstm_cell(),
            **base_arguments(),
            "return_gates": True,
        },
        (X,),
        mask=("mask", 0),
    ),
    "GRU": Case(
        units,
        lambda: {
            **of_a_layer(),
            **of_a_gru_cell(),
            **base_arguments(),
        },
        (X,),
        mask=("mask", 0),
    ),
    "LayerNormSimpleRNN": Case(
        units,
        lambda: {
            **of_a_layer(),
            **of_a_norm_simple_cell(),
            **base_arguments(),
        },
        (X,),
        mask=("mask", 0),
    ),
    "NAS": Case(
        units,
        lambda: {
            **of_a_layer(),
            **of_a_nas_cell(),
            **base_arguments(),
        },
        (X,),
        mask=("mask", 0),
    ),
    "MinGRU": Case(
        units,
        lambda: {
            **of_a_layer(),
            **of_a_minimal_cell(),
            **base_arguments(),
        },
        (X,),
        mask=("mask", 0),
    ),
    "MinLSTM": Case(
        units,
        lambda: {
            **of_a_layer(),
            **of_a_minimal_cell(),
            **base_arguments(),
        },
        (X,),
        mask=("mask", 0),
    ),
    "RNN": Case(
        lambda: {"cell": zoo.layers.LSTMCell(UNITS, seed=3, dropout=0.5)},
        of_a_layer,
        (X,),
        mask=("mask", 0),
    ),
    "Bidirectional": Case(
        lambda: {
            "layer": zoo.layers.LSTM(UNITS, return_sequences=True, seed=3)
        },
        lambda: {
            "merge_mode": "sum",
            "backward_layer": zoo.layers.SimpleRNN(
                UNITS,
                return_sequences=True,
                go_backwards=True,
                seed=3,
                dropout=0.5,
            ),
        },
        (X,),
        mask=("mask", 0),
    ),
    "BahdanauAttention": Case(
        units,
        lambda: {
            "normalize": True,
            "probability": "hardmax",
            "kernel_initializer": "he_normal",
        },
        (QUERY, MEMORY),
        mask=("mask", 1),
    ),
    "LuongAttention": Case(
        dict,
        lambda: {
            "units": UNITS,
            "score": "location",
            "scale": True,
            "probability": "sparsemax",
            "kernel_initializer": "he_normal",
            "max_source_length": 9,
        },
        (QUERY, MEMORY),
        mask=("mask", 1),
    ),
    "BahdanauMonotonicAttention": Case(
        units,
        lambda: {**of_monotonic_attention(), "normalize": True},
        (QUERY, MEMORY),
        mask=("mask", 1),
        refused=("probability",),
    ),
    "LuongMonotonicAttention": Case(
        dict,
        lambda: {
            **of_monotonic_attention(),
            "units": UNITS,
            "score": "location",
            "scale": True,
            "max_source_length": 9,
        },
        (QUERY, MEMORY),
        mask=("mask", 1),
        refused=("probability",),
    ),
    "CoverageAttention": Case(
        units,
        lambda: {
            "normalize": True,
            "probability": "sparsemax",
            "kernel_initializer": "he_normal",
        },
        (QUERY, MEMORY),
        mask=("mask", 1),
    ),
    "LocalAttention": Case(
        lambda: {"position": "predictive"},
        lambda: {
            "window": 2,
            "position_units": 8,
            "units": UNITS,
            "score": "location",
            "scale": True,
            "probability": "sparsemax",
            "kernel_initializer": "he_normal",
            "max_source_length": 9,
        },
        (QUERY, MEMORY),
        mask=("mask", 1),
    ),
    "LexicalChoice": Case(
        dict,
        lambda: {"use_bias": False, "kernel_initializer": "he_normal"},
        (ALIGNMENTS, MEMORY),
    ),
    "NgramEmbedding": Case(
        lambda: {"buckets": 10, "output_dim": UNITS},
        lambda: {"n": 3, "embeddings_initializer": "he_normal"},
        (TOKEN_IDS,),
    ),
    "FixedNormEmbedding": Case(
        lambda: {"input_dim": 9, "output_dim": FEATURES},
        lambda: {},
        (X,),
        lambda layer, x, **arguments: layer(x, reverse=True, **arguments),
    ),
    "AttentionCell": Case(
        lambda: {
            "cell": zoo.layers.LSTMCell(UNITS, seed=3, dropout=0.5),
            "attention": zoo.layers.LuongAttention(scale=True),
        },
        lambda: {
            "attention_units": 8,
            "attention_activation": "tanh",
            "use_bias": True,
            "input_feeding": False,
            "query": "before",
            "output": "cell",
            "attention_function": attend_gently,
        },
        (STEP, MEMORY, H),
        one_step,
        excluding=("attention_layer", "input_function"),
    ),
    "GNMTCell": Case(
        lambda: {
            "cells": [
                zoo.layers.SimpleRNNCell(UNITS, seed=3, dropout=0.5),
                zoo.layers.SimpleRNNCell(UNITS, seed=4, dropout=0.5),
            ],
            "attention": zoo.layers.LuongAttention(scale=True),
        },
        lambda: {
            "query": "after",
            "residual_from": 2,
            "attention_function": attend_gently,
        },
        (STEP, MEMORY, H),
        one_step,
    ),
    "AttentionDecoder": Case(
        lambda: {
            "attention_cell": zoo.layers.AttentionCell(
                zoo.layers.LSTMCell(UNITS, seed=3, dropout=0.5),
                zoo.layers.BahdanauAttention(8, normalize=True),
                attention_units=9,
                use_bias=True,
            )
        },
        lambda: {"output_layer": keras.layers.Dense(8)},
        (X, MEMORY),
        mask=("memory_mask", 1),
    ),
    "ScheduledEmbeddingDecoder": Case(
        lambda: {
            "attention_cell": zoo.layers.AttentionCell(
                zoo.layers.LSTMCell(UNITS, seed=3, dropout=0.5),
                zoo.layers.LuongAttention(scale=True),
            ),
            "embedding": keras.layers.Embedding(BATCH * TIME, FEATURES),
            "output_layer": keras.layers.Dense(BATCH * TIME),
        },
        lambda: {"sampling_probability": 0.5, "seed": 3},
        (TOKEN_IDS, MEMORY),
        mask=("memory_mask", 1),
    ),
    "ScheduledOutputDecoder": Case(
        lambda: {
            "attention_cell": zoo.layers.AttentionCell(
                zoo.layers.LSTMCell(UNITS, seed=3, dropout=0.5),
                zoo.layers.LuongAttention(scale=True),
                attention_units=FEATURES,
            ),
        },
        lambda: {
            "output_layer": keras.layers.Dense(8),
            "next_inputs_function": keras.layers.Dense(FEATURES),
            "sampling_probability": 0.5,
            "seed": 3,
        },
        (X, MEMORY),
        mask=("memory_mask", 1),
    ),
}
every_layer = pytest.mark.parametrize("name", CASES)


def arguments_of(layer_class):
    """Every argument of the constructor, those behind **kwargs included."""
    found = {}
    for base in layer_class.__mro__:
        if not base.__module__.startswith("zoo.") or base is object:
            continue
        if "__init__" not in vars(base):
            continue
        found.update(
            (name, None)
            for name, parameter in inspect.signature(
                vars(base)["__init__"]
            ).parameters.items()
            if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
            and name != "self"
        )
        cell_class = getattr(layer_class, "cell_class", None)
        if cell_class is not None:
            # **kwargs go to the cell, not to the base class.
            return set(found) | arguments_of(cell_class)
    return set(found)


def make(name, others=False):
    """A layer of a case with its required arguments, or with all of them."""
    case = CASES[name]
    arguments = case.required()
    if others:
        arguments |= {**base_arguments(), **case.others()}
    return getattr(zoo.layers, name)(**arguments)


def call(name, layer, *inputs, **arguments):
    """All tensors that a layer returns, from a fresh state on."""
    if hasattr(layer, "reset_state"):
        layer.reset_state()
    outputs = CASES[name].call(layer, *inputs, **arguments)
    return [tf.convert_to_tensor(x) for x in keras.tree.flatten(outputs)]


def copy_of(layer):
    """What becomes of a layer on its way through a file of JSON."""
    config = json.dumps(keras.saving.serialize_keras_object(layer))
    return keras.saving.deserialize_keras_object(json.loads(config))


def assert_equal(given, expected, tolerance=0):
    assert len(given) == len(expected) > 0
    for x, y in zip(given, expected, strict=True):
        assert x.dtype == y.dtype
        x, y = tf.cast(x, "float64"), tf.cast(y, "float64")
        np.testing.assert_allclose(x, y, atol=tolerance, rtol=tolerance)


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
    usual = make(name).get_config()
    # Layers within the layer shall compute in the same dtype.
    keras.config.set_dtype_policy("float64")
    layer = make(name, others=True)
    keras.config.set_dtype_policy("float32")
    config = layer.get_config()
    for argument in {**CASES[name].others(), **base_arguments()}:
        assert config[argument] != usual.get(argument), argument
    copy = copy_of(layer)
    assert copy.get_config() == config
    # That a config is equal does not show that the layer is.
    inputs = [
        tf.cast(x, "float64") if x.dtype.kind == "f" else x
        for x in CASES[name].inputs
    ]
    call(name, layer, *inputs)
    call(name, copy, *inputs)
    copy.set_weights(layer.get_weights())
    for training in (False, True, True):
        expected = call(name, layer, *inputs, **training_of(layer, training))
        given = call(name, copy, *inputs, **training_of(copy, training))
        assert_equal(given, expected, tolerance=1e-12)
        np.testing.assert_allclose(
            sum(copy.losses), sum(layer.losses), rtol=1e-12
        )
    assert copy.dtype_policy.name == "float64"
    assert not copy.trainable_weights
    for weight, original in zip(copy.weights, layer.weights, strict=True):
        assert type(weight.constraint) is type(original.constraint)
        assert weight.name == original.name


def training_of(layer, training):
    takes_it = "training" in inspect.signature(layer.call).parameters
    return {"training": training} if takes_it else {}


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
        assert output.dtype == policy.removeprefix("mixed_")
        assert np.all(np.isfinite(tf.cast(output, "float32")))
    assert {weight.dtype for weight in layer.trainable_weights} <= {"float32"}


@every_layer
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_gradients_reach_every_weight_and_every_input(name, policy):
    keras.config.set_dtype_policy(policy)
    layer = make(name)
    inputs = [tf.constant(x) for x in CASES[name].inputs]
    call(name, layer, *inputs)
    layer.set_weights([draw(*x.shape) / 2 for x in layer.get_weights()])
    weights = [weight.value for weight in layer.trainable_weights]
    with tf.GradientTape() as tape:
        real = [x for x in inputs if x.dtype.is_floating]
        tape.watch([*real, *weights])
        loss = tf.add_n(
            [
                tf.reduce_sum(tf.cast(y, "float32") * draw(*y.shape))
                for y in call(name, layer, *inputs)
            ]
        )
    gradients = tape.gradient(loss, [*real, *weights])
    paths = [f"input {i}" for i in range(len(real))]
    paths += [weight.path for weight in layer.trainable_weights]
    for path, gradient in zip(paths, gradients, strict=True):
        assert gradient is not None, path
        gradient = tf.convert_to_tensor(gradient)
        assert np.all(np.isfinite(gradient)), path
        assert np.any(gradient), path


@pytest.mark.parametrize("name", [n for n, case in CASES.items() if case.mask])
@pytest.mark.parametrize("filling", [0.0, 100.0, np.nan])
def test_what_padding_holds_changes_nothing(name, filling):
    argument, index = CASES[name].mask
    mask = (TIME_MASK, SOURCE_MASK)[index]
    layer = make(name)
    inputs = list(CASES[name].inputs)
    expected = call(name, layer, *inputs, **{argument: mask})
    assert all(np.all(np.isfinite(x)) for x in expected)
    inputs[index] = np.where(
        mask[..., None], inputs[index], np.float32(filling)
    )
    assert_equal(call(name, layer, *inputs, **{argument: mask}), expected)
    inputs = [tf.constant(x) for x in inputs]
    weights = [weight.value for weight in layer.trainable_weights]
    with tf.GradientTape() as tape:
        tape.watch([*inputs, *weights])
        loss = tf.add_n(
            [
                tf.reduce_sum(y)
                for y in call(name, layer, *inputs, **{argument: mask})
            ]
        )
    gradients = [
        None if x is None else tf.convert_to_tensor(x)
        for x in tape.gradient(loss, [*inputs, *weights])
    ]
    assert all(x is None or np.all(np.isfinite(x)) for x in gradients)
    assert not np.any(gradients[index][~mask])
