"""Text has one spelling of each character, the same in graph and Python."""

import unicodedata

import numpy as np
import pytest
import tensorflow as tf

from zoo.data import normalization
from zoo.data.cmn_eng import read_split
from zoo.data.normalization import Normalizer


@pytest.fixture(scope="module")
def plain():
    return Normalizer()


@pytest.fixture(scope="module")
def simplifying():
    return Normalizer(simplify=True)


def decode(tensor):
    return [text.decode() for text in tf.reshape(tensor, [-1]).numpy()]


def test_corpus_is_the_same_in_graph_and_python(simplifying):
    texts = [text for e in read_split("dev") for text in (e.zh, e.en)]
    in_graph = tf.function(simplifying)(tf.constant(texts))
    assert decode(in_graph) == [simplifying.normalize(t) for t in texts]


def test_every_character_is_the_same_in_graph_and_python(simplifying):
    codes = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    rows = ["".join(map(chr, row)) for row in np.array_split(codes, 1000)]
    assert decode(simplifying(rows)) == [simplifying.normalize(t) for t in rows]


def test_every_letter_and_mark_is_nfkc_of_itself(plain):
    characters = [
        chr(code)
        for code in range(0x30000)
        if unicodedata.category(chr(code))[0] in "LMNPS" and code != 0x2581
    ]
    texts = plain(characters)
    assert decode(texts) == [
        # Some compatibility characters hold a space, at an end as well.
        " ".join(unicodedata.normalize("NFKC", c).split(" ")).strip(" ")
        for c in characters
    ]


def test_traditional_becomes_simplified_character_by_character(simplifying):
    assert decode(simplifying(["我愛中國，漢語!", "乾隆"])) == [
        "我爱中国,汉语!",
        "干隆",
    ]


def test_corpus_has_no_traditional_characters_left(simplifying):
    opencc = pytest.importorskip("opencc").OpenCC("t2s")
    text = "".join(simplifying.normalize(e.zh) for e in read_split("test"))
    assert "".join(map(opencc.convert, text)) == text


@pytest.mark.parametrize("options", [{}, {"simplify": True, "lowercase": True}])
def test_normalizing_twice_changes_nothing(options):
    normalizer = Normalizer(**options)
    characters = [chr(c) for c in range(0x30000) if not 0xD800 <= c < 0xE000]
    once = [normalizer.normalize(c) for c in characters]
    assert [normalizer.normalize(c) for c in once] == once


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        (" \t\u3000 \u200b", ""),
        ("\0a\0\0b\r\n", "a b"),
        ("a\u00a0 \u2003b\ufeff", "a b"),
        ("▁a▁b", "_a_b"),
        ("🎉👍🏽", "🎉👍🏽"),
        (b"ab\xff\xe4\xbdc", "ab\ufffd\ufffdc"),
        ("…ﬁ①Ａ", "...fi1A"),
    ],
)
def test_unusual_text(plain, text, expected):
    assert decode(plain(text)) == [expected]


def test_lowercase():
    assert decode(Normalizer(lowercase=True)("ÄΣ Ｉ")) == ["äσ i"]


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0, 3)])
def test_shape_is_kept(plain, shape):
    assert plain(tf.fill(shape, "a")).shape == shape


def test_unknown_rank_in_a_graph(plain):
    function = tf.function(
        plain, input_signature=[tf.TensorSpec(None, tf.string)]
    )
    assert function([["a　"], ["b"]]).numpy().tolist() == [[b"a"], [b"b"]]


def test_table_survives_as_text(simplifying):
    text = normalization.table_to_text(simplifying.table)
    assert text.isascii()
    assert normalization.table_from_text(text) == simplifying.table
    again = Normalizer(simplify=True, table=text)
    assert again.table == simplifying.table
    assert again.normalize("漢") == "汉"


def test_table_is_taken_as_given():
    assert decode(Normalizer(table={"a": "bc"})("aé　")) == ["bcé　"]
    assert decode(Normalizer(table={})("aＡ")) == ["aＡ"]


def test_damaged_table_names_the_line():
    with pytest.raises(ValueError, match=r"line 2: '61;62'"):
        Normalizer(table="61\t62\n61;62\n")


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"simplify": 1}, TypeError, "boolean for `simplify`. Received: 1"),
        ({"table": 3}, TypeError, "Received: 3"),
        ({"table": {"ab": "c"}}, ValueError, "single characters.*'ab'"),
        ({"table": {"a": ""}}, ValueError, "'a' -> ''"),
    ],
)
def test_wrong_arguments(arguments, error, match):
    with pytest.raises(error, match=match):
        Normalizer(**arguments)


def test_missing_opencc_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "opencc", None)
    normalization._simplified.cache_clear()
    normalization._build_table.cache_clear()
    with pytest.raises(ImportError, match="pip install opencc"):
        Normalizer(simplify=True)
    Normalizer()  # needs none
