"""Tests of what the files of the backends offer, and of what they import."""

import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from tests.backend import BACKEND
from tests.backend import compiled
from tests.backend import every_mode
from tests.backend import numpy_of
from zoo.ops.backend import load_backend

ROOT = pathlib.Path(__file__).parents[2]

WITHOUT_TENSORFLOW = """
import sys

sys.modules["tensorflow"] = None  # no import finds it
import numpy as np
import zoo.decoding
import zoo.layers

x = np.ones((2, 3, 4), "float32")
layer = zoo.layers.Bidirectional(zoo.layers.LSTM(5, return_sequences=True))
decoder = zoo.layers.AttentionDecoder(
    zoo.layers.AttentionCell(
        zoo.layers.LSTMCell(6, zoneout_h=0.5), zoo.layers.LuongAttention()
    )
)
print(tuple(decoder(x, layer(x), training=True)[0].shape))
"""


@pytest.mark.skipif(BACKEND == "tensorflow", reason="it is what runs")
def test_layers_do_without_tensorflow():
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": BACKEND},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "(2, 3, 10)"


@every_mode
@pytest.mark.parametrize("k", [1, 4, 7])
def test_top_k_takes_the_first_of_equals(k, mode):
    rng = np.random.default_rng(1)
    x = rng.integers(0, 4, (5, 3, 7)).astype("float32")
    x[0] = -np.inf
    x[1, :, 2:5] = np.inf
    expected = np.argsort(-x, axis=-1, kind="stable")[..., :k]
    values, indices = compiled(lambda x: load_backend().top_k(x, k), mode)(x)
    np.testing.assert_array_equal(indices, expected)
    np.testing.assert_array_equal(values, np.take_along_axis(x, expected, -1))
    assert keras.backend.standardize_dtype(indices.dtype) == "int32"


def test_top_k_of_what_is_no_number_is_none():
    x = np.full((2, 5), np.nan, "float32")
    values, _ = load_backend().top_k(keras.ops.convert_to_tensor(x), 3)
    assert np.isnan(numpy_of(values)).all()


def test_unknown_backend_is_refused(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "openvino")
    with pytest.raises(NotImplementedError, match="'torch', got 'openvino'"):
        load_backend.__wrapped__()
