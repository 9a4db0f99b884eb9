"""Datasets whose iterators end when their data do."""

import tensorflow as tf


def untuned(data):
    """The same dataset without the thread that tunes parallelism and buffers.

    That thread of TensorFlow 2.21 works after 10 ms, 20 ms, 40 ms and so on up
    to a minute, and the end of an iterator often waits for its next turn:
    `fit` then lasts up to twice as long as its steps, or a minute longer. What
    our pipelines do, gather rows that are in memory, has nothing to tune.

    Args:
        data: A `tf.data.Dataset`.

    Returns:
        A `tf.data.Dataset`.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return data.with_options(options)
