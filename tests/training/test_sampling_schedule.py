"""Tests of the decays against their formulas in NumPy."""

import keras
import numpy as np
import pytest

from tests.backend import numpy_of
from zoo.training import SamplingSchedule

STEPS = np.array([0, 1, 7, 100, 100_000])
FORMULAS = {
    "linear": (0.003, lambda i, c: 1 - c * i),
    "exponential": (0.99, lambda i, k: k**i),
    "inverse_sigmoid": (20.0, lambda i, k: 1 / (1 + np.exp(i / k) / k)),
}


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("highest", [1.0, 0.25])
@pytest.mark.parametrize("decay", FORMULAS)
def test_decay_follows_its_formula(decay, highest):
    rate, formula = FORMULAS[decay]
    schedule = SamplingSchedule(decay, rate, highest)
    given = [float(numpy_of(schedule(int(step)))) for step in STEPS]
    expected = np.minimum(highest, 1 - formula(STEPS.astype(float), rate))
    np.testing.assert_allclose(given, expected, atol=1e-6)
    assert given[-1] == highest


def test_config_survives():
    schedule = SamplingSchedule("exponential", 0.9, highest=0.5)
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(schedule)
    )
    assert copy.get_config() == {
        "decay": "exponential",
        "rate": 0.9,
        "highest": 0.5,
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cosine", 0.5), "'linear', 'exponential'.*got 'cosine'"),
        (("linear", 0), "above 0.*got 0. It is what the probability rises"),
        (("exponential", 1.0), "below 1.0, got 1.0"),
        (("inverse_sigmoid", 0.5), "from 1.0.*got 0.5"),
        (("inverse_sigmoid", True), "got True"),
        (("linear", 0.5, 0), "`highest`.*got 0"),
        (("linear", 0.5, 2), "`highest`.*got 2"),
    ],
)
def test_wrong_argument_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SamplingSchedule(*arguments)
