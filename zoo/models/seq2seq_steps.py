"""An encoder-decoder that reads a source and then writes step by step."""

from typing import Any
from typing import NamedTuple

from keras import ops

from zoo.models.seq2seq_layers import beside


class Encoded(NamedTuple):
    """A source that has been read.

    Attributes:
        memory: Encoder outputs, `(batch_size, source_length, depth)`.
        mask: Boolean, `(batch_size, source_length)`, true where attention may
            look.
        keys: What the attention made of the memory, `None` without attention.
        embedded: Embeddings of the source, `(batch_size, source_length,
            embedding_dim)`, or `None` if `lexical=False`.
        state: The decoder's first state; leaves have the batch axis first.
    """

    memory: Any
    mask: Any
    keys: Any
    embedded: Any
    state: Any


class StepByStep:
    """Mixin of `zoo.models.Seq2SeqBackbone`: what a search calls."""

    def encode(self, token_ids, mask):
        """Reads a source for step by step decoding.

        Args:
            token_ids: Integers, `(batch_size, source_length)`.
            mask: Boolean of the same shape, true at real tokens.

        Returns:
            An `Encoded`.
        """
        mask = ops.cast(mask, "bool")
        embedded, memory, state, fixed = self._read(
            token_ids, mask, training=False
        )
        mask = self._attended(token_ids, mask)
        if self.attention is None:
            # the context is a part of the state: beams take it along
            state = state if fixed is None else (state, fixed)
            return Encoded(memory, mask, None, None, state)
        state = self.decoder.get_initial_state(
            ops.shape(memory)[0], memory, initial_state=state
        )
        keys = self.decoder.project(memory)
        if not self.lexical:
            embedded = None
        return Encoded(memory, mask, keys, embedded, state)

    def decode_step(self, token_ids, state, encoded):
        """Runs the decoder for one step.

        Args:
            token_ids: The tokens before this step, integers of shape
                `(rows,)`. There may be several rows for each source, one
                after the other, as in beam search; they share its memory.
            state: State with `rows` rows, at first that of `encoded`.
            encoded: What `encode` returned.

        Returns:
            Tuple of `o_t`, `(rows, embedding_dim)`, the alignments, `(rows,
            source_length)` or `None` without attention, and the new state.
        """
        embedded = self.token_embedding(token_ids)
        if self.attention is None:
            fixed = None
            if self.context == "every":
                state, fixed = state
            hidden, state = self.decoder.cell(beside(embedded, fixed), state)
            if self.output_layer is not None:
                hidden = self.output_layer(beside(hidden, fixed))
            return hidden, None, state if fixed is None else (state, fixed)
        (hidden, alignments), state = self.decoder.step(
            embedded, state, encoded.memory, encoded.keys, encoded.mask
        )
        hidden = self._add_words(hidden, alignments, encoded.embedded)
        return hidden, alignments, state
