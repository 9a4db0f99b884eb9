"""The base of zoo's tokenizers: text <-> ids on core TensorFlow ops."""

import collections
import pathlib

import keras_hub
import tensorflow as tf

from zoo.data.normalization import LINE_MARK
from zoo.data.normalization import WORD_MARK
from zoo.data.normalization import Normalizer
from zoo.data.normalization import Untracked
from zoo.data.normalization import table_to_text
from zoo.data.vocabulary import SPECIAL_TOKENS
from zoo.data.vocabulary import UNK
from zoo.data.vocabulary import batches
from zoo.data.vocabulary import check_integer
from zoo.data.vocabulary import check_vocabulary
from zoo.data.vocabulary import check_vocabulary_size
from zoo.data.vocabulary import most_frequent

_VOCABULARY_FILE = "vocabulary.txt"
_NORMALIZATION_FILE = "normalization.tsv"


class Tokenizer(keras_hub.tokenizers.Tokenizer):
    """Base class of tokenizers that run in the graph on core TensorFlow ops.

    Text is normalised (`zoo.data.Normalizer`), cut into tokens by the
    subclass, and looked up. A SavedModel with such a tokenizer inside loads
    with `import tensorflow` alone. Methods take and return TensorFlow
    tensors, eagerly, in a `tf.function` and in `tf.data`, on any Keras
    backend.

    In tokens `▁` (U+2581) stands for a space. Joining the tokens and turning
    `▁` into spaces gives the normalised text back, so `detokenize` inverts
    `tokenize` exactly where no token was unknown. With a table that keeps
    lines (`zoo.data.build_table(keep_lines=True)`), `⏎` (U+23CE) stands for a
    line break.

    The ids 0 to 3 are `<pad>`, `<unk>`, `<sos>` and `<eos>`; text never maps
    to them, except to `<unk>`.

    Args:
        vocabulary: List of strings that starts with the four special tokens,
            or `None` when `load_assets` brings it later.
        simplify: Boolean, Traditional → Simplified Chinese.
        lowercase: Boolean.
        normalization_table: The table of the `Normalizer`, a dict or its
            text; `None` builds the one of the two options.
        **kwargs: `name`, `config_file` (the file a preset keeps this
            tokenizer's configuration in, by default `tokenizer.json`) and
            other arguments of `keras_hub.tokenizers.Tokenizer`.

    Raises:
        TypeError: `vocabulary` is no list of strings.
        ValueError: `vocabulary` doesn't start with the special tokens, or
            holds a token twice.

    Example:

    >>> import tensorflow as tf
    >>> class Letters(Tokenizer):
    ...     def _segment(self, text):
    ...         return tf.strings.unicode_split(text, "UTF-8")
    >>> letters = Letters.train(["abba"])
    >>> letters.get_vocabulary()
    ['<pad>', '<unk>', '<sos>', '<eos>', 'a', 'b']
    >>> letters(["cab"]).to_list()
    [[1, 4, 5]]
    >>> letters.detokenize([[4, 5]]).numpy().tolist()
    [b'ab']
    """

    # What an unknown token becomes in detokenised text.
    unknown_text = UNK

    def __init__(
        self,
        vocabulary=None,
        simplify=False,
        lowercase=False,
        normalization_table=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.normalizer = Normalizer(
            simplify=simplify, lowercase=lowercase, table=normalization_table
        )
        for index, (name, token) in enumerate(
            zip(("pad", "unk", "start", "end"), SPECIAL_TOKENS, strict=True)
        ):
            setattr(self, f"{name}_token", token)
            setattr(self, f"{name}_token_id", index)
        # What `strip` means to keras_hub: the tokens that are not text.
        self._special_token_attrs = ["pad_token", "start_token", "end_token"]
        self.file_assets = self._asset_names()
        self._vocabulary = None
        if vocabulary is not None:
            self.set_vocabulary(vocabulary)

    # The vocabulary.

    def set_vocabulary(self, vocabulary):
        """Sets the list of tokens, special ones first."""
        vocabulary = check_vocabulary(vocabulary)
        self._vocabulary = vocabulary
        self._ids = Untracked(
            {token: index for index, token in enumerate(vocabulary)}
        )
        # The text `<eos>` is no end of sentence, it is unknown.
        text_ids = [self.unk_token_id] * len(SPECIAL_TOKENS)
        text_ids += range(len(SPECIAL_TOKENS), len(vocabulary))
        texts = ["", self.unknown_text, "", "", *vocabulary[4:]]
        with tf.init_scope():
            self._id_table = tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(
                    tf.constant(vocabulary, tf.string),
                    tf.constant(text_ids, tf.int32),
                ),
                default_value=self.unk_token_id,
            )
            self._text_of_id = tf.constant(texts, tf.string)

    def get_vocabulary(self):
        """Returns the list of tokens."""
        self._check_vocabulary()
        return list(self._vocabulary)

    def vocabulary_size(self):
        """Returns the number of tokens, special ones included."""
        self._check_vocabulary()
        return len(self._vocabulary)

    def id_to_token(self, id):
        """Returns the token of an id."""
        self._check_vocabulary()
        if not 0 <= id < len(self._vocabulary):
            raise ValueError(
                f"Expected an id from 0 to {len(self._vocabulary) - 1}. "
                f"Received: {id}."
            )
        return self._vocabulary[id]

    def ids_to_tokens(self, ids):
        """Maps ids to the texts of their tokens, for display.

        Args:
            ids: Integer tensor of any shape.

        Returns:
            String tensor of the same shape; special tokens by their names,
            spaces written `▁`.
        """
        self._check_vocabulary()
        return tf.gather(tf.constant(self._vocabulary, tf.string), ids)

    def token_to_id(self, token):
        """Returns the id of a token, that of `<unk>` for an unknown one."""
        self._check_vocabulary()
        return self._ids.value.get(token, self.unk_token_id)

    def _check_vocabulary(self):
        if self._vocabulary is None:
            raise ValueError(
                f"Expected a vocabulary in this {type(self).__name__}, which "
                "has none yet. Pass `vocabulary`, learn one with "
                f"`{type(self).__name__}.train(texts)` or call `load_assets`."
            )

    @property
    def normalization_table(self):
        """The character table of the normaliser, a dict."""
        return self.normalizer.table

    @property
    def resources(self):
        """What an exported `tf.Module` has to hold for the tables to go along.

        On the TensorFlow backend it is enough that it holds the tokenizer.
        """
        self._check_vocabulary()
        return [self.normalizer, self._id_table]

    # Text -> ids.

    def tokenize(self, inputs, **kwargs):
        """Maps text to ids, without `<sos>` and `<eos>`.

        Args:
            inputs: A string, a list of strings, or a string tensor of rank 0
                or 1.
            **kwargs: Options of the subclass.

        Returns:
            An int32 `tf.RaggedTensor` of shape `(batch_size, None)`, or an
            int32 tensor of shape `(length,)` for a scalar. Text without a
            token (empty, spaces only) gives an empty row.
        """
        return self._apply(
            lambda pieces: pieces.with_flat_values(
                self._id_table.lookup(pieces.flat_values)
            ),
            inputs,
            **kwargs,
        )

    def tokenize_to_strings(self, inputs, **kwargs):
        """Maps text to the texts of its tokens, for display.

        As `tokenize`, but returns strings. An unknown token shows the text it
        stands for, not `<unk>`. Spaces are written `▁`.
        """
        return self._apply(lambda pieces: pieces, inputs, **kwargs)

    @tf.autograph.experimental.do_not_convert  # traces faster so
    def _apply(self, function, inputs, **kwargs):
        self._check_vocabulary()
        with tf.device("CPU"):
            text = tf.convert_to_tensor(inputs, tf.string)
            if text.shape.rank not in (0, 1):
                raise ValueError(
                    "Expected one string or a vector of strings. Received a "
                    f"tensor of shape {text.shape}."
                )
            pieces = self._segment(
                self.normalizer(tf.reshape(text, [-1])), **kwargs
            )
            result = function(pieces)
            return result if text.shape.rank == 1 else result.flat_values

    def _segment(self, text, **kwargs):
        """Cuts normalised text [batch] into ragged tokens [batch, None]."""
        raise NotImplementedError(
            f"{type(self).__name__} has no `_segment`. Use a subclass, or "
            "write its `_segment`."
        )

    def call(self, inputs, training=None):
        return self.tokenize(inputs)

    # Ids -> text.

    @tf.autograph.experimental.do_not_convert
    def detokenize(self, inputs):
        """Maps ids to text.

        A row ends before its first `<eos>`; `<pad>` and `<sos>` are dropped.
        `<unk>`, and an id outside of the vocabulary, is written `<unk>`.

        Args:
            inputs: Integer tensor of shape `(..., length)`, or a
                `tf.RaggedTensor` of shape `(batch_size, None)`, or lists.

        Returns:
            String tensor of shape `(...)`.
        """
        self._check_vocabulary()
        with tf.device("CPU"):
            if isinstance(inputs, list):
                inputs = tf.ragged.constant(inputs, dtype=tf.int32)
            if isinstance(inputs, tf.RaggedTensor):
                inputs = inputs.to_tensor(self.pad_token_id)
            ids = tf.cast(tf.convert_to_tensor(inputs), tf.int32)
            ended = tf.cumsum(tf.cast(ids == self.end_token_id, tf.int32), -1)
            ids = tf.where(ended > 0, self.pad_token_id, ids)
            known = (ids >= 0) & (ids < len(self._vocabulary))
            ids = tf.where(known, ids, self.unk_token_id)
            text = tf.strings.reduce_join(
                tf.gather(self._text_of_id, ids), axis=-1
            )
            text = tf.strings.regex_replace(text, WORD_MARK, " ")
            text = tf.strings.strip(text)
            return tf.strings.regex_replace(text, LINE_MARK, "\n")

    # Learning.

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
        """Learns the vocabulary from texts: most frequent tokens first.

        Args:
            texts: Iterable of strings.
            vocabulary_size: Integer, the most tokens to keep, special ones
                included; `None` keeps all.
            min_frequency: Integer, how often a token must occur.
            simplify: Boolean, Traditional → Simplified Chinese.
            lowercase: Boolean.
            **kwargs: Other arguments of the constructor.

        Returns:
            A tokenizer. Equally frequent tokens stand in the order of their
            code points, so that the result depends on nothing but `texts`.

        Raises:
            ValueError: no texts, or no room for one token.
        """
        check_integer("min_frequency", min_frequency, least=1)
        if vocabulary_size is not None:
            check_vocabulary_size(vocabulary_size)
        tokenizer = cls(
            list(SPECIAL_TOKENS),
            simplify=simplify,
            lowercase=lowercase,
            **kwargs,
        )
        counts = collections.Counter()
        segment = tf.function(
            tokenizer.tokenize_to_strings,
            input_signature=[tf.TensorSpec([None], tf.string)],
        )
        for batch in batches(texts):
            counts.update(segment(batch).flat_values.numpy().tolist())
        tokens = {token.decode(): count for token, count in counts.items()}
        tokenizer.set_vocabulary(
            most_frequent(tokens, vocabulary_size, min_frequency)
        )
        return tokenizer

    # Saving.

    def _asset_names(self):
        return [_VOCABULARY_FILE, _NORMALIZATION_FILE]

    def save_assets(self, dir_path):
        """Writes vocabulary.txt and normalization.tsv."""
        self._check_vocabulary()
        folder = pathlib.Path(dir_path)
        vocabulary = "".join(f"{token}\n" for token in self._vocabulary)
        (folder / _VOCABULARY_FILE).write_bytes(vocabulary.encode())
        table = table_to_text(self.normalization_table)
        (folder / _NORMALIZATION_FILE).write_bytes(table.encode())

    def load_assets(self, dir_path):
        """Reads what `save_assets` wrote."""
        folder = pathlib.Path(dir_path)
        self.normalizer = Normalizer(
            simplify=self.normalizer.simplify,
            lowercase=self.normalizer.lowercase,
            table=(folder / _NORMALIZATION_FILE).read_bytes().decode(),
        )
        vocabulary = (folder / _VOCABULARY_FILE).read_bytes().decode()
        self.set_vocabulary(vocabulary.split("\n")[:-1])

    def get_config(self):
        config = super().get_config()
        vocabulary = self._vocabulary
        config.update(
            {
                "vocabulary": None if vocabulary is None else list(vocabulary),
                "simplify": self.normalizer.simplify,
                "lowercase": self.normalizer.lowercase,
                "normalization_table": table_to_text(self.normalization_table),
            }
        )
        return config
