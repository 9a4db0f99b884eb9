"""Where recipes find the texts that are not shipped."""

import pytest

from recipes.corpora import TEXTS
from recipes.corpora import read_texts
from zoo.data import DataError


def write(folder, names):
    folder.mkdir()
    for name in names:
        (folder / name).write_text(f" in {name} \n\n", encoding="utf-8")


@pytest.mark.parametrize("corpus", TEXTS)
def test_the_parts_come_from_the_users_folder(corpus, tmp_path, monkeypatch):
    folder, names, _ = TEXTS[corpus]
    write(tmp_path / folder, names)
    expected = tuple([f" in {name} ", ""] for name in names)
    assert read_texts(corpus, folder=str(tmp_path)) == expected
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    assert read_texts(corpus) == expected


def test_a_training_part_in_another_order_has_another_name(tmp_path):
    names = ["train.shuffled-articles.txt", "valid.txt", "test.txt"]
    write(tmp_path / "wikitext-2", names)
    train, _, _ = read_texts("wikitext-2", folder=str(tmp_path))
    assert train[0] == " in train.shuffled-articles.txt "


def test_files_of_ones_own(tmp_path):
    write(tmp_path / "mine", ["a", "b", "c"])
    files = [str(tmp_path / "mine" / name) for name in "abc"]
    assert [part[0] for part in read_texts("mine", files)] == [
        " in a ",
        " in b ",
        " in c ",
    ]
    with pytest.raises(DataError, match="three text files"):
        read_texts("mine", files[:2])


def test_a_missing_corpus_says_where_to_get_it(tmp_path, monkeypatch):
    monkeypatch.delenv("ZOO_DATA", raising=False)
    with pytest.raises(DataError, match=r"LDC99T42.*--data FOLDER.*not set"):
        read_texts("ptb")
    with pytest.raises(DataError, match=rf"LDC99T42.*now '{tmp_path}'"):
        read_texts("ptb", folder=str(tmp_path))
    with pytest.raises(DataError, match="one of ptb, wikitext-2, got 'ptp'"):
        read_texts("ptp")
