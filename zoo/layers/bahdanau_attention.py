"""Additive attention, plain or normalised."""

import math

import keras
from keras import ops

from zoo.layers.attention_mechanism import AttentionMechanism
from zoo.layers.attention_mechanism import check_known_depth
from zoo.layers.recurrent_cell import check_flags
from zoo.layers.recurrent_cell import check_units
from zoo.ops.attention import additive_score
from zoo.ops.attention import project


@keras.saving.register_keras_serializable(package="zoo")
class BahdanauAttention(AttentionMechanism):
    """Additive attention: a network with one hidden layer scores the memory.

    ```
    e_s = v . tanh(q W_q + m_s W_m)                      plain
    e_s = g v / ||v|| . tanh(q W_q + m_s W_m + b)        normalize=True
    a = softmax(e)
    context = sum_s a_s m_s
    ```

    `q` is the query, `m_s` the memory at position `s`, `W_q` is
    `query_kernel`, `W_m` is `memory_kernel`.

    Bahdanau, Cho & Bengio, "Neural Machine Translation by Jointly Learning to
    Align and Translate" (2015), https://arxiv.org/abs/1409.0473, section 3.1
    and appendix A.1.2. The normalised form is that of TensorFlow Addons:
    Salimans & Kingma, "Weight Normalization" (2016),
    https://arxiv.org/abs/1602.07868, Eq. 2, on `v`, and a bias. Deviation:
    the paper starts `v` at zero, this layer as any other kernel.

    This is the score. That the paper's query is the decoder's previous state,
    and that its context enters the cell, is `zoo.layers.AttentionCell(...,
    query="before")`.

    Args:
        units: Width of the hidden layer.
        normalize: Whether to normalise `v` to the learned length `g`, which
            starts at `sqrt(1 / units)`, and to add the bias `b`, which starts
            at zero.
        probability: `"softmax"`, `"hardmax"`, `"sparsemax"` or a callable, as
            described in `zoo.layers.AttentionMechanism`.
        kernel_initializer: Initializer of `query_kernel` and `memory_kernel`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        query: Tensor of shape `(batch_size, query_depth)` or `(batch_size,
            time, query_depth)`.
        memory: Tensor of shape `(batch_size, source_length, memory_depth)`.
        mask: Boolean tensor of shape `(batch_size, source_length)`, true at
            real positions, any pattern. By default the Keras mask of
            `memory`, if it carries one.

    Returns:
        Tuple `(context, alignments)` of shapes `(batch_size, memory_depth)`
        and `(batch_size, source_length)`, with a time axis after the batch
        if the query has one. Alignments are zero at padding; a row of
        padding alone has a zero context.

    Raises:
        ValueError: If `units` is no positive integer, `probability` is
            unknown, or a tensor has the wrong rank, size or dtype.

    Example:

    >>> import numpy as np
    >>> attention = BahdanauAttention(units=7)
    >>> query = np.ones((2, 3, 5), "float32")
    >>> memory = np.ones((2, 4, 6), "float32")
    >>> mask = np.array([[True] * 4, [True, True, False, False]])
    >>> context, alignments = attention(query, memory, mask=mask)
    >>> tuple(context.shape), np.asarray(alignments)[1, 0].tolist()
    ((2, 3, 6), [0.5, 0.5, 0.0, 0.0])
    """

    def __init__(
        self,
        units,
        normalize=False,
        probability="softmax",
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        check_units(units)
        check_flags(normalize=normalize)
        super().__init__(probability=probability, **kwargs)
        self.units = units
        self.normalize = normalize
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, query_shape, memory_shape):
        query_depth = check_known_depth("query", query_shape)
        memory_depth = check_known_depth("memory", memory_shape)
        self.query_kernel = self._add_kernel(
            "query_kernel", (query_depth, self.units)
        )
        self.memory_kernel = self._add_kernel(
            "memory_kernel", (memory_depth, self.units)
        )
        self.v = self.add_weight(
            (self.units,), name="v", initializer="glorot_uniform"
        )
        self.g = None
        self.b = None
        if self.normalize:
            self.g = self.add_weight(
                (),
                name="g",
                initializer=keras.initializers.Constant(
                    math.sqrt(1 / self.units)
                ),
            )
            self._add_bias()

    def project(self, memory):
        memory = super().project(memory)
        return project(memory, self._weight(self.memory_kernel))

    def compute_scores(self, query, keys):
        query = project(query, self._weight(self.query_kernel))
        if self.b is not None:
            query = query + self._weight(self.b)
        if not self.normalize:
            return additive_score(query, keys, self._weight(self.v))
        # The norm is a sum of squares: not in half precision.
        v = self._weight(self.v, self._exact_dtype)
        v = ops.cast(v / ops.norm(v), self.compute_dtype)
        return additive_score(query, keys, self._weight(self.g) * v)

    def get_config(self):
        config = super().get_config()
        config.update(
            units=self.units,
            normalize=self.normalize,
            kernel_initializer=keras.initializers.serialize(
                self.kernel_initializer
            ),
        )
        return config

    def _add_bias(self):
        self.b = self.add_weight((self.units,), name="b", initializer="zeros")
