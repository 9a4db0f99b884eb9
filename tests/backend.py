"""Gradients and compilation for tests, on whatever backend Keras runs."""

import contextlib

import keras
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
    BACKEND != "tensorflow", reason="it is TensorFlow's alone"
)


def numpy_of(x):
    """A tensor as an array, one of half precision as float32."""
    if dtype_of(x) in ("float16", "bfloat16"):
        x = keras.ops.cast(x, "float32")
    return keras.ops.convert_to_numpy(x)


def dtype_of(x):
    """Name of a tensor's dtype."""
    return keras.backend.standardize_dtype(x.dtype)


def precision(float64, float32):
    """One of two tolerances: Keras has float64 on TensorFlow alone."""
    return float64 if BACKEND == "tensorflow" else float32


def tensors(arrays):
    """A nest of arrays as tensors, float64 only where Keras computes in it."""

    def tensor(x):
        if not hasattr(x, "dtype"):
            return x
        exact = precision("float64", "float32")
        dtype = exact if dtype_of(x) == "float64" else None
        return keras.ops.convert_to_tensor(x, dtype=dtype)

    return keras.tree.map_structure(tensor, arrays)


def recording(on=True):
    """A context in which PyTorch records what `fit` goes back through.

    Tests run with the record off (see `conftest.py`), so that a result is an
    array as on other backends; `gradients` turns it on for itself.
    """
    if BACKEND != "torch":
        return contextlib.nullcontext()
    import torch

    return torch.set_grad_enabled(on)


def compiled(function, mode="xla", variables=(), shapes=None):
    """`function` of nests of arrays, to be run in one of the `MODES`.

    Args:
        function: Callable.
        mode: One of `MODES`.
        variables: Keras variables that it assigns, such as the state of a
            seed generator, which JAX has to be told.
        shapes: Those of its float32 arguments, with `None` where TensorFlow
            is not to know a size.
    """
    if mode not in MODES:
        raise ValueError(f"Expected a mode among {MODES}, got {mode!r}.")
    if mode == "eager":
        return lambda *nests, **named: function(
            *tensors(nests), **tensors(named)
        )
    if BACKEND == "jax":
        return _jax_compiled(function, variables)
    import tensorflow as tf

    specs = None if shapes is None else list(map(tf.TensorSpec, shapes))
    return tf.function(function, specs, False, jit_compile=mode == "xla")


def _jax_compiled(function, variables):
    import jax

    @jax.jit
    def stateless(values, nests, named):
        scope = keras.StatelessScope(zip(variables, values, strict=True))
        with scope:
            outputs = function(*nests, **named)
        return outputs, [scope.get_current_value(x) for x in variables]

    def run(*nests, **named):
        outputs, values = stateless([x.value for x in variables], nests, named)
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        return outputs

    return run


def of_any_size(function, arrays, shapes, mode="graph"):
    """The result of `function(*arrays)`, traced for `shapes` that hold `None`.

    Only TensorFlow has such traces, with the mode "xla" compiled as well;
    elsewhere the function is compiled for the arrays, where it can be.
    """
    if BACKEND != "tensorflow":
        return compiled(function, MODES[-1])(*arrays)
    import tensorflow as tf

    specs = [
        tf.TensorSpec(shape, x.dtype)
        for x, shape in zip(arrays, shapes, strict=True)
    ]
    traced = tf.function(
        function,
        input_signature=specs,
        autograph=False,
        jit_compile=mode == "xla",
    )
    return traced(*(tf.constant(x) for x in arrays))


def gradients(function, inputs, weights=()):
    """Gradients of a scalar function, by the backend's differentiation.

    Args:
        function: Callable `function(*inputs)` that returns a scalar tensor.
        inputs: Sequence of arrays; those of integers have no gradient.
        weights: Sequence of Keras variables that it uses.

    Returns:
        List of arrays, those of the inputs first: zeros where the function
        depends on nothing.
    """
    _, found = with_gradients(
        lambda *inputs: (function(*inputs), ()), inputs, weights
    )
    return [numpy_of(x) for x in found]


def with_gradients(function, inputs, weights=()):
    """Values and gradients, as tensors, so that it can be compiled.

    Args:
        function: Callable `function(*inputs)` that returns a scalar tensor to
            differentiate and a nest of values to return.
        inputs: As for `gradients`.
        weights: As for `gradients`.

    Returns:
        Tuple of the values and the list of gradients.
    """
    inputs, weights = tensors(list(inputs)), list(weights)
    real = [
        keras.backend.is_float_dtype(keras.backend.standardize_dtype(x.dtype))
        for x in inputs
    ]

    def of_real_inputs(*given):
        given = iter(given)
        return function(
            *(
                next(given) if r else x
                for r, x in zip(real, inputs, strict=True)
            )
        )

    values, found = globals()[f"_{BACKEND}_gradients"](
        of_real_inputs,
        [x for r, x in zip(real, inputs, strict=True) if r],
        weights,
    )
    found = iter(found)
    found = [next(found) if r else None for r in real] + list(found)
    return values, [
        keras.ops.zeros_like(x) if dx is None else dx
        for x, dx in zip([*inputs, *weights], found, strict=True)
    ]


def _tensorflow_gradients(function, inputs, weights):
    import tensorflow as tf

    sources = [*inputs, *(weight.value for weight in weights)]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        loss, values = function(*inputs)
    return values, [
        None if x is None else tf.convert_to_tensor(x)
        for x in tape.gradient(loss, sources)
    ]


def _jax_gradients(function, inputs, weights):
    import jax

    def loss(inputs, values):
        with keras.StatelessScope(zip(weights, values, strict=True)):
            return function(*inputs)

    arguments = inputs, [weight.value for weight in weights]
    # compiled, as it would take many times as long operation by operation
    gradient = jax.jit(jax.grad(loss, (0, 1), has_aux=True))
    found, values = gradient(*arguments)
    return values, [x for xs in found for x in xs]


def _torch_gradients(function, inputs, weights):
    import torch

    inputs = [x.detach().requires_grad_() for x in inputs]
    sources = [*inputs, *(weight.value for weight in weights)]
    watched = [x for x in sources if x.requires_grad]
    with recording():
        loss, values = function(*inputs)
        found = [None] * len(watched)
        if loss.requires_grad:
            found = torch.autograd.grad(loss, watched, allow_unused=True)
    values = keras.tree.map_structure(
        lambda x: x.detach() if torch.is_tensor(x) else x, values
    )
    found = dict(zip(map(id, watched), found, strict=True))
    return values, [found.get(id(x)) for x in sources]
