"""Any cell, of the zoo or of Keras, within a layer that runs it."""

import functools
import inspect

import keras
from keras import ops

from zoo.layers.attention_cell_state import output_part
from zoo.layers.attention_cell_state import pack_state
from zoo.ops.recurrent import unroll


def check_cell(cell):
    """Raises `ValueError` unless a cell can run in a loop of the zoo."""
    given = getattr(cell, "get_initial_state", None)
    if not callable(given) or isinstance(cell, type):
        raise ValueError(
            "Expected `cell` to have `get_initial_state(batch_size)` and "
            f"`call(inputs, state)`, got {cell!r}. Give a cell such as "
            "`zoo.layers.LSTMCell(units)`, or a `StackedRNNCells`."
        )
    for part in getattr(cell, "cells", [cell]):
        stores_masks = hasattr(part, "reset_dropout_mask")
        if stores_masks and (part.dropout or part.recurrent_dropout):
            raise ValueError(
                f"Expected a cell without dropout, got {part!r}: cells of "
                "Keras store dropout masks on themselves, which only "
                "`keras.layers.RNN` can handle. Use the cell of that name in "
                "`zoo.layers`."
            )


def call_cell(cell, inputs, state, training=False, masks=None):
    """Runs any cell for one step, in the dtypes of the layer around it.

    Args:
        cell: A cell, of whatever dtype policy.
        inputs: Tensor `(batch_size, features)`, or a nest.
        state: The cell's state.
        training: Whether dropout is on.
        masks: The cell's dropout masks, or `None`.

    Returns:
        Tuple of the output, its real numbers in the dtype of the inputs, and
        the new state, in the structure and the dtypes of `state`.

    Raises:
        ValueError: If the cell returns a state of other widths.
    """
    arguments = {} if masks is None else {"masks": masks}
    if _takes_training(type(cell)):
        arguments["training"] = training
    output, new_state = cell(inputs, state, **arguments)
    output = cast_floats(output, _dtype_of(inputs))
    return output, pack_state(new_state, state)


def unroll_cell(
    cell, inputs, initial_state, mask=None, reverse=False, training=False
):
    """Runs any cell over whole sequences, in the dtypes of the layer around.

    Args:
        cell: A cell. Its own `unroll` is taken where it has one and the
            inputs have its dtype; otherwise it is called step by step.
        inputs: Shape `(batch_size, time, features)`.
        initial_state: The cell's state.
        mask: Boolean, `(batch_size, time)`, true at real steps.
        reverse: If true, runs from the last step to the first.
        training: Whether dropout is on.

    Returns:
        Tuple of the outputs, in the order of the inputs and zero at masked
        steps, and the last state.
    """
    if hasattr(cell, "unroll") and _dtype_of(inputs) == cell.compute_dtype:
        return cell.unroll(
            inputs, initial_state, mask=mask, reverse=reverse, training=training
        )
    masks = None
    if hasattr(cell, "dropout_masks"):  # others may read a nest of inputs
        masks = cell.dropout_masks(
            ops.shape(inputs)[0], inputs.shape[-1], training
        )

    def step(inputs_t, state):
        return call_cell(cell, inputs_t, state, training, masks)

    return unroll(step, inputs, initial_state, mask=mask, reverse=reverse)


def output_size_of(cell):
    """Width of a cell's output."""
    size = getattr(cell, "output_size", None)
    return output_part(cell.state_size) if size is None else size


def masks_of(cell, batch_size, features, training):
    """A cell's dropout masks of one sequence; `None` if it has no such."""
    if not hasattr(cell, "dropout_masks"):
        return None
    return cell.dropout_masks(batch_size, features, training)


def cast_floats(nest, dtype):
    """A nest of tensors, those of real numbers in `dtype`."""

    def cast(x):
        given = keras.backend.standardize_dtype(x.dtype)
        return ops.cast(x, dtype) if keras.backend.is_float_dtype(given) else x

    return keras.tree.map_structure(cast, nest)


@functools.cache
def _takes_training(kind):
    return "training" in inspect.signature(kind.call).parameters


def _dtype_of(inputs):
    return keras.backend.standardize_dtype(keras.tree.flatten(inputs)[0].dtype)
