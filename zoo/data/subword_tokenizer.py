"""Unigram pieces, learnt by sentencepiece, segmented by core TensorFlow."""

import collections
import io
import pathlib

import keras
import tensorflow as tf

from zoo.data import unigram
from zoo.data.normalization import WORD_MARK
from zoo.data.normalization import Normalizer
from zoo.data.tokenizer import Tokenizer
from zoo.data.vocabulary import SPECIAL_TOKENS
from zoo.data.vocabulary import check_integer
from zoo.data.vocabulary import check_vocabulary_size

_SCORES_FILE = "scores.txt"
_LONGEST_PIECE = 16  # characters; sentencepiece's own default
_UNKNOWN_PENALTY = 10.0  # sentencepiece's, below the least score


@keras.saving.register_keras_serializable(package="zoo")
class SubwordTokenizer(Tokenizer):
    """Cuts words into pieces of a unigram language model.

    Each piece has a log-probability; a word is cut into the pieces
    x = (x1, ..., xm) that maximise P(x) = p(x1) ... p(xm). A word begins with
    `▁`, and no piece reaches across a space. The pieces and their scores come
    from the `sentencepiece` package, once, in `train`; after that the package
    is not needed: the search runs in the graph on core TensorFlow ops, over
    the distinct words of a batch, and agrees with sentencepiece's own except
    where two ways to cut a word score the same to the last bits.

    A character that no piece covers is one unknown token (sentencepiece joins
    neighbouring ones into one).

    Subword regularisation: with `alpha`, a segmentation is drawn with
    probability proportional to P(x) ** alpha, so that a training run sees a
    sentence cut in many ways. Small alpha draws more evenly; Kudo takes 0.1
    to 0.5.

    Source: Kudo 2018, "Subword Regularization: Improving Neural Network
    Translation Models with Multiple Subword Candidates", Eqs. 6-8,
    https://arxiv.org/abs/1804.10959.

    Args:
        vocabulary: List of strings: the four special tokens, then the pieces.
        scores: List of floats, the log-probability of each token; that of a
            special token has no effect.
        simplify: Boolean, Traditional → Simplified Chinese.
        lowercase: Boolean.
        normalization_table: See `zoo.data.Tokenizer`.
        **kwargs: See `zoo.data.Tokenizer`.

    Call arguments:
        inputs: String tensor of rank 0 or 1.

    Returns:
        Int32 ids, ragged `(batch_size, None)`.

    Raises:
        ValueError: `vocabulary` and `scores` don't have one length.

    Example:

    >>> tokenizer = SubwordTokenizer(
    ...     ["<pad>", "<unk>", "<sos>", "<eos>", "▁lo", "ve", "▁", "l", "o"],
    ...     [0.0, 0.0, 0.0, 0.0, -1.0, -1.5, -2.0, -3.0, -3.5],
    ... )
    >>> tokenizer(["love", "lol", ""]).to_list()
    [[4, 5], [4, 7], []]
    >>> sampled = tokenizer.tokenize(["lo"] * 100, alpha=0.2, seed=[1, 2])
    >>> sorted(set(map(tuple, sampled.to_list())))
    [(4,), (6, 7, 8)]
    """

    def __init__(
        self,
        vocabulary=None,
        scores=None,
        simplify=False,
        lowercase=False,
        normalization_table=None,
        **kwargs,
    ):
        super().__init__(
            vocabulary=vocabulary,
            simplify=simplify,
            lowercase=lowercase,
            normalization_table=normalization_table,
            **kwargs,
        )
        self._scores = None
        if vocabulary is not None:
            self.set_scores([] if scores is None else scores)

    def set_scores(self, scores):
        """Sets the log-probability of each token of the vocabulary."""
        vocabulary = self.get_vocabulary()
        scores = tuple(float(score) for score in scores)
        if len(scores) != len(vocabulary):
            raise ValueError(
                "Expected one score for each of the "
                f"{len(vocabulary)} tokens. Received {len(scores)} scores."
            )
        self._scores = scores
        first = len(SPECIAL_TOKENS)
        self._longest = max(map(len, vocabulary[first:]), default=1)
        self._unknown_score = min(scores[first:], default=0.0)
        self._unknown_score -= _UNKNOWN_PENALTY
        # The text `<eos>` is no piece.
        text_scores = (unigram.IMPOSSIBLE,) * first + scores[first:]
        with tf.init_scope():
            self._score_table = tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(
                    tf.constant(vocabulary, tf.string),
                    tf.constant(text_scores, tf.float32),
                ),
                default_value=unigram.IMPOSSIBLE,
            )

    @property
    def scores(self):
        """The log-probability of each token, a list."""
        self._check_vocabulary()
        return list(self._scores)

    @property
    def resources(self):
        return [*super().resources, self._score_table]

    def tokenize(self, inputs, alpha=None, seed=None):
        """Maps text to ids, without `<sos>` and `<eos>`.

        Args:
            inputs: A string, a list of strings, or a string tensor of rank 0
                or 1.
            alpha: Float, draws segmentations with probability P ** alpha;
                `None` takes the best one.
            seed: Two integers or an int32 tensor of shape `(2,)`: equal seeds
                and inputs give equal draws. Needed with `alpha`.

        Returns:
            An int32 `tf.RaggedTensor` of shape `(batch_size, None)`, or an
            int32 tensor of shape `(length,)` for a scalar.

        Raises:
            ValueError: `alpha` without `seed`.
        """
        return super().tokenize(inputs, alpha=alpha, seed=seed)

    def _segment(self, text, alpha=None, seed=None):
        if (alpha is None) != (seed is None):
            raise ValueError(
                "Expected `alpha` and `seed` together, or neither. "
                f"Received: alpha={alpha}, seed={seed}."
            )
        sentences = tf.strings.split(text)
        words = tf.strings.join([WORD_MARK, sentences.flat_values])
        words, occurrences = tf.unique(words)
        characters = tf.strings.unicode_split(words, "UTF-8")
        candidates = unigram.substrings(characters, self._longest)
        scores = self._score_table.lookup(candidates)
        # A character that is no piece may still stand alone, as unknown.
        alone = scores[:, -1:]
        alone = tf.where(
            alone == unigram.IMPOSSIBLE, self._unknown_score, alone
        )
        scores = tf.concat([scores[:, :-1], alone], axis=1)
        row_starts = tf.cast(characters.row_starts(), tf.int32)
        lengths = tf.cast(characters.row_lengths(), tf.int32)
        if alpha is not None:  # each occurrence is drawn for itself
            possible = scores > unigram.IMPOSSIBLE
            scores = tf.where(possible, scores * alpha, scores)
            row_starts = tf.gather(row_starts, occurrences)
            lengths = tf.gather(lengths, occurrences)
        word, last, length = unigram.segment(
            scores, row_starts, lengths, seed=seed
        )
        pieces = tf.RaggedTensor.from_value_rowids(
            tf.gather_nd(
                candidates, tf.stack([last, self._longest - length], axis=1)
            ),
            tf.cast(word, tf.int64),
            nrows=tf.size(lengths, tf.int64),
        )
        if alpha is None:
            pieces = tf.gather(pieces, occurrences)
        return sentences.with_flat_values(pieces).merge_dims(1, 2)

    @classmethod
    def train(
        cls,
        texts,
        vocabulary_size=None,
        min_frequency=1,
        simplify=False,
        lowercase=False,
        **kwargs,
    ):
        """Learns pieces and their scores with the sentencepiece package.

        Args:
            texts: Iterable of strings.
            vocabulary_size: Integer, the most tokens to keep, special ones
                included. Every character that is frequent enough is a token,
                so it must be larger than their number.
            min_frequency: Integer, how often a character must occur to be
                known.
            simplify: Boolean, Traditional → Simplified Chinese.
            lowercase: Boolean.
            **kwargs: Other arguments of the constructor.

        Returns:
            A tokenizer, the same for the same texts.

        Raises:
            ImportError: sentencepiece is not installed.
            ValueError: `vocabulary_size` is missing or too small, or there
                are no texts.
        """
        check_integer("min_frequency", min_frequency, least=1)
        check_vocabulary_size(vocabulary_size)
        normalizer = Normalizer(
            simplify=simplify,
            lowercase=lowercase,
            table=kwargs.pop("normalization_table", None),
        )
        texts = [normalizer.normalize(text) for text in texts]
        counts = collections.Counter(c for text in texts for c in text)
        rare = {ord(c): " " for c, n in counts.items() if n < min_frequency}
        known = {c for c in counts if ord(c) not in rare and c != " "}
        if not known:
            raise ValueError(
                "Expected texts to learn pieces from. Received none, or only "
                "empty ones."
            )
        # The special tokens, the space mark and each character.
        least = len(SPECIAL_TOKENS) + 1 + len(known)
        if vocabulary_size < least:
            raise ValueError(
                f"Expected a `vocabulary_size` of at least {least}, as the "
                f"texts have {len(known)} different characters. Received: "
                f"{vocabulary_size}. Raise it, or raise `min_frequency`."
            )
        pieces = _learn_pieces(
            (text.translate(rare) for text in texts if text), vocabulary_size
        )
        return cls(
            [*SPECIAL_TOKENS, *pieces],
            [0.0] * len(SPECIAL_TOKENS) + list(pieces.values()),
            simplify=simplify,
            lowercase=lowercase,
            normalization_table=normalizer.table,
            **kwargs,
        )

    def _asset_names(self):
        return [*super()._asset_names(), _SCORES_FILE]

    def save_assets(self, dir_path):
        """Writes vocabulary.txt, normalization.tsv and scores.txt."""
        super().save_assets(dir_path)
        scores = "".join(f"{score!r}\n" for score in self._scores)
        (pathlib.Path(dir_path) / _SCORES_FILE).write_bytes(scores.encode())

    def load_assets(self, dir_path):
        super().load_assets(dir_path)
        scores = (pathlib.Path(dir_path) / _SCORES_FILE).read_bytes()
        self.set_scores(scores.split())

    def get_config(self):
        config = super().get_config()
        scores = self._scores
        config["scores"] = None if scores is None else list(scores)
        return config


def _learn_pieces(texts, vocabulary_size):
    """Returns a dict from pieces to scores, best first."""
    try:
        import sentencepiece
    except ImportError as error:
        raise ImportError(
            "Learning subword pieces needs the sentencepiece package, which "
            "is not installed. Run `pip install sentencepiece`."
        ) from error
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=model,
        model_type="unigram",
        vocab_size=vocabulary_size,
        hard_vocab_limit=False,
        character_coverage=1.0,
        max_sentencepiece_length=_LONGEST_PIECE,
        max_sentence_length=1 << 20,
        normalization_rule_name="identity",
        add_dummy_prefix=True,
        byte_fallback=False,
        pad_id=0,
        unk_id=1,
        bos_id=2,
        eos_id=3,
        pad_piece=SPECIAL_TOKENS[0],
        unk_piece=SPECIAL_TOKENS[1],
        bos_piece=SPECIAL_TOKENS[2],
        eos_piece=SPECIAL_TOKENS[3],
        num_threads=1,
        minloglevel=2,
    )
    processor = sentencepiece.SentencePieceProcessor(
        model_proto=model.getvalue()
    )
    return {
        processor.id_to_piece(index): processor.get_score(index)
        for index in range(len(SPECIAL_TOKENS), processor.get_piece_size())
    }
