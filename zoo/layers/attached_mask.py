"""The mask that Keras attached to a tensor."""

import functools

import keras


def attached_mask(x):
    """Reads the mask that a layer before has attached to a tensor.

    A tensor that JAX traces takes no attributes. Keras keeps its mask in a
    table of its own then, and shows it to layers with the argument `mask`.

    Args:
        x: Tensor.

    Returns:
        Boolean tensor of shape `(batch_size, time)`, or `None`.
    """
    mask = getattr(x, "_keras_mask", None)
    if mask is None and keras.config.backend() == "jax" and _is_traced(x):
        return _reader()(x)
    return mask


def _is_traced(x):
    return not isinstance(x, keras.KerasTensor) and keras.ops.is_tensor(x)


class _Reader(keras.layers.Layer):
    def call(self, x, mask=None):
        return mask


@functools.cache
def _reader():
    return _Reader(autocast=False)
