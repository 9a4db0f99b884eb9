"""The language model's recipe, on a text that counts."""

import dataclasses
import math

import keras
import keras_hub
import pytest

from recipes import ptb

WORDS = "one two three four five six seven eight".split()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Counting from any word on, as train, valid and test."""
    folder = tmp_path_factory.mktemp("texts")
    lines = [f" {' '.join(WORDS[i:] + WORDS[:i])} \n" for i in range(8)]
    (folder / "train").write_text("".join(lines * 12), encoding="utf-8")
    (folder / "rest").write_text("".join(lines), encoding="utf-8")
    return str(folder / "train"), str(folder / "rest"), str(folder / "rest")


def smoke(files, folder, **kwargs):
    return dataclasses.replace(
        ptb.PRESETS["smoke"], files=files, folder=str(folder), **kwargs
    )


@pytest.fixture(scope="module")
def run(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    config = smoke(files, folder, epochs=6, init=0.3)
    return ptb.main(config), folder / config.name


def test_it_learns_to_count(run):
    figures, _ = run
    # 8 words and the end of a line: only the first word is a surprise
    assert float(figures["**perplexity on test**"]) < 3
    assert float(figures["perplexity on valid"]) == float(
        figures["**perplexity on test**"]
    )


def test_a_run_leaves_its_files(run):
    _, folder = run
    for file in ("report.md", "history.csv", "best.weights.h5", "model/1"):
        assert (folder / file).exists()
    model = keras_hub.models.CausalLM.from_preset(
        str(folder / "model" / "preset")
    )
    model.compile(sampler="greedy")
    text = model.generate("three four", max_length=9)
    assert text.startswith("three four five six seven")


def test_learning_rates_are_those_of_zaremba():
    rates = ptb.learning_rates(ptb.PRESETS["small"])
    assert rates == [1.0] * 4 + [0.5**i for i in range(1, 10)]
    assert ptb.learning_rates(ptb.BOOK) == [1.0] * 5


def test_the_books_model_has_its_size():
    class Tokenizer:
        def vocabulary_size(self):
            return 10_000

    backbone = ptb.build_backbone(ptb.BOOK, Tokenizer())
    assert backbone.count_params() - 2 * 20 * 2 * 300 == 4_452_400


def test_a_diverging_run_stops_and_says_so(files, tmp_path, capsys):
    config = smoke(files, tmp_path, learning_rate=math.nan)
    with pytest.raises(SystemExit, match="No epoch was finished"):
        ptb.main(config)


def test_a_seed_gives_the_same_run_again(files, tmp_path):
    config = smoke(files, tmp_path, epochs=1)
    first = ptb.main(config)
    keras.backend.clear_session()
    assert ptb.main(config) == first
