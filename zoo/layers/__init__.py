"""Keras layers: what a user imports into a model of their own."""

from zoo.layers.activation_regularization import ActivationRegularization
from zoo.layers.attention_cell import AttentionCell
from zoo.layers.attention_cell_state import AttentionCellState
from zoo.layers.attention_decoder import AttentionDecoder
from zoo.layers.attention_mechanism import AttentionMechanism
from zoo.layers.bahdanau_attention import BahdanauAttention
from zoo.layers.bahdanau_monotonic_attention import BahdanauMonotonicAttention
from zoo.layers.biased_embedding import BiasedEmbedding
from zoo.layers.bidirectional import Bidirectional
from zoo.layers.coverage_attention import CoverageAttention
from zoo.layers.fixed_norm_embedding import FixedNormEmbedding
from zoo.layers.gnmt_cell import GNMTCell
from zoo.layers.gru import GRU
from zoo.layers.gru_cell import GRUCell
from zoo.layers.highway_cell import HighwayCell
from zoo.layers.layer_norm_simple_rnn import LayerNormSimpleRNN
from zoo.layers.layer_norm_simple_rnn_cell import LayerNormSimpleRNNCell
from zoo.layers.lexical_choice import LexicalChoice
from zoo.layers.local_attention import LocalAttention
from zoo.layers.lstm import LSTM
from zoo.layers.lstm_cell import LSTMCell
from zoo.layers.luong_attention import LuongAttention
from zoo.layers.luong_monotonic_attention import LuongMonotonicAttention
from zoo.layers.min_gru import MinGRU
from zoo.layers.min_gru_cell import MinGRUCell
from zoo.layers.min_lstm import MinLSTM
from zoo.layers.min_lstm_cell import MinLSTMCell
from zoo.layers.mogrifier_lstm import MogrifierLSTM
from zoo.layers.mogrifier_lstm_cell import MogrifierLSTMCell
from zoo.layers.nas import NAS
from zoo.layers.nas_cell import NASCell
from zoo.layers.ngram_embedding import NgramEmbedding
from zoo.layers.recurrent_cell import RecurrentCell
from zoo.layers.residual_cell import ResidualCell
from zoo.layers.rnn import RNN
from zoo.layers.scheduled_embedding_decoder import ScheduledEmbeddingDecoder
from zoo.layers.scheduled_output_decoder import ScheduledOutputDecoder
from zoo.layers.simple_rnn import SimpleRNN
from zoo.layers.simple_rnn_cell import SimpleRNNCell
from zoo.layers.stacked_rnn_cells import StackedRNNCells

__all__ = [
    "GRU",
    "LSTM",
    "NAS",
    "RNN",
    "ActivationRegularization",
    "AttentionCell",
    "AttentionCellState",
    "AttentionDecoder",
    "AttentionMechanism",
    "BahdanauAttention",
    "BahdanauMonotonicAttention",
    "BiasedEmbedding",
    "Bidirectional",
    "CoverageAttention",
    "FixedNormEmbedding",
    "GNMTCell",
    "GRUCell",
    "HighwayCell",
    "LSTMCell",
    "LayerNormSimpleRNN",
    "LayerNormSimpleRNNCell",
    "LexicalChoice",
    "LocalAttention",
    "LuongAttention",
    "LuongMonotonicAttention",
    "MinGRU",
    "MinGRUCell",
    "MinLSTM",
    "MinLSTMCell",
    "MogrifierLSTM",
    "MogrifierLSTMCell",
    "NASCell",
    "NgramEmbedding",
    "RecurrentCell",
    "ResidualCell",
    "ScheduledEmbeddingDecoder",
    "ScheduledOutputDecoder",
    "SimpleRNN",
    "SimpleRNNCell",
    "StackedRNNCells",
]
