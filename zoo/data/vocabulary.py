"""The list of tokens that a tokenizer knows."""

import collections
import itertools

PAD, UNK, SOS, EOS = "<pad>", "<unk>", "<sos>", "<eos>"
SPECIAL_TOKENS = (PAD, UNK, SOS, EOS)


def check_vocabulary(vocabulary):
    """Returns a vocabulary as a tuple, or raises if it is none.

    Args:
        vocabulary: Iterable of strings, the special tokens first.

    Raises:
        TypeError: not strings.
        ValueError: the special tokens are missing, a token stands twice, or
            holds a line break (a vocabulary is saved one token a line).
    """
    vocabulary = vocabulary if isinstance(vocabulary, str) else [*vocabulary]
    if isinstance(vocabulary, str) or not all(
        isinstance(token, str) for token in vocabulary
    ):
        raise TypeError(
            "Expected a list of strings for `vocabulary`. "
            f"Received: {vocabulary!r}."
        )
    start = vocabulary[: len(SPECIAL_TOKENS)]
    if tuple(start) != SPECIAL_TOKENS:
        raise ValueError(
            "Expected `vocabulary` to start with the special tokens "
            f"{list(SPECIAL_TOKENS)}. Received: {start}."
        )
    counts = collections.Counter(vocabulary)
    twice = [token for token, count in counts.items() if count > 1]
    if twice:
        raise ValueError(
            "Expected each token once in `vocabulary`. Received more than "
            f"once: {twice[:5]}."
        )
    broken = [token for token in vocabulary if "\n" in token]
    if broken:
        raise ValueError(
            "Expected tokens without line breaks in `vocabulary`. Received: "
            f"{broken[:5]}."
        )
    return tuple(vocabulary)


def check_vocabulary_size(value):
    """Raises unless the special tokens and one more fit in."""
    check_integer("vocabulary_size", value, least=len(SPECIAL_TOKENS) + 1)


def check_integer(name, value, least):
    """Raises unless an argument is an integer that is large enough."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(
            f"Expected an integer of at least {least} for `{name}`. "
            f"Received: {value!r}."
        )


def most_frequent(counts, vocabulary_size=None, min_frequency=1):
    """Makes a vocabulary of the most frequent tokens.

    Args:
        counts: Dict from a token to how often it occurs. Special tokens in
            it don't count.
        vocabulary_size: Integer, the most tokens, special ones included.
        min_frequency: Integer, how often a token must occur.

    Returns:
        List of tokens: special ones, then by falling frequency; among equals
        in the order of their code points.

    Example:

    >>> most_frequent({"a": 1, "c": 2, "b": 2})
    ['<pad>', '<unk>', '<sos>', '<eos>', 'b', 'c', 'a']
    """
    if not counts:
        raise ValueError(
            "Expected texts to learn a vocabulary from. Received none, or "
            "only empty ones."
        )
    tokens = [
        token
        for token, count in counts.items()
        if count >= min_frequency and token not in SPECIAL_TOKENS
    ]
    tokens.sort(key=lambda token: (-counts[token], token))
    return [*SPECIAL_TOKENS, *tokens][:vocabulary_size]


def batches(texts, size=1024):
    """Cuts an iterable of strings into lists."""
    if isinstance(texts, (str, bytes)):
        raise TypeError(
            f"Expected an iterable of strings for `texts`. Received: {texts!r}."
        )
    texts = iter(texts)
    while batch := list(itertools.islice(texts, size)):
        yield batch
