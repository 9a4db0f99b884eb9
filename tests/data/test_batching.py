"""Batches hold every pair once, padded, masked, and in a known order."""

import itertools
import logging

import numpy as np
import pytest
import tensorflow as tf

from zoo.data import CharacterTokenizer
from zoo.data import SubwordTokenizer
from zoo.data import WordTokenizer
from zoo.data import translation_dataset
from zoo.data.cmn_eng import read_split


@pytest.fixture(scope="module")
def pairs():
    return [(e.zh, e.en) for e in read_split("dev")[::6]]


@pytest.fixture(scope="module")
def tokenizers(pairs):
    return (
        CharacterTokenizer.train([zh for zh, _ in pairs], simplify=True),
        WordTokenizer.train([en for _, en in pairs]),
    )


@pytest.fixture(scope="module")
def subwords(pairs, tokenizers):
    texts = [en for _, en in pairs]
    return tokenizers[0], SubwordTokenizer.train(texts, 500)


def content(batch):
    """A batch as nested lists, to compare."""
    return tf.nest.map_structure(lambda x: x.numpy().tolist(), batch)


def contents(dataset):
    return [content(batch) for batch in dataset]


def rows(batches, tokenizer):
    """The targets of batches, as text."""
    return [
        text.decode()
        for _, y, _ in batches
        for text in tokenizer.detokenize(y).numpy()
    ]


def test_batch_is_padded_masked_and_shifted():
    tokenizer = CharacterTokenizer.train(["abc"])
    pairs = [("ab", "c"), ("", "a"), ("a", "cab")]
    x, y, sample_weight = next(
        iter(translation_dataset(pairs, tokenizer, tokenizer))
    )
    assert content(x) == {
        "encoder_token_ids": [[4, 5, 3], [4, 3, 0]],
        "encoder_padding_mask": [[True] * 3, [True, True, False]],
        "decoder_token_ids": [[2, 6, 0, 0], [2, 6, 4, 5]],
        "decoder_padding_mask": [[True, True, False, False], [True] * 4],
    }
    assert content(y) == [[6, 3, 0, 0], [6, 4, 5, 3]]
    assert content(sample_weight) == [[1, 1, 0, 0], [1] * 4]
    assert {name: value.dtype for name, value in x.items()} == {
        "encoder_token_ids": tf.int32,
        "encoder_padding_mask": tf.bool,
        "decoder_token_ids": tf.int32,
        "decoder_padding_mask": tf.bool,
    }
    assert (y.dtype, sample_weight.dtype) == (tf.int32, tf.float32)


def test_labels_are_the_inputs_one_step_later(pairs, tokenizers):
    for x, y, weight in translation_dataset(pairs, *tokenizers, shuffle=True):
        inputs = x["decoder_token_ids"]
        real = weight[:, 1:] > 0
        assert tf.reduce_all((inputs[:, 1:] == y[:, :-1]) | ~real)
        assert tf.reduce_all(inputs[:, 0] == 2)
        assert tf.reduce_all(tf.reduce_sum(tf.cast(y == 3, "int32"), 1) == 1)
        assert tf.reduce_all((weight > 0) == x["decoder_padding_mask"])
        assert tf.reduce_all((weight > 0) == (y != 0))


@pytest.mark.parametrize(
    "arguments",
    [
        {"batch_size": 7, "shuffle": True},
        {"batch_tokens": 90, "shuffle": True},
        {},
    ],
)
def test_every_pair_comes_once_an_epoch(pairs, tokenizers, arguments):
    dataset = translation_dataset(pairs, *tokenizers, seed=3, **arguments)
    expected = sorted(tokenizers[1].normalizer.normalize(en) for _, en in pairs)
    for _ in range(2):
        batches = list(dataset)
        assert len(batches) == dataset.steps_per_epoch
        assert len(batches) == dataset.cardinality()
        assert sorted(rows(batches, tokenizers[1])) == expected


def test_sources_stay_with_their_targets(pairs, tokenizers):
    translations = {}
    for source, target in pairs:
        source = tokenizers[0].normalizer.normalize(source)
        translations.setdefault(source, set()).add(target)
    for x, y, _ in translation_dataset(pairs, *tokenizers, shuffle=True):
        sources = tokenizers[0].detokenize(x["encoder_token_ids"]).numpy()
        targets = tokenizers[1].detokenize(y).numpy()
        for source, target in zip(sources, targets, strict=True):
            assert target.decode() in translations[source.decode()]


def test_token_batches_keep_to_their_size(pairs, tokenizers):
    sizes = [
        tf.size(side).numpy()
        for x, y, _ in translation_dataset(
            pairs, *tokenizers, batch_tokens=200, shuffle=True
        )
        for side in (x["encoder_token_ids"], y)
    ]
    assert max(sizes) <= 200
    assert np.mean(sizes) > 120


def test_pair_longer_than_a_batch_comes_alone():
    tokenizer = CharacterTokenizer.train(["abc"])
    pairs = [("a", "b"), ("a" * 50, "b"), ("b", "c")]
    dataset = translation_dataset(pairs, tokenizer, tokenizer, batch_tokens=10)
    shapes = sorted(tuple(y.shape) for _, y, _ in dataset)
    assert shapes == [(1, 2), (2, 2)]


def test_buckets_save_padding(pairs, tokenizers):
    def fill(**kwargs):
        batches = list(
            translation_dataset(
                pairs, *tokenizers, batch_size=16, shuffle=True, **kwargs
            )
        )
        real = sum(tf.reduce_sum(weight) for *_, weight in batches)
        return real / sum(tf.size(weight).numpy() for *_, weight in batches)

    assert fill() > fill(bucket_boundaries=()) + 0.15


def test_one_bucket_without_shuffling_keeps_the_order(pairs, tokenizers):
    dataset = translation_dataset(
        pairs, *tokenizers, batch_size=16, bucket_boundaries=()
    )
    assert rows(dataset, tokenizers[1]) == [
        tokenizers[1].normalizer.normalize(en) for _, en in pairs
    ]


@pytest.mark.parametrize("sampling", [0.0, 0.2])
def test_order_is_a_function_of_seed_epoch_and_step(pairs, subwords, sampling):
    def make(**kwargs):
        return translation_dataset(
            pairs,
            *subwords,
            batch_size=32,
            shuffle=True,
            subword_sampling=sampling,
            repeat=True,
            **{"seed": 5, **kwargs},
        )

    dataset = make()
    steps = dataset.steps_per_epoch
    assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY
    epochs = contents(dataset.take(2 * steps))
    first, second = epochs[:steps], epochs[steps:]
    tf.random.set_seed(99)  # has no say
    assert contents(make(first_epoch=1).skip(3).take(2)) == second[3:5]
    assert first != second
    assert contents(make(seed=6).take(steps)) != first
    # Batches of all lengths come all the time, not the short ones first.
    lengths = [len(y[0]) for _, y, _ in first]
    assert lengths != sorted(lengths)


def test_every_iteration_is_shuffled_anew_and_repeatably(pairs, tokenizers):
    dataset, again = (
        translation_dataset(
            pairs, *tokenizers, batch_size=32, shuffle=True, seed=5
        )
        for _ in range(2)
    )
    first, second = contents(dataset), contents(dataset)
    assert first != second
    assert [contents(again), contents(again)] == [first, second]


def test_targets_are_cut_anew_in_each_epoch(pairs, subwords):
    dataset = translation_dataset(
        pairs, *subwords, batch_size=32, subword_sampling=0.1, repeat=True
    )
    steps = dataset.steps_per_epoch
    batches = list(dataset.take(2 * steps))
    epochs = batches[:steps], batches[steps:]
    first, second = (rows(epoch, subwords[1]) for epoch in epochs)
    assert first == second  # not shuffled: the same text, cut otherwise
    tokens = [[y.numpy().tolist() for _, y, _ in epoch] for epoch in epochs]
    assert tokens[0] != tokens[1]
    best = translation_dataset(pairs, *subwords, batch_size=32)
    assert sum(map(_tokens, batches)) > 2.2 * sum(map(_tokens, best))


def _tokens(batch):
    return float(tf.reduce_sum(batch[2]))


def test_restored_iterator_goes_on_where_it_was(pairs, subwords, tmp_path):
    def make():
        return iter(
            translation_dataset(
                pairs,
                *subwords,
                shuffle=True,
                subword_sampling=0.2,
                repeat=True,
            )
        )

    iterator = make()
    for _ in range(11):
        next(iterator)
    path = tf.train.Checkpoint(it=iterator).write(str(tmp_path / "it"))
    expected = [content(next(iterator)) for _ in range(4)]
    iterator = make()
    tf.train.Checkpoint(it=iterator).read(path)
    assert [content(next(iterator)) for _ in range(4)] == expected


def test_empty_and_long_pairs_are_dropped_and_counted(caplog):
    tokenizer = CharacterTokenizer.train(["abcdef"])
    pairs = [
        ("ab", "abc"),
        ("abc", "a"),  # source too long
        ("a", "abcd"),  # target too long
        ("", "a"),
        ("a", " "),
    ]
    with caplog.at_level(logging.INFO, "zoo"):
        dataset = translation_dataset(
            pairs,
            tokenizer,
            tokenizer,
            max_source_length=2,
            max_target_length=3,
        )
    assert (dataset.kept, dataset.dropped) == (1, 4)
    assert "1 of 5 sentence pairs kept, 4 dropped" in caplog.text
    assert rows(dataset, tokenizer) == ["abc"]


def test_forms_of_pairs_are_the_same(pairs, tokenizers):
    sources, targets = zip(*pairs, strict=True)
    forms = (
        pairs,
        (sources, targets),
        tf.data.Dataset.from_tensor_slices((list(sources), list(targets))),
    )
    first, *others = (
        contents(translation_dataset(form, *tokenizers)) for form in forms
    )
    assert all(other == first for other in others)


def test_bytes_that_are_not_utf8_are_unknown():
    tokenizer = CharacterTokenizer.train(["ab"])
    dataset = translation_dataset([(b"a\xff", b"b")], tokenizer, tokenizer)
    ((x, _, _),) = dataset
    assert content(x["encoder_token_ids"]) == [[4, 1, 3]]


def test_model_trains_on_it(pairs, tokenizers):
    import keras

    ids = keras.Input((None,), dtype="int32", name="decoder_token_ids")
    size = tokenizers[1].vocabulary_size()
    hidden = keras.layers.Embedding(size, 3)(ids)
    model = keras.Model(
        {"decoder_token_ids": ids}, keras.layers.Dense(size)(hidden)
    )
    model.compile(
        keras.optimizers.Adam(0.05),
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, reduction="mean_with_sample_weight"
        ),
    )
    dataset = translation_dataset(pairs, *tokenizers, shuffle=True)
    history = model.fit(
        dataset.map(
            lambda x, y, w: (
                {"decoder_token_ids": x["decoder_token_ids"]},
                y,
                w,
            )
        ),
        epochs=3,
        shuffle=False,  # the dataset does it
        verbose=0,
    )
    losses = history.history["loss"]
    assert losses[0] > losses[1] > losses[2]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"batch_size": 0}, "at least 1 for `batch_size`. Received: 0"),
        ({"batch_tokens": 1.5}, "`batch_tokens`. Received: 1.5"),
        ({"batch_size": 2, "batch_tokens": 9}, "not both.*=2.*=9"),
        ({"max_source_length": -1}, "`max_source_length`"),
        ({"max_target_length": True}, "`max_target_length`"),
        ({"bucket_boundaries": (5, 3)}, r"increasing.*\[5, 3\]"),
        ({"seed": -1}, "`seed`. Received: -1"),
        ({"first_epoch": 2}, "`repeat=True` with `first_epoch`"),
        ({"subword_sampling": -0.1}, "`subword_sampling`. Received: -0.1"),
        ({"subword_sampling": 0.1}, "SubwordTokenizer.*: CharacterTokenizer"),
    ],
)
def test_wrong_arguments(arguments, match):
    tokenizer = CharacterTokenizer.train(["a"])
    with pytest.raises(ValueError, match=match):
        translation_dataset([("a", "a")], tokenizer, tokenizer, **arguments)


@pytest.mark.parametrize(
    ("pairs", "match"),
    [
        ([], "Received none"),
        ([("a", "")], "Received 1, all of which"),
        ((["a"], ["a", "b"]), "1 sources and 2 targets"),
        (["ab", "cd"], "Received an item 'ab'"),
        ([("a", "b", "c")], r"Received an item \('a', 'b', 'c'\)"),
        (
            tf.data.Dataset.from_tensors(("a", "b")).repeat(),
            "repeats for ever",
        ),
    ],
)
def test_wrong_pairs(pairs, match):
    tokenizer = CharacterTokenizer.train(["a"])
    with pytest.raises(ValueError, match=match):
        translation_dataset(pairs, tokenizer, tokenizer)


def test_length_limits_are_those_of_the_text():
    tokenizer = CharacterTokenizer.train(["a"])
    pairs = [("a" * n, "a" * m) for n, m in itertools.product((2, 3), (4, 5))]
    dataset = translation_dataset(
        pairs, tokenizer, tokenizer, max_source_length=3, max_target_length=4
    )
    assert dataset.kept == 2


def test_an_iterator_ends_without_waiting_for_a_tuning_thread(
    pairs, tokenizers
):
    data = translation_dataset(pairs, *tokenizers)
    assert data.options().autotune.enabled is False
