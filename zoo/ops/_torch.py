"""PyTorch: the recurrent loop as a Python loop, which autograd follows."""

import keras
import torch


def scan(step, inputs, state, reverse):
    """Runs `step` over time-major `inputs`; see `_tensorflow.scan`."""
    time = keras.tree.flatten(inputs)[0].shape[0]
    outputs = [None] * time
    for t in reversed(range(time)) if reverse else range(time):
        inputs_t = keras.tree.map_structure(lambda x, t=t: x[t], inputs)
        outputs[t], state = step(inputs_t, state)
    outputs = keras.tree.map_structure(lambda *x: torch.stack(x), *outputs)
    return outputs, state
