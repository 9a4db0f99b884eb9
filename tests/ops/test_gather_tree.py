"""The sequences that parents lead to, against those of TensorFlow Addons."""

import numpy as np
import pytest

from tests.backend import compiled
from tests.backend import every_mode
from tests.backend import numpy_of
from tests.backend import of_any_size
from zoo.ops import gather_tree


@every_mode
@pytest.mark.parametrize("name", ["a", "b"])
def test_oracle_is_matched_exactly(name, mode, oracle):
    arrays = oracle(f"g8_gather_tree_{name}")
    end = int(arrays["end_token"])
    names = ("ids", "parents", "max_lengths")
    run = compiled(lambda *x: gather_tree(*x, end), mode)
    given = numpy_of(run(*(arrays[name] for name in names)))
    np.testing.assert_array_equal(given, arrays["out"])


def test_sizes_may_be_unknown(oracle):
    arrays = oracle("g8_gather_tree_b")
    end = int(arrays["end_token"])
    inputs = [arrays[name] for name in ("ids", "parents", "max_lengths")]
    given = of_any_size(
        lambda *x: gather_tree(*x, end),
        inputs,
        [(None,) * x.ndim for x in inputs],
    )
    np.testing.assert_array_equal(numpy_of(given), arrays["out"])


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 5)])
def test_ids_and_parents_must_be_of_one_shape(shape):
    with pytest.raises(ValueError, match=r"one shape \(time.*got .*first"):
        gather_tree(np.zeros(shape, int), np.zeros((2, 3, 4), int), [2], 1)
