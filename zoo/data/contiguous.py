"""One long text as batches that go on where the ones before them ended."""

import numpy as np
import tensorflow as tf

from zoo.data.untuned import untuned
from zoo.data.vocabulary import check_integer


def contiguous_batches(token_ids, batch_size, num_steps, random_seed=None):
    """Cuts a text into batches for truncated backpropagation through time.

    The text is cut into `batch_size` pieces of one length, and each batch has
    the next `num_steps` tokens of every piece, so that a network can carry
    its state from batch to batch. What does not fill the last batch is left
    out. (Mikolov et al., "Recurrent neural network based language model",
    2010; the layout is that of TensorFlow's PTB tutorial.)

    With `random_seed`, lengths are normal around `num_steps`, in one batch of
    twenty around half of it, with a standard deviation of 5 and at least 5;
    every pass has them in another order, so that the gradient is not always
    cut at the same places. (Merity, Keskar & Socher, "Regularizing and
    Optimizing LSTM Language Models", 2018, section 5.1.)

    Args:
        token_ids: Integers of shape `(tokens,)`.
        batch_size: Number of pieces.
        num_steps: Number of tokens that a batch has of each.
        random_seed: An integer for random lengths; `None` for one length.

    Returns:
        A `tf.data.Dataset` of `(x, y, sample_weight)`: a dictionary of
        `token_ids` and `padding_mask`, the tokens after them, and ones; all of
        shape `(batch_size, num_steps)`. Its length is known.

    Raises:
        ValueError: If the text does not fill one batch.

    Example:

    >>> data = contiguous_batches(range(13), batch_size=2, num_steps=3)
    >>> [x["token_ids"].numpy().tolist() for x, y, weights in data]
    [[[0, 1, 2], [6, 7, 8]], [[3, 4, 5], [9, 10, 11]]]
    """
    check_integer("num_steps", num_steps, least=1)
    inputs, labels = cut(token_ids, batch_size)
    batches = inputs.shape[1] // num_steps
    if not batches:
        raise ValueError(
            f"Expected more than {batch_size * num_steps} tokens to fill a "
            f"batch of {batch_size} times {num_steps}, got "
            f"{len(token_ids)}. Take a smaller batch."
        )

    if random_seed is not None:
        return _random_batches(inputs, labels, num_steps, random_seed)

    def split(x):
        x = x[:, : batches * num_steps]
        return x.reshape(batch_size, batches, num_steps).swapaxes(0, 1)

    data = tf.data.Dataset.from_tensor_slices((split(inputs), split(labels)))
    return untuned(data.map(_pack))


def _pack(inputs, labels):
    mask = tf.ones_like(inputs, "bool")
    x = {"token_ids": inputs, "padding_mask": mask}
    return x, labels, tf.ones_like(inputs, "float32")


def _random_batches(inputs, labels, num_steps, seed):
    """Batches of random lengths, each pass in another order."""
    rng = np.random.default_rng(seed)
    lengths, left = [], inputs.shape[1]
    while left:
        mean = num_steps if rng.random() < 0.95 else num_steps / 2
        lengths.append(min(left, max(5, int(rng.normal(mean, 5)))))
        left -= lengths[-1]

    def passage():
        stops = np.cumsum(rng.permutation(lengths))
        for start, stop in zip([0, *stops[:-1]], stops, strict=True):
            yield inputs[:, start:stop], labels[:, start:stop]

    spec = tf.TensorSpec((inputs.shape[0], None), tf.int32)
    data = tf.data.Dataset.from_generator(
        passage, output_signature=(spec, spec)
    )
    data = data.apply(tf.data.experimental.assert_cardinality(len(lengths)))
    return untuned(data.map(_pack))


def cut(token_ids, batch_size):
    """A text in `batch_size` rows, and for each token the one after it.

    Args:
        token_ids: Integers of shape `(tokens,)`.
        batch_size: Number of rows.

    Returns:
        Two int32 arrays of shape `(batch_size, tokens in a row)`.

    Raises:
        ValueError: If there is not a token and a next one for every row.
    """
    check_integer("batch_size", batch_size, least=1)
    token_ids = np.asarray(token_ids, "int32")
    length = (token_ids.size - 1) // batch_size
    if token_ids.ndim != 1 or length < 1:
        raise ValueError(
            f"Expected token ids of shape (tokens,), more than {batch_size}, "
            f"got shape {token_ids.shape}. Join the sentences to one text, or "
            "take fewer rows."
        )
    used = length * batch_size
    return (
        token_ids[:used].reshape(batch_size, length),
        token_ids[1 : used + 1].reshape(batch_size, length),
    )
