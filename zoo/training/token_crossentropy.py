"""Cross entropy per token."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="zoo")
class TokenCrossentropy(keras.losses.Loss):
    """Mean cross entropy of the real tokens of a batch.

    ```
    loss = sum_t w_t ((1 - e) nll(y_t) + e mean_v nll(v)) / sum_t w_t
    nll(v) = log sum_u exp(logit_u) - logit_v
    ```

    with label smoothing e (Szegedy et al., "Rethinking the Inception
    Architecture for Computer Vision", 2016, section 7) and weights w, one at
    real tokens and zero at padding. Unlike Keras's default reduction, which
    divides by the number of positions, this one does not depend on how much
    padding a batch has.

    Args:
        label_smoothing: Share e of the target probability that is spread
            evenly over the vocabulary, from 0 to below 1.
        sum_over_time: If true, the loss is the sum over the tokens of a row,
            averaged over the rows: what the TensorFlow book and the papers
            before it minimise, and what their learning rates and clipping are
            for.
        reduction: As for `keras.losses.Loss`; not with `sum_over_time`.
        name: Name of the loss.
        **kwargs: Further arguments of `keras.losses.Loss`.

    Call arguments:
        y_true: Integer token ids of shape `(batch_size, time)`.
        y_pred: Logits of shape `(batch_size, time, vocabulary_size)`.
        sample_weight: Weights of shape `(batch_size, time)`.

    Returns:
        The mean loss per real token, or per row, a scalar.

    Raises:
        ValueError: If `label_smoothing` lies outside [0, 1), or `reduction`
            is given with `sum_over_time`.

    Example:

    >>> import numpy as np
    >>> loss = TokenCrossentropy()
    >>> logits = np.zeros((1, 2, 4), "float32")
    >>> value = loss([[1, 0]], logits, sample_weight=[[1.0, 0.0]])
    >>> round(float(value), 4)  # ln 4
    1.3863
    """

    def __init__(
        self,
        label_smoothing=0.0,
        sum_over_time=False,
        reduction="mean_with_sample_weight",
        name="token_crossentropy",
        **kwargs,
    ):
        if not 0 <= label_smoothing < 1:
            raise ValueError(
                "Expected `label_smoothing` to be a fraction from 0 to below "
                f"1, got {label_smoothing!r}."
            )
        if sum_over_time and reduction != "mean_with_sample_weight":
            raise ValueError(
                "Expected no `reduction` with sum_over_time=True, got "
                f"{reduction!r}. Choose one of the two."
            )
        super().__init__(name=name, reduction=reduction, **kwargs)
        self.label_smoothing = label_smoothing
        self.sum_over_time = sum_over_time

    def call(self, y_true, y_pred):
        # half precision is not enough, double stays what it is
        dtype = keras.backend.result_type(y_pred.dtype, "float32")
        logits = ops.cast(y_pred, dtype)
        loss = ops.sparse_categorical_crossentropy(
            y_true, logits, from_logits=True
        )
        if self.label_smoothing:
            e = self.label_smoothing
            even = ops.logsumexp(logits, axis=-1) - ops.mean(logits, axis=-1)
            loss = (1 - e) * loss + e * even
        return loss

    def __call__(self, y_true, y_pred, sample_weight=None):
        loss = super().__call__(y_true, y_pred, sample_weight)
        if not self.sum_over_time:
            return loss
        weights = ops.ones(ops.shape(y_true), dtype=loss.dtype)
        for factor in (sample_weight, getattr(y_pred, "_keras_mask", None)):
            if factor is not None:
                weights = weights * ops.cast(factor, loss.dtype)
        rows = ops.cast(ops.shape(weights)[0], loss.dtype)
        return loss * (ops.sum(weights) / rows)

    def get_config(self):
        config = super().get_config()
        config.update(
            label_smoothing=self.label_smoothing,
            sum_over_time=self.sum_over_time,
        )
        return config
