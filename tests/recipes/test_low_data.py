"""The recipe of a decoder that starts as a language model."""

import csv
import dataclasses
import re

import pytest
import tensorflow as tf

from recipes import low_data


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    config = dataclasses.replace(low_data.PRESETS["smoke"], folder=str(folder))
    return low_data.main(config), folder / config.name


def test_both_models_learn(run):
    figures, folder = run
    assert float(figures["perplexity of the language model on dev"]) < 150
    for name in low_data.NAMES:
        path = folder / name.replace(" ", "_") / "history.csv"
        with open(path, encoding="utf-8") as file:
            losses = [float(row["loss"]) for row in csv.DictReader(file)]
        assert losses[-1] < losses[0]
        assert 0 <= float(figures[f"**BLEU, decoder {name}**"]) <= 100
        spread = figures[f"95 % interval, decoder {name}"]
        assert re.fullmatch(r"\d+\.\d\d ± \d+\.\d\d", spread)


def test_a_run_leaves_a_report_and_a_model(run):
    _, folder = run
    report = (folder / "report.md").read_text(encoding="utf-8")
    assert "| source | reference | from a language model |" in report
    model = tf.saved_model.load(str(folder / "model" / "1"))
    found = model.signatures["greedy"](text=tf.constant(["你好。"]))
    assert found["text"].shape == (1,)


def test_pairs_are_spread_over_the_corpus_and_seeds_choose_others():
    parts, texts = low_data.load_data(low_data.THREE_THOUSAND)
    other, _ = low_data.load_data(
        dataclasses.replace(low_data.THREE_THOUSAND, seed=2)
    )
    assert len(parts["train"][0]) == 3000 and len(texts) == 28_528
    assert len({*zip(*parts["train"], strict=True)}) > 2990
    assert parts["train"] != other["train"]
    assert parts["test"] == other["test"] and len(parts["test"][0]) == 2000
    lengths = [len(x) for x in parts["train"][1]]
    assert sum(lengths[:1000]) < sum(lengths[-1000:])
    assert not {*parts["train"][1]} & {*parts["test"][1]}
