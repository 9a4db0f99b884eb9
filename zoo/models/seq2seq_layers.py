"""The recurrent layers of an encoder-decoder."""

import keras

from zoo.layers import LSTM
from zoo.layers import RNN
from zoo.layers import AttentionCell
from zoo.layers import AttentionDecoder
from zoo.layers import Bidirectional
from zoo.layers import LSTMCell
from zoo.layers import StackedRNNCells
from zoo.models.make_attention import make_attention


def make_encoder(units, num_layers, bidirectional, recurrent_dropout, dtype):
    """List of the encoder's layers, which return outputs and last states."""
    layers = []
    for i in range(num_layers):
        layer = LSTM(
            units,
            return_sequences=True,
            return_state=True,
            recurrent_dropout=recurrent_dropout,
            dtype=dtype,
            name=f"encoder_layer_{i}",
        )
        if bidirectional:
            layer = Bidirectional(layer, dtype=dtype, name=f"bidirectional_{i}")
        layers.append(layer)
    return layers


def make_bridge(units, num_layers, dtype):
    """List of two layers, for h and c, for each layer of the decoder."""
    return [
        keras.layers.Dense(
            units,
            activation=activation,
            dtype=dtype,
            name=f"bridge_{i}_{state}",
        )
        for i in range(num_layers)
        for state, activation in (("h", "tanh"), ("c", None))
    ]


def make_decoder_cell(units, num_layers, dropout, recurrent_dropout, dtype):
    """The decoder's cell, a stack of them if it has several layers."""
    cells = [
        LSTMCell(
            units,
            dropout=dropout if i else 0.0,
            recurrent_dropout=recurrent_dropout,
            dtype=dtype,
            name=f"decoder_cell_{i}",
        )
        for i in range(num_layers)
    ]
    if num_layers == 1:
        return cells[0]
    return StackedRNNCells(cells, dtype=dtype, name="decoder_cells")


def make_decoder(cell, attention, units, output_dim, input_feeding, dtype):
    """The layer that runs the decoder's cell, with attention if there is one.

    Args:
        cell: What `make_decoder_cell` made.
        attention: `None`, or as of `make_attention`.
        units: Width of a Bahdanau attention.
        output_dim: Width of what goes to the softmax, with attention.
        input_feeding: Whether that also goes into the next step.
        dtype: Dtype or dtype policy.

    Returns:
        An `RNN` or an `AttentionDecoder`.
    """
    if attention is None:
        return RNN(
            cell,
            return_sequences=True,
            return_state=True,
            dtype=dtype,
            name="decoder",
        )
    return AttentionDecoder(
        AttentionCell(
            cell,
            make_attention(attention, units, dtype),
            attention_units=output_dim,
            attention_activation="tanh",
            input_feeding=input_feeding,
            dtype=dtype,
            name="attention_cell",
        ),
        dtype=dtype,
        name="decoder",
    )
