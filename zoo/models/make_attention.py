"""Attention layers by name."""

import keras

from zoo.layers import BahdanauAttention
from zoo.layers import LuongAttention

ATTENTIONS = {"bahdanau": BahdanauAttention, "luong": LuongAttention}


def make_attention(attention, units, dtype=None, initializer=None):
    """Makes an attention layer from its name.

    Args:
        attention: `"bahdanau"`, `"luong"`, or a layer, which is returned.
        units: Width of a Bahdanau attention.
        dtype: Dtype or dtype policy of the layer.
        initializer: Initializer of its kernels; by default the layer's own.

    Returns:
        An attention layer.

    Raises:
        ValueError: If the name is unknown.
    """
    if isinstance(attention, keras.layers.Layer):
        return attention
    if attention not in ATTENTIONS:
        raise ValueError(
            f"Expected `attention` to be None, one of {list(ATTENTIONS)} or an "
            f"attention layer of `zoo.layers`, got {attention!r}."
        )
    arguments = {"units": units} if attention == "bahdanau" else {}
    if initializer is not None:
        arguments["kernel_initializer"] = initializer
    return ATTENTIONS[attention](
        **arguments, dtype=dtype, name=f"{attention}_attention"
    )
