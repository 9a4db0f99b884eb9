"""Whole networks on the base classes of keras_hub."""

# Keras must know the tokenizers before it meets them in a preset.
from zoo.data import CharacterTokenizer as _CharacterTokenizer
from zoo.data import SubwordTokenizer as _SubwordTokenizer
from zoo.data import WhitespaceTokenizer as _WhitespaceTokenizer
from zoo.data import WordTokenizer as _WordTokenizer
from zoo.models.language_model import LanguageModel
from zoo.models.language_model_backbone import LanguageModelBackbone
from zoo.models.language_model_preprocessor import LanguageModelPreprocessor
from zoo.models.seq2seq import Seq2Seq
from zoo.models.seq2seq_backbone import Seq2SeqBackbone
from zoo.models.seq2seq_preprocessor import Seq2SeqPreprocessor

__all__ = [
    "LanguageModel",
    "LanguageModelBackbone",
    "LanguageModelPreprocessor",
    "Seq2Seq",
    "Seq2SeqBackbone",
    "Seq2SeqPreprocessor",
]
