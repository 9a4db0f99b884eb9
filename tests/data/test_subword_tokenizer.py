"""Subword pieces are those of sentencepiece, and can be drawn at random."""

import itertools

import numpy as np
import pytest
import sentencepiece
import tensorflow as tf
from sentencepiece import sentencepiece_model_pb2

from zoo.data import SubwordTokenizer
from zoo.data.cmn_eng import read_split

SPECIAL = ["<pad>", "<unk>", "<sos>", "<eos>"]


@pytest.fixture(scope="module")
def texts():
    examples = read_split("train")[::4]
    return {"en": [e.en for e in examples], "zh": [e.zh for e in examples]}


@pytest.fixture(scope="module")
def tokenizers(texts):
    return {
        "en": SubwordTokenizer.train(texts["en"], 2000),
        "zh": SubwordTokenizer.train(texts["zh"], 3000, simplify=True),
    }


def reference(tokenizer):
    """A sentencepiece processor with the same pieces and scores."""
    model = sentencepiece_model_pb2.ModelProto()
    kinds = {"<unk>": 2, "<pad>": 3, "<sos>": 3, "<eos>": 3}
    vocabulary = zip(tokenizer.get_vocabulary(), tokenizer.scores, strict=True)
    for piece, score in vocabulary:
        model.pieces.add(piece=piece, score=score, type=kinds.get(piece, 1))
    model.trainer_spec.model_type = 1
    model.trainer_spec.unk_id = 1
    model.trainer_spec.pad_id = 0
    model.trainer_spec.bos_id = 2
    model.trainer_spec.eos_id = 3
    model.normalizer_spec.name = "identity"
    model.normalizer_spec.add_dummy_prefix = True
    return sentencepiece.SentencePieceProcessor(
        model_proto=model.SerializeToString()
    )


def without_repeated_unknown(ids):
    """sentencepiece writes neighbouring unknown characters as one."""
    return [
        key
        for key, group in itertools.groupby(ids)
        for _ in ([0] if key == 1 else group)
    ]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("known", [True, False])
def test_segmentation_is_that_of_sentencepiece(
    tokenizers, texts, language, known
):
    tokenizer = tokenizers[language]
    # Text of the other language is full of unknown characters.
    sentences = texts[language if known else {"en": "zh", "zh": "en"}[language]]
    found = tokenizer(sentences).to_list()
    normal = [tokenizer.normalizer.normalize(text) for text in sentences]
    expected = reference(tokenizer).encode(normal)
    agree = [
        without_repeated_unknown(mine) == theirs
        for mine, theirs in zip(found, expected, strict=True)
    ]
    # Ties in float32 may fall either way; none is seen on this corpus.
    assert np.mean(agree) > 0.999
    assert any(1 in ids for ids in found) != known


def test_segmentation_with_random_scores_is_that_of_sentencepiece(texts):
    rng = np.random.default_rng(4)
    pieces = {"▁"}
    for text in texts["en"][::50]:
        for word in text.split():
            word = "▁" + word
            start = rng.integers(len(word))
            pieces.add(word[start : start + rng.integers(1, 9)])
            pieces.update(word)
    pieces = sorted(pieces)
    tokenizer = SubwordTokenizer(
        [*SPECIAL, *pieces],
        [0.0] * 4 + rng.normal(-8, 3, len(pieces)).tolist(),
    )
    found = tokenizer(texts["en"]).to_list()
    expected = reference(tokenizer).encode(texts["en"])
    agree = [
        without_repeated_unknown(mine) == theirs
        for mine, theirs in zip(found, expected, strict=True)
    ]
    assert np.mean(agree) > 0.999


def test_every_unknown_character_is_one_token(tokenizers):
    ids = tokenizers["en"]("🎉👍 Tom").numpy()
    assert ids.tolist().count(1) == 2


@pytest.mark.parametrize("text", ["a", "Tom", "🎉", "Tom is"])
def test_single_short_texts(tokenizers, text):
    ids = tokenizers["en"](text)
    assert tokenizers["en"]([text]).to_list() == [ids.numpy().tolist()]


def test_no_piece_crosses_a_space_or_is_special(tokenizers):
    for tokenizer in tokenizers.values():
        pieces = tokenizer.get_vocabulary()[4:]
        assert not any("▁" in piece[1:] for piece in pieces)
        assert not set(pieces) & set(SPECIAL)
        assert max(map(len, pieces)) <= 16


def test_drawn_segmentations_spell_the_same_text(tokenizers, texts):
    for language, tokenizer in tokenizers.items():
        sentences = texts[language][:500]
        drawn = tokenizer.tokenize(sentences, alpha=0.1, seed=[7, 8])
        assert drawn.to_list() != tokenizer(sentences).to_list()
        assert tokenizer.detokenize(drawn).numpy().tolist() == (
            tokenizer.normalizer(sentences).numpy().tolist()
        )


def test_equal_sentences_are_drawn_apart_and_seeds_decide(tokenizers):
    tokenizer = tokenizers["en"]
    sentences = ["Nothing is impossible."] * 50
    draw = tf.function(
        lambda seed: tokenizer.tokenize(sentences, alpha=0.1, seed=seed)
    )
    first = draw(tf.constant([1, 2])).to_list()
    assert len(set(map(tuple, first))) > 10
    assert draw(tf.constant([1, 2])).to_list() == first
    assert draw(tf.constant([2, 2])).to_list() != first
    eager = tokenizer.tokenize(sentences, alpha=0.1, seed=[1, 2])
    assert eager.to_list() == first


def test_large_alpha_draws_the_best_and_small_alpha_more_tokens(tokenizers):
    tokenizer = tokenizers["en"]
    sentences = [e.en for e in read_split("dev")[:200]]
    best = tokenizer(sentences)
    sharp = tokenizer.tokenize(sentences, alpha=50.0, seed=[1, 2])
    assert sharp.to_list() == best.to_list()
    lengths = [
        tokenizer.tokenize(
            sentences, alpha=alpha, seed=[1, 2]
        ).flat_values.shape[0]
        for alpha in (0.5, 0.2, 0.05)
    ]
    assert best.flat_values.shape[0] < lengths[0] < lengths[1] < lengths[2]


@pytest.mark.parametrize("arguments", [{"alpha": 0.1}, {"seed": [1, 2]}])
def test_alpha_and_seed_go_together(tokenizers, arguments):
    with pytest.raises(ValueError, match="`alpha` and `seed` together"):
        tokenizers["en"].tokenize("a", **arguments)


def test_rare_characters_can_be_left_out():
    texts = ["abab ab"] * 5 + ["q"]
    tokenizer = SubwordTokenizer.train(texts, 9, min_frequency=2)
    assert tokenizer("q").numpy()[-1] == 1
    assert 1 not in SubwordTokenizer.train(texts, 9)("q").numpy()


def test_too_small_vocabulary_says_how_large_it_must_be():
    with pytest.raises(ValueError, match=r"at least 31, .* 26 different"):
        SubwordTokenizer.train(["abcdefghijklmnopqrstuvwxyz"], 20)
    assert SubwordTokenizer.train(["abcdefghijklmnopqrstuvwxyz"], 31)


def test_vocabulary_size_is_needed():
    with pytest.raises(ValueError, match="vocabulary_size`. Received: None"):
        SubwordTokenizer.train(["a"])


def test_each_token_needs_a_score():
    with pytest.raises(ValueError, match="each of the 5 tokens. Received 2"):
        SubwordTokenizer([*SPECIAL, "a"], [0.0, 1.0])


def test_missing_sentencepiece_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sentencepiece", None)
    with pytest.raises(ImportError, match="pip install sentencepiece"):
        SubwordTokenizer.train(["a b"], 9)
