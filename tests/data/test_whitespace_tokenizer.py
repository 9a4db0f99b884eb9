"""Texts that come in tokens."""

import numpy as np
import tensorflow as tf

from zoo.data import WhitespaceTokenizer

LINES = [" mr. <unk> is chairman of <unk> n.v. ", " he does n't  say N ", ""]


def test_only_spaces_separate():
    tokenizer = WhitespaceTokenizer.train(LINES)
    tokens = tokenizer.tokenize_to_strings(LINES)
    text = [[t.decode() for t in row] for row in tokens.to_list()]
    assert text == [
        "▁mr. <unk> ▁is ▁chairman ▁of <unk> ▁n.v.".split(),
        "▁he ▁does ▁n't ▁say ▁N".split(),
        [],
    ]


def test_the_unknown_word_of_the_corpus_is_the_unknown_token():
    tokenizer = WhitespaceTokenizer.train(LINES)
    assert tokenizer.vocabulary_size() == 4 + 10
    ids = tokenizer.tokenize(LINES[:1]).to_list()[0]
    assert [i == tokenizer.unk_token_id for i in ids] == [
        word == "<unk>" for word in LINES[0].split()
    ]
    assert tokenizer.tokenize("<unk>x x<unk>").numpy().tolist() == [1, 1]


def test_detokenizing_gives_the_text_back():
    tokenizer = WhitespaceTokenizer.train(LINES)
    texts = tokenizer.detokenize(tokenizer.tokenize(LINES)).numpy()
    assert [text.decode() for text in texts] == [
        " ".join(line.split()) for line in LINES
    ]


def test_it_runs_in_a_graph():
    tokenizer = WhitespaceTokenizer.train(LINES)
    traced = tf.function(
        lambda text: tokenizer.tokenize(text).to_tensor(),
        input_signature=[tf.TensorSpec([None], tf.string)],
    )
    np.testing.assert_array_equal(
        traced(tf.constant(LINES)), tokenizer.tokenize(LINES).to_tensor()
    )
