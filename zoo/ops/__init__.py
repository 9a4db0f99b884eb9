"""Pure functions of tensors: the recurrent loop, LSTM, attention."""

from zoo.ops.lstm import lstm
from zoo.ops.lstm import lstm_path
from zoo.ops.lstm import lstm_step
from zoo.ops.recurrent import unroll

__all__ = ["lstm", "lstm_path", "lstm_step", "unroll"]
