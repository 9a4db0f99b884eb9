"""Gradients and compilation for tests, on whatever backend Keras runs."""

import keras
import numpy as np
import pytest

BACKEND = keras.config.backend()

# How a function can be run: PyTorch's compiler needs minutes a function.
MODES = {
    "tensorflow": ("eager", "graph", "xla"),
    "jax": ("eager", "xla"),
    "torch": ("eager",),
}[BACKEND]

every_mode = pytest.mark.parametrize("mode", MODES)
tensorflow_only = pytest.mark.skipif(
    BACKEND != "tensorflow", reason="SavedModel and tf.data are TensorFlow's"
)


def numpy_of(x):
    """A tensor as an array, those of half precision as float32."""
    if "float" in keras.backend.standardize_dtype(x.dtype):
        if keras.backend.standardize_dtype(x.dtype) != "float64":
            x = keras.ops.cast(x, "float32")
    return keras.ops.convert_to_numpy(x)


def compiled(function, mode="xla"):
    """`function` of tensors, to be run in one of the `MODES`."""
    if mode not in MODES:
        raise ValueError(f"Expected a mode among {MODES}, got {mode!r}.")
    if mode == "eager":
        return function
    if BACKEND == "jax":
        import jax

        return jax.jit(function)
    import tensorflow as tf

    return tf.function(function, autograph=False, jit_compile=mode == "xla")


def of_any_size(function, arrays, shapes):
    """The result of `function(*arrays)`, traced for `shapes` that hold `None`.

    Only TensorFlow has such traces; elsewhere the function is just called.
    """
    if BACKEND != "tensorflow":
        return function(*arrays)
    import tensorflow as tf

    specs = [
        tf.TensorSpec(shape, x.dtype)
        for x, shape in zip(arrays, shapes, strict=True)
    ]
    traced = tf.function(function, input_signature=specs, autograph=False)
    return traced(*(tf.constant(x) for x in arrays))


def gradients(function, inputs, weights=()):
    """Gradients of a scalar function, by the backend's differentiation.

    Args:
        function: Callable `function(*inputs)` that returns a scalar tensor.
        inputs: Sequence of float arrays.
        weights: Sequence of Keras variables that it uses.

    Returns:
        List of arrays, those of the inputs first: zeros where the function
        depends on nothing.
    """
    inputs = [keras.ops.convert_to_tensor(x) for x in inputs]
    weights = list(weights)
    found = globals()[f"_{BACKEND}_gradients"](function, inputs, weights)
    return [
        np.zeros(tuple(x.shape), "float32") if dx is None else numpy_of(dx)
        for x, dx in zip([*inputs, *weights], found, strict=True)
    ]


def _tensorflow_gradients(function, inputs, weights):
    import tensorflow as tf

    sources = [*inputs, *(weight.value for weight in weights)]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        loss = function(*inputs)
    return [
        None if x is None else tf.convert_to_tensor(x)
        for x in tape.gradient(loss, sources)
    ]


def _jax_gradients(function, inputs, weights):
    import jax

    def loss(inputs, values):
        with keras.StatelessScope(zip(weights, values, strict=True)):
            return function(*inputs)

    values = [weight.value for weight in weights]
    return [x for xs in jax.grad(loss, (0, 1))(inputs, values) for x in xs]


def _torch_gradients(function, inputs, weights):
    import torch

    inputs = [x.detach().requires_grad_() for x in inputs]
    sources = [*inputs, *(weight.value for weight in weights)]
    sources = [x for x in sources if x.requires_grad]
    found = torch.autograd.grad(function(*inputs), sources, allow_unused=True)
    found = dict(zip(map(id, sources), found, strict=True))
    return [
        found.get(id(x))
        for x in [*inputs, *(weight.value for weight in weights)]
    ]
