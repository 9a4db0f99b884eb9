"""What spaces separate, as tokens: for texts that are tokenised already."""

import keras
import tensorflow as tf

from zoo.data.normalization import WORD_MARK
from zoo.data.tokenizer import Tokenizer
from zoo.data.vocabulary import UNK


@keras.saving.register_keras_serializable(package="zoo")
class WhitespaceTokenizer(Tokenizer):
    """Cuts text at spaces and nowhere else.

    For corpora that come in tokens, such as the Penn Treebank of Mikolov et
    al. and WikiText: `he does n't <unk> it` gives five tokens, of which
    `<unk>` is the unknown one. Each carries `▁` for the space before it.

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

    >>> tokenizer = WhitespaceTokenizer.train(["N million", "<unk> N"])
    >>> tokenizer.get_vocabulary()[4:]
    ['▁N', '▁million']
    >>> ids = tokenizer(["<unk> million", "N years"])
    >>> ids.to_list()
    [[1, 5], [4, 1]]
    >>> tokenizer.detokenize(ids).numpy().tolist()
    [b'<unk> million', b'N <unk>']
    """

    unknown_text = WORD_MARK + UNK

    def _segment(self, text):
        marked = tf.strings.regex_replace(text, r"([^ ]+)", rf"{WORD_MARK}\1")
        unknown = rf"{WORD_MARK}{UNK}( |$)"
        return tf.strings.split(
            tf.strings.regex_replace(marked, unknown, rf"{UNK}\1")
        )
