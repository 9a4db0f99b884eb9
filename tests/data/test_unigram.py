"""The search over segmentations finds what trying all of them finds."""

import collections
import itertools

import numpy as np
import pytest
import tensorflow as tf

from zoo.data import unigram


def segmentations(word, longest):
    """All ways to cut a word into pieces of at most `longest` characters."""
    if not word:
        yield ()
    for length in range(1, min(longest, len(word)) + 1):
        for rest in segmentations(word[length:], longest):
            yield (word[:length], *rest)


def ragged_characters(words):
    return tf.ragged.constant([list(word) for word in words])


def table(words, scores, longest):
    """The scores of `words` in the layout of `unigram.substrings`."""
    candidates = unigram.substrings(ragged_characters(words), longest).numpy()
    return np.array(
        [
            [
                scores.get(c.decode(), unigram.IMPOSSIBLE) if c else -1e30
                for c in row
            ]
            for row in candidates
        ],
        "float32",
    )


def cut(words, scores, longest, seed=None):
    lengths = np.array([len(word) for word in words], "int32")
    starts = np.cumsum([0, *lengths[:-1]]).astype("int32")
    word, last, length = unigram.segment(
        tf.constant(table(words, scores, longest)),
        tf.constant(starts),
        tf.constant(lengths),
        seed=seed,
    )
    flat = "".join(words)
    pieces = [[] for _ in words]
    for w, end, n in zip(
        word.numpy(), last.numpy(), length.numpy(), strict=True
    ):
        pieces[w].append(flat[end - n + 1 : end + 1])
    return [tuple(row) for row in pieces]


def random_scores(words, longest, rng):
    candidates = sorted(
        {
            piece
            for word in words
            for way in segmentations(word, longest)
            for piece in way
        }
    )
    scores = {c: float(rng.normal(-3, 2)) for c in candidates}
    # Some are no pieces; single characters always are.
    return {
        c: s for c, s in scores.items() if len(c) == 1 or rng.random() < 0.7
    }


@pytest.mark.parametrize("longest", [1, 2, 3, 5])
def test_best_segmentation_is_the_best_of_all(longest):
    rng = np.random.default_rng(longest)
    words = ["abcdefg", "gf", "a", "bbabb", "edcba"]
    for _ in range(5):
        scores = random_scores(words, longest, rng)
        for word, found in zip(words, cut(words, scores, longest), strict=True):
            ways = [
                way
                for way in segmentations(word, longest)
                if all(piece in scores for piece in way)
            ]
            best = max(ways, key=lambda way: sum(scores[p] for p in way))
            assert found == best


def test_among_equals_the_longest_last_piece_wins():
    scores = {"a": -1.0, "aa": -2.0, "aaa": -3.0}
    assert cut(["aaaa"], scores, 3) == [("a", "aaa")]


def test_draws_follow_the_probabilities_of_the_segmentations():
    words, longest, draws = ["abcd", "cb"], 3, 4000
    scores = random_scores(words, longest, np.random.default_rng(3))
    found = cut(words * draws, scores, longest, seed=tf.constant([5, 6]))
    for index, word in enumerate(words):
        ways = [
            way
            for way in segmentations(word, longest)
            if all(piece in scores for piece in way)
        ]
        weights = np.exp([sum(scores[p] for p in way) for way in ways])
        counts = collections.Counter(found[index :: len(words)])
        for way, p in zip(ways, weights / weights.sum(), strict=True):
            error = 4 * np.sqrt(p * (1 - p) / draws) + 1e-3
            assert abs(counts[way] / draws - p) < error, way


def test_draws_depend_on_the_seed_alone():
    scores = {"".join(c): -1.0 for c in itertools.product("ab", repeat=2)}
    scores |= {"a": -1.0, "b": -1.0}
    words = ["abab", "ba"] * 10
    first = cut(words, scores, 2, seed=tf.constant([1, 2]))
    assert cut(words, scores, 2, seed=tf.constant([1, 2])) == first
    assert cut(words, scores, 2, seed=tf.constant([1, 3])) != first


def test_no_words():
    none = tf.zeros([0], tf.int32)
    results = unigram.segment(tf.zeros([0, 3]), none, none)
    assert [result.shape[0] for result in results] == [0, 0, 0]
    characters = tf.RaggedTensor.from_row_lengths(
        tf.constant([], tf.string), none
    )
    assert unigram.substrings(characters, 4).shape == [0, 4]


def test_substrings_do_not_reach_into_the_word_before():
    found = unigram.substrings(ragged_characters(["ab", "c", "字d"]), 3)
    assert [[c.decode() for c in row] for row in found.numpy()] == [
        ["", "", "a"],
        ["", "ab", "b"],
        ["", "", "c"],
        ["", "", "字"],
        ["", "字d", "d"],
    ]
