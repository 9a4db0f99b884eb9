"""The book's two translation models, on some of the shipped sentences."""

import csv
import dataclasses
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from recipes import translate
from zoo.data import DataError
from zoo.data.cmn_eng import read_split

# Chapter 9.3's vocabularies and width, and the numbers of weights that follow.
VOCABULARIES = {
    "source_vocabulary_size": 10_000,
    "target_vocabulary_size": 4000,
}
WEIGHTS = {"book_seq2seq": 47.91e6, "book_attention": 58.40e6}
both = pytest.mark.parametrize("preset", list(WEIGHTS))


def backbone_of(preset, **kwargs):
    """The network of a preset, by its recipe, with other vocabularies."""
    config = dataclasses.replace(translate.PRESETS[preset], **kwargs)
    preprocessor = translate.build_preprocessor(
        config, ["a b c ."], ["甲乙丙。"]
    )
    model = translate.build_model(config, preprocessor)
    settings = {**model.backbone.get_config(), **VOCABULARIES}
    return zoo.models.Seq2SeqBackbone.from_config(settings)


@both
def test_it_has_the_books_number_of_weights(preset):
    backbone = backbone_of(
        preset, embedding_dim=1024, encoder_units=1024, decoder_units=1024
    )
    assert backbone.count_params() == pytest.approx(WEIGHTS[preset], rel=1e-3)


@both
def test_weights_start_within_the_books_range(preset):
    backbone = backbone_of(preset)
    for weight in backbone.trainable_weights:
        values = np.abs(weight.numpy())
        if "bias" in weight.path:
            assert values.max() <= 1.0  # forget gates'
        elif weight.path.endswith("/v"):
            continue  # of the attention, by its width
        else:
            assert 0.045 < values.max() <= 0.05, weight.path


def test_attention_starts_from_zeros_and_seq2seq_from_the_encoder():
    for preset in WEIGHTS:
        backbone = backbone_of(preset)
        ids = np.array([[4, 5, 3]])
        state = backbone.encode(ids, ids > 0).state
        state = getattr(state, "cell", state)
        flat = [np.asarray(x) for x in tf.nest.flatten(state)]
        assert len(flat) == 4
        assert all(x.any() == (preset == "book_seq2seq") for x in flat)


def small(preset, folder):
    """A preset on 160 shipped pairs."""
    pairs = [(x.en, x.zh) for x in read_split("train")[:160]]
    path = folder / "pairs.tsv"
    path.write_text("".join(f"{x}\t{y}\n" for x, y in pairs), encoding="utf-8")
    files = (str(path),)
    return dataclasses.replace(
        translate.PRESETS[preset],
        folder=str(folder),
        train=files,
        dev=files,
        test=files,
        embedding_dim=24,
        encoder_units=24,
        decoder_units=24,
        batch_size=16,
        epochs=4,
        beam_width=2,
    )


def costs_of(folder):
    """Costs per token of each epoch, of training and on dev."""
    with open(folder / "history.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [
        [float(row[name]) for row in rows]
        for name in ("cost_per_token", "val_cost_per_token")
    ]


def test_the_books_seq2seq_learns(tmp_path):
    config = small("book_seq2seq", tmp_path)
    parts = translate.load_data(config)
    keras.utils.set_random_seed(config.seed)
    preprocessor = translate.build_preprocessor(config, *parts["train"])
    model = translate.build_model(config, preprocessor)
    translate.train(config, model, parts, tmp_path)
    costs, dev = costs_of(tmp_path)
    assert costs[0] > 3 and costs[-1] < costs[0] - 0.5
    assert dev[-1] < costs[-1] + 0.3


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    config = small("book_attention", tmp_path_factory.mktemp("runs"))
    figures = translate.main(config)
    return figures, pathlib.Path(config.folder, config.name)


def test_the_cost_per_token_falls_and_is_reported(run):
    _, folder = run
    costs, dev = costs_of(folder)
    assert costs[0] > 3 and costs[-1] < costs[0] - 0.5
    # without dropout, on the sentences that were trained on
    assert dev[-1] < costs[-1] + 0.3
    report = (folder / "report.md").read_text(encoding="utf-8")
    assert f"| 40 | {costs[-1]:.3f} | " in report
    assert "| 9,015 |  | | 2." in report
    assert "- This is a test. → " in report
    assert (folder / "plots" / "cost_per_token.png").stat().st_size > 10_000


def test_the_exported_model_writes(run):
    figures, folder = run
    assert 0 <= figures["test BLEU, greedy"] <= 100
    model = tf.saved_model.load(str(folder / "model" / "1"))
    assert "translate_with_alignments" in model.signatures
    found = model.signatures["greedy"](text=tf.constant(["Hi.", ""]))
    assert found["text"].shape == (2,)


def test_an_unknown_optimizer_is_an_error(tmp_path):
    config = dataclasses.replace(
        translate.PRESETS["book_seq2seq"], optimizer="adagrad"
    )
    with pytest.raises(DataError, match="adam or sgd, got 'adagrad'"):
        translate.compile_model(config, None, 1)
