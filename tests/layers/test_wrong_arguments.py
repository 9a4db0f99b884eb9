"""Every argument of every public layer refuses what it cannot be."""

import re

import pytest

import zoo.layers
from tests.layers.conformance_cases import CASES
from tests.layers.conformance_cases import arguments_of

# What Keras looks up by name, and refuses with "Could not interpret".
LOOKED_UP = re.compile(r"activation|.*_(activation|initializer|constraint)$")
REGULARIZER = re.compile(r".*_regularizer$")
OF_KERAS = {"name", "dtype", "trainable"}
# `cells`: each entry is looked at, a list is not a cell.
NO_CELL = ("an LSTM", 3, None, zoo.layers.LSTMCell)
NO_COUNT = (0, -1, 2.5, True, "3")
NO_FRACTION = (-0.1, 1, 7, True, "0.5", None, float("nan"))
NO_FLAG = ("no", 2, None, 0.5)
WRONG = {
    "units": NO_COUNT,
    "projection": NO_COUNT,
    "attention_units": NO_COUNT,
    "position_units": NO_COUNT,
    "window": (*NO_COUNT, None),
    "max_source_length": NO_COUNT,
    "rounds": (-1, 2.5, True, "3", None),
    "rank": NO_COUNT,
    "buckets": (*NO_COUNT, None, 1),
    "input_dim": (*NO_COUNT, None),
    "output_dim": (*NO_COUNT, None),
    "reverse_dim": NO_COUNT,
    "n": (*NO_COUNT, None),
    "dropout": NO_FRACTION,
    "recurrent_dropout": NO_FRACTION,
    "zoneout_h": NO_FRACTION,
    "zoneout_c": NO_FRACTION,
    "weight_drop": NO_FRACTION,
    "norm_epsilon": (0, -1e-3, True, "1e-3", None, float("inf")),
    "sigmoid_noise": (-1, True, "1", None, float("nan")),
    "alpha": (-1, True, "1", None, float("nan")),
    "beta": (-1, True, "1", None, float("inf")),
    "initial_bias": (True, "-1", None),
    "seed": ("x", 2.5, True),
    "use_bias": NO_FLAG,
    "unit_forget_bias": NO_FLAG,
    "peephole": NO_FLAG,
    "layer_normalization": NO_FLAG,
    "reset_after": NO_FLAG,
    "return_sequences": NO_FLAG,
    "return_state": NO_FLAG,
    "return_gates": NO_FLAG,
    "go_backwards": NO_FLAG,
    "stateful": NO_FLAG,
    "normalize": NO_FLAG,
    "scale": NO_FLAG,
    "input_feeding": NO_FLAG,
    "score": ("cosine", None, 3),
    "probability": ("argmax", None, 3),
    "mode": ("soft", None, 3),
    "position": ("global", None, 3),
    "query": ("during", None, 3),
    "output": ("both", None, 3),
    "merge_mode": ("add", 3),
    "cell": NO_CELL,
    "cells": ([], None, ["an LSTM"]),
    "layer": ("an LSTM", 3, None),
    "backward_layer": ("an LSTM", 3),
    "attention": ("Bahdanau", 3, None, []),
    "attention_cell": ("Bahdanau", 3, None),
    "attention_layer": ("Dense", 3, []),
    "attention_function": ("softmax", 3),
    "input_function": ("concatenate", 3),
    "next_inputs_function": ("embed", 3),
    "output_layer": ("Dense", 3),
    "embedding": ("Embedding", 3, None),
    "residual_from": (0, 1, 2.5, True, "3"),
    "sampling_probability": (-0.1, 1.5, True, "0.5", None, float("nan")),
}
ARGUMENTS = [
    (name, argument)
    for name, case in CASES.items()
    for argument in sorted(arguments_of(getattr(zoo.layers, name)))
    if argument not in {*case.refused, *OF_KERAS}
]


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
def test_wrong_argument_is_refused_with_what_to_do(name, argument):
    layer_class, case = getattr(zoo.layers, name), CASES[name]
    looked_up = LOOKED_UP.match(argument) or REGULARIZER.match(argument)
    # A new argument needs a line in the table.
    for value in ("nonsense", 3) if looked_up else WRONG[argument]:
        # "location" is the score that takes the length, for instance.
        arguments = {**case.required(), **case.others(), argument: value}
        with pytest.raises((ValueError, TypeError)) as raised:
            layer_class(**arguments)
        message = str(raised.value)
        if looked_up:
            assert message.startswith("Could not interpret"), message
            continue
        assert re.match("Expected .*got .*[.)]$", message, re.DOTALL), message
        assert f"`{argument}`" in message, message
