"""Checks of what the caller of a search passes."""

import math
import numbers

import keras
from keras import ops


def check_integer(name, value, minimum, remedy):
    """Raises unless `value` is a Python integer of at least `minimum`."""
    expected = f"`{name}` must be an integer of at least {minimum}"
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(
            f"{expected}, got {value!r} of type {type(value).__name__}. "
            f"{remedy}"
        )
    if value < minimum:
        raise ValueError(f"{expected}, got {value}. {remedy}")


def check_weight(name, value, remedy):
    """Raises unless `value` is a finite Python number of at least 0."""
    expected = f"`{name}` must be a finite number of at least 0"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(
            f"{expected}, got {value!r} of type {type(value).__name__}. "
            f"{remedy}"
        )
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{expected}, got {value}. {remedy}")


def check_options(
    max_length, end_id, length_penalty, coverage_penalty, min_length, pad_id
):
    """Checks the options that every search has; returns the padding id."""
    check_integer(
        "max_length", max_length, 1, "It counts tokens, end token included."
    )
    check_integer(
        "min_length",
        min_length,
        0,
        "It counts tokens, end token included; pass 0 for no minimum.",
    )
    if min_length > max_length:
        raise ValueError(
            "`min_length` must not be above `max_length`, got "
            f"min_length={min_length} and max_length={max_length}. Lower the "
            "one or raise the other."
        )
    check_integer("end_id", end_id, 0, "Pass the id of the end token.")
    check_weight(
        "length_penalty",
        length_penalty,
        "Pass 0 for none; 0.6 to 1 is usual, more favours longer outputs.",
    )
    check_weight(
        "coverage_penalty",
        coverage_penalty,
        "Pass 0 for none; 0.2 is usual, more favours full coverage.",
    )
    if pad_id is None:
        return end_id
    check_integer(
        "pad_id", pad_id, 0, "Leave it out to pad with the end token."
    )
    return pad_id


def check_tokens(initial_tokens):
    """Returns the start tokens as an int32 tensor of rank 1."""
    tokens = ops.convert_to_tensor(initial_tokens)
    if ops.ndim(tokens) != 1:
        raise ValueError(
            "`initial_tokens` must have rank 1, one start token for each "
            f"sentence: [batch]; got shape {tuple(tokens.shape)}. Pass one "
            "row per sentence, not one per beam."
        )
    dtype = keras.backend.standardize_dtype(tokens.dtype)
    if "int" not in dtype:
        raise TypeError(
            "`initial_tokens` must be integer token ids, got dtype "
            f"{dtype}. Cast them to int32."
        )
    return ops.cast(tokens, "int32")


def check_memory_mask(memory_mask):
    """Returns the mask as a bool tensor of rank 2, or `None`."""
    if memory_mask is None:
        return None
    mask = ops.convert_to_tensor(memory_mask)
    if ops.ndim(mask) != 2:
        raise ValueError(
            "`memory_mask` must have rank 2, [batch, source positions], got "
            f"shape {tuple(mask.shape)}. Pass one row per sentence, not one "
            "per beam."
        )
    return ops.cast(mask, "bool")


def check_state(initial_state, batch_size):
    """Returns the leaves of the state as tensors with a batch axis."""
    leaves = []
    for path, leaf in keras.tree.flatten_with_path(initial_state):
        name = "initial_state" + "".join(f"[{key!r}]" for key in path)
        if leaf is None:
            raise ValueError(
                f"`{name}` must be a tensor, got None. Leave out of the state "
                "what does not change from step to step: the step function "
                "can close over it."
            )
        leaf = ops.convert_to_tensor(leaf)
        if ops.ndim(leaf) == 0 or (
            None not in (batch_size, leaf.shape[0])
            and leaf.shape[0] != batch_size
        ):
            raise ValueError(
                f"`{name}` must have shape [batch, ...] with the batch of "
                f"`initial_tokens` ({batch_size}), got shape "
                f"{tuple(leaf.shape)}. Pass one row per sentence, not one per "
                "beam; what all sentences share belongs into the step "
                "function."
            )
        leaves.append(leaf)
    return leaves
