"""Batches of sentence pairs, bucketed by length, for training on."""

import logging

import numpy as np
import tensorflow as tf

from zoo.data.untuned import untuned
from zoo.data.vocabulary import check_integer

_logger = logging.getLogger(__name__)

_TOKENIZE_AT_ONCE = 1024  # pairs
_BATCH_SIZE = 64
_BOUNDARIES = (*range(4, 28, 3), 32, 40, 48, 64, 80, 96, 128, 192, 256, 384)


def translation_dataset(
    pairs,
    source_tokenizer,
    target_tokenizer,
    *,
    batch_size=None,
    batch_tokens=None,
    max_source_length=None,
    max_target_length=None,
    bucket_boundaries=None,
    shuffle=False,
    seed=0,
    subword_sampling=0.0,
    repeat=False,
    first_epoch=0,
):
    """Makes batches that a sequence-to-sequence model trains on.

    The pairs are tokenised once, those that are empty or too long are
    dropped (a log line says how many), and the ids stay in memory, 4 bytes a
    token. Each epoch shuffles the pairs, puts pairs of similar length into a
    batch, so that little is padding, shuffles the batches and prefetches. No
    stage calls Python, so an iterator can be saved in a checkpoint.

    With `repeat=True` every batch is a function of `seed`, the epoch and the
    step alone, so a run can go on anywhere: `first_epoch=3` starts with the
    fourth epoch, and `.skip(n)` goes n batches further. With `repeat=False`
    each iteration over the dataset is one epoch, in a new order that depends
    on `seed`, TensorFlow's global seed and the number of the iteration.

    Args:
        pairs: List of `(source, target)` strings; or a tuple of two lists,
            `(sources, targets)`; or a finite `tf.data.Dataset` of pairs of
            scalar strings.
        source_tokenizer: A `zoo.data.Tokenizer`.
        target_tokenizer: A `zoo.data.Tokenizer`.
        batch_size: Integer, pairs in a batch. Defaults to 64, if
            `batch_tokens` is not given either.
        batch_tokens: Integer instead: the most tokens of a batch on its longer
            side, padding included; long sentences then come in small batches.
        max_source_length: Integer, tokens of a source, `<eos>` apart; longer
            ones are dropped. `None` keeps all.
        max_target_length: Integer, the same for targets.
        bucket_boundaries: Increasing integers: lengths, `<eos>` included, at
            which a new bucket begins. Pairs are sorted by the bucket of their
            target, then of their source, and cut into batches. `None` takes
            steps of 3 tokens that grow later; `()` makes one bucket, and
            without `shuffle` keeps the order of `pairs`.
        shuffle: Boolean.
        seed: Integer.
        subword_sampling: Float; above 0 each epoch cuts the targets anew,
            with this `alpha` of `SubwordTokenizer.tokenize`. Lengths, for
            dropping and bucketing, are those of the best cut.
        repeat: Boolean, go on for ever: `fit` then needs `steps_per_epoch`.
        first_epoch: Integer, the epoch to start with, if `repeat`.

    Returns:
        A `tf.data.Dataset` of `(x, y, sample_weight)`, with B pairs, the
        longest source of S and the longest target of T tokens:

        - x: dict of `encoder_token_ids` int32 `(B, S)`, the source and
          `<eos>`; `encoder_padding_mask` bool `(B, S)`, true where a token
          is; `decoder_token_ids` int32 `(B, T)`, `<sos>` and the target;
          `decoder_padding_mask` bool `(B, T)`;
        - y: int32 `(B, T)`, the target and `<eos>`;
        - sample_weight: float32 `(B, T)`, 1 for a token, 0 for padding.

        Its attribute `steps_per_epoch` is the number of batches of an epoch,
        `kept` and `dropped` count pairs.

    Raises:
        ValueError: an argument is out of range, there are no pairs, or none
            is left.

    Example:

    >>> from zoo.data import CharacterTokenizer
    >>> tokenizer = CharacterTokenizer.train(["abc"])
    >>> pairs = [("ab", "c"), ("a", "cab"), ("c", "")]
    >>> dataset = translation_dataset(pairs, tokenizer, tokenizer)
    >>> dataset.steps_per_epoch, dataset.kept, dataset.dropped
    (1, 2, 1)
    >>> x, y, sample_weight = next(iter(dataset))
    >>> x["encoder_token_ids"].numpy().tolist()
    [[4, 5, 3], [4, 3, 0]]
    >>> x["decoder_token_ids"].numpy().tolist(), y.numpy().tolist()
    ([[2, 6, 0, 0], [2, 6, 4, 5]], [[6, 3, 0, 0], [6, 4, 5, 3]])
    """
    for name, value in (
        ("batch_size", batch_size),
        ("batch_tokens", batch_tokens),
        ("max_source_length", max_source_length),
        ("max_target_length", max_target_length),
    ):
        if value is not None:
            check_integer(name, value, least=1)
    check_integer("seed", seed, least=0)
    check_integer("first_epoch", first_epoch, least=0)
    if batch_size is not None and batch_tokens is not None:
        raise ValueError(
            "Expected `batch_size` or `batch_tokens`, not both. Received: "
            f"batch_size={batch_size}, batch_tokens={batch_tokens}."
        )
    if batch_size is None and batch_tokens is None:
        batch_size = _BATCH_SIZE
    if first_epoch and not repeat:
        raise ValueError(
            "Expected `repeat=True` with `first_epoch`, as a single epoch has "
            f"no number. Received: first_epoch={first_epoch}."
        )
    _check_sampling(subword_sampling, target_tokenizer)
    if bucket_boundaries is None:
        bucket_boundaries = _BOUNDARIES

    sources, targets, texts = _tokenize(
        pairs, source_tokenizer, target_tokenizer
    )
    source_lengths = sources.row_lengths().numpy()
    target_lengths = targets.row_lengths().numpy()
    kept = _keep(
        source_lengths, target_lengths, max_source_length, max_target_length
    )
    source_lengths, target_lengths = (
        lengths[kept] + 1 for lengths in (source_lengths, target_lengths)
    )
    buckets = _bucket(source_lengths, target_lengths, bucket_boundaries)
    row_splits = _split(
        np.maximum(source_lengths, target_lengths),
        buckets,
        batch_size,
        batch_tokens,
    )
    steps = len(row_splits) - 1

    pair_rows = tf.constant(kept)
    pair_buckets = tf.constant(buckets)

    @tf.autograph.experimental.do_not_convert
    def plan_epoch(epoch):
        """The batches of an epoch: rows of the corpus, epoch, step."""
        order = tf.range(len(kept))
        batch_order = tf.range(steps)
        if shuffle:
            order = _shuffle(order, _seed(seed, epoch, 0))
            batch_order = _shuffle(batch_order, _seed(seed, epoch, 1))
        by_bucket = tf.argsort(tf.gather(pair_buckets, order), stable=True)
        rows = tf.gather(pair_rows, tf.gather(order, by_bucket))
        batches = tf.RaggedTensor.from_row_splits(rows, row_splits)
        return tf.data.Dataset.from_tensor_slices(
            (
                tf.gather(batches, batch_order),
                tf.fill([steps], epoch),
                tf.range(steps, dtype=tf.int64),
            )
        )

    @tf.autograph.experimental.do_not_convert
    def load(rows, epoch, step):
        source = tf.gather(sources, rows)
        if subword_sampling:
            target = target_tokenizer.tokenize(
                tf.gather(texts, rows),
                alpha=subword_sampling,
                seed=_seed(seed, epoch, 2 + step),
            )
        else:
            target = tf.gather(targets, rows)
        return _pack(source, target, source_tokenizer, target_tokenizer)

    if repeat:
        epochs = tf.data.Dataset.range(first_epoch, tf.int64.max)
    else:
        epochs = tf.data.Dataset.random(
            seed=seed, rerandomize_each_iteration=True
        ).take(1)
    dataset = untuned(
        epochs.flat_map(plan_epoch)
        .map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .prefetch(tf.data.AUTOTUNE)
    )
    dataset = dataset.apply(
        tf.data.experimental.assert_cardinality(
            tf.data.INFINITE_CARDINALITY if repeat else steps
        )
    )
    dataset.steps_per_epoch = steps
    dataset.kept = len(kept)
    dataset.dropped = int(sources.nrows()) - len(kept)
    return dataset


def _check_sampling(alpha, target_tokenizer):
    if alpha < 0:
        raise ValueError(
            "Expected a number of at least 0 for `subword_sampling`. "
            f"Received: {alpha!r}."
        )
    if alpha and not hasattr(target_tokenizer, "scores"):
        raise ValueError(
            "Expected a `SubwordTokenizer` for `target_tokenizer`, as "
            f"`subword_sampling` is {alpha}. Received: "
            f"{type(target_tokenizer).__name__}. Set `subword_sampling=0`."
        )


def _seed(seed, epoch, purpose):
    seed = tf.random.fold_in([seed, 0], tf.cast(epoch, tf.int64))
    return tf.random.fold_in(seed, tf.cast(purpose, tf.int64))


def _shuffle(values, seed):
    return tf.random.experimental.stateless_shuffle(values, seed)


def _tokenize(pairs, source_tokenizer, target_tokenizer):
    """Returns ragged ids of both sides, and the texts of the targets."""
    dataset = _as_dataset(pairs)

    @tf.autograph.experimental.do_not_convert
    def tokenize(source, target):
        return (
            source_tokenizer.tokenize(source),
            target_tokenizer.tokenize(target),
            target,
        )

    parts = list(
        dataset.batch(_TOKENIZE_AT_ONCE).map(
            tokenize, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        )
    )
    if not parts:
        raise ValueError("Expected pairs to train on. Received none.")
    return [tf.concat(column, axis=0) for column in zip(*parts, strict=True)]


def _as_dataset(pairs):
    if isinstance(pairs, tf.data.Dataset):
        if pairs.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise ValueError(
                "Expected a finite dataset of pairs. Received one that repeats "
                "for ever."
            )
        return pairs
    if isinstance(pairs, tuple) and len(pairs) == 2:
        sources, targets = map(list, pairs)
    else:
        pairs = list(pairs)
        wrong = [
            pair
            for pair in pairs
            if not isinstance(pair, (tuple, list)) or len(pair) != 2
        ]
        if wrong:
            raise ValueError(
                "Expected `pairs` to be a list of (source, target), a tuple "
                "of two lists, or a tf.data.Dataset. Received an item "
                f"{wrong[0]!r}."
            )
        sources = [source for source, _ in pairs]
        targets = [target for _, target in pairs]
    if len(sources) != len(targets):
        raise ValueError(
            "Expected as many sources as targets. Received "
            f"{len(sources)} sources and {len(targets)} targets."
        )
    return tf.data.Dataset.from_tensor_slices(
        (tf.constant(sources, tf.string), tf.constant(targets, tf.string))
    )


def _keep(source_lengths, target_lengths, max_source_length, max_target_length):
    """Returns which pairs are neither empty nor too long, and logs it."""
    kept = np.flatnonzero(
        (source_lengths > 0)
        & (source_lengths <= (max_source_length or np.inf))
        & (target_lengths > 0)
        & (target_lengths <= (max_target_length or np.inf))
    )
    limits = (
        f"max_source_length={max_source_length} or "
        f"max_target_length={max_target_length}"
    )
    if not len(kept):
        raise ValueError(
            f"Expected pairs to train on. Received {len(source_lengths)}, all "
            f"of which have an empty side or are longer than {limits}."
        )
    _logger.info(
        "%d of %d sentence pairs kept, %d dropped: empty, or longer than %s",
        *(len(kept), len(source_lengths), len(source_lengths) - len(kept)),
        limits,
    )
    return kept


def _bucket(source_lengths, target_lengths, boundaries):
    """Numbers the buckets: by target length, then by source length."""
    boundaries = list(boundaries)
    if sorted(set(boundaries)) != boundaries:
        raise ValueError(
            "Expected increasing numbers for `bucket_boundaries`. Received: "
            f"{boundaries}."
        )
    source, target = (
        np.searchsorted(boundaries, lengths, side="right")
        for lengths in (source_lengths, target_lengths)
    )
    return (target * (len(boundaries) + 1) + source).astype("int32")


def _split(lengths, buckets, batch_size, batch_tokens):
    """Cuts pairs, sorted by bucket, into batches: where each one starts.

    A batch counts with the longest pair of its buckets, so the cuts don't
    depend on the order within a bucket: every epoch has as many batches.
    """
    if batch_size:
        return np.append(np.arange(0, len(lengths), batch_size), len(lengths))
    longest_of_bucket = np.zeros(buckets.max() + 1, int)
    np.maximum.at(longest_of_bucket, buckets, lengths)
    row_splits, longest = [0], 0
    for end, length in enumerate(longest_of_bucket[np.sort(buckets)]):
        longest = max(longest, length)
        size = end - row_splits[-1]
        if size and longest * (size + 1) > batch_tokens:
            row_splits.append(end)
            longest = length
    return np.array([*row_splits, len(lengths)])


def _pack(source, target, source_tokenizer, target_tokenizer):
    """Turns ragged ids into what a model trains on."""
    source, source_mask = _pad(
        tf.concat([source, _column(source, source_tokenizer, "end")], 1),
        source_tokenizer,
    )
    decoder, decoder_mask = _pad(
        tf.concat([_column(target, target_tokenizer, "start"), target], 1),
        target_tokenizer,
    )
    labels, label_mask = _pad(
        tf.concat([target, _column(target, target_tokenizer, "end")], 1),
        target_tokenizer,
    )
    x = {
        "encoder_token_ids": source,
        "encoder_padding_mask": source_mask,
        "decoder_token_ids": decoder,
        "decoder_padding_mask": decoder_mask,
    }
    return x, labels, tf.cast(label_mask, tf.float32)


def _column(ids, tokenizer, name):
    token_id = getattr(tokenizer, f"{name}_token_id")
    return tf.fill([ids.nrows(), 1], tf.constant(token_id, tf.int32))


def _pad(ids, tokenizer):
    mask = tf.sequence_mask(ids.row_lengths())
    return ids.to_tensor(tokenizer.pad_token_id), mask
