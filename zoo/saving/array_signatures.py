"""The signature of a model of arrays: any functional Keras model."""

import keras
import numpy as np
import tensorflow as tf


def array_signatures(model):
    """Makes the function that the SavedModel of a functional model offers.

    Args:
        model: A `keras.Model` with symbolic `inputs`.

    Returns:
        `(signatures, resources, examples)`, as from
        `zoo.saving.translation_signatures`.

    Raises:
        ValueError: If two inputs or two outputs have one name.
    """
    inputs = {x.name: x for x in model.inputs}
    outputs = model.output_names
    if len(inputs) < len(model.inputs) or len(set(outputs)) < len(outputs):
        raise ValueError(
            "Expected inputs and outputs from layers of different names, got "
            f"{[x.name for x in model.inputs]} and {outputs}. Name the layers."
        )

    specs = [
        tf.TensorSpec(x.shape, x.dtype, name) for name, x in inputs.items()
    ]

    @tf.function(input_signature=specs, autograph=False)
    def serving_default(*given):
        found = model(
            keras.tree.pack_sequence_as(model.input, given), training=False
        )
        return dict(zip(outputs, keras.tree.flatten(found), strict=True))

    examples = [
        {
            name: np.zeros([rows] + [n or 3 for n in x.shape[1:]]).tolist()
            for name, x in inputs.items()
        }
        for rows in (1, 2)
    ]
    return (
        {"serving_default": serving_default},
        [],
        {"serving_default": examples},
    )
