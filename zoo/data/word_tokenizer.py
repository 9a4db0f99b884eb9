"""Words, punctuation marks and single CJK characters as tokens."""

import keras
import tensorflow as tf

from zoo.data.normalization import WORD_MARK
from zoo.data.tokenizer import Tokenizer
from zoo.data.vocabulary import UNK

# Chinese characters, kana, and the punctuation that goes with them.
_CJK = r"\p{Han}\p{Hiragana}\p{Katakana}\x{3001}-\x{303F}"
_LETTERS = r"[\p{L}\p{M}\p{N}]+"
_TOKEN = (
    rf"{WORD_MARK}?{_LETTERS}(?:['’]{_LETTERS})*"  # a word, don't
    rf"|{WORD_MARK}?[^ {WORD_MARK}\p{{L}}\p{{M}}\p{{N}}]"  # a mark, an emoji
    rf"|{WORD_MARK}"  # the space before a CJK character
)


@keras.saving.register_keras_serializable(package="zoo")
class WordTokenizer(Tokenizer):
    """Cuts text into words and marks, and CJK text into characters.

    A word is a run of letters, digits and combining marks; an apostrophe
    between letters belongs to it (`don't`). Every other mark is a token, and
    so is every Chinese or Japanese character: `我有3本book` gives
    `我 有 3 本 book`.

    A token carries `▁` when a space stands before it, and at the start of the
    text: `Hi, you!` gives `▁Hi , ▁you !`. So `detokenize` puts spaces back
    where they were. Before a CJK character the space is a token of its own,
    and the start of the text adds nothing.

    An unknown token is detokenised to `<unk>` with a space before it, as most
    unknown tokens are words.

    Args:
        vocabulary: List of strings that starts with the four special tokens.
        simplify: Boolean, Traditional → Simplified Chinese.
        lowercase: Boolean.
        normalization_table: See `zoo.data.Tokenizer`.
        **kwargs: See `zoo.data.Tokenizer`.

    Call arguments:
        inputs: String tensor of rank 0 or 1.

    Returns:
        Int32 ids, ragged `(batch_size, None)`.

    Example:

    >>> tokenizer = WordTokenizer.train(["Don't go, Tom.", "Tom 有3本book"])
    >>> pieces = tokenizer.tokenize_to_strings("Tom, 我有book.")
    >>> " ".join(piece.decode() for piece in pieces.numpy())
    '▁Tom , ▁ 我 有 book .'
    >>> ids = tokenizer(["Don't go, Tom.", "Tom 有book.", "I, Tom"])
    >>> [text.decode() for text in tokenizer.detokenize(ids).numpy()]
    ["Don't go, Tom.", 'Tom 有book.', '<unk>, Tom']
    """

    unknown_text = WORD_MARK + UNK

    def _segment(self, text):
        replace = tf.strings.regex_replace
        text = replace(replace(text, "^", WORD_MARK), " ", WORD_MARK)
        text = replace(text, f"([{_CJK}])", r" \1 ")
        text = replace(text, f"^{WORD_MARK}( |$)", "")
        # Spaces now only separate tokens.
        return tf.strings.split(replace(text, f"({_TOKEN})", r"\1 "))
