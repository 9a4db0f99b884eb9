import keras
import numpy as np
import pytest

from tests.backend import BACKEND
from zoo.layers import GRU
from zoo.layers import LSTM
from zoo.layers import Bidirectional
from zoo.layers import SimpleRNN
from zoo.training import gradient_norms

BATCH, TIME, FEATURES, UNITS = 2, 6, 3, 4


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.fixture
def sequences(random):
    return random.normal(size=(BATCH, TIME, FEATURES)).astype("float32")


def finite_differences(layer, sequences, cotangent, step=1e-2):
    """The same norms from two-sided differences, all inputs at a time."""
    size = sequences[0].size
    shifts = step * np.eye(size).reshape(size, TIME, FEATURES)

    def values(x, v):
        y = keras.ops.convert_to_numpy(layer(x.astype("float32")))
        return y.astype("float64") @ v

    norms = []
    for x, v in zip(sequences, cotangent, strict=True):
        differences = values(x + shifts, v) - values(x - shifts, v)
        gradient = differences.reshape(TIME, FEATURES) / (2 * step)
        norms.append(np.linalg.norm(gradient, axis=-1))
    return np.mean(norms, axis=0)


@pytest.mark.parametrize("layer_class", [SimpleRNN, LSTM])
def test_norms_are_those_of_finite_differences(layer_class, random, sequences):
    layer = layer_class(UNITS)
    cotangent = random.normal(size=(BATCH, UNITS))
    found = gradient_norms(layer, sequences, cotangent=cotangent)
    expected = finite_differences(layer, sequences, cotangent)
    assert found.dtype == "float32"
    np.testing.assert_allclose(found, expected, rtol=5e-3, atol=3e-5)


def test_linear_network_is_the_product_of_its_recurrent_kernels(
    random, sequences
):
    layer = SimpleRNN(UNITS, activation="linear")
    layer.build(sequences.shape)
    kernel = random.normal(size=(FEATURES, UNITS)).astype("float32")
    recurrent = random.normal(size=(UNITS, UNITS)).astype("float32")
    layer.cell.kernel.assign(kernel)
    layer.cell.recurrent_kernel.assign(recurrent)
    v = random.normal(size=UNITS)
    # y = sum_t x_t W U^(T-t), so d(v . y)/dx_t = W U^(T-t) v
    expected = [
        np.linalg.norm(kernel @ np.linalg.matrix_power(recurrent, TIME - t) @ v)
        for t in range(1, TIME + 1)
    ]
    found = gradient_norms(layer, sequences, cotangent=v)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("singular_value", [0.6, 1.0, 1.5])
def test_norm_is_a_power_of_the_singular_value(singular_value, random):
    # U = s Q with Q orthogonal: all singular values are s.
    layer = SimpleRNN(
        UNITS,
        activation="linear",
        kernel_initializer="orthogonal",
        recurrent_initializer=keras.initializers.Orthogonal(singular_value),
    )
    x = random.normal(size=(1, 20, UNITS)).astype("float32")
    powers = singular_value ** np.arange(19.0, -1.0, -1.0)
    np.testing.assert_allclose(gradient_norms(layer, x), powers, rtol=1e-4)


def test_all_units_count_alike_by_default(sequences):
    layer = GRU(UNITS)
    even = np.full(UNITS, 0.5)  # of length one
    np.testing.assert_allclose(
        gradient_norms(layer, sequences),
        gradient_norms(layer, sequences, cotangent=even),
    )


def test_padding_gets_no_gradient_and_does_not_count(sequences):
    layer = LSTM(UNITS)
    mask = np.ones((BATCH, TIME), "bool")
    mask[1, 3:] = False
    mask[:, 5] = False
    found = gradient_norms(layer, sequences, mask)
    assert found[5] == 0.0
    first = gradient_norms(layer, sequences[:1, :5])
    second = gradient_norms(layer, sequences[1:, :3])
    np.testing.assert_allclose(found[3:5], first[3:], rtol=1e-4)
    expected = (first[:3] + second) / 2
    np.testing.assert_allclose(found[:3], expected, rtol=1e-4)


def test_a_model_and_a_function_are_measured_too(sequences):
    layer = Bidirectional(SimpleRNN(UNITS, return_sequences=True))
    inputs = keras.Input((TIME, FEATURES))
    model = keras.Model(inputs, layer(inputs)[:, -1])
    found = gradient_norms(model, sequences)
    assert np.all(found > 0)
    same = gradient_norms(lambda x: layer(x)[:, -1], sequences)
    np.testing.assert_allclose(found, same, rtol=1e-5)


def test_open_forget_gate_carries_the_gradient_further(random):
    x = random.normal(size=(2, 60, FEATURES)).astype("float32")
    shares = []  # of the gradient at the last step that reaches the first
    for forget_bias in (1.0, 6.0):
        layer = LSTM(UNITS)
        layer.build(x.shape)
        bias = np.zeros(4 * UNITS)
        bias[UNITS : 2 * UNITS] = forget_bias
        layer.cell.bias.assign(bias)
        norms = gradient_norms(layer, x)
        shares.append(norms[0] / norms[-1])
    assert shares[1] > 100 * shares[0]


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"sequences": [[[1, 2, 3]]]}, TypeError, "of floats, got int32"),
        ({"sequences": np.ones((2, 3))}, ValueError, r"features\), none"),
        ({"sequences": np.ones((2, 0, 3))}, ValueError, r"got \(2, 0, 3\)"),
        ({"mask": np.ones((2, 5))}, ValueError, r"= \(2, 6\), got \(2, 5\)"),
        ({"cotangent": np.ones(3)}, ValueError, r"\(4,\) or \(2, 4\), got"),
        (
            {"layer": SimpleRNN(4, return_sequences=True)},
            ValueError,
            r"units\), got \(2, 6, 4\).*return_sequences=False",
        ),
        (
            {"layer": SimpleRNN(4, return_state=True)},
            ValueError,
            "got tuple.*return_state=False",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused(sequences, change, error, message):
    arguments = {"layer": SimpleRNN(UNITS), "sequences": sequences, **change}
    with pytest.raises(error, match=message):
        gradient_norms(**arguments)


def test_output_that_depends_on_no_input_is_refused(sequences):
    def constant(x):
        return keras.ops.stop_gradient(x[:, 0])

    if BACKEND == "jax":  # it gives zeros, and no sign of why
        assert not np.any(gradient_norms(constant, sequences))
        return
    with pytest.raises(ValueError, match="to depend on `sequences`"):
        gradient_norms(constant, sequences)
