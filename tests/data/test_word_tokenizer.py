"""Words, marks and CJK characters are tokens."""

import pytest

from zoo.data import WordTokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return WordTokenizer.train(["a"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hi, you!", "▁Hi , ▁you !"),
        ("我有3本book", "我 有 3 本 book"),
        ("我 有 3本 books。", "我 ▁ 有 ▁3 本 ▁books 。"),
        ("don't Tom's 'tis dogs'", "▁don't ▁Tom's ▁' tis ▁dogs '"),
        ("it’s l'eau", "▁it’s ▁l'eau"),
        ('He said: "No."', '▁He ▁said : ▁" No . "'),
        ("3,000.50 50%", "▁3 , 000 . 50 ▁50 %"),
        ("naïve cafe\u0301 Ünï", "▁naïve ▁cafe\u0301 ▁Ünï"),
        ("a_b a▁b", "▁a _ b ▁a _ b"),
        ("🎉👍x", "▁🎉 👍 x"),
        ("한국어 단어", "▁한국어 ▁단어"),
        ("ひらがなカナ", "ひ ら が な カ ナ"),
        ("", ""),
    ],
)
def test_where_text_is_cut(tokenizer, text, expected):
    strings = tokenizer.tokenize_to_strings(text).numpy()
    assert [token.decode() for token in strings] == expected.split()


@pytest.mark.parametrize(
    "text",
    [
        "«Hello», he (Tom) said -- 'no'!",
        "我有 3 本book, ok ? 好。 x",
        "don't 'tis a-b_c 50% 🎉👍🏽",
        "。你好",
        "' ' '",
    ],
)
def test_spaces_come_back_where_they_were(text):
    tokenizer = WordTokenizer.train([text])
    ids = tokenizer([text])
    assert tokenizer.detokenize(ids).numpy()[0].decode() == text


def test_unknown_word_is_written_with_a_space():
    tokenizer = WordTokenizer.train(["I love you."])
    ids = tokenizer(["I adore you."])
    assert tokenizer.detokenize(ids).numpy().tolist() == [b"I <unk> you."]
