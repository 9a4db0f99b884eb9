"""A program: does a SavedModel run where there is only TensorFlow?

`python -I check_saved_model.py FOLDER < EXAMPLES`, the examples in JSON: for
each signature a list of inputs, each a dict from an input's name to a list.
Nothing of this package is imported, here least of all.
"""

import json
import sys

FOREIGN = ("keras_hub", "keras_nlp", "tensorflow_text", "zoo")


def check(folder, examples):
    """Runs every signature on its examples.

    Args:
        folder: string, the SavedModel.
        examples: dict from a signature's name to a list of its inputs.

    Raises:
        AssertionError: If signatures or the batch axes of outputs are not as
            expected, a number is not finite, or a library besides TensorFlow
            was imported.
    """
    import numpy as np
    import tensorflow as tf

    signatures = tf.saved_model.load(folder).signatures
    if set(signatures) != set(examples):
        raise AssertionError(
            f"Expected the signatures {sorted(examples)}, found "
            f"{sorted(signatures)}."
        )
    for name, signature in signatures.items():
        _, specs = signature.structured_input_signature
        for example in examples[name]:
            inputs = {
                key: tf.constant(value, specs[key].dtype)
                for key, value in example.items()
            }
            for key, value in signature(**inputs).items():
                value = value.numpy()
                size = len(next(iter(example.values())))
                if value.shape[:1] != (size,):
                    raise AssertionError(
                        f"Expected {size} rows in {key!r} of signature "
                        f"{name!r} for {example}, got shape {value.shape}."
                    )
                if value.dtype.kind == "f" and not np.isfinite(value).all():
                    raise AssertionError(
                        f"Expected finite numbers in {key!r} of signature "
                        f"{name!r} for {example}, got {value}."
                    )
    imported = [module for module in FOREIGN if module in sys.modules]
    if imported:
        raise AssertionError(f"Expected only TensorFlow, found {imported}.")


if __name__ == "__main__":
    check(sys.argv[1], json.load(sys.stdin))
