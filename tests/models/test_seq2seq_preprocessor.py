"""Sentences to the ids of a `Seq2Seq`, and back."""

import numpy as np
import pytest
import tensorflow as tf

from zoo.data import CharacterTokenizer
from zoo.data import WordTokenizer
from zoo.models import Seq2SeqPreprocessor

PAD, SOS, EOS = 0, 2, 3


@pytest.fixture(scope="module")
def preprocessor():
    return Seq2SeqPreprocessor(
        CharacterTokenizer.train(["你好。", "谢谢你。"]),
        WordTokenizer.train(["Hello.", "Thank you."]),
        encoder_sequence_length=4,
        decoder_sequence_length=3,
    )


def test_inputs_and_labels_are_one_step_apart(preprocessor):
    x, y, weights = preprocessor((["你好。", "好"], ["Hello.", "you"]))
    hello, dot, you = (
        preprocessor.tokenizer.token_to_id(token)
        for token in ("▁Hello", ".", "▁you")
    )
    assert y.numpy().tolist() == [[hello, dot, EOS], [you, EOS, PAD]]
    assert x["decoder_token_ids"].numpy().tolist() == [
        [SOS, hello, dot],
        [SOS, you, PAD],
    ]
    assert weights.numpy().tolist() == [[1, 1, 1], [1, 1, 0]]
    assert x["decoder_padding_mask"].numpy().tolist() == [
        [True] * 3,
        [True, True, False],
    ]


def test_a_source_ends_with_its_end_token(preprocessor):
    x = preprocessor.encode_source(["好", ""])
    good = preprocessor.source_tokenizer.token_to_id("好")
    assert x["encoder_token_ids"].numpy().tolist() == [[good, EOS], [EOS, PAD]]
    assert x["encoder_padding_mask"].numpy().sum() == 3


def test_long_sentences_are_cut_and_keep_their_end(preprocessor):
    x, y, _ = preprocessor((["你好" * 500], ["Thank you. Thank you."]))
    assert x["encoder_token_ids"].shape == (1, 4)
    assert y.shape == (1, 3)
    assert x["encoder_token_ids"][0, -1] == y[0, -1] == EOS


def test_a_dictionary_is_as_good_as_a_pair(preprocessor):
    pair = preprocessor((["你好。"], ["Hello."]))
    other = preprocessor(
        {"encoder_text": ["你好。"], "decoder_text": ["Hello."]}
    )
    tf.nest.map_structure(np.testing.assert_array_equal, pair, other)


def test_a_prompt_starts_the_target(preprocessor):
    inputs = preprocessor.generate_preprocess(
        {"encoder_text": ["你好。", "好"], "decoder_text": ["Hello", ""]},
        sequence_length=4,
    )
    hello = preprocessor.tokenizer.token_to_id("▁Hello")
    assert inputs["decoder_token_ids"].numpy().tolist() == [
        [SOS, hello, 0, 0, 0],
        [SOS, 0, 0, 0, 0],
    ]
    assert inputs["decoder_padding_mask"].numpy().sum(axis=1).tolist() == [2, 1]


def test_ids_become_sentences_again(preprocessor):
    _, y, _ = preprocessor((["你好。"] * 2, ["Hello.", "you"]))
    text = preprocessor.generate_postprocess({"decoder_token_ids": y})
    assert text == ["Hello.", "you"]


def test_the_config_holds_both_tokenizers(preprocessor):
    again = Seq2SeqPreprocessor.from_config(preprocessor.get_config())
    for pair in ((["你好。"], ["Hello."]), (["谢"], [""])):
        tf.nest.map_structure(
            np.testing.assert_array_equal, preprocessor(pair), again(pair)
        )
    assert again.encoder_sequence_length == 4
    assert again.decoder_sequence_length == 3


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("你好", "你好。"),
        ("你好 \t", "你好。"),
        ("你好。", "你好。"),
        ("你好？ ", "你好？"),
        ("“你好”", "“你好”"),
        ("你好...", "你好..."),
        ("你好3", "你好3。"),
        ("你好😀", "你好😀。"),
        ("", ""),
        ("  ", ""),
        ("\u3000\n\x00\u200b", ""),
        ("你好\u3000", "你好。"),
        (b"\xff", "\ufffd"),
    ],
)
def test_a_source_without_punctuation_gets_its_end_mark(text, read):
    preprocessor = Seq2SeqPreprocessor(
        CharacterTokenizer.train(["你好。"]),
        WordTokenizer.train(["Hello."]),
        source_end_mark="。",
    )
    for each in (
        preprocessor,
        Seq2SeqPreprocessor.from_config(preprocessor.get_config()),
    ):
        # NFKC makes ASCII of some marks: what is read is compared
        found = each.encode_source([text])["encoder_token_ids"]
        expected = each.source_tokenizer.tokenize([read])
        assert found.numpy().tolist() == [[*expected.numpy()[0].tolist(), EOS]]
        tokens = each.source_tokens([text]).numpy()[0].tolist()
        assert (tokens[-2:-1] == ["。".encode()]) == read.endswith("。")


def test_an_end_mark_may_be_any_string():
    for mark in (".", r"\1", "\\"):
        preprocessor = Seq2SeqPreprocessor(
            CharacterTokenizer.train(["ab" + mark]),
            WordTokenizer.train(["Hello."]),
            source_end_mark=mark,
        )
        tokens = preprocessor.source_tokens(["ab"]).numpy()[0].tolist()
        assert b"".join(tokens[:-1]).decode() == "ab" + mark


def test_wrong_arguments_say_what_is_right(preprocessor):
    tokenizer = preprocessor.tokenizer
    with pytest.raises(ValueError, match="tokenizer of `zoo.data`, got 'zh'"):
        Seq2SeqPreprocessor("zh", tokenizer)
    with pytest.raises(ValueError, match="positive integer, got 0"):
        Seq2SeqPreprocessor(tokenizer, tokenizer, encoder_sequence_length=0)
