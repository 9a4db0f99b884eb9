"""Tests of AttentionDecoder against the AttentionWrapper of TF Addons."""

import numpy as np
import pytest
from keras import ops

from tests.backend import MODES
from tests.backend import compiled
from tests.backend import numpy_of
from tests.backend import tensors
from tests.backend import with_gradients
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
    ("name", "mode"),
    [(name, "eager") for name in ORACLES]
    + [(name, MODES[-1]) for name in ("g2_luong_proj", "g2_two_proj")],
)
def test_decoder_matches_tensorflow_addons(name, mode, oracle):
    arrays = oracle(name)
    decoder, weights = decoder_of(arrays)
    count = len(decoder.attention_cell.reader.mechanisms)
    prefixes = [f"m{n}" for n in range(count)]
    names = ["x", "h0", "c0", *(f"{p}_memory" for p in prefixes)]

    def all_or_one(values):
        return list(values) if count > 1 else values[0]

    masks = all_or_one([arrays[f"{p}_mask"] for p in prefixes])

    def loss(x, h, c, *memories):
        outputs, alignments, state = decoder(
            x, all_or_one(memories), masks, [h, c]
        )
        alignments = alignments if count > 1 else [alignments]
        values = {
            "outputs": outputs,
            "h": state.cell[0],
            "c": state.cell[1],
            **{
                f"{p}_alignments": a
                for p, a in zip(prefixes, alignments, strict=True)
            },
        }
        total = sum(
            ops.sum(x * tensors(arrays[f"ct_{key}"]))
            for key, x in values.items()
        )
        return total, {**values, "attention": state.attention}

    sources = [arrays[key] for key in names]
    compute = compiled(
        lambda *x: with_gradients(loss, x, weights.values()), mode
    )
    values, gradients = compute(*sources)
    for key in ("h", "c", "attention"):
        np.testing.assert_allclose(
            values.pop(key), arrays[key][:, -1], atol=2e-5, err_msg=key
        )
    for key, value in values.items():
        np.testing.assert_allclose(value, arrays[key], atol=2e-5, err_msg=key)
    for key, gradient in zip([*names, *weights], gradients, strict=True):
        np.testing.assert_allclose(
            gradient, arrays[f"grad_{key}"], atol=2e-4, err_msg=key
        )


@pytest.mark.parametrize("name", ORACLES)
def test_the_states_of_all_steps_match_tensorflow_addons(name, oracle):
    arrays = oracle(name)
    decoder, _ = decoder_of(arrays)
    count = len(decoder.attention_cell.reader.mechanisms)
    memories = tensors([arrays[f"m{n}_memory"] for n in range(count)])
    masks = [arrays[f"m{n}_mask"] for n in range(count)]
    if count == 1:
        memories, masks = memories[0], masks[0]
    x = arrays["x"]
    keys = decoder.project(memories)
    state = decoder.get_initial_state(
        len(x), memories, tensors([arrays["h0"], arrays["c0"]])
    )
    for t in range(x.shape[1]):
        _, state = decoder.step(x[:, t], state, memories, keys, masks)
        found = {
            "h": state.cell[0],
            "c": state.cell[1],
            "attention": state.attention,
        }
        for key, value in found.items():
            np.testing.assert_allclose(
                numpy_of(value),
                arrays[key][:, t],
                atol=2e-5,
                err_msg=f"{key} of step {t}",
            )
