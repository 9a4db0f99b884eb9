"""Segmentation by a unigram language model, on core TensorFlow ops."""

import tensorflow as tf

IMPOSSIBLE = -1e30  # the score of what is no piece; finite, so no NaN appears


def substrings(words, longest):
    """Lists the substrings of words that end at each character.

    Args:
        words: Ragged string tensor `(words, None)` of single characters.
        longest: Integer K, the most characters of a substring.

    Returns:
        String tensor `(characters, K)` over the characters of all words. The
        substring of n characters stands in column K - n, the longest first;
        it is empty where its word begins later.

    Example:

    >>> words = tf.ragged.constant([["a", "b"], ["c"]])
    >>> substrings(words, 2).numpy().tolist()
    [[b'', b'a'], [b'ab', b'b'], [b'', b'c']]
    """
    characters = words.flat_values
    positions = tf.ragged.range(words.row_lengths()).flat_values
    columns = [characters]
    for length in range(2, longest + 1):
        before = tf.concat([[""], columns[-1]], 0)[:-1]
        joined = tf.strings.join([before, characters])
        columns.append(tf.where(positions >= length - 1, joined, ""))
    return tf.stack(columns[::-1], axis=1)


def segment(scores, row_starts, lengths, seed=None):
    """Cuts words into pieces: the best way, or a random one.

    The best way is Viterbi's: with s(p, n) the score of the n characters that
    end at position p,

        best(0) = 0,  best(p) = max over n of best(p - n) + s(p, n)

    Among equals the longest last piece wins, as in sentencepiece.

    With a seed, a way w is drawn with probability exp(s(w)) / sum exp(s), by
    forward filtering, backward sampling:

        total(0) = 0,  total(p) = log sum over n of exp(total(p - n) + s(p, n))

    and the last piece of the first p characters has n characters with
    probability exp(total(p - n) + s(p, n) - total(p)). See Kudo 2018,
    "Subword Regularization", Eq. 7 and section 3.3,
    https://arxiv.org/abs/1804.10959.

    Args:
        scores: Float tensor `(characters, K)` in the order of `substrings`,
            `IMPOSSIBLE` where there is no piece.
        row_starts: Int32 tensor `(words,)`, where in `scores` each word
            starts. Words may share their characters.
        lengths: Int32 tensor `(words,)`, characters of each word, from 1 on.
        seed: Int32 tensor `(2,)`, or `None` for the best way.

    Returns:
        A tuple of int32 tensors: the word of each piece, the position in
        `scores` of its last character, and its number of characters; words
        and pieces in order.

    Example:

    >>> scores = tf.constant([[IMPOSSIBLE, -1.0], [-1.5, -1.0]])  # a, ab, b
    >>> _, last, length = segment(scores, tf.constant([0]), tf.constant([2]))
    >>> last.numpy().tolist(), length.numpy().tolist()
    ([1], [2])
    """
    return _segment(scores, row_starts, lengths, seed, scores.shape[1])


# Its loops would be slow eagerly.
@tf.function(reduce_retracing=True, autograph=False)
def _segment(scores, row_starts, lengths, seed, longest):
    scores = tf.ensure_shape(scores, [None, longest])
    words = tf.size(lengths)
    steps = tf.reduce_max(tf.concat([lengths, [1]], 0))

    def forward(step, totals, choices):
        # A word that is over reads its last character again, to no effect.
        last = row_starts + tf.minimum(step, lengths - 1)
        # Column K - n of `totals` is the total n characters ago.
        paths = totals + tf.gather(scores, last)  # (words, K)
        if seed is None:
            best = tf.argmax(paths, axis=1, output_type=tf.int32)
            total = tf.reduce_max(paths, axis=1)
        else:
            best = _draw(paths, tf.random.fold_in(seed, step))
            total = tf.reduce_logsumexp(paths, axis=1)
        totals = tf.concat([totals[:, 1:], total[:, None]], axis=1)
        return step + 1, totals, choices.write(step, longest - best)

    empty = tf.fill([words, longest - 1], IMPOSSIBLE)
    _, _, choices = tf.while_loop(
        lambda step, *_: step < steps,
        forward,
        (
            tf.constant(0),
            tf.concat([empty, tf.zeros([words, 1])], axis=1),
            tf.TensorArray(tf.int32, steps, element_shape=[None]),
        ),
        shape_invariants=(
            tf.TensorShape([]),
            tf.TensorShape([None, longest]),
            None,
        ),
    )
    choices = choices.stack()  # (steps, words)

    def backward(step, ends, marks):
        here = ends == step + 1
        ends = tf.where(here, ends - choices[step], ends)
        return step - 1, ends, marks.write(step, here)

    _, _, marks = tf.while_loop(
        lambda step, *_: step >= 0,
        backward,
        (
            steps - 1,
            lengths,
            tf.TensorArray(tf.bool, steps, element_shape=[None]),
        ),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None]), None),
    )
    ends = tf.where(tf.transpose(marks.stack()))  # (pieces, 2): word, position
    word, position = tf.unstack(tf.cast(ends, tf.int32), axis=1)
    length = tf.gather_nd(choices, tf.stack([position, word], axis=1))
    return word, tf.gather(row_starts, word) + position, length


def _draw(logits, seed):
    """Draws a column of each row (Gumbel's trick)."""
    uniform = tf.random.stateless_uniform(
        tf.shape(logits), seed, minval=1e-7, maxval=1.0 - 1e-7
    )
    return tf.argmax(
        logits - tf.math.log(-tf.math.log(uniform)),
        axis=1,
        output_type=tf.int32,
    )
