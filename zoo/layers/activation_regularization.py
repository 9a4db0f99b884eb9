"""A price on large outputs, and on outputs that change fast."""

import math
import numbers

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="zoo")
class ActivationRegularization(keras.layers.Layer):
    """Adds to the loss what the outputs of a recurrent layer should not do.

    ```
    loss += alpha mean(h_t^2) + beta mean((h_t - h_{t-1})^2)
    ```

    The first keeps outputs small, the second makes them slow. Merity, McCann
    & Socher, "Revisiting Activation Regularization for Language RNNs" (2017),
    https://arxiv.org/abs/1708.01009, take the first after dropout and the
    second before it: two of these layers. In training only; the inputs go
    through as they are. `keras.layers.ActivityRegularization` has a sum over
    all units and steps in place of the mean, and nothing temporal.

    Args:
        alpha: Factor of the mean square, a number of at least 0.
        beta: Factor of the mean squared difference of neighbouring steps,
            a number of at least 0.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Shape `(batch_size, time, units)`.
        mask: Boolean, `(batch_size, time)`, true at real steps; others, and
            differences to them, do not count.
        training: Boolean, whether anything is added to the loss.

    Returns:
        The inputs.

    Raises:
        ValueError: If a factor is no finite number of at least 0, or the
            inputs are not of rank 3.

    Example:

    >>> import numpy as np
    >>> layer = ActivationRegularization(alpha=2.0, beta=1.0)
    >>> x = layer(np.array([[[1.0], [3.0]]], "float32"), training=True)
    >>> float(sum(layer.losses))  # 2 (1 + 9) / 2 + (3 - 1)^2
    14.0
    """

    def __init__(self, alpha=0.0, beta=0.0, **kwargs):
        super().__init__(**kwargs)
        _check_factor("alpha", alpha)
        _check_factor("beta", beta)
        self.alpha = alpha
        self.beta = beta
        self.supports_masking = True

    def call(self, inputs, mask=None, training=False):
        if len(inputs.shape) != 3:
            raise ValueError(
                "Expected inputs of shape (batch_size, time, units), got "
                f"shape {tuple(inputs.shape)}. Put the layer after a "
                "recurrent one with return_sequences=True."
            )
        if training:
            # half precision would lose what small squares add up to
            dtype = keras.backend.result_type(inputs.dtype, "float32")
            x = ops.cast(inputs, dtype)
            if mask is None:
                mask = ops.ones(ops.shape(x)[:2], "bool")
            if self.alpha:
                self.add_loss(self.alpha * _mean_square(x, mask))
            if self.beta:
                pairs = ops.logical_and(mask[:, 1:], mask[:, :-1])
                change = _mean_square(x[:, 1:] - x[:, :-1], pairs)
                self.add_loss(self.beta * change)
        return inputs

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "alpha": self.alpha,
            "beta": self.beta,
        }


def _mean_square(x, mask):
    """Mean of the squares where the mask is true; zero where it nowhere is."""
    squares = ops.mean(ops.square(x), axis=-1)
    weights = ops.cast(mask, x.dtype)
    # padding may hold anything, inf too
    total = ops.sum(ops.where(mask, squares, 0.0))
    return total / ops.maximum(ops.sum(weights), 1.0)


def _check_factor(name, value):
    """Raises `ValueError` unless a factor is a finite number, at least 0."""
    good = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not good or not math.isfinite(value) or value < 0:
        raise ValueError(
            f"Expected `{name}` to be a finite number of at least 0, got "
            f"{value!r}. 0 leaves it out."
        )
