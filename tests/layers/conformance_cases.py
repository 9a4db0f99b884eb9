"""The table of cases that the conformance tests walk, one a public layer.

A new public layer needs one entry in `CASES`, made by `cell_case`,
`layer_case` or `attention_case` if it is one of these.
"""

import inspect
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np

import zoo.layers

BATCH, TIME, FEATURES, SOURCE, DEPTH, UNITS = 3, 4, 2, 6, 7, 5

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
MASKS = TIME_MASK, SOURCE_MASK  # by the index of the input


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
        by_steps: `by_steps(layer, *inputs)` makes of single steps what `call`
            returns; `None` for a layer that does not go step by step.
        whole: Arguments of `__init__` that return all that `by_steps` does.
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
    by_steps: Callable | None = None
    whole: dict = {}


def cell_case(required, others, states, inputs=STEP):
    """Case of a cell whose state is a list of such arrays."""
    return Case(
        required,
        others,
        (inputs, *states),
        lambda cell, x, *states, **arguments: cell(
            x, cell_state(cell, states), **arguments
        ),
    )


def layer_case(required, others, inputs=X):
    """Case of a layer that runs a cell, its `cell`, over sequences."""
    return Case(
        required,
        lambda: {**of_a_layer(), **others()},
        (inputs,),
        mask=("mask", 0),
        by_steps=lambda layer, x: cell_by_steps(layer.cell, x),
        whole={"return_sequences": True, "return_state": True},
    )


def attention_case(required, others, refused=()):
    """Case of an attention mechanism."""
    return Case(
        required,
        others,
        (QUERY, MEMORY),
        mask=("mask", 1),
        refused=refused,
        by_steps=attention_by_steps,
    )


def cell_state(cell, states):
    """Tensors in the nesting of a cell's state."""
    nested = cell.get_initial_state(batch_size=1)
    return keras.tree.pack_sequence_as(nested, list(states))


def cell_by_steps(cell, x):
    state = cell.get_initial_state(batch_size=len(x))
    outputs = []
    for t in range(x.shape[1]):
        output, state = cell(x[:, t], state)
        outputs.append(output)
    return keras.ops.stack(outputs, axis=1), *keras.tree.flatten(state)


def attention_by_steps(layer, query, memory):
    keys = layer.project(keras.ops.convert_to_tensor(memory))
    state = layer.get_initial_state(len(query), memory)
    results = []
    for t in range(query.shape[1]):
        *result, state = layer.attend(query[:, t], keys, memory, state=state)
        results.append(result)
    return [keras.ops.stack(x, axis=1) for x in zip(*results, strict=True)]


def decoder_by_steps(decoder, x, memory):
    memory = keras.ops.convert_to_tensor(memory)
    keys = decoder.project(memory)
    state = decoder.get_initial_state(len(x), memory)
    results = []
    for t in range(x.shape[1]):
        result, state = decoder.step(x[:, t], state, memory, keys)
        results.append(result)
    outputs, alignments = (
        keras.ops.stack(x, axis=1) for x in zip(*results, strict=True)
    )
    return outputs, alignments, state


def choice_by_steps(layer, alignments, memory):
    words = [
        layer(alignments[:, t], memory) for t in range(alignments.shape[1])
    ]
    return keras.ops.stack(words, axis=1)


@keras.saving.register_keras_serializable(package="tests")
def attend_gently(mechanism, query, *arguments):
    return mechanism.attend(query / 2, *arguments)


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


def of_a_mogrifier_cell():
    return {**of_an_lstm_cell(), "rounds": 3, "rank": 4}


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


def an_lstm_cell():
    return zoo.layers.LSTMCell(UNITS, seed=3, dropout=0.5)


def residual_cell():
    return zoo.layers.ResidualCell(zoo.layers.LSTMCell(UNITS))


def a_deep_stack():
    highway = zoo.layers.HighwayCell(zoo.layers.GRUCell(UNITS))
    return zoo.layers.StackedRNNCells(
        [an_lstm_cell(), residual_cell(), highway]
    )


CASES = {
    "SimpleRNNCell": cell_case(units, of_a_cell, [H]),
    "LSTMCell": cell_case(units, of_an_lstm_cell, [H, C]),
    "MogrifierLSTMCell": cell_case(units, of_a_mogrifier_cell, [H, C]),
    "GRUCell": cell_case(units, of_a_gru_cell, [H]),
    "LayerNormSimpleRNNCell": cell_case(units, of_a_norm_simple_cell, [H]),
    "NASCell": cell_case(units, of_a_nas_cell, [H, C]),
    "MinGRUCell": cell_case(units, of_a_minimal_cell, [H]),
    "MinLSTMCell": cell_case(units, of_a_minimal_cell, [H]),
    "StackedRNNCells": cell_case(
        lambda: {"cells": [an_lstm_cell(), residual_cell()]},
        dict,
        [H, C, C, H],
    ),
    "ResidualCell": cell_case(
        lambda: {"cell": an_lstm_cell()}, dict, [H, C], QUERY[:, 0]
    ),
    "HighwayCell": cell_case(
        lambda: {"cell": an_lstm_cell()},
        lambda: {"initial_bias": -2.0, "kernel_initializer": "he_normal"},
        [H, C],
        QUERY[:, 0],
    ),
    "SimpleRNN": layer_case(units, lambda: {**of_a_cell(), **base_arguments()}),
    "LSTM": layer_case(
        units,
        lambda: {
            **of_an_lstm_cell(),
            **base_arguments(),
            "return_gates": True,
        },
    ),
    "MogrifierLSTM": layer_case(
        units,
        lambda: {
            **of_a_mogrifier_cell(),
            **base_arguments(),
            "return_gates": True,
        },
    ),
    "GRU": layer_case(units, lambda: {**of_a_gru_cell(), **base_arguments()}),
    "LayerNormSimpleRNN": layer_case(
        units, lambda: {**of_a_norm_simple_cell(), **base_arguments()}
    ),
    "NAS": layer_case(units, lambda: {**of_a_nas_cell(), **base_arguments()}),
    "MinGRU": layer_case(
        units, lambda: {**of_a_minimal_cell(), **base_arguments()}
    ),
    "MinLSTM": layer_case(
        units, lambda: {**of_a_minimal_cell(), **base_arguments()}
    ),
    "RNN": layer_case(lambda: {"cell": a_deep_stack()}, dict),
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
    "BahdanauAttention": attention_case(
        units,
        lambda: {
            "normalize": True,
            "probability": "hardmax",
            "kernel_initializer": "he_normal",
        },
    ),
    "LuongAttention": attention_case(
        dict,
        lambda: {
            "units": UNITS,
            "score": "location",
            "scale": True,
            "probability": "sparsemax",
            "kernel_initializer": "he_normal",
            "max_source_length": 9,
        },
    ),
    "BahdanauMonotonicAttention": attention_case(
        units,
        lambda: {**of_monotonic_attention(), "normalize": True},
        refused=("probability",),
    ),
    "LuongMonotonicAttention": attention_case(
        dict,
        lambda: {
            **of_monotonic_attention(),
            "units": UNITS,
            "score": "location",
            "scale": True,
            "max_source_length": 9,
        },
        refused=("probability",),
    ),
    "CoverageAttention": attention_case(
        units,
        lambda: {
            "normalize": True,
            "probability": "sparsemax",
            "kernel_initializer": "he_normal",
        },
    ),
    "LocalAttention": attention_case(
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
    ),
    "LexicalChoice": Case(
        dict,
        lambda: {"use_bias": False, "kernel_initializer": "he_normal"},
        (ALIGNMENTS, MEMORY),
        by_steps=choice_by_steps,
    ),
    "NgramEmbedding": Case(
        lambda: {"buckets": 10, "output_dim": UNITS},
        lambda: {"n": 3, "embeddings_initializer": "he_normal"},
        (TOKEN_IDS,),
    ),
    "BiasedEmbedding": Case(
        lambda: {"input_dim": 9, "output_dim": FEATURES},
        lambda: {
            "output_dim": UNITS,
            "reverse_dim": FEATURES,
            "tie_weights": False,
        },
        (X,),
        lambda layer, x, **arguments: layer(x, reverse=True, **arguments),
    ),
    "ActivationRegularization": Case(
        lambda: {},
        lambda: {"alpha": 2.0, "beta": 0.5},
        (X,),
    ),
    "FixedNormEmbedding": Case(
        lambda: {"input_dim": 9, "output_dim": FEATURES},
        lambda: {},
        (X,),
        lambda layer, x, **arguments: layer(x, reverse=True, **arguments),
    ),
    "AttentionCell": Case(
        lambda: {
            "cell": an_lstm_cell(),
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
                an_lstm_cell(),
                zoo.layers.BahdanauAttention(8, normalize=True),
                attention_units=9,
                use_bias=True,
            )
        },
        lambda: {"output_layer": keras.layers.Dense(8)},
        (X, MEMORY),
        mask=("memory_mask", 1),
        by_steps=decoder_by_steps,
    ),
    "ScheduledEmbeddingDecoder": Case(
        lambda: {
            "attention_cell": zoo.layers.AttentionCell(
                an_lstm_cell(), zoo.layers.LuongAttention(scale=True)
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
                an_lstm_cell(),
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


def make(name, others=False, **arguments):
    """A layer of a case with its required arguments, or with all of them."""
    case = CASES[name]
    values = case.required()
    if others:
        values |= {**base_arguments(), **case.others()}
    return getattr(zoo.layers, name)(**{**values, **arguments})


def call(name, layer, *inputs, **arguments):
    """All tensors that a layer returns, from a fresh state on."""
    if hasattr(layer, "reset_state"):
        layer.reset_state()
    outputs = CASES[name].call(layer, *inputs, **arguments)
    return [keras.ops.convert_to_tensor(x) for x in keras.tree.flatten(outputs)]
