"""Tests of BahdanauAttention against TensorFlow Addons and NumPy."""

import numpy as np
import pytest
from keras import ops

from tests.backend import numpy_of
from tests.backend import tensors
from tests.backend import with_gradients
from zoo.layers.bahdanau_attention import BahdanauAttention

WEIGHTS = {
    "query_kernel": "query_kernel",
    "memory_kernel": "memory_kernel",
    "v": "attention_v",
    "b": "attention_b",
    "g": "attention_g",
}
ORACLES = [
    f"g1_bahdanau_opt{option}_{kind}"
    for option in (0, 1)
    for kind in ("len", "none", "mask")
]


def layer_of(arrays, probability):
    """The layer with an oracle's weights."""
    layer = BahdanauAttention(
        arrays["attention_v"].size,
        normalize="attention_g" in arrays,
        probability=probability,
    )
    layer.build(arrays["query"].shape, arrays["memory"].shape)
    for name, key in WEIGHTS.items():
        if key in arrays:
            getattr(layer, name).assign(arrays[key])
    return layer


def run(layer, arrays):
    """Context and alignments of an oracle's inputs, and all gradients."""
    cotangents = tensors([arrays["ct_context"], arrays["ct_alignments"]])

    def loss(query, memory):
        outputs = layer(query, memory, mask=arrays["mask"])
        return sum(
            map(ops.sum, map(ops.multiply, outputs, cotangents))
        ), outputs

    weights = {
        key: getattr(layer, name)
        for name, key in WEIGHTS.items()
        if key in arrays
    }
    sources = [arrays["query"], arrays["memory"]]
    outputs, gradients = with_gradients(loss, sources, weights.values())
    keys = ["query", "memory", *weights]
    return *outputs, dict(zip(keys, gradients, strict=True))


@pytest.mark.parametrize("name", ORACLES)
def test_softmax_matches_tensorflow_addons(name, oracle):
    arrays = oracle(name)
    layer = layer_of(arrays, "softmax")
    context, alignments, gradients = run(layer, arrays)
    # TensorFlow Addons scores padding, too, as if it held zeros
    keys = layer.project(arrays["memory"] * arrays["mask"][..., None])
    scores = numpy_of(layer.compute_scores(tensors(arrays["query"]), keys))
    np.testing.assert_allclose(scores, arrays["scores_raw"], atol=1e-5)
    np.testing.assert_allclose(alignments, arrays["alignments"], atol=1e-5)
    np.testing.assert_allclose(context, arrays["context"], atol=1e-5)
    for key, gradient in gradients.items():
        np.testing.assert_allclose(
            gradient, arrays[f"grad_{key}"], atol=1e-4, err_msg=key
        )


@pytest.mark.parametrize("name", ORACLES)
def test_hardmax_matches_tensorflow_addons(name, oracle):
    arrays = oracle(name)
    context, alignments, gradients = run(layer_of(arrays, "hardmax"), arrays)
    np.testing.assert_array_equal(alignments, arrays["hard_alignments"])
    np.testing.assert_allclose(context, arrays["hard_context"], atol=1e-6)
    np.testing.assert_allclose(
        gradients.pop("memory"), arrays["hgrad_memory"], atol=1e-4
    )
    for key, gradient in gradients.items():
        assert not np.any(numpy_of(gradient)), key


def test_weights_start_as_documented():
    layer = BahdanauAttention(7, normalize=True)
    layer.build((2, 5), (2, 3, 5))
    np.testing.assert_allclose(layer.g, np.sqrt(1 / 7), rtol=1e-6)
    assert not np.any(numpy_of(layer.b))
    # Equal shapes, one initializer: the kernels must differ all the same.
    query_kernel, memory_kernel, *_ = layer.get_weights()
    assert np.abs(query_kernel - memory_kernel).max() > 0.1
    assert [tuple(w.shape) for w in layer.weights] == [
        (5, 7), (5, 7), (7,), (), (7,)
    ]  # fmt: skip


def test_plain_layer_has_no_normalising_weights():
    layer = BahdanauAttention(7)
    layer.build((2, 5), (2, 3, 4))
    assert layer.g is None and layer.b is None
    assert len(layer.weights) == 3


@pytest.mark.parametrize("units", [0, -1, 2.5, True, "3", None])
def test_units_must_be_a_positive_integer(units):
    with pytest.raises(ValueError, match="`units`.*positive integer"):
        BahdanauAttention(units)
