"""The translation recipe on a few sentences, from files to report."""

import csv
import dataclasses
import json

import keras
import pytest

import zoo
from recipes import command_line
from recipes import translate

SMALL = {
    "embedding_dim": 12,
    "encoder_units": 10,
    "decoder_units": 14,
    "vocabulary_size": 60,
    "min_frequency": 1,
    "batch_size": 2,
    "epochs": 3,
    "learning_rate": 2e-2,
    "warmup_epochs": 0.5,
    "ema": 0.5,
    "max_length": 20,
    "beam_width": 2,
    "length_penalties": (0.5, 1.0),
}
WORDS = ["eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht"]
NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight"]


def sentences(words, end):
    """Counting forwards in steps of 1 and 3, three numbers a sentence."""
    return [
        " ".join(words[(i + step * j) % 8] for j in range(3)).capitalize() + end
        for step in (1, 3)
        for i in range(8)
    ]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """German and English sentences, as a table and as parallel files."""
    folder = tmp_path_factory.mktemp("data")
    german, english = sentences(WORDS, "."), sentences(NUMBERS, "!")
    lines = [
        f"{x}\t{y}\tnobody\n" for x, y in zip(german, english, strict=True)
    ]
    (folder / "all.tsv").write_text("".join(lines), encoding="utf-8")
    (folder / "all.de").write_text("\n".join(german) + "\n", encoding="utf-8")
    (folder / "all.en").write_text("\n".join(english) + "\n", encoding="utf-8")
    return folder


def make_config(files, folder, **kwargs):
    settings = {
        "name": "de_en",
        "folder": str(folder),
        "source": "de",
        "target": "en",
        "train": (str(files / "all.tsv"),),
        "dev": (str(files / "all.de"), str(files / "all.en")),
        "test": (str(files / "all.tsv"),),
        **SMALL,
        **kwargs,
    }
    return translate.Config(**settings)


def train(config, folder):
    """A trained model, without the rest of a run."""
    keras.utils.set_random_seed(config.seed)
    parts = translate.load_data(config)
    preprocessor = translate.build_preprocessor(config, *parts["train"])
    model = translate.build_model(config, preprocessor)
    translate.train(config, model, parts, folder)
    return model


@pytest.fixture(scope="module")
def run(files, tmp_path_factory):
    """A run on the user's own files, its figures and folder.

    Its training ends before another process evaluates it.
    """
    folder = tmp_path_factory.mktemp("runs")
    (folder / "de_en").mkdir()
    train(make_config(files, folder), folder / "de_en")
    figures = translate.main(make_config(files, folder, train_first=False))
    return figures, folder / "de_en"


def test_a_run_leaves_everything_behind(run):
    figures, folder = run
    for name in (
        "config.json",
        "history.csv",
        "best.weights.h5",
        "report.md",
        "test_translations.txt",
        "logs/train",
        "plots/alignments_0.png",
        "model/README.md",
        "model/1/saved_model.pb",
        "model/preset/config.json",
    ):
        assert (folder / name).exists(), name
    assert not list(folder.glob("**/.*.part*"))
    config = json.loads((folder / "config.json").read_text())
    assert (config["source"], config["epochs"]) == ("de", 3)
    report = (folder / "report.md").read_text(encoding="utf-8")
    for name, value in figures.items():
        assert f"- {name}: {value}" in report
    assert "Alignments are drawn in `plots/`." in report
    assert figures["BLEU signature"].startswith("nrefs:1|case:mixed")


def test_the_loss_falls(run):
    with open(run[1] / "history.csv") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert len(losses) == 3
    assert losses[-1] < 0.95 * losses[0]


def test_preset_and_saved_model_translate_alike(run):
    _, folder = run
    sources = sentences(WORDS, ".")[:5]
    preset = zoo.load(folder / "model").translate(sources, beam_width=5)
    saved = zoo.load(folder / "model" / "1").translate(sources, beam_width=5)
    assert preset == saved


# whoever is killed closes no files
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_killed_training_goes_on_to_the_same_end(
    run, files, tmp_path, monkeypatch
):
    class Killed(zoo.training.BestBleu):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise MemoryError
            super().on_epoch_end(epoch, logs)

    config = make_config(files, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(zoo.training, "BestBleu", Killed, raising=False)
        with pytest.raises(MemoryError):
            train(config, tmp_path)
    assert (tmp_path / "resume.npz").exists()
    train(config, tmp_path)
    assert not (tmp_path / "resume.npz").exists()
    first, again = (
        (folder / "history.csv").read_text() for folder in (run[1], tmp_path)
    )
    assert first == again


def test_ctrl_c_keeps_the_best_model(files, tmp_path, monkeypatch, capsys):
    class Interrupting(zoo.training.BestBleu):
        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, logs)
            if epoch == 1:
                raise KeyboardInterrupt

    monkeypatch.setattr(zoo.training, "BestBleu", Interrupting, raising=False)
    config = make_config(files, tmp_path, attention="context")
    model = train(config, tmp_path)
    model.backbone.load_weights(tmp_path / "best.weights.h5")
    assert (tmp_path / "training.json").exists()
    assert "with the best epoch so far" in capsys.readouterr().out
    # what the next run of the same name would go on with
    assert (tmp_path / "resume.npz").exists()


def test_own_data_needs_all_parts(files, tmp_path):
    config = make_config(files, tmp_path, test=())
    with pytest.raises(SystemExit, match="give --test as well"):
        translate.main(config)


def test_a_bad_table_is_named_with_its_line(files, tmp_path):
    table = tmp_path / "bad.tsv"
    table.write_text("eins\tone\nzwei\n", encoding="utf-8")
    config = make_config(files, tmp_path, train=(str(table),))
    with pytest.raises(ValueError, match=r"bad\.tsv, line 2"):
        translate.main(config)


def test_what_is_wrong_with_files_is_said_in_one_line(files, tmp_path):
    table = tmp_path / "bad.tsv"
    table.write_text("eins\tone\nzwei\n", encoding="utf-8")
    for train, message in (
        ([table], r"^error: .*bad\.tsv, line 2: expected at least 2 columns"),
        ([files / "none.tsv"], "^error: .*none.tsv.*no such file"),
        ([table] * 3, "^--train: give one table or two"),
    ):
        flags = ["--folder", str(tmp_path), "--train", *map(str, train)]
        with pytest.raises(SystemExit, match=message):
            command_line.run(
                translate.main,
                translate.Config,
                translate.PRESETS,
                "test",
                flags,
            )


def test_every_preset_reads_the_shipped_corpus():
    for config in translate.PRESETS.values():
        parts = translate.load_data(config)
        sizes = {name: len(part[0]) for name, part in parts.items()}
        assert sizes == {"train": 28528, "dev": 1500, "test": 2000}


def test_the_two_models_to_compare_are_of_one_size():
    sizes = []
    for name in ("zh_en", "zh_en_plain"):
        config = translate.PRESETS[name]
        parts = translate.load_data(config)
        preprocessor = translate.build_preprocessor(config, *parts["train"])
        model = translate.build_model(config, preprocessor)
        sizes.append(model.count_params())
    assert abs(sizes[0] / sizes[1] - 1) < 0.01


def test_the_end_mark_is_that_of_nearly_all_sentences():
    assert translate.end_mark(["你好。", "好。", "好吗？ "] * 9) == "。"
    assert translate.end_mark([*["Hi."] * 19, "Hi"]) == "."
    assert translate.end_mark([*["Hi."] * 18, "Hi", ""]) is None
    assert translate.end_mark([]) is None


def test_flags_change_a_preset():
    config = command_line.parse(
        translate.Config,
        translate.PRESETS,
        "test",
        "--preset tiny --epochs 7 --no-simplify --dev a b".split(),
    )
    tiny = translate.PRESETS["tiny"]
    assert config == dataclasses.replace(
        tiny, epochs=7, simplify=False, dev=("a", "b")
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--epoch_s", "7"], "Did you mean --epochs"),
        (["--epochs", "many"], "invalid int value: 'many'"),
        (["--preset", "zh"], "invalid choice: 'zh'"),
    ],
)
def test_wrong_flags_say_what_is_right(flags, message, capsys):
    with pytest.raises(SystemExit) as error:
        command_line.parse(translate.Config, translate.PRESETS, "test", flags)
    assert error.value.code == 2
    assert message in capsys.readouterr().err
