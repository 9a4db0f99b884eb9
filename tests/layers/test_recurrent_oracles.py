"""Values and gradients of layers are those of tf.keras and of its addons."""

import numpy as np
import pytest
from keras import ops

from tests.backend import tensors
from tests.backend import with_gradients
from zoo.layers import GRU
from zoo.layers import LSTM
from zoo.layers import NAS
from zoo.layers import LayerNormSimpleRNN
from zoo.layers import SimpleRNN

UNITS = 5
LAYERS = {
    "simple": (SimpleRNN, {}),
    "gru_after": (GRU, {"reset_after": True}),
    "gru_before": (GRU, {"reset_after": False}),
}
ADDONS = {
    "peephole": (LSTM, {"peephole": True}),
    "lnlstm": (LSTM, {"layer_normalization": True}),
    "lnlstm_norm1e-05": (
        LSTM,
        {"layer_normalization": True, "norm_epsilon": 1e-5},
    ),
    "lnsimple": (LayerNormSimpleRNN, {}),
    "lnsimple_laye0.01": (LayerNormSimpleRNN, {"norm_epsilon": 1e-2}),
    "nas": (NAS, {}),
    "nas_bias": (NAS, {"use_bias": True}),
    "nas_proj4_bias": (NAS, {"projection": 4, "use_bias": True}),
    "nas_proj3": (NAS, {"projection": 3}),
}


def fold(cotangents, read):
    """Cotangents of outputs that are zero at masked steps.

    Keras repeats outputs there: their cotangents belong to the step repeated.
    """
    folded = np.zeros_like(cotangents)
    for row in range(len(read)):
        last = None
        for t in range(read.shape[1]):
            last = t if read[row, t] else last
            if last is not None:
                folded[row, last] += cotangents[row, t]
    return folded


def trained(layer, sources, mask, cotangents):
    """Outputs and states, and all gradients of their weighted sum."""
    cotangents = tensors(cotangents)

    def loss(x, *start):
        results = layer(x, initial_state=list(start), mask=mask)
        return sum(
            map(ops.sum, map(ops.multiply, results, cotangents))
        ), results

    return with_gradients(loss, sources, layer.trainable_weights)


@pytest.mark.parametrize("direction", ["", "_back"])
@pytest.mark.parametrize("mask", ["none", "rp", "gap"])
@pytest.mark.parametrize("name", LAYERS)
def test_states_and_gradients_are_those_of_tf_keras(
    oracle, name, mask, direction
):
    arrays = oracle(f"g5_{name}_{mask}{direction}")
    backwards = bool(arrays["go_backwards"])
    x, h0 = arrays["x"], arrays["h0"]
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
    (outputs, h), found = trained(
        layer,
        [x, h0],
        mask,
        [fold(arrays["ct_outputs"], read), arrays["ct_h"]],
    )
    expected = np.where(read[..., None], arrays["outputs"], 0)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    np.testing.assert_allclose(h, arrays["h"], atol=1e-5)
    for gradient, name in zip(found, ("x", "h0", *names), strict=True):
        np.testing.assert_allclose(
            gradient, arrays[f"grad_{name}"], atol=1e-4, err_msg=name
        )


@pytest.mark.parametrize("mask", ["none", "rp"])
@pytest.mark.parametrize("name", ADDONS)
def test_states_and_gradients_are_those_of_tensorflow_addons(
    oracle, name, mask
):
    arrays = oracle(f"g6_{name}_{mask}")
    layer_class, arguments = ADDONS[name]
    layer = layer_class(
        arrays["kernel"].shape[1] // layer_class.cell_class.gates,
        return_sequences=True,
        return_state=True,
        **arguments,
    )
    # of NAS the addons return c before h
    states = (1, 0) if layer_class is NAS else range(layer.cell.states)
    names = ["x", *(f"init{i}" for i in states)]
    x, *start = (arrays[name] for name in names)
    mask = arrays.get("mask", np.ones(x.shape[:2], bool))
    layer.build(x.shape)
    renamed = {"projection_kernel": "projection_weights"}
    names += [renamed.get(x.name, x.name) for x in layer.trainable_weights]
    weights = layer.trainable_weights
    for weight, name in zip(weights, names[-len(weights) :], strict=True):
        weight.assign(arrays[name])
    cotangents = [arrays[f"ct_state{i}"] for i in states]
    (outputs, *last), found = trained(
        layer,
        [x, *start],
        mask,
        [fold(arrays["ct_outputs"], mask), *cotangents],
    )
    expected = np.where(mask[..., None], arrays["outputs"], 0)
    np.testing.assert_allclose(outputs, expected, atol=2e-5)
    for i, state in zip(states, last, strict=True):
        np.testing.assert_allclose(state, arrays[f"state{i}"], atol=2e-5)
    for gradient, name in zip(found, names, strict=True):
        np.testing.assert_allclose(
            gradient, arrays[f"grad_{name}"], atol=2e-4, err_msg=name
        )
