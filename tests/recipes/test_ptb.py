"""The language model's recipe, on a text that counts."""

import dataclasses
import math
import pathlib

import keras
import keras_hub
import pytest

from recipes import language_model
from recipes import ptb
from zoo.data import DataError

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


def train(config):
    """A trained model at its best, without the rest of a run."""
    folder = pathlib.Path(config.folder)
    keras.utils.set_random_seed(config.seed)
    tokenizer, ids = ptb.load_data(config)
    model = ptb.build_model(config, tokenizer)
    ptb.train_model(config, model, ids, folder)
    model.backbone.load_weights(folder / "best.weights.h5")
    return model, ids


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


def test_a_run_is_evaluated_again_without_training(files, tmp_path):
    config = smoke(files, tmp_path, optimizer="adam", learning_rate=1e-2)
    figures = ptb.main(config)
    # nor with a warning of an optimizer whose variables do not fit
    again = dataclasses.replace(config, train_first=False)
    assert ptb.main(again) == figures


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


def test_the_awd_lstm_has_its_size():
    class Tokenizer:
        def vocabulary_size(self):
            return 10_000

    backbone = ptb.build_backbone(ptb.AWD, Tokenizer())
    weights = sum(w.numpy().size for w in backbone.trainable_weights)
    assert 24.1e6 < weights < 24.3e6  # "24M"


def test_the_mogrifier_has_the_size_of_the_papers():
    class Tokenizer:
        def vocabulary_size(self):
            return 10_000

    backbone = ptb.build_backbone(ptb.PRESETS["mogrifier"], Tokenizer())
    weights = sum(w.numpy().size for w in backbone.trainable_weights)
    assert 23.5e6 < weights < 24.5e6  # "24M"


def test_a_mogrifier_learns_to_count_and_goes_on_learning(files, tmp_path):
    config = smoke(
        files,
        tmp_path,
        mogrifier=2,
        mogrifier_rank=4,
        epochs=5,
        init=0.3,
        dynamic_rates=(1e-5, 1e-3),
    )
    model, ids = train(config)
    model = model.without_carry()
    static = model.perplexity(ids[2])
    assert static < 4
    learning = ptb.dynamic_figures(config, model, ids)
    assert ["rate 0.001" in figure.name for figure in learning] == [True] * 2
    assert max(float(figure.here) for figure in learning) < static


def test_awd_at_a_small_size_learns_to_count(files, tmp_path):
    config = dataclasses.replace(
        ptb.AWD,
        files=files,
        folder=str(tmp_path),
        units=24,
        embedding_dim=16,
        layers=2,
        embedding_dropout=0.1,
        layer_dropout=0.1,
        dropout=0.1,
        word_dropout=0.0,
        weight_drop=0.1,
        alpha=0.1,
        beta=0.1,
        init=0.3,
        batch_size=4,
        num_steps=12,
        epochs=8,
        learning_rate=0.5,
        clip=5.0,
        average_after=1,
        valid_rows=2,
    )
    model, ids = train(config)
    assert model.perplexity(ids[2]) < 4


def test_adam_with_a_cosine_learns_to_count(files, tmp_path):
    config = smoke(
        files,
        tmp_path,
        optimizer="adam",
        learning_rate=3e-2,
        cosine=True,
        epochs=6,
        init=0.3,
        weight_decay=1e-3,
    )
    model, ids = train(config)
    assert model.perplexity(ids[2]) < 4
    with pytest.raises(DataError, match="one of sgd, adam, got 'lion'"):
        ptb.main(smoke(files, tmp_path, optimizer="lion"))


def test_a_diverging_run_stops_and_says_so(files, tmp_path, capsys):
    config = smoke(files, tmp_path, learning_rate=math.nan)
    with pytest.raises(SystemExit, match="No epoch was finished"):
        ptb.main(config)


# whoever is killed closes no files
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_killed_training_goes_on_to_the_same_end(
    run, files, tmp_path, monkeypatch
):
    class Killed(language_model.Epochs):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 3:
                raise MemoryError
            super().on_epoch_end(epoch, logs)

    config = smoke(files, tmp_path, epochs=6, init=0.3)
    with monkeypatch.context() as patch:
        patch.setattr(language_model, "Epochs", Killed)
        with pytest.raises(MemoryError):
            train(config)
    with pytest.raises(DataError, match="epochs 6, now 7"):
        train(dataclasses.replace(config, epochs=7))
    train(config)
    found, expected = (
        (folder / "history.csv").read_text() for folder in (tmp_path, run[1])
    )
    assert found == expected
