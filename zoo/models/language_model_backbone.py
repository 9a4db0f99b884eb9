"""The network of a recurrent language model."""

import keras
import keras_hub
from keras import ops

from zoo.layers import LSTM
from zoo.layers import ActivationRegularization
from zoo.layers import BiasedEmbedding
from zoo.layers import MogrifierLSTM
from zoo.layers.inner_cell import unroll_cell
from zoo.layers.mogrifier_lstm_cell import check_rank
from zoo.layers.mogrifier_lstm_cell import check_rounds
from zoo.layers.recurrent_cell import check_units


@keras.saving.register_keras_serializable(package="zoo")
class LanguageModelBackbone(keras_hub.models.Backbone):
    """Stacked LSTMs that read a text and say at each token what they know.

    ```
    x_t        = drop(E_{w_t})
    h^l_t, s^l = lstm_l(h^{l-1}_t, s^l)          h^0_t = x_t,  l = 1 .. layers
    o_t        = drop(h^layers_t)
    ```

    `zoo.models.LanguageModel` predicts w_{t+1} from o_t. With plain dropout
    it is the network of Zaremba, Sutskever & Vinyals, "Recurrent Neural
    Network Regularization" (2014), https://arxiv.org/abs/1409.2329: what
    goes up is dropped, anew at each step, never what goes on in time. With
    `variational`, one mask serves all steps (Gal & Ghahramani, 2016); with
    `weight_drop`, `word_dropout` and the two regularizations too, it is the
    AWD-LSTM of Merity, Keskar & Socher, "Regularizing and Optimizing LSTM
    Language Models" (2018), https://arxiv.org/abs/1708.02182. With
    `mogrifier_rounds`, the layers are those of Melis, Kočiský & Blunsom,
    "Mogrifier LSTM" (2020), https://arxiv.org/abs/1909.01792.

    Args:
        vocabulary_size: Number of token ids.
        units: Width of every layer, or a list with the width of each.
        num_layers: Number of layers, unless `units` is a list.
        embedding_dim: Width of the embeddings; by default that of the last
            layer.
        tie_embeddings: Whether the softmax shares the embeddings (Press &
            Wolf, "Using the Output Embedding to Improve Language Models",
            2017); the last layer must then be as wide as they are.
        embedding_dropout: Fraction dropped from the embeddings.
        layer_dropout: Fraction dropped between the layers.
        dropout: Fraction dropped from the last layer's output.
        word_dropout: Fraction of the tokens whose embedding is dropped as a
            whole in training.
        recurrent_dropout: Fraction of the state dropped where it enters the
            recurrent kernel; one mask for all steps.
        weight_drop: Fraction dropped from the recurrent kernels.
        variational: Whether what is dropped stays the same over all steps.
        activation_regularization: Price of large outputs of the last layer,
            `alpha` of `zoo.layers.ActivationRegularization`.
        temporal_regularization: Price of how fast they change, its `beta`.
        unit_forget_bias: Whether the forget gates' biases start at one.
        mogrifier_rounds: How often input and output gate each other before
            every step; the layers are `zoo.layers.MogrifierLSTM` then, and
            with 0 `zoo.layers.LSTM`.
        mogrifier_rank: Width between the two factors of the gates' kernels,
            or `None` for kernels in one piece.
        initializer_range: If given, embeddings and kernels start uniform
            between minus and plus this; by default as Keras has it.
        carry_batch_size: If given, each batch goes on in time where the batch
            before it ended: row i of this many is a text of its own.
            `reset_state` starts anew.
        dtype: Dtype or dtype policy of all layers.
        **kwargs: Further arguments of `keras_hub.models.Backbone`.

    Call arguments:
        inputs: Dictionary of `token_ids`, integers of shape `(batch_size,
            time)`, and `padding_mask`, boolean of the same shape, true at real
            tokens.

    Returns:
        All o_t, shape `(batch_size, time, units)`.

    Raises:
        ValueError: If widths do not fit, or one is no positive integer,
            `mogrifier_rounds` is no integer of at least 0, or
            `mogrifier_rank` no positive integer or given without rounds.

    Example:

    >>> import numpy as np
    >>> from zoo.models import LanguageModelBackbone
    >>> backbone = LanguageModelBackbone(vocabulary_size=20, units=8)
    >>> ids = np.array([[4, 5, 6]])
    >>> tuple(backbone({"token_ids": ids, "padding_mask": ids > 0}).shape)
    (1, 3, 8)
    """

    def __init__(
        self,
        vocabulary_size,
        units=300,
        num_layers=2,
        embedding_dim=None,
        tie_embeddings=True,
        embedding_dropout=0.0,
        layer_dropout=0.0,
        dropout=0.0,
        word_dropout=0.0,
        recurrent_dropout=0.0,
        weight_drop=0.0,
        variational=False,
        activation_regularization=0.0,
        temporal_regularization=0.0,
        unit_forget_bias=True,
        mogrifier_rounds=0,
        mogrifier_rank=None,
        initializer_range=None,
        carry_batch_size=None,
        dtype=None,
        **kwargs,
    ):
        widths = list(units) if isinstance(units, list | tuple) else None
        if widths is None:
            check_units(num_layers, "num_layers")
            widths = [units] * num_layers
        for width in widths:
            check_units(width)
        embedding_dim = embedding_dim or widths[-1]
        if tie_embeddings and embedding_dim != widths[-1]:
            raise ValueError(
                "Expected the last layer to be as wide as the embeddings with "
                f"tie_embeddings=True, got {widths[-1]} units and "
                f"embedding_dim={embedding_dim}. Change a width, or take "
                "tie_embeddings=False."
            )
        check_rounds("mogrifier_rounds", mogrifier_rounds)
        check_rank("mogrifier_rank", mogrifier_rank)
        lstm_class, mogrifier = LSTM, {}
        if mogrifier_rounds:
            lstm_class = MogrifierLSTM
            mogrifier = {"rounds": mogrifier_rounds, "rank": mogrifier_rank}
        elif mogrifier_rank is not None:
            raise ValueError(
                "Expected no `mogrifier_rank` with mogrifier_rounds=0, got "
                f"{mogrifier_rank}. Give a number of rounds too, such as 5."
            )
        uniform, initializers = "uniform", {}
        if initializer_range is not None:
            uniform = keras.initializers.RandomUniform(
                -initializer_range, initializer_range
            )
            initializers = {
                "kernel_initializer": uniform.clone(),
                "recurrent_initializer": uniform.clone(),
            }

        # === Layers ===
        self.token_embedding = BiasedEmbedding(
            vocabulary_size,
            embedding_dim,
            reverse_dim=widths[-1],
            tie_weights=tie_embeddings,
            embeddings_initializer=uniform,
            dtype=dtype,
            name="token_embedding",
        )
        self.token_embedding.supports_masking = True

        def dropout_layer(rate, name, noise_shape=None):
            if variational and noise_shape is None:
                noise_shape = (None, 1, None)
            return keras.layers.Dropout(
                rate, noise_shape=noise_shape, dtype=dtype, name=name
            )

        self.drop_words = dropout_layer(
            word_dropout, "drop_words", (None, None, 1)
        )
        self.drop_embedded = dropout_layer(embedding_dropout, "drop_embedded")
        self.lstm_layers = [
            lstm_class(
                width,
                return_sequences=True,
                stateful=carry_batch_size is not None,
                recurrent_dropout=recurrent_dropout,
                weight_drop=weight_drop,
                unit_forget_bias=unit_forget_bias,
                dtype=dtype,
                name=f"lstm_{i}",
                **mogrifier,
                **initializers,
            )
            for i, width in enumerate(widths)
        ]
        last = len(widths) - 1
        self.drop_layers = [
            dropout_layer(dropout if i == last else layer_dropout, f"drop_{i}")
            for i in range(len(widths))
        ]

        self.regularize_change = ActivationRegularization(
            beta=temporal_regularization, dtype=dtype, name="regularize_change"
        )
        self.regularize_size = ActivationRegularization(
            alpha=activation_regularization,
            dtype=dtype,
            name="regularize_size",
        )

        # === Config ===
        self.vocabulary_size = vocabulary_size
        self.units = widths
        self.embedding_dim = embedding_dim
        self.tie_embeddings = tie_embeddings
        self.embedding_dropout = embedding_dropout
        self.layer_dropout = layer_dropout
        self.dropout = dropout
        self.word_dropout = word_dropout
        self.recurrent_dropout = recurrent_dropout
        self.weight_drop = weight_drop
        self.variational = variational
        self.activation_regularization = activation_regularization
        self.temporal_regularization = temporal_regularization
        self.unit_forget_bias = unit_forget_bias
        self.mogrifier_rounds = mogrifier_rounds
        self.mogrifier_rank = mogrifier_rank
        self.initializer_range = initializer_range
        self.carry_batch_size = carry_batch_size

        # === Functional model ===
        inputs = {
            name: keras.Input(
                (None,), batch_size=carry_batch_size, dtype=kind, name=name
            )
            for name, kind in (("token_ids", "int32"), ("padding_mask", "bool"))
        }
        x = self._embed(inputs["token_ids"])
        for lstm, drop in zip(self.lstm_layers, self.drop_layers, strict=True):
            x = lstm(x, mask=inputs["padding_mask"])
            if lstm is self.lstm_layers[-1]:
                x = self.regularize_change(x, mask=inputs["padding_mask"])
            x = drop(x)
        x = self.regularize_size(x, mask=inputs["padding_mask"])
        super().__init__(inputs=inputs, outputs=x, dtype=dtype, **kwargs)

    def _embed(self, token_ids, training=None):
        x = self.token_embedding(token_ids)
        x = self.drop_words(x, training=training)
        return self.drop_embedded(x, training=training)

    def get_initial_state(self, batch_size):
        """The state before the first token, zeros.

        Args:
            batch_size: Number of rows, an integer or a scalar tensor.

        Returns:
            List with the state `[h, c]` of each layer.
        """
        return [x.get_initial_state(batch_size) for x in self.lstm_layers]

    def read(self, token_ids, state=None, mask=None):
        """Reads on from a state that the caller holds, without dropout.

        Args:
            token_ids: Integers, `(batch_size, time)`.
            state: What `get_initial_state` or an earlier call returned; by
                default the former.
            mask: Boolean, `(batch_size, time)`, true at real tokens.

        Returns:
            Tuple of all o_t, `(batch_size, time, units)`, and the state.
        """
        if state is None:
            state = self.get_initial_state(ops.shape(token_ids)[0])
        x = self._embed(token_ids, training=False)
        states = []
        for lstm, start in zip(self.lstm_layers, state, strict=True):
            x, last = unroll_cell(lstm.cell, x, start, mask=mask)
            states.append(last)
        return x, states

    def reset_state(self):
        """Forgets what was carried over from the batches before."""
        for layer in self.lstm_layers:
            layer.reset_state()

    def get_config(self):
        config = super().get_config()
        config.update(
            vocabulary_size=self.vocabulary_size,
            units=self.units,
            embedding_dim=self.embedding_dim,
            tie_embeddings=self.tie_embeddings,
            embedding_dropout=self.embedding_dropout,
            layer_dropout=self.layer_dropout,
            dropout=self.dropout,
            word_dropout=self.word_dropout,
            recurrent_dropout=self.recurrent_dropout,
            weight_drop=self.weight_drop,
            variational=self.variational,
            activation_regularization=self.activation_regularization,
            temporal_regularization=self.temporal_regularization,
            unit_forget_bias=self.unit_forget_bias,
            mogrifier_rounds=self.mogrifier_rounds,
            mogrifier_rank=self.mogrifier_rank,
            initializer_range=self.initializer_range,
            carry_batch_size=self.carry_batch_size,
        )
        return config
