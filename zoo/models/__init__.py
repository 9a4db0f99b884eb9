"""Whole networks on the base classes of keras_hub."""

from zoo.models.seq2seq import Seq2Seq
from zoo.models.seq2seq_backbone import Seq2SeqBackbone
from zoo.models.seq2seq_preprocessor import Seq2SeqPreprocessor

__all__ = ["Seq2Seq", "Seq2SeqBackbone", "Seq2SeqPreprocessor"]
