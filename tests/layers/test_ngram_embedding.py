"""Tests of NgramEmbedding against a loop over n-grams."""

import numpy as np
import pytest

from tests.backend import compiled
from tests.backend import every_mode
from tests.backend import numpy_of
from zoo.layers import NgramEmbedding

BUCKETS, DIM = 11, 3
IDS = np.random.default_rng(0).integers(0, 3000, (4, 6)).astype("int32")


def make(**arguments):
    layer = NgramEmbedding(BUCKETS, DIM, **arguments)
    layer.build((None, None))
    return layer


def row_of(ngram):
    """The row of the table, in integers without limit."""
    multiplier = int(0.618 * BUCKETS) | 1
    row = 0
    for token in ngram:
        row = row * multiplier + int(token)
    return row % BUCKETS


@pytest.mark.parametrize("n", [1, 2, 3])
@every_mode
def test_equation(n, mode):
    layer = make(n=n)
    table = np.asarray(layer.get_weights()[0])
    padded = np.pad(IDS, ((0, 0), (n - 1, 0)))
    expected = [
        [table[row_of(row[t : t + n])] for t in range(IDS.shape[1])]
        for row in padded
    ]
    np.testing.assert_array_equal(compiled(layer, mode)(IDS), expected)


def test_a_pair_is_the_same_wherever_it_stands():
    found = numpy_of(make()(np.array([[7, 8, 9, 7, 8]])))[0]
    np.testing.assert_array_equal(found[1], found[4])
    assert np.any(found[0] != found[3])  # the first follows nothing


def test_what_follows_changes_nothing():
    longer = make()
    found = longer(IDS[:, :3])
    np.testing.assert_array_equal(found, longer(IDS)[:, :3])


def test_the_largest_ids_find_the_row_that_exact_arithmetic_gives():
    ids = np.full((1, 4), 2**31 - 1, "int32")
    layer = NgramEmbedding(50_000, 1, n=3)
    found = layer(ids)[0, -1]
    multiplier, row = int(0.618 * 50_000) | 1, 0
    for _ in range(3):
        row = row * multiplier + 2**31 - 1
    np.testing.assert_array_equal(found, layer.get_weights()[0][row % 50_000])


def test_pairs_of_frequent_tokens_are_spread_over_the_table():
    pairs = np.stack(np.meshgrid(np.arange(90), np.arange(90)), -1)
    layer = NgramEmbedding(8192, 1)
    layer.build((None, None))
    layer.set_weights([np.arange(8192.0)[:, None]])
    rows = np.asarray(layer(pairs.reshape(-1, 2)))[:, 1, 0]
    # 8,100 balls into 8,192 urns by chance leave 63 % of the urns with one
    assert len(np.unique(rows)) > 0.6 * 8192


@pytest.mark.parametrize(
    "arguments",
    [
        {"buckets": 1, "output_dim": 2},
        {"buckets": 50_001, "output_dim": 2},
        {"buckets": 5, "output_dim": 0},
        {"buckets": 5, "output_dim": 2, "n": 0},
    ],
)
def test_numbers_out_of_range_are_refused(arguments):
    with pytest.raises(ValueError, match=r"Expected `(buckets|output_dim|n)`"):
        NgramEmbedding(**arguments)
