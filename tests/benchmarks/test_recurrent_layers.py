"""The benchmark of the recurrent layers runs, and compares like with like."""

import json

import numpy as np
import pytest

from tests.backend import BACKEND

if BACKEND != "tensorflow":
    pytest.skip("it times tf.function", allow_module_level=True)

from benchmarks import recurrent_layers
from benchmarks.timing import take_turns

SHAPE = (2, 3, 4, 5)


def test_a_table_a_layer_and_the_numbers_in_it(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(
        recurrent_layers,
        "take_turns",
        lambda functions, repeats: take_turns(functions, repeats, 1e-3),
    )
    file = tmp_path / "times.json"
    arguments = ["--shapes", "2,3,4,5", "--repeats", "1", "--json", str(file)]
    results = recurrent_layers.main(arguments)
    printed = capsys.readouterr().out
    for name, result in zip(("LSTM", "GRU", "SimpleRNN"), results, strict=True):
        assert f"\n{name}\n" in printed
        seconds = result["seconds"]
        assert {"Keras", "Keras XLA", "zoo", "zoo XLA"} <= {*seconds}
        ratio = seconds["Keras"] / seconds["zoo"]
        assert f"| {ratio:.2f} |" in printed
    written = json.loads(file.read_text())
    assert "tensorflow" in written["machine"]
    assert [x["layer"] for x in written["results"]] == [
        "LSTM",
        "GRU",
        "SimpleRNN",
    ]


def test_contestants_that_differ_are_refused():
    functions = recurrent_layers.contestants("LSTM", SHAPE)
    recurrent_layers.compare(functions)
    outputs, *rest = functions["zoo"]()
    functions["zoo"] = lambda: [np.flip(outputs, axis=1), *rest]
    with pytest.raises(ValueError, match="zoo to compute what Keras does"):
        recurrent_layers.compare(functions)
