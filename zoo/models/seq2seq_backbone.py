"""The network of an encoder-decoder with or without attention."""

import keras
import keras_hub
from keras import ops

from zoo.layers import LexicalChoice
from zoo.layers import NgramEmbedding
from zoo.models.seq2seq_layers import beside
from zoo.models.seq2seq_layers import check_wiring
from zoo.models.seq2seq_layers import make_bridge
from zoo.models.seq2seq_layers import make_decoder
from zoo.models.seq2seq_layers import make_decoder_cell
from zoo.models.seq2seq_layers import make_encoder
from zoo.models.seq2seq_layers import make_output_layer
from zoo.models.seq2seq_layers import make_token_embedding
from zoo.models.seq2seq_steps import StepByStep


@keras.saving.register_keras_serializable(package="zoo")
class Seq2SeqBackbone(StepByStep, keras_hub.models.Backbone):
    """Encoder-decoder of LSTMs, with or without attention.

    ```
    m_1 .. m_S  = encoder(x_1 .. x_S)                  the memory
    s_0         = bridge(last encoder state)
    h_t, s_t    = decoder(y_{t-1}, s_{t-1}[, o_{t-1}])
    c_t         = attention(h_t, m)
    o_t         = tanh([h_t; c_t] W)
    ```

    Without attention `o_t = tanh(h_t W)`, so that all that the decoder knows
    of the source is `s_0` (Sutskever, Vinyals & Le, "Sequence to Sequence
    Learning with Neural Networks", 2014). With `context="every"` it reads the
    encoder's last output c at every step, beside `y_{t-1}` and in `o_t =
    tanh([h_t; c] W)` (after Cho et al., "Learning Phrase Representations using
    RNN Encoder-Decoder for Statistical Machine Translation", 2014). With
    attention it looks at every
    encoder output at every step (Bahdanau, Cho & Bengio, "Neural Machine
    Translation by Jointly Learning to Align and Translate", 2015), here in
    the data path of Luong, Pham & Manning, "Effective Approaches to
    Attention-based Neural Machine Translation" (2015): the query is the new
    decoder state, and `o_t`, eq. 5, goes to the softmax and, with input
    feeding, into the next step.

    Args:
        source_vocabulary_size: Number of source token ids.
        target_vocabulary_size: Number of target token ids.
        embedding_dim: Width of the embeddings and of `o_t`.
        encoder_units: Width of an encoder layer in each direction.
        decoder_units: Width of a decoder layer.
        num_encoder_layers: Number of encoder layers.
        num_decoder_layers: Number of decoder layers.
        bidirectional: Whether the encoder reads in both directions.
        source_bigrams: Rows in the table of a `zoo.layers.NgramEmbedding` of
            pairs of source tokens; 0 is none. To the embedding of a token
            are added those of the two pairs that it makes with its
            neighbours. For sources of characters: the encoder then sees
            words.
        unattended_ids: Source token ids that the encoder reads and attention
            does not look at, such as the end token's.
        attention: `None`, `"bahdanau"`, `"luong"` (score "general"), or an
            attention layer of the zoo.
        context: Without attention, when the decoder sees what the encoder
            made of the source: `"initial"`, in its first state; `"every"`,
            at every step as well.
        input_feeding: Whether `o_{t-1}` enters step t. Without it the decoder
            runs all steps at once and trains faster.
        lexical: Whether the attended source words, too, are added to `o_t`
            before the softmax, by a `zoo.layers.LexicalChoice`: helps with
            rare words. Needs attention.
        bridge: How the encoder's last state becomes the decoder's first:
            `"dense"`, a learnt layer, tanh for h; `"copy"`, unchanged, for
            which the widths must agree; `"zero"`, not at all, so that only
            attention carries the source.
        tie_embeddings: Whether the softmax shares the target embedding (Press
            & Wolf, "Using the Output Embedding to Improve Language Models",
            2017).
        fixed_norm: Whether the softmax is a `zoo.layers.FixedNormEmbedding`,
            in which rare tokens have the same norm as frequent ones.
        softmax_bias: Whether the softmax has a bias for each token, that of
            a `zoo.layers.BiasedEmbedding`.
        output_activation: Activation of `o_t`, name or `None` for none.
        project_output: Whether `o_t` has its `W` without attention, too. If
            not, `o_t = h_t`, and the decoder must be as wide as the
            embeddings.
        dropout: Fraction dropped from embeddings, between encoder layers,
            from the memory and from `o_t` before the softmax.
        embedding_dropout: Fraction dropped from embeddings, if another.
        word_dropout: Fraction of the tokens on either side whose embedding is
            dropped as a whole in training.
        recurrent_dropout: Fraction dropped from the recurrent connections,
            one mask a sequence.
        initializer_range: If given, embeddings and kernels start uniform
            between minus and plus this; by default as Keras has it.
        dtype: Dtype or dtype policy of all layers.
        **kwargs: Further arguments of `keras_hub.models.Backbone`.

    Call arguments:
        inputs: Dictionary of `encoder_token_ids` and `decoder_token_ids`,
            integer tensors of shape `(batch_size, source_length)` and
            `(batch_size, target_length)`, and of `encoder_padding_mask` and
            `decoder_padding_mask` of the same shapes, true at real tokens.

    Returns:
        Dictionary of `encoder_sequence_output`, the memory,
        `decoder_sequence_output`, all `o_t`, of shape `(batch_size,
        target_length, embedding_dim)`, and, with attention, `alignments` of
        shape `(batch_size, target_length, source_length)`.

    Raises:
        ValueError: If `attention`, `context` or `bridge` is unknown, if
            widths do not fit, or if arguments exclude each other: `lexical`
            without attention, `context="every"` with it, `fixed_norm` with
            `softmax_bias`.

    Example:

    >>> import numpy as np
    >>> from zoo.models import Seq2SeqBackbone
    >>> backbone = Seq2SeqBackbone(
    ...     source_vocabulary_size=20, target_vocabulary_size=30,
    ...     embedding_dim=8, encoder_units=5, decoder_units=6)
    >>> outputs = backbone({
    ...     "encoder_token_ids": np.ones((2, 4), "int32"),
    ...     "encoder_padding_mask": np.ones((2, 4), "bool"),
    ...     "decoder_token_ids": np.ones((2, 3), "int32"),
    ...     "decoder_padding_mask": np.ones((2, 3), "bool")})
    >>> tuple(outputs["alignments"].shape)
    (2, 3, 4)
    """

    def __init__(
        self,
        source_vocabulary_size,
        target_vocabulary_size,
        embedding_dim=256,
        encoder_units=256,
        decoder_units=512,
        num_encoder_layers=1,
        num_decoder_layers=1,
        bidirectional=True,
        source_bigrams=0,
        unattended_ids=(),
        attention="bahdanau",
        context="initial",
        input_feeding=True,
        lexical=False,
        bridge="dense",
        tie_embeddings=True,
        fixed_norm=False,
        softmax_bias=False,
        output_activation="tanh",
        project_output=True,
        dropout=0.0,
        embedding_dropout=None,
        word_dropout=0.0,
        recurrent_dropout=0.0,
        initializer_range=None,
        dtype=None,
        **kwargs,
    ):
        check_wiring(
            encoder_units * (2 if bidirectional else 1),
            decoder_units,
            embedding_dim,
            attention,
            context,
            lexical,
            bridge,
            fixed_norm,
            softmax_bias,
            project_output,
        )
        initializer = None
        if initializer_range is not None:
            initializer = keras.initializers.RandomUniform(
                -initializer_range, initializer_range
            )

        # === Layers ===
        self.source_embedding = keras.layers.Embedding(
            source_vocabulary_size,
            embedding_dim,
            embeddings_initializer=initializer or "uniform",
            dtype=dtype,
            name="source_embedding",
        )
        self.bigram_embedding = None
        if source_bigrams:
            self.bigram_embedding = NgramEmbedding(
                source_bigrams,
                embedding_dim,
                dtype=dtype,
                name="bigram_embedding",
            )
        self.token_embedding = make_token_embedding(
            target_vocabulary_size,
            embedding_dim,
            fixed_norm,
            softmax_bias,
            initializer and initializer.clone(),
            tie_weights=tie_embeddings,
            dtype=dtype,
        )
        self.drop = keras.layers.Dropout(dropout, dtype=dtype, name="drop")
        self.drop_embedded = self.drop
        if embedding_dropout is not None:
            self.drop_embedded = keras.layers.Dropout(
                embedding_dropout, dtype=dtype, name="drop_embedded"
            )
        self.drop_words = keras.layers.Dropout(
            word_dropout,
            noise_shape=(None, None, 1),
            dtype=dtype,
            name="drop_words",
        )
        self.encoder_layers = make_encoder(
            encoder_units,
            num_encoder_layers,
            bidirectional,
            recurrent_dropout,
            dtype,
            initializer,
        )
        self.bridge_layers = []
        if bridge == "dense":
            self.bridge_layers = make_bridge(
                decoder_units, num_decoder_layers, dtype
            )
        self.decoder = make_decoder(
            make_decoder_cell(
                decoder_units,
                num_decoder_layers,
                dropout,
                recurrent_dropout,
                dtype,
                initializer,
            ),
            attention,
            decoder_units,
            embedding_dim,
            output_activation,
            input_feeding,
            dtype,
            initializer,
        )
        self.output_layer = None
        if attention is None and project_output:
            self.output_layer = make_output_layer(
                embedding_dim, output_activation, dtype, initializer
            )
        self.lexical_choice = None
        if lexical:
            self.lexical_choice = LexicalChoice(
                dtype=dtype, name="lexical_choice"
            )

        # === Config ===
        config = {
            "source_vocabulary_size": source_vocabulary_size,
            "target_vocabulary_size": target_vocabulary_size,
            "embedding_dim": embedding_dim,
            "encoder_units": encoder_units,
            "decoder_units": decoder_units,
            "num_encoder_layers": num_encoder_layers,
            "num_decoder_layers": num_decoder_layers,
            "bidirectional": bidirectional,
            "source_bigrams": source_bigrams,
            "unattended_ids": tuple(unattended_ids),
            "attention": attention,
            "context": context,
            "input_feeding": input_feeding,
            "lexical": lexical,
            "bridge": bridge,
            "tie_embeddings": tie_embeddings,
            "fixed_norm": fixed_norm,
            "softmax_bias": softmax_bias,
            "output_activation": output_activation,
            "project_output": project_output,
            "dropout": dropout,
            "embedding_dropout": embedding_dropout,
            "word_dropout": word_dropout,
            "recurrent_dropout": recurrent_dropout,
            "initializer_range": initializer_range,
        }
        for name, value in config.items():
            setattr(self, name, value)
        self._arguments = tuple(config)

        # === Functional model ===
        inputs = {
            f"{side}_{name}": keras.Input(
                (None,), dtype=kind, name=f"{side}_{name}"
            )
            for side in ("encoder", "decoder")
            for name, kind in (("token_ids", "int32"), ("padding_mask", "bool"))
        }
        source, memory, states, fixed = self._read(
            inputs["encoder_token_ids"], inputs["encoder_padding_mask"]
        )
        embedded = self._drop(self.token_embedding(inputs["decoder_token_ids"]))
        outputs = {"encoder_sequence_output": memory}
        mask = inputs["decoder_padding_mask"]
        if attention is None:
            hidden, *_ = self.decoder(
                beside(embedded, fixed), initial_state=states, mask=mask
            )
            if self.output_layer is not None:
                hidden = self.output_layer(beside(hidden, fixed))
        else:
            hidden, outputs["alignments"], _ = self.decoder(
                embedded,
                memory,
                memory_mask=self._attended(
                    inputs["encoder_token_ids"], inputs["encoder_padding_mask"]
                ),
                initial_state=states,
                mask=mask,
            )
            hidden = self._add_words(hidden, outputs["alignments"], source)
        outputs["decoder_sequence_output"] = self.drop(hidden)
        super().__init__(inputs=inputs, outputs=outputs, dtype=dtype, **kwargs)

    def _drop(self, embedded, training=None):
        x = self.drop_words(embedded, training=training)
        return self.drop_embedded(x, training=training)

    def _embed_source(self, token_ids, mask, training=None):
        x = self._drop(self.source_embedding(token_ids), training)
        if self.bigram_embedding is None:
            return x
        pairs = self.bigram_embedding(token_ids)  # with the token before
        real = ops.cast(mask[:, 1:, None], pairs.dtype)
        following = ops.pad(pairs[:, 1:] * real, ((0, 0), (0, 1), (0, 0)))
        return x + self._drop(pairs + following, training)

    def _attended(self, token_ids, mask):
        """The memory's mask: real tokens that attention may look at."""
        for unattended in self.unattended_ids:
            mask = ops.logical_and(mask, token_ids != unattended)
        return mask

    def _read(self, token_ids, mask, training=None):
        """Encodes a source.

        Returns:
            Tuple of embeddings, memory, the decoder's first state, and the
            context that goes to every step or `None`.
        """
        x = embedded = self._embed_source(token_ids, mask, training)
        layers_states = []
        for layer in self.encoder_layers:
            x, *states = layer(x, mask=mask, training=training)
            x = self.drop(x, training=training)
            layers_states.append(states)
        fixed = None
        if self.context == "every":
            last = layers_states[-1][::2]
            fixed = ops.concatenate(last, axis=-1) if last[1:] else last[0]
        return embedded, x, self._bridge(x, layers_states), fixed

    def _add_words(self, hidden, alignments, embedded):
        if self.lexical_choice is None:
            return hidden
        return hidden + self.lexical_choice(alignments, embedded)

    def _bridge(self, memory, layers_states):
        """The decoder's first state from the encoder layers' last states."""
        result = []
        for i in range(self.num_decoder_layers):
            states = layers_states[min(i, len(layers_states) - 1)]
            if self.bridge == "zero":
                zeros = ops.zeros_like(memory[:, 0, :1])
                zeros = ops.repeat(zeros, self.decoder_units, axis=-1)
                result.append([zeros, zeros])
                continue
            h, c = states[::2], states[1::2]
            state = [
                ops.concatenate(x, axis=-1) if len(x) > 1 else x[0]
                for x in (h, c)
            ]
            if self.bridge == "dense":
                layers = self.bridge_layers[2 * i : 2 * i + 2]
                state = [
                    layer(x) for layer, x in zip(layers, state, strict=True)
                ]
            result.append(state)
        return result if self.num_decoder_layers > 1 else result[0]

    def get_config(self):
        config = super().get_config()
        config.update({name: getattr(self, name) for name in self._arguments})
        config["unattended_ids"] = list(self.unattended_ids)
        if isinstance(self.attention, keras.layers.Layer):
            config["attention"] = keras.saving.serialize_keras_object(
                self.attention
            )
        return config

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        if isinstance(config.get("attention"), dict):
            config["attention"] = keras.saving.deserialize_keras_object(
                config["attention"]
            )
        return super().from_config(config)
