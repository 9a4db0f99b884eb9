"""TensorFlow: a loop that counts, and arrays that it reads and writes."""

import tensorflow as tf


def time_of(x):
    """Size of the first axis, an integer where it is known.

    Known, it becomes part of the shape of what the loop puts out.
    """
    return tf.shape(x)[0] if x.shape[0] is None else x.shape[0]


def empty_array(size, dtype, element_shape):
    """An array to be written once a step."""
    return tf.TensorArray(
        dtype, size, element_shape=element_shape, clear_after_read=False
    )


def array_of(x, size):
    """A time-major tensor as an array to be read once a step."""
    return empty_array(size, x.dtype, x.shape[1:]).unstack(x)


def loop(time, body, variables):
    """`body(count, *variables)` for `count` from 0 to `time - 1`.

    Args:
        time: Number of rounds.
        body: Callable that returns `(count + 1, *variables)`.
        variables: Sequence of nests of tensors and arrays.

    Returns:
        The variables after the last round.
    """
    _, *variables = tf.while_loop(
        lambda count, *_: count < time,
        body,
        (tf.constant(0), *variables),
        maximum_iterations=time,
    )
    return variables
