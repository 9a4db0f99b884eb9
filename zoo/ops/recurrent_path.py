"""Which implementation a recurrence takes."""

import keras
from keras import ops


def recurrent_path(activation, recurrent_activation=None, lacking=()):
    """Whether a gradient derived by hand serves, and why or why not.

    Args:
        activation: Function of the candidate.
        recurrent_activation: Function of the gates, or `None` without gates.
        lacking: Sequence of what else speaks against it.

    Returns:
        Tuple of the path's name, `"bptt"` or `"loop"`, and the reason.
    """
    if not _is_function(activation, "tanh"):
        return "loop", "activation is not tanh"
    functions = "tanh"
    if recurrent_activation is not None:
        if not _is_function(recurrent_activation, "sigmoid"):
            return "loop", "recurrent_activation is not sigmoid"
        functions = "tanh and sigmoid"
    if lacking:
        return "loop", lacking[0]
    if keras.config.backend() != "tensorflow":
        return "loop", "the hand-derived gradient is TensorFlow's alone"
    return "bptt", f"hand-derived gradient: {functions} on TensorFlow"


def choose_path(path, default, reason, says):
    """The path to take: the one insisted on, or the default.

    Args:
        path: `"loop"`, `"bptt"` or `None`.
        default: The path that is taken by default.
        reason: Why.
        says: Name of the function that says so, for the message.

    Returns:
        `"loop"` or `"bptt"`.

    Raises:
        ValueError: If `path` is not possible.
    """
    path = path or default
    if path not in ("loop", default):
        expected = " or ".join(map(repr, sorted({"loop", default})))
        raise ValueError(
            f"Expected `path` to be {expected} ({reason}), got {path!r}. See "
            f"`zoo.ops.{says}`."
        )
    return path


def _is_function(function, name):
    """Whether `function` is the one that Keras knows as `name`."""
    return function in (getattr(ops, name), keras.activations.get(name))
