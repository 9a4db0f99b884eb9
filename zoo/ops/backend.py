"""Access to the file that holds what `keras.ops` cannot say."""

import functools
import importlib

import keras


@functools.cache
def load_backend():
    """Returns the module of the active Keras backend.

    Every such module offers `scan(step, inputs, state, reverse)`, the loop
    over time-major inputs behind `zoo.ops.unroll`, and
    `gradient(function, x)`, for `zoo.training.gradient_norms`.

    Raises:
        NotImplementedError: If Keras runs on a backend that the zoo lacks.
    """
    name = keras.config.backend()
    if name not in ("tensorflow", "jax", "torch"):
        raise NotImplementedError(
            "Expected the Keras backend to be 'tensorflow', 'jax' or "
            f"'torch', got {name!r}. Set the environment variable "
            "KERAS_BACKEND before Keras is imported."
        )
    return importlib.import_module(f"zoo.ops._{name}")
