"""The package as a whole: what it imports, contains and is called."""

import importlib.metadata
import pathlib
import subprocess
import sys

import pytest

import zoo

ROOT = pathlib.Path(zoo.__file__).parents[1]
HEAVY = [
    "keras_hub",
    "matplotlib",
    "sacrebleu",
    "sentencepiece",
    "tensorflow_datasets",
    "tensorflow_text",
]


def _run(code):
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_import_of_zoo_loads_nothing_heavy():
    result = _run(
        "import sys, zoo, zoo.cli, zoo.saving\n"
        f"print([name for name in {HEAVY + ['keras', 'tensorflow']} "
        "if name in sys.modules])"
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"
    assert result.stderr == ""


def test_layers_and_ops_need_neither_keras_hub_nor_datasets():
    result = _run(
        "import sys, keras\n"
        "before = set(sys.modules)  # Keras itself may import matplotlib\n"
        "import zoo.ops, zoo.layers\n"
        f"print(sorted({{*{HEAVY}}} & ({{*sys.modules}} - before)))"
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"


def test_every_public_name_resolves():
    for name in zoo.__all__:
        assert getattr(zoo, name) is getattr(zoo, name)
        assert name in dir(zoo)
    for name in zoo.saving.__all__:
        assert getattr(zoo.saving, name).__name__ == name


def test_unknown_attribute_is_an_attribute_error_that_names_the_known_ones():
    with pytest.raises(AttributeError, match="'zoo' has no attribute 'layer'"):
        _ = zoo.layer
    assert not hasattr(zoo.saving, "no_such_name")


def test_version_is_the_installed_one():
    assert importlib.metadata.version("rnn-zoo") == zoo.__version__


def test_console_script_is_the_cli():
    (script,) = importlib.metadata.entry_points(
        group="console_scripts", name="zoo"
    )
    assert script.load() is zoo.cli.main


def test_changelog_names_the_version_or_what_comes_next():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{zoo.__version__}]" in changelog or "[Unreleased]" in changelog


@pytest.mark.slow
def test_wheel_contains_code_fonts_and_corpus_but_no_recipes(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, ROOT],
        check=True,
        capture_output=True,
        timeout=600,
    )
    import zipfile

    (wheel,) = tmp_path.glob("*.whl")
    files = set(zipfile.ZipFile(wheel).namelist())
    assert {file.split("/")[0] for file in files} == {
        "zoo",
        f"rnn_zoo-{zoo.__version__}.dist-info",
    }
    # Every file of the package that git knows is in the wheel.
    tracked = subprocess.run(
        ["git", "ls-files", "zoo"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert set(tracked) <= files
