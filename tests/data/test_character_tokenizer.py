"""Every character is a token."""

from zoo.data import CharacterTokenizer


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
