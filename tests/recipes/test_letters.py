"""The recipe that sorts the letters of a word."""

import collections
import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from recipes import letters


def smoke(folder, **kwargs):
    return dataclasses.replace(
        letters.PRESETS["smoke"], folder=str(folder), **kwargs
    )


def test_words_are_like_those_of_the_article():
    words = letters.random_words(np.random.default_rng(0), 10_000)
    lengths = collections.Counter(map(len, words))
    assert sorted(lengths) == [1, 2, 3, 4, 5, 6, 7]
    assert all(1300 < count < 1560 for count in lengths.values())
    # the article's 10,000 words are 7,707 different ones
    assert 7_500 < len(set(words)) < 7_900
    assert set("".join(words)) == set(letters.LETTERS)


def test_unseen_words_are_in_neither_part():
    train, valid, unseen = letters.load_data(letters.BOOK)
    assert (len(train), len(valid), len(unseen)) == (9_872, 128, 1_000)
    assert not set(unseen) & {*train, *valid}
    # as in the article, where 38 of the 128 are
    assert 25 < sum(word in set(train) for word in valid) < 50


def test_the_network_has_the_articles_size():
    network = letters.Network(letters.BOOK, 30)
    # 2 embeddings, 4 LSTM layers, softmax
    lstm = [4 * 50 * (n + 50 + 1) for n in (15, 50, 15, 50)]
    expected = 2 * 30 * 15 + sum(lstm) + 51 * 30
    assert network.model.count_params() == expected == 69_230


@pytest.mark.parametrize("attention", [False, True])
def test_writing_step_by_step_agrees_with_the_trained_model(attention):
    config = dataclasses.replace(letters.BOOK, attention=attention)
    tokenizer = zoo.data.CharacterTokenizer.train([letters.LETTERS])
    network = letters.Network(config, tokenizer.vocabulary_size())
    for weight in network.model.trainable_weights:
        weight.assign(np.random.default_rng(3).normal(size=weight.shape))
    # padding, which the model would not read back, is never the best
    network.softmax.bias.assign(-1e3 * np.eye(30)[0])
    source = tokenizer.tokenize(["hello", "a"]).to_tensor().numpy()
    found = network.greedy(source, 2, 3)
    ids = found.ids[:, 0].numpy()
    inputs = np.concatenate([[[2], [2]], ids[:, :-1]], axis=1)
    logits = network.model([source, inputs]).numpy()
    for row, length in enumerate(found.lengths[:, 0].numpy()):
        np.testing.assert_array_equal(
            logits[row, :length].argmax(axis=-1), ids[row, :length]
        )


@pytest.mark.parametrize("attention", [False, True])
def test_a_run_learns_and_leaves_its_files(attention, tmp_path):
    config = smoke(tmp_path, attention=attention)
    figures = letters.main(config)
    assert float(figures["**validation loss**"]) < 2.9 < np.log(27)
    folder = tmp_path / config.name
    picture = folder / "plots" / "alignments.png"
    assert picture.is_file() == attention
    assert "common → " in (folder / "report.md").read_text(encoding="utf-8")
    model = tf.saved_model.load(str(folder / "model" / "1"))
    found = model.signatures["serving_default"](
        text=tf.constant(["ba", "", "Ä"])
    )
    assert found["text"].shape == (3,)
    assert ("alignments" in found) == attention


def test_a_seed_gives_the_same_training_again(tmp_path):
    config = smoke(tmp_path, epochs=1)
    losses = []
    for _ in range(2):
        keras.utils.set_random_seed(config.seed)
        train, valid, _ = letters.load_data(config)
        tokenizer = zoo.data.CharacterTokenizer.train([letters.LETTERS])
        network = letters.Network(config, tokenizer.vocabulary_size())
        data = [letters.batches(config, tokenizer, x) for x in (train, valid)]
        losses.append(
            letters.train_model(config, network.model, *data, tmp_path)
        )
    assert losses[0] == losses[1]
