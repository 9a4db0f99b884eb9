"""Writing tokens with a sampler of keras_hub from a recurrent state."""

import keras
import numpy as np
from keras import ops


class KeepsSampler:
    """Mixin of a task: the sampler it is compiled with is saved with it."""

    def get_compile_config(self):
        config = super().get_compile_config()
        if config is not None:
            config["sampler"] = keras.saving.serialize_keras_object(
                self.sampler
            )
        return config

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)


def writable(logits):
    """Logits with which padding, unknown and start are never written.

    Args:
        logits: Float tensor, `(batch_size, vocabulary_size)`.

    Returns:
        The same in float32, minus infinity for the ids 0, 1 and 2.
    """
    never = np.zeros(logits.shape[-1], "float32")
    never[[0, 1, 2]] = -np.inf
    return ops.cast(logits, "float32") + never


def sample_tokens(model, prompt, mask, read, step, stop_token_ids):
    """Completes prompts with the sampler that a task was compiled with.

    Args:
        model: The keras_hub task.
        prompt: Integers, `(batch_size, max_length)`: tokens, then padding.
        mask: Boolean of the same shape, true at the prompt's tokens.
        read: Function of `(prompt, mask)`; returns the state after the tokens
            at which the mask is true.
        step: Function of `(tokens, state)`; returns logits and state.
        stop_token_ids: Ids of tokens that end a text, or `None`.

    Returns:
        Tuple of the token ids, `(batch_size, max_length)`, and a boolean
        mask, true up to the first stop token.
    """
    first = ops.min(ops.sum(ops.cast(mask, "int32"), axis=1))
    # the state of every row once the tokens before `first` are read; the loop
    # reads the whole prompt, so that its length is known to XLA
    positions = ops.arange(ops.shape(prompt)[1], dtype="int32")
    state = read(
        prompt, ops.broadcast_to(positions < first - 1, ops.shape(prompt))
    )

    def next(prompt, cache, index):
        tokens = ops.take(prompt, index - 1, axis=1)
        logits, cache = step(tokens, cache)[:2]
        return logits, None, cache

    prompt = model.sampler(
        next=next,
        prompt=prompt,
        cache=state,
        index=first,
        mask=mask,
        stop_token_ids=stop_token_ids,
        model=model,
    )
    written = ops.cast(ops.ones_like(prompt), "bool")
    if stop_token_ids is not None:
        is_stop = ops.zeros_like(written)
        for token_id in stop_token_ids:
            is_stop = ops.logical_or(is_stop, prompt == token_id)
        is_stop = ops.logical_and(is_stop, ops.logical_not(mask))
        stops = ops.cumsum(ops.cast(is_stop, "int32"), axis=1)
        written = stops - ops.cast(is_stop, "int32") < 1
    return prompt, written
