"""What an attention cell carries from step to step."""

from typing import Any
from typing import NamedTuple

import keras
from keras import ops


class AttentionCellState(NamedTuple):
    """State of a `zoo.layers.AttentionCell`.

    Attributes:
        cell: State of the inner cell; for an LSTM `[h, c]`, each of shape
            `(batch_size, units)`.
        attention: Attention of the last step, `(batch_size, attention_size)`,
            or `()` if it is not fed to the cell.
        attention_state: State of the attention mechanism; `()` if it does not
            look back, a list for a list of mechanisms.

    Example:

    >>> import numpy as np
    >>> import zoo
    >>> cell = zoo.layers.AttentionCell(
    ...     zoo.layers.LSTMCell(8), zoo.layers.LuongAttention())
    >>> decoder = zoo.layers.AttentionDecoder(cell)
    >>> x, memory = np.ones((2, 3, 4)), np.ones((2, 5, 6))
    >>> outputs, alignments, state = decoder(x, memory)
    >>> h, c = state.cell
    >>> tuple(h.shape), tuple(state.attention.shape), state.attention_state
    ((2, 8), (2, 6), ())
    """

    cell: Any
    attention: Any
    attention_state: Any


def output_part(state):
    """The cell's output in its state: the first tensor, of the last cell.

    Args:
        state: State of a cell, `[h, c]` or `[h]`, or a list of such states
            for stacked cells; or a `state_size` in one of these forms.

    Returns:
        The tensor, or the size, of the output.

    Example:

    >>> output_part([["h1", "c1"], ["h2", "c2"]])
    'h2'
    """
    while keras.tree.is_nested(state):
        last = state[-1]
        state = last if keras.tree.is_nested(last) else state[0]
    return state


def pack_state(state, structure):
    """Gives a state the structure and dtypes of another one.

    Args:
        state: Nest of tensors.
        structure: Nest of as many tensors of the same widths.

    Returns:
        The tensors of `state` in the structure of `structure`.

    Raises:
        ValueError: If the numbers of tensors or their widths differ.
    """
    given = keras.tree.flatten(state)
    expected = keras.tree.flatten(structure)
    # of a number for each row there is none
    given_widths, expected_widths = (
        [x.shape[-1] if len(x.shape) > 1 else None for x in tensors]
        for tensors in (given, expected)
    )
    if given_widths != expected_widths:
        raise ValueError(
            "Expected a state with tensors of widths "
            f"{expected_widths}, got {given_widths}. Its structure is that of "
            "`cell.get_initial_state(batch_size)`."
        )
    return keras.tree.pack_sequence_as(
        structure,
        [ops.cast(x, y.dtype) for x, y in zip(given, expected, strict=True)],
    )


def same_nesting(state, structure):
    """Whether two nests are alike, lists and tuples being the same."""

    def nesting(nest):
        if not keras.tree.is_nested(nest):
            return None
        return tuple(nesting(part) for part in nest)

    return nesting(state) == nesting(structure)
