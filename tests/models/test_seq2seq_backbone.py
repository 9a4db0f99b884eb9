"""Encoder-decoder networks: teacher forcing, steps, padding, settings."""

import keras
import numpy as np
import pytest
from keras import ops

from zoo.layers import CoverageAttention
from zoo.layers import LuongAttention
from zoo.layers import LuongMonotonicAttention
from zoo.models import Seq2SeqBackbone

SIZES = {
    "source_vocabulary_size": 11,
    "target_vocabulary_size": 13,
    "embedding_dim": 4,
    "encoder_units": 5,
    "decoder_units": 6,
}
WIRINGS = {
    "plain": {"attention": None},
    "plain, deep": {"attention": None, "num_decoder_layers": 2},
    "context at every step": {"attention": None, "context": "every"},
    "context at every step, deep": {
        "attention": None,
        "context": "every",
        "num_encoder_layers": 2,
        "num_decoder_layers": 2,
    },
    "bahdanau": {"attention": "bahdanau"},
    "luong": {"attention": "luong", "input_feeding": False},
    "coverage": {"attention": CoverageAttention(7)},
    "monotonic": {
        "attention": LuongMonotonicAttention(),
        "input_feeding": False,
    },
    "lexical": {"lexical": True, "input_feeding": False},
    "bigrams": {"source_bigrams": 7, "lexical": True, "fixed_norm": True},
    "no look at 5": {"unattended_ids": (5,)},
    "deep": {"num_encoder_layers": 2, "num_decoder_layers": 2},
    "one direction, copied": {
        "bidirectional": False,
        "encoder_units": 6,
        "bridge": "copy",
    },
    "no bridge": {"bridge": "zero", "tie_embeddings": False},
    "the book's seq2seq": {
        "attention": None,
        "project_output": False,
        "embedding_dim": 6,
        "encoder_units": 6,
        "num_encoder_layers": 2,
        "num_decoder_layers": 2,
        "bidirectional": False,
        "bridge": "copy",
        "softmax_bias": True,
        "embedding_dropout": 0.2,
        "initializer_range": 0.5,
    },
    "the book's attention": {
        "num_decoder_layers": 2,
        "bridge": "zero",
        "softmax_bias": True,
        "output_activation": None,
        "embedding_dropout": 0.2,
        "initializer_range": 0.5,
    },
}
wirings = pytest.mark.parametrize(
    "wiring", WIRINGS.values(), ids=WIRINGS.keys()
)


def make_backbone(**kwargs):
    return Seq2SeqBackbone(**{**SIZES, **kwargs})


def make_inputs(seed=0):
    """Two pairs, sources of 5 and 3 tokens, targets of 2 and 4."""
    random = np.random.default_rng(seed)
    source_mask = np.arange(5) < np.array([[5], [3]])
    target_mask = np.arange(4) < np.array([[2], [4]])
    return {
        "encoder_token_ids": random.integers(4, 11, (2, 5)) * source_mask,
        "encoder_padding_mask": source_mask,
        "decoder_token_ids": random.integers(4, 13, (2, 4)) * target_mask,
        "decoder_padding_mask": target_mask,
    }


def run(backbone, inputs):
    outputs = backbone(inputs)
    return {name: ops.convert_to_numpy(x) for name, x in outputs.items()}


@wirings
def test_steps_equal_teacher_forcing(wiring):
    backbone = make_backbone(**wiring)
    inputs = make_inputs()
    expected = run(backbone, inputs)
    encoded = backbone.encode(
        inputs["encoder_token_ids"], inputs["encoder_padding_mask"]
    )
    state = encoded.state
    for t in range(4):
        hidden, alignments, state = backbone.decode_step(
            inputs["decoder_token_ids"][:, t], state, encoded
        )
        real = inputs["decoder_padding_mask"][:, t]
        np.testing.assert_allclose(
            ops.convert_to_numpy(hidden)[real],
            expected["decoder_sequence_output"][real, t],
            atol=1e-6,
        )
        if alignments is not None:
            np.testing.assert_allclose(
                ops.convert_to_numpy(alignments)[real],
                expected["alignments"][real, t],
                atol=1e-6,
            )


@wirings
def test_beams_share_a_memory(wiring):
    backbone = make_backbone(**wiring)
    inputs = make_inputs()
    encoded = backbone.encode(
        inputs["encoder_token_ids"], inputs["encoder_padding_mask"]
    )
    tokens = np.array([4, 5, 6, 7, 8, 9])  # three beams of each source
    state = keras.tree.map_structure(
        lambda x: ops.repeat(x, 3, axis=0), encoded.state
    )
    hidden, _, _ = backbone.decode_step(tokens, state, encoded)
    for beam in range(3):
        alone, _, _ = backbone.decode_step(
            tokens[beam::3], encoded.state, encoded
        )
        np.testing.assert_allclose(hidden[beam::3], alone, atol=1e-6)


@wirings
def test_padding_changes_nothing(wiring):
    backbone = make_backbone(**wiring)
    inputs = make_inputs()
    expected = run(backbone, inputs)
    other = dict(inputs)
    for side in ("encoder", "decoder"):
        mask = inputs[f"{side}_padding_mask"]
        other[f"{side}_token_ids"] = np.where(
            mask, inputs[f"{side}_token_ids"], 9
        )
    found = run(backbone, other)
    for name, x in expected.items():
        np.testing.assert_allclose(found[name], x, atol=1e-6, err_msg=name)


def test_a_pair_alone_equals_itself_in_a_batch():
    backbone = make_backbone()
    inputs = make_inputs()
    both = run(backbone, inputs)
    alone = run(
        backbone,
        {
            "encoder_token_ids": inputs["encoder_token_ids"][1:, :3],
            "encoder_padding_mask": inputs["encoder_padding_mask"][1:, :3],
            "decoder_token_ids": inputs["decoder_token_ids"][1:],
            "decoder_padding_mask": inputs["decoder_padding_mask"][1:],
        },
    )
    np.testing.assert_allclose(
        alone["decoder_sequence_output"],
        both["decoder_sequence_output"][1:],
        atol=1e-6,
    )


def test_alignments_sum_to_one_and_avoid_padding():
    inputs = make_inputs()
    alignments = run(make_backbone(), inputs)["alignments"]
    np.testing.assert_allclose(
        alignments.sum(-1), inputs["decoder_padding_mask"], atol=1e-6
    )
    assert np.all(alignments[1, :, 3:] == 0)


def test_unattended_tokens_are_read_and_not_looked_at():
    inputs = make_inputs()
    inputs["encoder_token_ids"][:, 2] = 3
    backbone = make_backbone(unattended_ids=(3, 1))
    outputs = run(backbone, inputs)
    assert np.all(outputs["alignments"][:, :, 2] == 0)
    np.testing.assert_allclose(
        outputs["alignments"].sum(-1), inputs["decoder_padding_mask"], atol=1e-6
    )
    everywhere = make_backbone()
    everywhere.set_weights(backbone.get_weights())
    expected = run(everywhere, inputs)
    name = "encoder_sequence_output"
    np.testing.assert_array_equal(outputs[name], expected[name])
    assert np.all(expected["alignments"][0, 0] > 0)


def test_a_source_of_unattended_tokens_only_gives_no_context():
    inputs = make_inputs()
    inputs["encoder_token_ids"][0] = 3
    outputs = run(make_backbone(unattended_ids=(3,)), inputs)
    assert np.all(outputs["alignments"][0] == 0)
    assert np.all(np.isfinite(outputs["decoder_sequence_output"]))


def test_bigrams_tell_a_word_from_its_characters():
    backbone = make_backbone(source_bigrams=50, lexical=True)
    ids = np.array([[5, 7, 6, 7], [6, 7, 9, 9]])
    mask = np.array([[1, 1, 1, 1], [1, 1, 0, 0]], "bool")
    embedded = backbone.encode(ids, mask).embedded
    pairs = ops.convert_to_numpy(backbone.bigram_embedding(ids))
    expected = ops.convert_to_numpy(backbone.source_embedding(ids)) + pairs
    expected[0, :3] += pairs[0, 1:]  # and the pair with the token after
    expected[1, :1] += pairs[1, 1:2]
    np.testing.assert_allclose(embedded[0], expected[0], atol=1e-6)
    np.testing.assert_allclose(embedded[1, :2], expected[1, :2], atol=1e-6)
    assert np.any(embedded[0, 1] != embedded[0, 3])


def test_fixed_norm_makes_the_norm_of_a_row_irrelevant():
    backbone = make_backbone(fixed_norm=True)
    hidden = np.random.default_rng(0).normal(size=(2, 4)).astype("float32")
    expected = backbone.token_embedding(hidden, reverse=True)
    table = backbone.token_embedding.embeddings
    table.assign(table * np.linspace(1, 9, 13)[:, None])
    found = backbone.token_embedding(hidden, reverse=True)
    np.testing.assert_allclose(found, expected, rtol=1e-3)


@wirings
def test_every_weight_is_in_the_file(wiring, tmp_path):
    backbone = make_backbone(**wiring)
    rng = np.random.default_rng(0)
    values = [rng.normal(size=x.shape) for x in backbone.weights]
    for weight, value in zip(backbone.weights, values, strict=True):
        weight.assign(value)
    backbone.save_weights(tmp_path / "x.weights.h5")
    for weight in backbone.weights:
        weight.assign(ops.zeros_like(weight))
    backbone.load_weights(tmp_path / "x.weights.h5")
    for x, value in zip(backbone.weights, values, strict=True):
        np.testing.assert_allclose(x, value, rtol=1e-6, err_msg=x.path)


def test_every_argument_survives_its_config():
    arguments = {
        **SIZES,
        "num_encoder_layers": 2,
        "num_decoder_layers": 2,
        "bidirectional": False,
        "source_bigrams": 7,
        "unattended_ids": (3,),
        "attention": "luong",
        "input_feeding": False,
        "lexical": True,
        "bridge": "zero",
        "tie_embeddings": False,
        "fixed_norm": False,
        "softmax_bias": True,
        "output_activation": None,
        "project_output": False,
        "initializer_range": 0.25,
        "embedding_dropout": 0.05,
        "dropout": 0.1,
        "word_dropout": 0.2,
        "recurrent_dropout": 0.3,
        "dtype": "mixed_bfloat16",
        "name": "other",
    }
    backbone = Seq2SeqBackbone(**arguments)
    again = Seq2SeqBackbone.from_config(backbone.get_config())
    assert again.get_config() == backbone.get_config()
    for name, value in arguments.items():
        found = getattr(again, name if name != "dtype" else "dtype_policy")
        assert getattr(found, "name", found) == value, name
    assert [w.shape for w in again.weights] == [
        w.shape for w in backbone.weights
    ]


def test_an_attention_layer_survives_its_config():
    backbone = make_backbone(
        attention=LuongAttention(score="dot"),
        bidirectional=False,
        encoder_units=6,
    )
    again = Seq2SeqBackbone.from_config(backbone.get_config())
    assert again.attention.get_config()["score"] == "dot"
    again.set_weights(backbone.get_weights())
    inputs = make_inputs()
    np.testing.assert_allclose(
        run(again, inputs)["alignments"],
        run(backbone, inputs)["alignments"],
        atol=1e-6,
    )


def test_the_context_reaches_every_step_without_the_state():
    """With a zero first state, only the context knows the source."""
    inputs, others = make_inputs(), make_inputs(1)
    others = {
        name: (others if "encoder" in name else inputs)[name] for name in inputs
    }
    for context in ("initial", "every"):
        backbone = make_backbone(attention=None, context=context, bridge="zero")
        found, other = (
            run(backbone, x)["decoder_sequence_output"]
            for x in (inputs, others)
        )
        real = inputs["decoder_padding_mask"]
        differ = np.abs(found - other).max(-1)[real] > 1e-4
        assert differ.all() == differ.any() == (context == "every")


def test_tied_embeddings_are_one_weight():
    tied = make_backbone().count_params()
    untied = make_backbone(tie_embeddings=False).count_params()
    assert untied - tied == 13 * 4


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_is_close_to_full(policy):
    inputs = make_inputs()
    full = make_backbone()
    half = make_backbone(dtype=policy)
    half.set_weights(full.get_weights())
    expected = run(full, inputs)["decoder_sequence_output"]
    found = half(inputs)["decoder_sequence_output"]
    assert keras.backend.standardize_dtype(found.dtype) == policy[6:]
    np.testing.assert_allclose(
        ops.convert_to_numpy(ops.cast(found, "float32")), expected, atol=0.03
    )


def test_dropout_is_on_in_training_alone():
    backbone = make_backbone(
        dropout=0.3, word_dropout=0.3, recurrent_dropout=0.3
    )
    inputs = make_inputs()
    name = "decoder_sequence_output"
    first, second = (run(backbone, inputs)[name] for _ in range(2))
    np.testing.assert_array_equal(first, second)
    trained = ops.convert_to_numpy(backbone(inputs, training=True)[name])
    assert not np.allclose(trained, first)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"attention": "bahdanov"}, "'bahdanau', 'luong'.*got 'bahdanov'"),
        ({"lexical": True, "attention": None}, "lexical=True, got None"),
        ({"context": "never"}, "'initial', 'every'.*got 'never'"),
        ({"context": "every"}, "attention=None.*got 'bahdanau'"),
        ({"bridge": "rope"}, "'dense', 'copy', 'zero'.*got 'rope'"),
        ({"bridge": "copy"}, "6 decoder units and 10 of the encoder"),
        (
            {"fixed_norm": True, "softmax_bias": True},
            "one of fixed_norm=True and softmax_bias=True",
        ),
        (
            {"attention": None, "project_output": False},
            "decoder_units=6 and embedding_dim=4",
        ),
        ({"encoder_units": 0}, "positive integer, got 0"),
    ],
)
def test_wrong_arguments_say_what_is_right(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_backbone(**arguments)
