"""Every character a token."""

import keras
import tensorflow as tf

from zoo.data.normalization import WORD_MARK
from zoo.data.tokenizer import Tokenizer


@keras.saving.register_keras_serializable(package="zoo")
class CharacterTokenizer(Tokenizer):
    """Cuts text into characters; a space is the token `▁`.

    What a language without spaces between its words wants, such as Chinese,
    and what a small corpus of any language can afford.

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

    >>> texts = ["我愛中國", "我 看"]
    >>> tokenizer = CharacterTokenizer.train(texts, simplify=True)
    >>> tokenizer.get_vocabulary()[4:]
    ['我', '▁', '中', '国', '爱', '看']
    >>> ids = tokenizer(["我看中國。"])
    >>> ids.to_list()
    [[4, 9, 6, 7, 1]]
    >>> tokenizer.detokenize(ids).numpy()[0].decode()
    '我看中国<unk>'
    """

    def _segment(self, text):
        text = tf.strings.regex_replace(text, " ", WORD_MARK)
        return tf.strings.unicode_split(text, "UTF-8")
