"""TensorFlow: the recurrent loop, and gradients derived by hand."""

import keras
import tensorflow as tf

from zoo.ops._tensorflow_bptt import bptt
from zoo.ops._tensorflow_loop import array_of
from zoo.ops._tensorflow_loop import empty_array
from zoo.ops._tensorflow_loop import loop
from zoo.ops._tensorflow_loop import time_of

__all__ = ["bptt", "gradient", "scan"]


def scan(step, inputs, state, reverse):
    """Runs `step` over time-major `inputs` in a `tf.while_loop`.

    Args:
        step: Callable `step(inputs_t, state) -> (outputs_t, state)`.
        inputs: Nest of tensors of shape `(time, batch_size, ...)`.
        state: Nest of tensors.
        reverse: If true, runs from the last step to the first.

    Returns:
        Tuple of the outputs, a nest of `(time, batch_size, ...)` in the order
        of the inputs, and the last state.
    """
    flat_inputs = keras.tree.flatten(inputs)
    flat_state = keras.tree.flatten(state)
    time = time_of(flat_inputs[0])
    step_inputs = keras.tree.map_structure(lambda x: x[0], inputs)
    output_specs = _output_specs(step, step_inputs, state)
    sources = [array_of(x, time) for x in flat_inputs]
    targets = [
        empty_array(time, spec.dtype, spec.shape)
        for spec in keras.tree.flatten(output_specs)
    ]

    def body(count, flat_state, targets):
        t = time - 1 - count if reverse else count
        outputs_t, new_state = step(
            keras.tree.pack_sequence_as(inputs, [x.read(t) for x in sources]),
            keras.tree.pack_sequence_as(state, flat_state),
        )
        targets = [
            array.write(t, x)
            for array, x in zip(
                targets, keras.tree.flatten(outputs_t), strict=True
            )
        ]
        return count + 1, keras.tree.flatten(new_state), targets

    flat_state, targets = loop(time, body, [flat_state, targets])
    outputs = keras.tree.pack_sequence_as(
        output_specs, [array.stack() for array in targets]
    )
    return outputs, keras.tree.pack_sequence_as(state, flat_state)


def top_k(x, k):
    """The `k` largest of each row, of equal ones the first before the others.

    Args:
        x: Tensor of shape `(..., size)`.
        k: Number of values, at most `size`.

    Returns:
        Tuple of values and int32 indices, `(..., k)`, the largest first.
    """
    return keras.ops.top_k(x, k)


def gradient(function, x):
    """Gradient of a scalar function, by the backend's differentiation.

    Args:
        function: Callable `function(x)` that returns a scalar tensor.
        x: Float tensor.

    Returns:
        Tensor of the shape and dtype of `x`, or `None` where nothing depends
        on it.
    """
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
    return tape.gradient(value, x)


def _output_specs(step, inputs, state):
    """Structure, shapes and dtypes of a step's outputs, without running it."""

    def spec(x):
        return tf.TensorSpec(x.shape, x.dtype)

    flat = [spec(x) for x in keras.tree.flatten((inputs, state))]

    def outputs_of(*flat):
        return step(*keras.tree.pack_sequence_as((inputs, state), flat))[0]

    traced = tf.function(outputs_of, autograph=False)
    traced = traced.get_concrete_function(*flat).structured_outputs
    return keras.tree.map_structure(spec, traced)
