"""The corpus is shipped whole, and tensorflow_datasets finds it."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from zoo.data import cmn_eng
from zoo.data.cmn_eng import pack

SIZES = {"train": 28528, "dev": 1500, "test": 2000}


def test_splits_are_whole_and_attributed():
    sentences = {}
    for split, size in SIZES.items():
        examples = cmn_eng.read_split(split)
        assert len(examples) == size
        assert all("tatoeba.org #" in e.attribution for e in examples)
        assert all(e.en.strip() and e.zh.strip() for e in examples)
        sentences[split] = {text for e in examples for text in (e.en, e.zh)}
    assert not sentences["test"] & sentences["train"]
    assert not sentences["dev"] & sentences["train"]
    assert not sentences["test"] & sentences["dev"]


def test_unknown_split():
    with pytest.raises(ValueError, match="'train', 'dev', 'test'.*'valid'"):
        cmn_eng.read_split("valid")


def test_licence_and_source_are_named():
    folder = pathlib.Path(cmn_eng.__file__).parent
    for name in ("README.md", "SOURCE.txt"):
        text = (folder / name).read_text(encoding="utf-8")
        for part in ("CC-BY 2.0 FR", "tatoeba.org", "manythings.org/anki"):
            assert part in text


def test_packing_the_splits_again_gives_the_same_content(tmp_path):
    paths = []
    for split in cmn_eng.SPLITS:
        lines = ["\t".join(e) for e in cmn_eng.read_split(split)[:9]]
        paths.append(tmp_path / f"{split}.tsv")
        paths[-1].write_text("\n".join(lines) + "\n", encoding="utf-8")
    output = tmp_path / "packed.xz"
    pack.main([*map(str, paths), "--output", str(output)])
    import lzma

    lines = lzma.decompress(output.read_bytes()).decode().split("\n")
    assert len(lines) == 3 * 9 + 1
    split, *fields = lines[9].split("\t")
    assert split == "dev"
    assert cmn_eng.Example(*fields) == cmn_eng.read_split("dev")[0]


def test_packing_names_the_line_of_a_missing_column(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("a\tb\tc\nd\te\n")
    with pytest.raises(ValueError, match=r"a.tsv, line 2: .*attribution"):
        pack.pack([path, path, path], tmp_path / "out.xz")


_PROGRAM = """
import importlib.util, json, sys, warnings
warnings.simplefilter("error", ImportWarning)
order, data_dir = sys.argv[1:]
if order == "tfds first":
    import tensorflow_datasets as tfds
import zoo
if order == "zoo first":
    heavy = {"tensorflow", "keras", "keras_hub", "tensorflow_datasets"}
    assert not heavy & set(sys.modules), "import zoo is not cheap"
    importlib.util.find_spec("tensorflow_datasets")  # looks, imports nothing
    import tensorflow_datasets as tfds
from tensorflow_datasets.core.utils import gcs_utils

def refuse(path):
    raise AssertionError(f"asked the network for {path}")

gcs_utils.exists = refuse
tfds.disable_progress_bar()
dataset, info = tfds.load(
    "cmn_eng", split="test", data_dir=data_dir, with_info=True
)
example = next(iter(dataset))
print(json.dumps({
    "sizes": {name: split.num_examples for name, split in info.splits.items()},
    "first": {name: value.numpy().decode() for name, value in example.items()},
    "description": info.description,
}))
"""


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("tfds")


@pytest.mark.parametrize("order", ["zoo first", "tfds first"])
def test_tfds_loads_it_offline(order, data_dir):
    root = pathlib.Path(cmn_eng.__file__).parents[3]
    result = subprocess.run(
        [sys.executable, "-c", _PROGRAM, order, data_dir],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "HOME": "/nonexistent",  # nothing is written outside data_dir
            "PYTHONPATH": str(root),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        },
    )
    assert result.returncode == 0, result.stderr[-2000:]
    found = json.loads(result.stdout.splitlines()[-1])
    assert found["sizes"] == SIZES
    assert found["first"] == cmn_eng.read_split("test")[0]._asdict()
    assert "CC-BY 2.0" in found["description"]
