"""The recipe that measures what attention is good for."""

import csv
import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from recipes import why_attention
from zoo.data import DataError

SMOKE = dataclasses.replace(
    why_attention.PRESETS["smoke"], models=("context", "attention"), held_out=16
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    config = dataclasses.replace(SMOKE, folder=str(folder))
    return why_attention.main(config), folder / config.name


def test_the_models_learn_and_are_of_one_size(run):
    figures, folder = run
    weights = []
    for name in SMOKE.models:
        with open(folder / name / "history.csv", encoding="utf-8") as file:
            losses = [float(row["loss"]) for row in csv.DictReader(file)]
        assert losses[-1] < losses[0]
        weights.append(int(figures[f"{name}: weights"].replace(",", "")))
    assert weights[1] <= weights[0] < 1.1 * weights[1]
    change = "change of the context in a step"
    assert figures[f"context: {change}"].startswith("none")
    assert 0 < float(figures[f"attention: {change}"]) < 2


def test_a_run_leaves_picture_table_and_models(run):
    _, folder = run
    picture = folder / "plots" / "bleu_by_length.png"
    assert picture.stat().st_size > 10_000
    with open(folder / "bleu_by_length.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 8
    model = tf.saved_model.load(str(folder / "model" / "context" / "1"))
    found = model.signatures["greedy"](text=tf.constant(["我们"]))
    assert found["text"].shape == (1,)


def test_parts_share_no_pair_and_verses_are_the_long_ones():
    parts = why_attention.load_data(why_attention.ALL)
    train, test = (
        {*zip(*parts[part], strict=True)} for part in ("train", "test")
    )
    assert len(parts["test"][0]) == 4000 and len(parts["train"][0]) > 55_000
    for side in range(2):
        assert not {x[side] for x in train} & {x[side] for x in test}
    verses, short = parts["test"][0][:2000], parts["test"][0][2000:]
    assert np.mean([len(x) for x in verses]) > 3 * np.mean(
        [len(x) for x in short]
    )
    assert max(len(x) for x in verses) <= 80


def test_groups_hold_every_sentence_of_their_lengths():
    sources = ["我" * n for n in (1, 5, 6, 80, 30, 31)]
    found = [group.tolist() for group in why_attention.groups_of(sources)]
    assert found == [[0, 1], [2], [], [], [4], [5], [], [3]]


def test_bleu_of_a_group_is_of_its_sentences_alone():
    references = ["the cat sat on the mat .", "a dog ran over the road ."] * 4
    hypotheses = [references[0], "nothing of the kind here"] * 4
    groups = [np.arange(0, 8, 2), np.arange(1, 8, 2), np.array([], int)]
    rows = why_attention.bleu_by_length(hypotheses, references, groups)
    assert rows[0, 0] == pytest.approx(100) and rows[1, 0] < 10
    assert np.isnan(rows[2]).all()


def test_an_unknown_model_is_an_error():
    config = dataclasses.replace(SMOKE, models=("transformer",))
    with pytest.raises(DataError, match="plain, context, attention, got"):
        why_attention.build_models(config, why_attention.load_data(config))
