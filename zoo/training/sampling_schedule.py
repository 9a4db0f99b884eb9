"""How the probability of scheduled sampling rises during training."""

import numbers

import keras
from keras import ops

# For each decay the range of its rate, and what it means.
RATES = {
    "linear": (0.0, 1.0, "what the probability rises by with each step"),
    "exponential": (0.0, 1.0, "the base that is raised to the steps"),
    "inverse_sigmoid": (
        1.0,
        float("inf"),
        "a number of steps: the curve is steepest after rate * ln(rate)",
    ),
}


@keras.saving.register_keras_serializable(package="zoo")
class SamplingSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Probability with which a decoder reads its own output, step by step.

    ```
    p_i = min(highest, 1 - e_i)

    "linear":            e_i = 1 - rate i
    "exponential":       e_i = rate^i
    "inverse_sigmoid":   e_i = rate / (rate + exp(i / rate))
    ```

    `i` is the number of steps of training before, `e_i` the probability of
    the true token: Bengio et al., "Scheduled Sampling for Sequence Prediction
    with Recurrent Neural Networks" (2015), https://arxiv.org/abs/1506.03099,
    section 2.4, whose `k` is `rate` here (for the linear decay its `c`, with
    `k = 1`) and whose least epsilon is `1 - highest`. For
    `sampling_probability` of `zoo.layers.ScheduledEmbeddingDecoder` and
    `zoo.layers.ScheduledOutputDecoder`.

    Args:
        decay: `"linear"`, `"exponential"` or `"inverse_sigmoid"`.
        rate: Number: above 0 and below 1 for the first two, at least 1 for
            `"inverse_sigmoid"`.
        highest: Number above 0 and at most 1 that is not exceeded.

    Returns:
        When called with a step, the probability, a float32 scalar.

    Raises:
        ValueError: If an argument is not one of those above.

    Example:

    >>> import zoo
    >>> schedule = zoo.training.SamplingSchedule("linear", 0.01, highest=0.25)
    >>> [round(float(schedule(step)), 2) for step in (0, 10, 1000)]
    [0.0, 0.1, 0.25]
    """

    def __init__(self, decay, rate, highest=1.0):
        if decay not in RATES:
            raise ValueError(
                "Expected `decay` to be one of "
                f"{', '.join(map(repr, RATES))}, got {decay!r}."
            )
        low, high, meaning = RATES[decay]
        good = _is_number(rate) and low <= rate < high and rate > 0
        if not good:
            raise ValueError(
                f"Expected `rate` of a decay that is {decay!r} to be a number "
                f"above 0, from {low} to below {high}, got {rate!r}. It is "
                f"{meaning}."
            )
        if not _is_number(highest) or not 0 < highest <= 1:
            raise ValueError(
                "Expected `highest` to be a probability above 0, got "
                f"{highest!r}. 1 sets no limit."
            )
        self.decay = decay
        self.rate = rate
        self.highest = highest

    def __call__(self, step):
        step, rate = ops.cast(step, "float32"), self.rate
        if self.decay == "linear":
            true = 1 - rate * step
        elif self.decay == "exponential":
            true = ops.power(ops.cast(rate, "float32"), step)
        else:
            true = rate / (rate + ops.exp(step / rate))
        return ops.minimum(1 - true, self.highest)

    def get_config(self):
        return {
            "decay": self.decay,
            "rate": self.rate,
            "highest": self.highest,
        }


def _is_number(value):
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
