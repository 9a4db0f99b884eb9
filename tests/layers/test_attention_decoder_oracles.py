"""Tests of AttentionDecoder against the AttentionWrapper of TF Addons."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.layers.attention_cell import AttentionCell
from zoo.layers.attention_decoder import AttentionDecoder
from zoo.layers.bahdanau_attention import BahdanauAttention
from zoo.layers.lstm_cell import LSTMCell
from zoo.layers.luong_attention import LuongAttention

ORACLES = [
    "g2_luong_noproj",
    "g2_luong_noproj_cellout",
    "g2_luong_proj",
    "g2_luong_proj_cellout",
    "g2_bahdanau_noproj",
    "g2_bahdanau_noproj_attout",
    "g2_bahdanau_proj",
    "g2_two_noproj",
    "g2_two_proj",
    "g2_two_proj_cellout",
]
ORACLE_WEIGHTS = {
    "memory_kernel": "memory_kernel",
    "query_kernel": "query_kernel",
    "v": "attention_v",
    "b": "attention_b",
    "g": "attention_g",
}


def decoder_of(arrays):
    """A decoder with an oracle's weights, and those weights by key."""
    count = 2 if "m1_memory" in arrays else 1
    mechanisms, units, memories, weights = [], [], [], {}
    for n in range(count):
        scaled = f"m{n}_attention_g" in arrays
        if f"m{n}_query_kernel" in arrays:
            v = arrays[f"m{n}_attention_v"]
            mechanisms.append(BahdanauAttention(v.size, normalize=scaled))
        else:
            mechanisms.append(LuongAttention(scale=scaled))
        kernel = arrays.get(f"m{n}_attention_kernel")
        units.append(None if kernel is None else kernel.shape[-1])
        memories.append(arrays[f"m{n}_memory"])
    single = count == 1
    cell = AttentionCell(
        LSTMCell(arrays["h0"].shape[-1]),
        mechanisms[0] if single else mechanisms,
        None if units[0] is None else units[0] if single else units,
        output="attention" if arrays["output_attention"] else "cell",
    )
    shapes = [x.shape for x in memories]
    cell.build(arrays["x"].shape[::2], shapes[0] if single else shapes)
    for name in ("kernel", "recurrent_kernel", "bias"):
        weights[f"cell_{name}"] = getattr(cell.cell, name)
    for n, mechanism in enumerate(mechanisms):
        for name, key in ORACLE_WEIGHTS.items():
            if f"m{n}_{key}" in arrays:
                weights[f"m{n}_{key}"] = getattr(mechanism, name)
        if units[0]:
            kernel = cell.attention_kernel
            weights[f"m{n}_attention_kernel"] = kernel if single else kernel[n]
    for key, variable in weights.items():
        variable.assign(arrays[key])
    assert len(weights) == len(cell.weights)
    return AttentionDecoder(cell), weights


@pytest.mark.parametrize(
    ("name", "run"),
    [(name, lambda function: function) for name in ORACLES]
    + [("g2_luong_proj", tf.function), ("g2_two_proj", tf.function)],
)
def test_decoder_matches_tensorflow_addons(name, run, oracle):
    arrays = oracle(name)
    decoder, weights = decoder_of(arrays)
    count = len(decoder.attention_cell.reader.mechanisms)
    prefixes = [f"m{n}" for n in range(count)]

    def of_each(key):
        values = [tf.constant(arrays[f"{p}_{key}"]) for p in prefixes]
        return values if count > 1 else values[0]

    inputs = {
        "x": tf.constant(arrays["x"]),
        "h0": tf.constant(arrays["h0"]),
        "c0": tf.constant(arrays["c0"]),
        "memory": of_each("memory"),
    }

    @run
    def compute(inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs, alignments, state = decoder(
                inputs["x"],
                inputs["memory"],
                of_each("mask"),
                [inputs["h0"], inputs["c0"]],
            )
            alignments = alignments if count > 1 else [alignments]
            loss = tf.reduce_sum(outputs * arrays["ct_outputs"])
            loss += tf.reduce_sum(state.cell[0] * arrays["ct_h"])
            loss += tf.reduce_sum(state.cell[1] * arrays["ct_c"])
            for p, a in zip(prefixes, alignments, strict=True):
                loss += tf.reduce_sum(a * arrays[f"ct_{p}_alignments"])
        sources = {k: v.value for k, v in weights.items()}
        gradients = tape.gradient(loss, {**inputs, **sources})
        return outputs, alignments, state, gradients

    outputs, alignments, state, gradients = compute(inputs)
    np.testing.assert_allclose(outputs, arrays["outputs"], atol=2e-5)
    np.testing.assert_allclose(state.cell[0], arrays["h"][:, -1], atol=2e-5)
    np.testing.assert_allclose(state.cell[1], arrays["c"][:, -1], atol=2e-5)
    np.testing.assert_allclose(
        state.attention, arrays["attention"][:, -1], atol=2e-5
    )
    for p, a in zip(prefixes, alignments, strict=True):
        np.testing.assert_allclose(a, arrays[f"{p}_alignments"], atol=2e-5)
    memories = gradients.pop("memory")
    for p, x in zip(prefixes, keras.tree.flatten(memories), strict=True):
        gradients[f"{p}_memory"] = x
    for key, gradient in gradients.items():
        np.testing.assert_allclose(
            gradient, arrays[f"grad_{key}"], atol=2e-4, err_msg=key
        )
