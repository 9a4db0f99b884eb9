"""Pure functions of tensors: recurrences over time, GRU, LSTM, attention."""

from zoo.ops.attention import additive_score
from zoo.ops.attention import dot_score
from zoo.ops.attention import hardmax
from zoo.ops.attention import masked_softmax
from zoo.ops.categorical import categorical
from zoo.ops.gather_tree import gather_tree
from zoo.ops.gru import gru
from zoo.ops.gru import gru_path
from zoo.ops.gru import gru_step
from zoo.ops.linear_recurrence import linear_recurrence
from zoo.ops.lstm import lstm
from zoo.ops.lstm import lstm_path
from zoo.ops.lstm import lstm_step
from zoo.ops.lstm_options import LSTMGates
from zoo.ops.lstm_options import LSTMNorms
from zoo.ops.lstm_options import LSTMOptions
from zoo.ops.monotonic import monotonic_attention
from zoo.ops.recurrent import unroll
from zoo.ops.simple_rnn import simple_rnn
from zoo.ops.simple_rnn import simple_rnn_path
from zoo.ops.sparsemax import sparsemax

__all__ = [
    "LSTMGates",
    "LSTMNorms",
    "LSTMOptions",
    "additive_score",
    "categorical",
    "dot_score",
    "gather_tree",
    "gru",
    "gru_path",
    "gru_step",
    "hardmax",
    "linear_recurrence",
    "lstm",
    "lstm_path",
    "lstm_step",
    "masked_softmax",
    "monotonic_attention",
    "simple_rnn",
    "simple_rnn_path",
    "sparsemax",
    "unroll",
]
