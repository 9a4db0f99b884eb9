"""The recurrent layers of an encoder-decoder."""

import keras
from keras import ops

from zoo.layers import LSTM
from zoo.layers import RNN
from zoo.layers import AttentionCell
from zoo.layers import AttentionDecoder
from zoo.layers import BiasedEmbedding
from zoo.layers import Bidirectional
from zoo.layers import FixedNormEmbedding
from zoo.layers import LSTMCell
from zoo.layers import StackedRNNCells
from zoo.models.make_attention import make_attention

BRIDGES = ("dense", "copy", "zero")
CONTEXTS = ("initial", "every")


def check_wiring(
    state_units,
    decoder_units,
    embedding_dim,
    attention,
    context,
    lexical,
    bridge,
    fixed_norm,
    softmax_bias,
    project_output,
):
    """Raises `ValueError` unless the parts of an encoder-decoder fit.

    `state_units` is the width of the encoder's last state, both directions;
    the rest are arguments of `zoo.models.Seq2SeqBackbone`.
    """
    if bridge not in BRIDGES:
        raise ValueError(
            f"Expected `bridge` to be one of {BRIDGES}, got {bridge!r}."
        )
    if bridge == "copy" and state_units != decoder_units:
        raise ValueError(
            "Expected the decoder to be as wide as the encoder's state with "
            f"bridge='copy', got {decoder_units} decoder units and "
            f"{state_units} of the encoder, both directions. Take "
            "bridge='dense', or change the widths."
        )
    if context not in CONTEXTS:
        raise ValueError(
            f"Expected `context` to be one of {CONTEXTS}, got {context!r}."
        )
    if context == "every" and attention is not None:
        raise ValueError(
            "Expected attention=None with context='every', got "
            f"{attention!r}, which brings a context of its own to every step. "
            "Leave one out."
        )
    if lexical and attention is None:
        raise ValueError(
            "Expected `attention` with lexical=True, got None. Take "
            "attention='bahdanau', or lexical=False."
        )
    if fixed_norm and softmax_bias:
        raise ValueError(
            "Expected one of fixed_norm=True and softmax_bias=True, got both: "
            "rows of one norm know no frequencies. Leave one out."
        )
    projects = project_output or attention is not None
    if not projects and decoder_units != embedding_dim:
        raise ValueError(
            "Expected the decoder to be as wide as the embeddings with "
            f"project_output=False, got decoder_units={decoder_units} and "
            f"embedding_dim={embedding_dim}. Change one, or take "
            "project_output=True."
        )


def make_token_embedding(
    vocabulary_size, dim, fixed_norm, bias, initializer, **kwargs
):
    """The target's embeddings, which are the softmax, too."""
    kind = keras.layers.ReversibleEmbedding
    if fixed_norm:
        kind = FixedNormEmbedding
    elif bias:
        kind = BiasedEmbedding
    layer = kind(
        vocabulary_size,
        dim,
        embeddings_initializer=initializer or "uniform",
        name="token_embedding",
        **kwargs,
    )
    # the decoder's outputs come with a mask, which logits have no use for
    layer.supports_masking = True
    return layer


def starting_from(initializer):
    """Arguments of an LSTM whose kernels an initializer starts."""
    if initializer is None:
        return {}
    return {
        "kernel_initializer": initializer.clone(),
        "recurrent_initializer": initializer.clone(),
    }


def make_encoder(
    units, num_layers, bidirectional, recurrent_dropout, dtype, initializer
):
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
            **starting_from(initializer),
        )
        if bidirectional:
            layer = Bidirectional(layer, dtype=dtype, name=f"bidirectional_{i}")
        layers.append(layer)
    return layers


def beside(x, context):
    """A context beside the inputs of one step or of all, if there is one."""
    if context is None:
        return x
    if len(x.shape) == 3:
        context = context[:, None] + ops.zeros_like(x[:, :, :1])
    return ops.concatenate([x, ops.cast(context, x.dtype)], axis=-1)


def make_output_layer(units, activation, dtype, initializer):
    """What makes `o_t` of the decoder's output."""
    return keras.layers.Dense(
        units,
        activation=activation,
        use_bias=False,
        kernel_initializer=(
            initializer.clone() if initializer else "glorot_uniform"
        ),
        dtype=dtype,
        name="output",
    )


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


def make_decoder_cell(
    units, num_layers, dropout, recurrent_dropout, dtype, initializer
):
    """The decoder's cell, a stack of them if it has several layers."""
    cells = [
        LSTMCell(
            units,
            dropout=dropout if i else 0.0,
            recurrent_dropout=recurrent_dropout,
            dtype=dtype,
            name=f"decoder_cell_{i}",
            **starting_from(initializer),
        )
        for i in range(num_layers)
    ]
    if num_layers == 1:
        return cells[0]
    return StackedRNNCells(cells, dtype=dtype, name="decoder_cells")


def make_decoder(
    cell,
    attention,
    units,
    output_dim,
    output_activation,
    input_feeding,
    dtype,
    initializer,
):
    """The layer that runs the decoder's cell, with attention if there is one.

    Args:
        cell: What `make_decoder_cell` made.
        attention: `None`, or as of `make_attention`.
        units: Width of a Bahdanau attention.
        output_dim: Width of what goes to the softmax, with attention.
        output_activation: Its activation.
        input_feeding: Whether that also goes into the next step.
        dtype: Dtype or dtype policy.
        initializer: Initializer of the attention's kernels, or `None`.

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
    output = {
        "attention_units": output_dim,
        "attention_activation": output_activation,
    }
    if initializer is not None:
        output = {
            "attention_layer": make_output_layer(
                output_dim, output_activation, dtype, initializer
            )
        }
    return AttentionDecoder(
        AttentionCell(
            cell,
            make_attention(attention, units, dtype, initializer),
            input_feeding=input_feeding,
            dtype=dtype,
            name="attention_cell",
            **output,
        ),
        dtype=dtype,
        name="decoder",
    )
