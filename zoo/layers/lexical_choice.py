"""A short way from the source words to the softmax."""

import keras
from keras import ops

from zoo.layers.memory_reader import rows_per_memory
from zoo.layers.recurrent_cell import check_flags
from zoo.ops.attention import project


@keras.saving.register_keras_serializable(package="zoo")
class LexicalChoice(keras.layers.Layer):
    """What the attended source words, taken alone, say of the next word.

    ```
    f_t = tanh(sum_s a_ts e_s)
    l_t = tanh(f_t W + b) + f_t
    ```

    with the alignments `a` and the source embeddings `e`. A decoder adds
    `l_t` to its output before the softmax. A rare word is then translated by
    its own embedding, where the decoder state alone would take a frequent
    word that fits the sentence.

    Source: Nguyen & Chiang, "Improving Lexical Choice in Neural Machine
    Translation" (2018), https://aclanthology.org/N18-1031, section 4. There
    `l_t` has an output matrix of its own; here it shares that of the decoder,
    which must be as wide as the source embeddings.

    Args:
        use_bias: Whether there is a `b`.
        kernel_initializer: Initializer of `W`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        alignments: Shape `(rows, source_length)` for one step, or `(rows,
            time, source_length)`; zero at the padding of the source.
        embedded: Source embeddings, shape `(memories, source_length, depth)`.
            `rows` is a multiple of `memories`; consecutive rows share them.

    Returns:
        Tensor of shape `(rows, depth)` or `(rows, time, depth)`.

    Raises:
        ValueError: If the alignments are of another rank than 2 or 3, or
            `rows` is no multiple of `memories`.

    Example:

    >>> import numpy as np
    >>> layer = LexicalChoice()
    >>> alignments = np.full((2, 3, 4), 0.25, "float32")
    >>> embedded = np.ones((2, 4, 5), "float32")
    >>> tuple(layer(alignments, embedded).shape)
    (2, 3, 5)
    """

    def __init__(
        self, use_bias=True, kernel_initializer="glorot_uniform", **kwargs
    ):
        check_flags(use_bias=use_bias)
        super().__init__(**kwargs)
        self.supports_masking = True
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, alignments_shape, embedded_shape):
        if len(alignments_shape) not in (2, 3):
            raise ValueError(
                "Expected `alignments` of shape (rows, source_length) or "
                "(rows, time, source_length), got "
                f"{tuple(alignments_shape)}. Reshape them."
            )
        depth = embedded_shape[-1]
        self.kernel = self.add_weight(
            shape=(depth, depth),
            initializer=self.kernel_initializer,
            name="kernel",
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                shape=(depth,), initializer="zeros", name="bias"
            )

    def call(self, alignments, embedded):
        memories, source_length, depth = ops.shape(embedded)
        rows, *time, _ = ops.shape(alignments)
        queries = rows_per_memory(rows, memories) * (time[0] if time else 1)
        shared = ops.reshape(alignments, (memories, queries, source_length))
        words = ops.tanh(ops.matmul(shared, embedded))
        words = ops.reshape(words, (*ops.shape(alignments)[:-1], depth))
        choice = project(words, self.kernel)
        if self.bias is not None:
            choice = choice + self.bias
        return ops.tanh(choice) + words

    def compute_output_spec(self, alignments, embedded):
        return keras.KerasTensor(
            (*alignments.shape[:-1], embedded.shape[-1]),
            dtype=self.compute_dtype,
        )

    def get_config(self):
        config = super().get_config()
        config.update(
            use_bias=self.use_bias,
            kernel_initializer=keras.initializers.serialize(
                self.kernel_initializer
            ),
        )
        return config
