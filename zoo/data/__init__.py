"""Corpora, text <-> ids inside the TensorFlow graph, `tf.data` batching."""

from zoo._lazy import attach

# Loaded on first use: the tokenizers need keras_hub, which takes seconds.
__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "CharacterTokenizer": "zoo.data.character_tokenizer",
        "DataError": "zoo.data.readers",
        "Normalizer": "zoo.data.normalization",
        "SubwordTokenizer": "zoo.data.subword_tokenizer",
        "Tokenizer": "zoo.data.tokenizer",
        "Translation": "zoo.data.translation",
        "WhitespaceTokenizer": "zoo.data.whitespace_tokenizer",
        "WordTokenizer": "zoo.data.word_tokenizer",
        "build_table": "zoo.data.normalization",
        "contiguous_batches": "zoo.data.contiguous",
        "make_tokenizer": "zoo.data.tokenizer_kinds",
        "read_pairs": "zoo.data.readers",
        "read_parallel": "zoo.data.readers",
        "translation_dataset": "zoo.data.batching",
    },
)
