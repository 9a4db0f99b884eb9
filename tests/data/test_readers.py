"""Pairs come out of files whole, or an error names file and line."""

import bz2
import gzip
import logging
import lzma

import pytest

from zoo.data import read_pairs
from zoo.data import read_parallel

PAIRS = [("我爱中国。", "I love China."), ('"引', 'He said "no'), ("三", "3")]
TABLE = "".join(f"{target}\t{source}\tby me\n" for source, target in PAIRS)


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        if isinstance(content, str):
            content = content.encode()
        path.write_bytes(content)
        return path

    return write


def test_columns_by_number(write):
    path = write("a.tsv", TABLE)
    assert read_pairs(path, 1, 0) == PAIRS
    assert read_pairs(str(path)) == [(en, zh) for zh, en in PAIRS]
    assert read_pairs(path, 1, 2)[0] == ("我爱中国。", "by me")


def test_columns_by_name(write):
    path = write("a.tsv", "en\tzh\tnote\n" + TABLE)
    assert read_pairs(path, "zh", "en") == PAIRS


def test_windows_lines_mark_and_missing_last_line_end(write):
    text = "\ufeff" + TABLE.replace("\n", "\r\n").removesuffix("\r\n")
    assert read_pairs(write("a.tsv", text), 1, 0) == PAIRS


@pytest.mark.parametrize(
    ("name", "compress"),
    [
        ("a.tsv.gz", gzip.compress),
        ("a.tsv.bz2", bz2.compress),
        ("a.tsv.xz", lzma.compress),
    ],
)
def test_compressed_files(write, name, compress):
    path = write(name, compress(TABLE.encode()))
    assert read_pairs(path, 1, 0) == PAIRS


@pytest.mark.parametrize("name", ["a.gz", "a.bz2", "a.xz"])
def test_damaged_compressed_file_is_named(write, name):
    with pytest.raises(ValueError, match=f"{name}, after line 0.*damaged"):
        read_pairs(write(name, TABLE))


def test_cut_compressed_file_is_named(write):
    data = gzip.compress(TABLE.encode() * 100)[:-20]
    with pytest.raises(ValueError, match=r"a.gz, after line \d+"):
        read_pairs(write("a.gz", data))


def test_unusual_line_separators_do_not_end_a_line(write):
    pair = ("a\u2028b\x0bc\x85", "d\x1ce")
    path = write("a.tsv", "\t".join(pair) + "\n")
    assert read_pairs(path) == [pair]


def test_missing_column_names_file_and_line(write):
    path = write("a.tsv", "a\tb\n\nc\n")
    with pytest.raises(
        ValueError, match=r"a.tsv, line 3: expected at least 2 .* got 1: 'c'"
    ):
        read_pairs(path)


def test_missing_name_lists_the_columns(write):
    path = write("a.tsv", "en\tde\nx\ty\n")
    with pytest.raises(
        ValueError, match=r"a.tsv, line 1: .* 'zh', got .*\['en', 'de'\]"
    ):
        read_pairs(path, "zh", "en")


def test_bad_encoding_names_file_line_and_byte(write):
    path = write("a.tsv", b"a\tb\nc\t" + "中".encode("gb18030") + b"\n")
    with pytest.raises(
        ValueError, match=r"a.tsv, line 2, byte 3: .* 0xd6.*iconv"
    ):
        read_pairs(path)


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
def test_empty_file_is_an_error(write, content):
    path = write("a.tsv", content)
    with pytest.raises(ValueError, match="a.tsv, line 1: .* got none"):
        read_pairs(path)


def test_header_alone_is_an_error(write):
    with pytest.raises(ValueError, match="got none"):
        read_pairs(write("a.tsv", "a\tb\n"), "a", "b")


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="no.tsv', which is no such"):
        read_pairs(tmp_path / "no.tsv")
    with pytest.raises(FileNotFoundError, match="which is a folder"):
        read_pairs(tmp_path)


def test_empty_sides_are_skipped_and_counted(write, caplog):
    path = write("a.tsv", "a\tb\n\tc\nd\t  \ne\tf\n")
    with caplog.at_level(logging.WARNING, "zoo"):
        assert read_pairs(path) == [("a", "b"), ("e", "f")]
    assert "a.tsv: 2 pairs with an empty side skipped, 2 read" in caplog.text


@pytest.mark.parametrize(
    ("columns", "error", "match"),
    [
        ((0, "en"), TypeError, "two column numbers"),
        ((1.5, 0), TypeError, "`source_column`. Received: 1.5"),
        ((0, True), TypeError, "`target_column`. Received: True"),
        ((0, -1), ValueError, "Received: -1"),
    ],
)
def test_wrong_columns(write, columns, error, match):
    with pytest.raises(error, match=match):
        read_pairs(write("a.tsv", TABLE), *columns)


def test_parallel_files(write, caplog):
    source = write("a.zh", "一\n二\n\n四")
    target = write("a.en.gz", gzip.compress(b"1\r\n2\r\n3\r\n4\r\n"))
    assert read_parallel(source, target) == [
        ("一", "1"),
        ("二", "2"),
        ("四", "4"),
    ]
    assert "1 pairs with an empty side skipped" in caplog.text


@pytest.mark.parametrize("longer", [0, 1])
def test_unequal_parallel_files_name_file_and_line(write, longer):
    paths = [write("0.txt", "a\nb\n"), write("1.txt", "a\nb\n")]
    paths[longer].write_text("a\nb\nc\n")
    with pytest.raises(
        ValueError,
        match=rf"{1 - longer}.txt, line 3: .*{longer}.txt.* after line 2",
    ):
        read_parallel(*paths)


def test_empty_parallel_files(write):
    with pytest.raises(ValueError, match="0.txt.*1.txt.*got none"):
        read_parallel(write("0.txt", ""), write("1.txt", ""))
