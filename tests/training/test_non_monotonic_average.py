"""Tests of NonMonotonicAverage against NumPy."""

import keras
import numpy as np
import pytest

from zoo.training import NonMonotonicAverage


@pytest.fixture
def model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model


def average_of(model, patience=2):
    average = NonMonotonicAverage(patience)
    average.set_model(model)
    return average


def test_it_begins_when_a_measure_is_worse_than_before_the_latest(model):
    average = average_of(model)
    for value, begun in [(9, 0), (8, 0), (10, 0), (8.5, 0), (7, 0), (8.2, 1)]:
        average.measured(value)
        assert (average.average is not None) == begun, value


def test_it_is_the_mean_of_the_weights_after_each_step(model):
    average, rng = average_of(model, 1), np.random.default_rng(0)
    x, y = rng.normal(size=(4, 2)), rng.normal(size=(4, 3))
    for value in (1.0, 2.0, 3.0):
        average.measured(value)
    seen = []
    for _ in range(5):
        model.train_on_batch(x, y)
        average.on_train_batch_end(0)
        seen.append(model.get_weights())
    with average.applied():
        for i, weight in enumerate(model.get_weights()):
            expected = np.mean([weights[i] for weights in seen], axis=0)
            np.testing.assert_allclose(weight, expected, rtol=1e-5)
    for weight, last in zip(model.get_weights(), seen[-1], strict=True):
        np.testing.assert_array_equal(weight, last)


def test_before_it_began_the_weights_are_the_models_own(model):
    average, weights = average_of(model), model.get_weights()
    average.on_train_batch_end(0)
    with average.applied():
        for weight, own in zip(model.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(weight, own)


def test_the_models_own_weights_come_back_after_an_error(model):
    average, weights = average_of(model, 1), model.get_weights()
    for value in (1.0, 2.0, 3.0):
        average.measured(value)
    model.set_weights([2 * x + 1 for x in weights])
    average.on_train_batch_end(0)
    model.set_weights(weights)
    with pytest.raises(KeyError), average.applied():
        assert not np.allclose(model.get_weights()[0], weights[0])
        raise KeyError
    np.testing.assert_array_equal(model.get_weights()[0], weights[0])


def test_as_a_callback_of_fit(model):
    average, rng = NonMonotonicAverage(1), np.random.default_rng(0)
    x, y = rng.normal(size=(8, 2)), rng.normal(size=(8, 3))

    class Measures(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            average.measured(epoch)  # worse each time

    model.fit(
        x, y, batch_size=4, epochs=4, callbacks=[average, Measures()], verbose=0
    )
    # begun after the third epoch; two steps in the fourth
    assert average.steps == 2


def test_patience_is_a_number_of_measures():
    with pytest.raises(ValueError, match="`patience`"):
        NonMonotonicAverage(0)
