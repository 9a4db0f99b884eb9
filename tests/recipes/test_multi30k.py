"""The recipe for Multi30k, on sentences of ours in files of its names."""

import csv
import dataclasses
import pathlib

import pytest
import tensorflow as tf

from recipes import multi30k
from recipes import translate
from zoo.data import DataError
from zoo.data.cmn_eng import read_split

SMOKE = multi30k.PRESETS["smoke"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of corpora whose German is English read backwards."""
    home = tmp_path_factory.mktemp("data") / "multi30k-de-en"
    home.mkdir()
    texts = [x.en for x in read_split("train")[5000:5200]]
    for part in multi30k.PARTS.values():
        for side, step in (("de", -1), ("en", 1)):
            text = "".join(f"{' '.join(x.split()[::step])}\n" for x in texts)
            (home / f"{part}.{side}").write_text(text, encoding="utf-8")
    return home.parent


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    config = dataclasses.replace(
        SMOKE,
        folder=str(tmp_path_factory.mktemp("runs")),
        data=str(data),
        models=("context",),
        epochs=3,
    )
    return multi30k.main(config), pathlib.Path(config.folder, config.name)


def test_a_model_learns_and_stands_beside_the_reference(run):
    figures, folder = run
    with open(folder / "context" / "history.csv", encoding="utf-8") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert losses[-1] < losses[0]
    assert 0 <= float(figures["**context: BLEU, lower case**"]) <= 100
    report = (folder / "report.md").read_text(encoding="utf-8")
    assert "| 20.61 | github.com/bentrevett/pytorch-seq2seq, note" in report
    assert "case:lc" in report
    report = (folder / "context" / "report.md").read_text(encoding="utf-8")
    assert "Alignments" not in report
    model = tf.saved_model.load(str(folder / "context" / "model" / "1"))
    found = model.signatures["greedy"](text=tf.constant(["ein mann", ""]))
    assert found["text"].shape == (2,)


def test_case_is_kept_or_not(data):
    for lowercase in (True, False):
        config = dataclasses.replace(
            SMOKE, data=str(data), lowercase=lowercase, pairs=50, test=20
        )
        _, parts = multi30k.load_data(config)
        assert {k: len(v[0]) for k, v in parts.items()} == {
            "train": 50,
            "dev": 20,
            "test": 20,
        }
        texts = parts["train"][0] + parts["train"][1]
        assert all(x == x.lower() for x in texts) == lowercase


def test_presets_differ_in_attention_alone(data):
    paths, parts = multi30k.load_data(
        dataclasses.replace(SMOKE, data=str(data))
    )
    three = [
        multi30k.settings_of(multi30k.THREE, name, paths)
        for name in multi30k.ATTENTIONS
    ]
    assert {(x.attention, x.name) for x in three} == {
        ("none", "plain"),
        ("context", "context"),
        ("bahdanau", "attention"),
    }
    assert (
        len({dataclasses.replace(x, name="", attention="") for x in three}) == 1
    )
    preprocessor = translate.build_preprocessor(three[0], *parts["train"])
    configs = [
        translate.build_model(x, preprocessor).backbone.get_config()
        for x in three
    ]
    assert [(x["attention"], x["context"]) for x in configs] == [
        (None, "initial"),
        (None, "every"),
        ("bahdanau", "initial"),
    ]


def test_missing_files_are_told_with_their_place(tmp_path, monkeypatch):
    monkeypatch.delenv("ZOO_DATA", raising=False)
    with pytest.raises(DataError, match="github.com/multi30k/dataset"):
        multi30k.main(dataclasses.replace(SMOKE, folder=str(tmp_path)))


def test_an_unknown_model_is_an_error(tmp_path):
    config = dataclasses.replace(
        SMOKE, folder=str(tmp_path), models=("transformer",)
    )
    with pytest.raises(DataError, match="attention, got transformer"):
        multi30k.main(config)
