"""Tests of BahdanauAttention against TensorFlow Addons and NumPy."""

import numpy as np
import pytest
import tensorflow as tf

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
    query, memory = map(tf.constant, (arrays["query"], arrays["memory"]))
    weights = {
        key: getattr(layer, name).value
        for name, key in WEIGHTS.items()
        if getattr(layer, name) is not None
    }
    with tf.GradientTape() as tape:
        tape.watch([query, memory])
        context, alignments = layer(query, memory, mask=arrays["mask"])
        loss = tf.reduce_sum(alignments * arrays["ct_alignments"])
        loss += tf.reduce_sum(context * arrays["ct_context"])
    sources = {"query": query, "memory": memory, **weights}
    return context, alignments, tape.gradient(loss, sources)


@pytest.mark.parametrize("name", ORACLES)
def test_softmax_matches_tensorflow_addons(name, oracle):
    arrays = oracle(name)
    context, alignments, gradients = run(layer_of(arrays, "softmax"), arrays)
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
        assert gradient is None or not np.any(gradient), key


def test_weights_start_as_documented():
    layer = BahdanauAttention(7, normalize=True)
    layer.build((2, 5), (2, 3, 5))
    np.testing.assert_allclose(layer.g, np.sqrt(1 / 7), rtol=1e-6)
    assert not np.any(layer.b)
    # Equal shapes, one initializer: the kernels must differ all the same.
    assert np.abs(layer.query_kernel - layer.memory_kernel).max() > 0.1
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
