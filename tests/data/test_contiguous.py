"""One long text as batches that go on where the last one ended."""

import numpy as np
import pytest

from zoo.data import contiguous_batches


def test_rows_go_on_from_batch_to_batch():
    ids = np.random.default_rng(0).integers(0, 99, 103)
    data = contiguous_batches(ids, batch_size=4, num_steps=5)
    batches = [(x["token_ids"].numpy(), y.numpy()) for x, y, _ in data]
    assert len(data) == len(batches) == 102 // 4 // 5
    rows = np.concatenate([x for x, _ in batches], axis=1)
    labels = np.concatenate([y for _, y in batches], axis=1)
    for i in range(4):
        start = i * (102 // 4)
        np.testing.assert_array_equal(rows[i], ids[start : start + 25])
        np.testing.assert_array_equal(labels[i], ids[start + 1 : start + 26])


def test_batches_are_what_a_language_model_takes():
    x, y, weights = next(iter(contiguous_batches(range(9), 2, 4)))
    assert set(x) == {"token_ids", "padding_mask"}
    assert x["token_ids"].dtype == y.dtype == "int32"
    assert np.all(x["padding_mask"]) and np.all(weights == 1)
    assert x["padding_mask"].shape == weights.shape == (2, 4)


@pytest.mark.parametrize(
    "tokens, batch_size, num_steps, message",
    [
        (8, 2, 4, "more than 8 tokens"),
        (2, 2, 1, "more than 2, got shape"),
        (9, 0, 1, "at least 1 for `batch_size`"),
        (9, 2, 0, "at least 1 for `num_steps`"),
    ],
)
def test_too_little_text_is_an_error(tokens, batch_size, num_steps, message):
    with pytest.raises(ValueError, match=message):
        contiguous_batches(range(tokens), batch_size, num_steps)


def test_several_rows_are_an_error():
    with pytest.raises(ValueError, match="Join the sentences"):
        contiguous_batches(np.zeros((4, 9), "int32"), 2, 2)


def test_random_lengths_go_through_the_whole_text_each_time_anew():
    ids = np.random.default_rng(0).integers(0, 99, 2001)
    data = contiguous_batches(ids, 2, 20, random_seed=1)
    passes = []
    for _ in range(2):
        batches = [(x["token_ids"].numpy(), y.numpy()) for x, y, _ in data]
        rows = np.concatenate([x for x, _ in batches], axis=1)
        np.testing.assert_array_equal(rows, ids[:2000].reshape(2, 1000))
        labels = np.concatenate([y for _, y in batches], axis=1)
        np.testing.assert_array_equal(labels, ids[1:].reshape(2, 1000))
        passes.append([x.shape[1] for x, _ in batches])
        assert len(batches) == len(data)
    assert passes[0] != passes[1]
    assert sorted(passes[0]) == sorted(passes[1])
    again = contiguous_batches(ids, 2, 20, random_seed=1)
    assert [y.shape[1] for _, y, _ in again] == passes[0]


def test_random_lengths_are_those_of_the_paper():
    ids = np.zeros(1_000_001, "int32")
    data = contiguous_batches(ids, 1, 70, random_seed=2)
    lengths = np.array([y.shape[1] for _, y, _ in data])
    assert np.sum(lengths < 5) <= 1  # what is left at the end
    short = lengths < 52
    assert abs(short.mean() - 0.05) < 0.01
    assert abs(lengths[~short].mean() - 69.5) < 0.5  # int() cuts off
    assert abs(lengths[short].mean() - 34.5) < 1
    assert abs(lengths[~short].std() - 5) < 0.3


@pytest.mark.parametrize("random_seed", [None, 1])
def test_an_iterator_ends_without_waiting_for_a_tuning_thread(random_seed):
    data = contiguous_batches(range(99), 2, 7, random_seed)
    assert data.options().autotune.enabled is False
