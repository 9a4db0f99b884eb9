"""A layer that reads sequences in both directions."""

import keras
from keras import ops

from zoo.layers.rnn import sequence_mask

MERGE_MODES = ("concat", "sum", "ave", "mul", None)


@keras.saving.register_keras_serializable(package="zoo")
class Bidirectional(keras.layers.Layer):
    """Runs a recurrent layer forwards and a copy of it backwards.

    ```
    y_t = [h_t^forward; h_t^backward]
    ```

    Schuster & Paliwal, "Bidirectional Recurrent Neural Networks" (1997). Both
    halves of an output belong to the same input position. Under a mask of any
    pattern the backward layer skips the masked steps, and outputs are zero
    there; for right-padded sequences it starts at the last real step.

    Args:
        layer: A recurrent layer of the zoo, such as `zoo.layers.LSTM`, whose
            `go_backwards` is false.
        merge_mode: How the two outputs are joined: `"concat"`, `"sum"`,
            `"ave"`, `"mul"`, or `None` for a tuple of both.
        backward_layer: The layer to run backwards, with `go_backwards=True`;
            by default one with the configuration of `layer` and weights of
            its own.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        sequences: Shape `(batch_size, time, features)`.
        initial_state: The forward layer's states, then the backward layer's.
        mask: Boolean, shape `(batch_size, time)`, true at real steps.
        training: Whether dropout is on.

    Returns:
        The joined outputs, `(batch_size, time, 2 * units)` for `"concat"` and
        `return_sequences`; with `return_state` a tuple of the outputs, the
        forward layer's states, and the backward layer's.

    Raises:
        ValueError: If `merge_mode` is unknown, or if the layers do not run in
            opposite directions, return different things, or return gates.

    Example:

    >>> import numpy as np
    >>> from zoo.layers import LSTM, Bidirectional
    >>> layer = Bidirectional(LSTM(4, return_sequences=True))
    >>> tuple(layer(np.ones((2, 5, 3), "float32")).shape)
    (2, 5, 8)
    """

    def __init__(
        self, layer, merge_mode="concat", backward_layer=None, **kwargs
    ):
        if merge_mode not in MERGE_MODES:
            raise ValueError(
                f"Expected `merge_mode` to be one of {MERGE_MODES}, got "
                f"{merge_mode!r}."
            )
        if not hasattr(layer, "go_backwards") or layer.go_backwards:
            raise ValueError(
                "Expected `layer` to be a recurrent layer of the zoo that "
                f"runs forwards, got {layer!r}. Give a layer such as "
                "`zoo.layers.LSTM(units)`, with `go_backwards=False`."
            )
        if getattr(layer, "return_gates", False):
            raise ValueError(
                "Expected `layer` to return outputs and states alone, got "
                f"{layer!r} with `return_gates=True`. Read the gates of a "
                "layer that runs in one direction."
            )
        super().__init__(**kwargs)
        self.forward_layer = layer
        self.merge_mode = merge_mode
        if backward_layer is None:
            config = layer.get_config()
            config["go_backwards"] = True
            config["name"] = f"backward_{layer.name}"
            backward_layer = layer.__class__.from_config(config)
        self.backward_layer = backward_layer
        for name, expected in (
            ("go_backwards", True),
            ("return_sequences", layer.return_sequences),
            ("return_state", layer.return_state),
        ):
            given = getattr(backward_layer, name, None)
            if given != expected:
                raise ValueError(
                    f"Expected a `backward_layer` with `{name}={expected}`, "
                    f"to fit `layer`, got {given} in {backward_layer!r}. "
                    "Leave `backward_layer` out to have it made."
                )
        self.supports_masking = True

    @property
    def return_sequences(self):
        """Whether the outputs of all steps are returned."""
        return self.forward_layer.return_sequences

    @property
    def return_state(self):
        """Whether the last states are returned."""
        return self.forward_layer.return_state

    def build(self, sequences_shape, initial_state_shape=None):
        for layer in (self.forward_layer, self.backward_layer):
            if not layer.built:
                layer.build(sequences_shape)
                layer.built = True

    def call(self, sequences, initial_state=None, mask=None, training=False):
        mask = sequence_mask(sequences, mask)
        states = [None, None]
        if initial_state is not None:
            flat = keras.tree.flatten(initial_state)
            half = len(flat) // 2
            states = [flat[:half], flat[half:]]
        results = [
            layer(sequences, initial_state=state, mask=mask, training=training)
            for layer, state in zip(
                (self.forward_layer, self.backward_layer), states, strict=True
            )
        ]
        if self.return_state:
            (forward, *states), (backward, *more) = results
            states = states + more
        else:
            forward, backward = results
            states = []
        if self.return_sequences:
            backward = ops.flip(backward, axis=1)
        outputs = self._merge(forward, backward)
        return (outputs, *states) if self.return_state else outputs

    def _merge(self, forward, backward):
        if self.merge_mode == "concat":
            return ops.concatenate([forward, backward], axis=-1)
        if self.merge_mode == "sum":
            return forward + backward
        if self.merge_mode == "ave":
            return (forward + backward) / 2
        if self.merge_mode == "mul":
            return forward * backward
        return forward, backward

    def reset_state(self):
        """Sets the states of stateful layers back to zeros."""
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    def compute_mask(self, sequences, mask=None):
        masks = self.forward_layer.compute_mask(sequences, mask)
        outputs, *states = masks if self.return_state else (masks,)
        if self.merge_mode is None:
            outputs = (outputs, outputs)
        return (outputs, *states, *states) if self.return_state else outputs

    def get_config(self):
        config = super().get_config()
        config.update(
            layer=keras.saving.serialize_keras_object(self.forward_layer),
            merge_mode=self.merge_mode,
            backward_layer=keras.saving.serialize_keras_object(
                self.backward_layer
            ),
        )
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        for name in ("layer", "backward_layer"):
            if config.get(name) is not None:
                config[name] = keras.saving.deserialize_keras_object(
                    config[name], custom_objects
                )
        return cls(**config)
