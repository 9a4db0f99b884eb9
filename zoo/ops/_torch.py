"""PyTorch: the recurrent loop as a Python loop, which autograd follows."""

import keras
import torch


def scan(step, inputs, state, reverse):
    """Runs `step` over time-major `inputs`; see `_tensorflow.scan`.

    Where Keras only asks for shapes, with tensors that hold nothing, one step
    tells those of all.
    """
    first = keras.tree.flatten(inputs)[0]
    outputs = [None] * first.shape[0]
    steps = range(1 if first.is_meta else len(outputs))
    for t in reversed(steps) if reverse else steps:
        inputs_t = keras.tree.map_structure(lambda x, t=t: x[t], inputs)
        outputs[t], state = step(inputs_t, state)
    if first.is_meta:
        outputs = outputs[:1] * len(outputs)
    outputs = keras.tree.map_structure(lambda *x: torch.stack(x), *outputs)
    return outputs, state


def gradient(function, x):
    """Gradient of a scalar function; see `_tensorflow.gradient`."""
    x = x.detach().requires_grad_()
    value = function(x)
    if not value.requires_grad:
        return None
    return torch.autograd.grad(value, x, allow_unused=True)[0]
