"""Signatures whose loops need a row also take an empty batch."""

import tensorflow as tf


def at_least_one(text):
    """The texts, or a single empty one in place of none.

    Args:
        text: String tensor of shape `(batch_size,)`.

    Returns:
        String tensor of at least one row. The rows of `text` come first, so
        that `[:tf.shape(text)[0]]` of a result is what belongs to them.
    """
    missing = 1 - tf.minimum(tf.shape(text)[0], 1)
    return tf.concat([text, tf.fill([missing], "")], axis=0)
