"""A decoder made from a language model."""

import numpy as np
import pytest
from keras import ops

from zoo.data import CharacterTokenizer
from zoo.models import LanguageModel
from zoo.models import LanguageModelBackbone
from zoo.models import Seq2Seq
from zoo.models import Seq2SeqPreprocessor

TOKENIZER = CharacterTokenizer.train(["hello world"])
SOURCE = CharacterTokenizer.train(["你好世界"])
PREPROCESSOR = Seq2SeqPreprocessor(SOURCE, TOKENIZER)


def make_writer(**kwargs):
    settings = {"units": 6, "num_layers": 2, **kwargs}
    writer = LanguageModelBackbone(TOKENIZER.vocabulary_size(), **settings)
    rng = np.random.default_rng(0)
    for weight in writer.trainable_weights:
        weight.assign(rng.normal(size=weight.shape) / 2)
    return LanguageModel(writer)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize(
    "wiring",
    [
        {"attention": None},
        {"attention": "bahdanau"},
        {"attention": "luong", "input_feeding": False},
        {"attention": "bahdanau", "initializer_range": 0.3},
    ],
    ids=str,
)
def test_untrained_it_predicts_what_the_language_model_does(
    wiring, layers, tied
):
    writer = make_writer(num_layers=layers, tie_embeddings=tied)
    model = Seq2Seq.from_language_model(
        writer, PREPROCESSOR, {"encoder_units": 5, "bridge": "zero", **wiring}
    )
    x, labels, _ = PREPROCESSOR((["你好", "世"], ["hello", "low"]))
    read = np.array(x["decoder_token_ids"])
    assert (read[:, 0] == TOKENIZER.start_token_id).all()
    expected_ids = read.copy()
    expected_ids[:, 0] = TOKENIZER.end_token_id  # how its texts begin
    mask = np.array(x["decoder_padding_mask"])
    expected = writer({"token_ids": expected_ids, "padding_mask": mask})
    found = ops.convert_to_numpy(model(x))[mask]
    expected = ops.convert_to_numpy(expected)[mask]
    if tied:  # the start token, never written, took the end's embedding
        found[:, 2] = expected[:, 2]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_training_adds_the_source():
    model = Seq2Seq.from_language_model(
        make_writer(), PREPROCESSOR, {"encoder_units": 5}, beam_width=2
    )
    assert model.beam_width == 2
    kernel = model.backbone.decoder.attention_cell.attention_kernel
    assert not np.any(kernel.numpy()[6:])
    model.compile()
    model.fit(["你好", "世界"], ["hello", "world"], epochs=2, verbose=0)
    assert np.any(kernel.numpy()[6:])
    assert len(model.translate(["你好"])) == 1


def test_its_weights_are_copies():
    writer = make_writer()
    model = Seq2Seq.from_language_model(writer, PREPROCESSOR)
    before = writer.backbone.token_embedding.embeddings.numpy()
    model.backbone.token_embedding.embeddings.assign(0 * before)
    np.testing.assert_array_equal(
        writer.backbone.token_embedding.embeddings, before
    )


@pytest.mark.parametrize(
    ("writer", "backbone", "message"),
    [
        ({"units": [7, 6]}, {}, r"got units=\[7, 6\], embedding_dim=6"),
        ({"mogrifier_rounds": 2}, {}, "mogrifier_rounds=2"),
        ({}, {"decoder_units": 9}, "got decoder_units. Leave"),
    ],
)
def test_what_does_not_fit_is_an_error(writer, backbone, message):
    with pytest.raises(ValueError, match=message):
        Seq2Seq.from_language_model(
            make_writer(**writer), PREPROCESSOR, backbone
        )


def test_another_vocabulary_is_an_error():
    preprocessor = Seq2SeqPreprocessor(SOURCE, SOURCE)
    with pytest.raises(ValueError, match="of 12 tokens, got one of 8"):
        Seq2Seq.from_language_model(make_writer(), preprocessor)
