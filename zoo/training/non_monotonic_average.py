"""The average of a model's weights over the last steps of training."""

import contextlib

import keras

from zoo.layers.recurrent_cell import check_positive_integer


class NonMonotonicAverage(keras.callbacks.Callback):
    """Averages weights from when a measure stops getting better.

    ```
    average over the steps since T, as soon as
    v_t > min(v_1 .. v_{t-patience})
    ```

    for the measures v, one an epoch: averaged stochastic gradient descent,
    started by what it is to improve (NT-ASGD). With a constant learning rate
    weights wander around a minimum; their average is nearer to it. Merity,
    Keskar & Socher, "Regularizing and Optimizing LSTM Language Models"
    (2018), https://arxiv.org/abs/1708.02182, algorithm 1, after Polyak &
    Juditsky (1992).

    The one who measures calls it: `with average.applied(): v = ...` puts the
    average in the place of the weights, as soon as there is one, and
    `average.measured(v)` decides whether to begin. As a callback of `fit` it
    adds the weights after every step.

    Args:
        patience: Number of the latest measures that do not count, a positive
            integer.

    Attributes:
        steps: Number of steps that the average is of, 0 before it began.

    Raises:
        ValueError: If `patience` is no positive integer.

    Example:

    >>> average = NonMonotonicAverage(patience=2)
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> average.set_model(model)
    >>> for value in (5.0, 4.0, 4.5, 4.6, 4.7):
    ...     average.measured(value)
    ...     average.on_train_batch_end(0)
    >>> average.steps  # since 4.7, which is worse than 4.0, three epochs ago
    1
    """

    def __init__(self, patience=5):
        super().__init__()
        check_positive_integer(
            "patience", patience, "It counts measures, one an epoch."
        )
        self.patience = patience
        self.measures = []
        self.average = None
        self.steps = 0

    def get_state(self):
        """What a training that goes on has to know, for `Resume`."""
        average = enumerate(self.average or [])
        return {
            "measures": self.measures,
            "steps": self.steps,
            **{
                f"average/{i}": keras.ops.convert_to_numpy(x)
                for i, x in average
            },
        }

    def set_state(self, state):
        """Takes what `get_state` returned."""
        self.measures = [float(x) for x in state["measures"]]
        self.steps = int(state["steps"])
        count = sum(name.startswith("average/") for name in state)
        average = [
            keras.ops.convert_to_tensor(state[f"average/{i}"])
            for i in range(count)
        ]
        self.average = average or None

    def measured(self, value):
        """Takes note of a measure, the lower the better."""
        past = self.measures[: -self.patience]
        if self.average is None and past and value > min(past):
            weights = self.model.trainable_variables
            self.average = [keras.ops.copy(weight) for weight in weights]
        self.measures.append(value)

    def on_train_batch_end(self, batch, logs=None):
        if self.average is None:
            return
        self.steps += 1
        self.average = [
            mean + (weight - mean) / self.steps
            for mean, weight in zip(
                self.average, self.model.trainable_variables, strict=True
            )
        ]

    @contextlib.contextmanager
    def applied(self):
        """While it lasts, the model's weights are the average, if any."""
        if not self.steps:
            yield
            return
        weights = self.model.trainable_variables
        kept = [keras.ops.copy(weight) for weight in weights]
        try:
            _assign(weights, self.average)
            yield
        finally:
            _assign(weights, kept)


def _assign(weights, values):
    for weight, value in zip(weights, values, strict=True):
        weight.assign(value)
