"""One function for every kind of tokenizer."""

import difflib
import importlib

_KINDS = {
    "character": ("zoo.data.character_tokenizer", "CharacterTokenizer"),
    "word": ("zoo.data.word_tokenizer", "WordTokenizer"),
    "whitespace": ("zoo.data.whitespace_tokenizer", "WhitespaceTokenizer"),
    "subword": ("zoo.data.subword_tokenizer", "SubwordTokenizer"),
}


def make_tokenizer(kind, texts, vocabulary_size=None, **kwargs):
    """Learns a tokenizer of the given kind from texts.

    Args:
        kind: `"character"`, `"word"`, `"whitespace"` or `"subword"`.
        texts: Iterable of strings: the training side of a corpus.
        vocabulary_size: Integer, the most tokens to keep, the four special
            ones included. `None` keeps every token (`"subword"` needs a
            number).
        **kwargs: Passed on to the `train` method of that kind:
            `min_frequency`, `simplify`, `lowercase`, ...

    Returns:
        A `CharacterTokenizer`, `WordTokenizer`, `WhitespaceTokenizer` or
        `SubwordTokenizer`.

    Raises:
        ValueError: no such kind.

    Example:

    >>> tokenizer = make_tokenizer("word", ["I love China.", "I see."])
    >>> tokenizer.get_vocabulary()[4:]
    ['.', '▁I', '▁China', '▁love', '▁see']
    """
    if kind not in _KINDS:
        near = difflib.get_close_matches(str(kind), _KINDS, n=1, cutoff=0.4)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"Expected a tokenizer kind among {', '.join(map(repr, _KINDS))}. "
            f"Received: {kind!r}.{hint}"
        )
    module, name = _KINDS[kind]
    tokenizer_class = getattr(importlib.import_module(module), name)
    return tokenizer_class.train(
        texts, vocabulary_size=vocabulary_size, **kwargs
    )
