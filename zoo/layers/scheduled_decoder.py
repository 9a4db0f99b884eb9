"""What decoders with scheduled sampling have in common."""

import numbers

import keras
from keras import ops

from zoo.layers.attached_mask import attached_mask
from zoo.layers.attention_decoder import AttentionDecoder
from zoo.layers.recurrent_cell import check_seed
from zoo.ops.recurrent import unroll

SCHEDULE = keras.optimizers.schedules.LearningRateSchedule


class ScheduledDecoder(AttentionDecoder):
    """Base class of decoders that in training read what they wrote.

    A subclass implements `embed(inputs)`, from what a call is given to the
    inputs of the attention cell, and `next_inputs(output, uniform)`, from the
    output of a step and one random number a row to such inputs.

    Args:
        attention_cell: As for `zoo.layers.AttentionDecoder`.
        output_layer: As for `zoo.layers.AttentionDecoder`.
        sampling_probability: Number from 0 to 1, or a
            `LearningRateSchedule` from the number of earlier calls in
            training to one.
        seed: Integer or `None`.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(
        self,
        attention_cell,
        output_layer=None,
        sampling_probability=0.0,
        seed=None,
        **kwargs,
    ):
        check_probability(sampling_probability)
        check_seed(seed)
        super().__init__(attention_cell, output_layer, **kwargs)
        self.sampling_probability = sampling_probability
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, inputs_shape, memory_shape):
        super().build(inputs_shape, memory_shape)
        self.training_calls = None
        if isinstance(self.sampling_probability, SCHEDULE):
            self.training_calls = self.add_weight(
                (),
                name="training_calls",
                dtype="int32",
                initializer="zeros",
                trainable=False,
                aggregation="only_first_replica",
            )

    def call(
        self,
        inputs,
        memory,
        memory_mask=None,
        initial_state=None,
        mask=None,
        training=False,
    ):
        if mask is None:
            mask = attached_mask(inputs)
        embedded = ops.cast(self.embed(inputs), self.compute_dtype)
        if not training:
            return super().call(
                embedded, memory, memory_mask, initial_state, mask
            )
        memory, memory_mask = self.attention_cell.reader.prepare(
            memory, memory_mask
        )
        keys = self.project(memory)
        rows, time = ops.shape(embedded)[:2]
        state = self.get_initial_state(rows, memory, initial_state)
        masks = self.attention_cell.dropout_masks(
            rows, embedded.shape[-1], training
        )
        # Two numbers for each step, drawn before the loop.
        coins, uniform = (
            keras.random.uniform((rows, time), seed=self.seed_generator)
            for _ in range(2)
        )
        reads_own = coins < self._next_probability()
        # At the first real step of a row nothing is written yet.
        real = ops.ones((rows, time), "int32")
        if mask is not None:
            real = ops.cast(mask, "int32")
        reads_own = ops.logical_and(reads_own, ops.cumsum(real, axis=1) > 1)

        def step(inputs_t, carried):
            true, reads_own, uniform = inputs_t
            state, own = carried
            x = ops.where(reads_own[:, None], own, true)
            (output, alignments), state = self.attention_cell(
                x,
                state,
                memory,
                keys,
                memory_mask,
                training=training,
                masks=masks,
            )
            if self.output_layer is not None:
                output = self.output_layer(output)
            own = ops.cast(self.next_inputs(output, uniform), own.dtype)
            return (output, alignments), (state, own)

        (outputs, alignments), (state, _) = unroll(
            step,
            (embedded, reads_own, uniform),
            (state, ops.zeros_like(embedded[:, 0])),
            mask=mask,
        )
        return outputs, alignments, state

    def embed(self, inputs):
        """Turns what a call, or a step, is given into inputs of the cell."""
        raise NotImplementedError

    def next_inputs(self, output, uniform):
        """Turns the output of a step into the inputs of the next one."""
        raise NotImplementedError

    def get_config(self):
        probability = self.sampling_probability
        if isinstance(probability, SCHEDULE):
            probability = keras.saving.serialize_keras_object(probability)
        config = super().get_config()
        config.update(sampling_probability=probability, seed=self.seed)
        return config

    def _next_probability(self):
        """The probability of this call in training, which is counted."""
        if self.training_calls is None:
            return self.sampling_probability
        probability = self.sampling_probability(self.training_calls.value)
        self.training_calls.assign_add(1)
        return ops.cast(probability, "float32")


def check_probability(value):
    """Raises `ValueError` unless `value` is a probability or a schedule."""
    if isinstance(value, SCHEDULE):
        return
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not 0 <= value <= 1:
        raise ValueError(
            "Expected `sampling_probability` to be a number from 0 to 1, or a "
            "`keras.optimizers.schedules.LearningRateSchedule`, got "
            f"{value!r}. 0 is teacher forcing; `zoo.training.SamplingSchedule` "
            "rises slowly from there."
        )
