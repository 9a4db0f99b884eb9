"""How much gradient reaches each time step."""

import keras
import numpy as np
from keras import ops

from zoo.ops.backend import load_backend


def gradient_norms(layer, sequences, mask=None, cotangent=None):
    """Measures how much the last output depends on each time step.

    ```
    n_t = || d(v . y) / d x_t ||       dh_T/dh_t = prod_{s=t+1..T} dh_s/dh_{s-1}
    ```

    with `y` the output, `v` the cotangent, `x_t` the input and `h_t` the
    state at step t. What reaches `x_t` has come back from the last state to
    `h_t`. In a simple network each factor of that product shrinks it or makes
    it grow:
    the vanishing gradient of Hochreiter (1991) and of Bengio, Simard and
    Frasconi, 1994, "Learning long-term dependencies with gradient descent is
    difficult", https://doi.org/10.1109/72.279181. In an LSTM there is a way
    back through the cell state, on which a step only multiplies by the forget
    gate.

    `zoo.plots.gradient_norms` draws the result. Dropout is off.

    Args:
        layer: A layer, a model or a function, `layer(sequences) -> y`, where
            y has the shape `(batch_size, units)`, such as a recurrent layer
            with `return_sequences=False`. With a `mask`, `layer(sequences,
            mask=mask)`.
        sequences: Float array or tensor, shape `(batch_size, time,
            features)`.
        mask: Boolean, shape `(batch_size, time)`, true at real steps, or
            `None`.
        cotangent: `v`, shape `(units,)`, or `(batch_size, units)` with one
            for each row. By default all units count alike:
            `v = 1 / sqrt(units)`.

    Returns:
        Float32 NumPy array of shape `(time,)`: the mean over the batch of
        `n_t`, at each step over the rows for which it is real, and zero where
        there is none.

    Raises:
        TypeError: If `sequences` are not floats.
        ValueError: If shapes do not fit, or no output depends on the inputs
            (JAX cannot tell, and gives zeros).

    Example:

    >>> layer = zoo.layers.SimpleRNN(
    ...     1, activation="linear", kernel_initializer="ones",
    ...     recurrent_initializer=keras.initializers.Constant(0.5),
    ... )
    >>> gradient_norms(layer, np.ones((2, 4, 1), "float32")).tolist()
    [0.125, 0.25, 0.5, 1.0]
    """
    sequences = ops.convert_to_tensor(sequences)
    dtype = keras.backend.standardize_dtype(sequences.dtype)
    if not keras.backend.is_float_dtype(dtype):
        raise TypeError(
            f"Expected `sequences` of floats, got {dtype}: a token id has no "
            "gradient. Pass what the embedding returned."
        )
    if len(sequences.shape) != 3 or 0 in sequences.shape:
        raise ValueError(
            "Expected `sequences` of shape (batch_size, time, features), none "
            f"of them zero, got {tuple(sequences.shape)}."
        )
    real = np.ones(sequences.shape[:2], "bool")
    arguments = {}
    if mask is not None:
        real = ops.convert_to_numpy(mask).astype("bool")
        arguments["mask"] = mask
    if real.shape != tuple(sequences.shape[:2]):
        raise ValueError(
            "Expected `mask` of shape (batch_size, time) = "
            f"{tuple(sequences.shape[:2])}, got {real.shape}."
        )

    def weighted_sum(x):
        return _weighted_sum(layer(x, **arguments), cotangent, len(real))

    gradient = load_backend().gradient(weighted_sum, sequences)
    if gradient is None:
        raise ValueError(
            f"Expected the output of {layer!r} to depend on `sequences`, got "
            "one that has no gradient. Compute it with `keras.ops` from what "
            "is passed in."
        )
    gradient = ops.convert_to_numpy(ops.cast(gradient, "float32"))
    norms = np.linalg.norm(gradient, axis=-1) * real
    return norms.sum(axis=0) / np.maximum(real.sum(axis=0), 1).astype("float32")


def _weighted_sum(outputs, cotangent, batch_size):
    """`v . y`, summed over the batch, whose rows do not mix."""
    shape = getattr(outputs, "shape", None)
    if shape is None or len(shape) != 2 or shape[0] != batch_size:
        given = type(outputs).__name__ if shape is None else tuple(shape)
        raise ValueError(
            "Expected `layer` to return one tensor of shape (batch_size, "
            f"units), got {given}. Set `return_sequences=False` and "
            "`return_state=False`, or pass a function that takes the last "
            "output: `lambda x: layer(x)[:, -1]`."
        )
    units = shape[1]
    if cotangent is None:
        cotangent = np.full(units, units**-0.5)
    cotangent = ops.cast(ops.convert_to_tensor(cotangent), outputs.dtype)
    if tuple(cotangent.shape) not in ((units,), (batch_size, units)):
        raise ValueError(
            f"Expected `cotangent` of shape ({units},) or ({batch_size}, "
            f"{units}), got {tuple(cotangent.shape)}."
        )
    return ops.sum(outputs * cotangent)
