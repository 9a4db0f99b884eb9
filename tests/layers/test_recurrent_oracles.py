"""Layers with one state: values and gradients are those of tf.keras."""

import numpy as np
import pytest
import tensorflow as tf

from zoo.layers import GRU
from zoo.layers import SimpleRNN

UNITS = 5
LAYERS = {
    "simple": (SimpleRNN, {}),
    "gru_after": (GRU, {"reset_after": True}),
    "gru_before": (GRU, {"reset_after": False}),
}


@pytest.mark.parametrize("direction", ["", "_back"])
@pytest.mark.parametrize("mask", ["none", "rp", "gap"])
@pytest.mark.parametrize("name", LAYERS)
def test_states_and_gradients_are_those_of_tf_keras(
    oracle, name, mask, direction
):
    arrays = oracle(f"g5_{name}_{mask}{direction}")
    backwards = bool(arrays["go_backwards"])
    x, h0 = tf.constant(arrays["x"]), tf.constant(arrays["h0"])
    mask = arrays.get("mask", np.ones(x.shape[:2], bool))
    read = mask[:, ::-1] if backwards else mask
    layer_class, arguments = LAYERS[name]
    layer = layer_class(
        UNITS,
        return_sequences=True,
        return_state=True,
        go_backwards=backwards,
        **arguments,
    )
    layer.build(x.shape)
    names = ("kernel", "recurrent_kernel", "bias")
    layer.set_weights([arrays[name] for name in names])
    # Keras repeats outputs at masked steps: their cotangents belong to the
    # step repeated.
    folded = np.zeros_like(arrays["ct_outputs"])
    for row in range(len(x)):
        last = None
        for t in range(x.shape[1]):
            last = t if read[row, t] else last
            if last is not None:
                folded[row, last] += arrays["ct_outputs"][row, t]
    weights = [weight.value for weight in layer.trainable_weights]
    with tf.GradientTape() as tape:
        tape.watch([x, h0])
        outputs, h = layer(x, initial_state=[h0], mask=mask)
        loss = tf.reduce_sum(outputs * folded)
        loss += tf.reduce_sum(h * arrays["ct_h"])
    expected = np.where(read[..., None], arrays["outputs"], 0)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    np.testing.assert_allclose(h, arrays["h"], atol=1e-5)
    gradients = tape.gradient(loss, [x, h0, *weights])
    for gradient, name in zip(gradients, ("x", "h0", *names), strict=True):
        np.testing.assert_allclose(
            gradient, arrays[f"grad_{name}"], atol=1e-4, err_msg=name
        )
