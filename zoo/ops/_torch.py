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


def top_k(x, k):
    """The `k` largest of each row; see `_tensorflow.top_k`.

    PyTorch's own leaves the order of equals open.
    """
    key = x.nan_to_num(nan=torch.inf, posinf=torch.inf, neginf=-torch.inf)
    lowest = torch.topk(key, k).values[..., -1:]
    above, equal = key > lowest, key == lowest
    missing = k - above.sum(-1, keepdim=True)
    chosen = above | (equal & (equal.cumsum(-1) <= missing))
    places = chosen.nonzero()[:, -1].reshape(*x.shape[:-1], k)
    order = torch.sort(
        key.gather(-1, places), dim=-1, descending=True, stable=True
    ).indices
    places = places.gather(-1, order)
    return x.gather(-1, places), places.to(torch.int32)


def gradient(function, x):
    """Gradient of a scalar function; see `_tensorflow.gradient`."""
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        value = function(x)
    if not value.requires_grad:
        return None
    return torch.autograd.grad(value, x, allow_unused=True)[0]
