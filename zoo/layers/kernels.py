"""How layers add the kernels that one initializer starts."""

import keras


def add_kernel(layer, name, shape):
    """Adds a weight with a fresh copy of the layer's `kernel_initializer`.

    An initializer draws the same numbers each time it is called, so that two
    kernels of one shape would otherwise start out equal. With a seed that the
    user gave they do so all the same, as in Keras's own layers.

    Args:
        layer: A layer with a `kernel_initializer`.
        name: Name of the weight.
        shape: Its shape.

    Returns:
        The weight.
    """
    initializer = layer.kernel_initializer
    if isinstance(initializer, keras.initializers.Initializer):
        initializer = initializer.clone()
    return layer.add_weight(shape, name=name, initializer=initializer)
