"""Checks of what an attention cell is given, and the call of its layers."""

import keras
from keras import ops

from zoo.layers.recurrent_cell import check_units


def check_attention_units(units, count):
    """Raises `ValueError` unless `attention_units` fits the mechanisms."""
    several = isinstance(units, list | tuple)
    if several and len(units) != count:
        raise ValueError(
            "Expected `attention_units` to be one width, or a list with one "
            f"for each of {count} mechanisms, got {units!r}."
        )
    for width in units if several else [units]:
        if several or width is not None:
            check_units(width, "attention_units")


def check_attention_layer(layer, count, units):
    """Raises `ValueError` unless `attention_layer` fits the mechanisms."""
    if layer is None:
        return
    if units is not None:
        raise ValueError(
            "Expected one of `attention_units` and `attention_layer`, got "
            f"{units!r} and {layer!r}. A layer brings its width with it."
        )
    layers = layer if isinstance(layer, list | tuple) else [layer]
    good = all(isinstance(x, keras.layers.Layer) for x in layers)
    if not good or len(layers) != count:
        raise ValueError(
            "Expected `attention_layer` to be a Keras layer, or a list with "
            f"one for each of {count} mechanisms, got {layer!r}."
        )


def check_input_function(function, input_feeding):
    """Raises `ValueError` unless `input_function` has a use."""
    if not callable(function):
        raise ValueError(
            "Expected `input_function` to be a Keras layer or a function "
            f"(inputs, attention) -> inputs, got {function!r}."
        )
    if not input_feeding:
        raise ValueError(
            "Expected `input_feeding=True` with an `input_function`, got "
            "False: nothing is fed that it could join with the inputs. Leave "
            "out the one or the other."
        )


def check_choice(name, value, choices):
    """Raises `ValueError` unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(
            f"Expected `{name}` to be one of "
            f"{', '.join(map(repr, choices))}, got {value!r}."
        )


def call_by_rows(layer, x):
    """Calls a layer that knows `(rows, depth)` with `(..., depth)`.

    Without input feeding all steps go through it at once; a
    `keras.Sequential`, for one, takes the rank that it was built for only.
    """
    if len(x.shape) == 2:
        return layer(x)
    y = layer(ops.reshape(x, (-1, x.shape[-1])))
    return ops.reshape(y, (*ops.shape(x)[:-1], y.shape[-1]))
