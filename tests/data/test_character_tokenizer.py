"""Every character is a token."""

from zoo.data import CharacterTokenizer
from zoo.data import build_table


def tokens(text):
    strings = CharacterTokenizer.train(["a"]).tokenize_to_strings(text)
    return [token.decode() for token in strings.numpy()]


def test_every_character_is_a_token_and_a_space_its_own():
    assert tokens(" 我 有3本book。") == [*"我▁有3本book。"]
    assert tokens("👍🏽é") == ["👍", "🏽", "é"]


def test_vocabulary_is_in_the_order_of_frequency_then_of_code_points():
    tokenizer = CharacterTokenizer.train(["cab", "cb", "d"])
    assert tokenizer.get_vocabulary()[4:] == ["b", "c", "a", "d"]


def test_vocabulary_size_and_min_frequency_drop_the_rarest():
    texts = ["aaabbc"]
    sized = CharacterTokenizer.train(texts, vocabulary_size=6)
    assert sized.get_vocabulary()[4:] == ["a", "b"]
    frequent = CharacterTokenizer.train(texts, min_frequency=2)
    assert frequent.get_vocabulary()[4:] == ["a", "b"]
    assert sized("cab").numpy().tolist() == [1, 4, 5]


def test_lines_are_kept_where_the_table_says_so(tmp_path):
    table = build_table(keep_lines=True)
    tokenizer = CharacterTokenizer.train(["a\nb"], normalization_table=table)
    page = "ab\n\nb a\n"
    assert "⏎" in tokenizer.get_vocabulary()
    ids = tokenizer([page])
    assert ids.row_lengths().numpy().tolist() == [len(page)]
    assert tokenizer.detokenize(ids).numpy()[0].decode() == "ab\n\nb<unk>a\n"
    tokenizer.save_assets(tmp_path)
    copy = CharacterTokenizer()
    copy.load_assets(tmp_path)
    assert copy([page]).to_list() == ids.to_list()


def test_lines_end_in_a_space_by_default():
    assert tokens("a\n\nb\n") == ["a", "▁", "b"]
