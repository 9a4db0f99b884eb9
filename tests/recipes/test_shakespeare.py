"""The recipe of the language model of characters, on the shipped text."""

import csv
import dataclasses

import numpy as np
import pytest
import tensorflow as tf

import zoo
from recipes import shakespeare
from zoo.data import DataError


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    config = dataclasses.replace(
        shakespeare.PRESETS["smoke"], folder=str(folder)
    )
    return shakespeare.main(config), folder / config.name


def test_a_smoke_run_learns(run):
    figures, folder = run
    with open(folder / "history.csv", encoding="utf-8") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert losses[-1] < losses[0] - 0.3
    # all 61 characters alike would cost 5.9 bits, by their frequency 4.8
    assert 2 < float(figures["**bits per character, test**"]) < 4.4


def test_a_run_leaves_a_model_that_writes(run):
    figures, folder = run
    writer = zoo.load(folder / "model")
    signatures = tf.saved_model.load(str(folder / "model" / "1")).signatures
    for name in ("generate", "score"):
        assert name in signatures
    text = writer.sample_tensor(["ROMEO:\n"], 40, 1.0, 1).numpy()[0].decode()
    assert text.startswith("ROMEO:\n") and 40 < len(text) <= 47
    assert (folder / "report.md").read_text().count("```") == 8
    facts, card = zoo.saving.read_model_card(folder / "model" / "README.md")
    assert facts["figures"] == {k.strip("*"): v for k, v in figures.items()}
    assert 'zoo write shakespeare_smoke "ROMEO:"' in card


def test_the_text_is_there_whole():
    tokenizer, parts = shakespeare.load_data(shakespeare.BEST)
    assert sum(map(len, parts)) == 7222
    text = "\n\n".join(x for part in parts for x in part)
    assert len(text) == 1_115_393 and text.count("\n") == 39_999
    assert text.startswith("First Citizen:\nBefore we proceed any further")
    ids = tokenizer.tokenize(parts[1]).to_list()
    assert not any(tokenizer.unk_token_id in row for row in ids)
    back = tokenizer.detokenize(ids).numpy()
    same = [x.decode() == y for x, y in zip(back, parts[1], strict=True)]
    assert np.mean(same) > 0.99  # double spaces become one


def test_bits_are_per_character_of_the_text():
    class Uniform:
        def perplexity(self, ids):
            return 2.0**6

    paragraphs = ["abcd", "ab"]  # 10 characters, and 8 tokens of 6 bits
    bits = shakespeare.bits_per_character(Uniform(), [0] * 9, paragraphs)
    assert bits == pytest.approx(6 * 8 / 10)


def test_a_text_without_paragraphs_is_refused(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("one line\n" * 100, encoding="utf-8")
    config = dataclasses.replace(
        shakespeare.PRESETS["smoke"], file=str(path), folder=str(tmp_path)
    )
    with pytest.raises(DataError, match="at least 20 paragraphs"):
        shakespeare.main(config)
