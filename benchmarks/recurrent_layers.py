"""One recurrent layer, forward and backward: ours, Keras's and PyTorch's.

    python -m benchmarks.recurrent_layers
    python -m benchmarks.recurrent_layers --layers LSTM --shapes 20,35,200,200

Prints a table of milliseconds and ratios for each layer. A shape is batch,
steps, features, units. All contestants have the same weights and inputs, and
compute outputs at all steps and the gradients of inputs and weights, without
and with XLA; PyTorch takes part where it is installed.
"""

import argparse
import importlib.util
import json
import pathlib

import keras
import numpy as np
import tensorflow as tf

import zoo
from benchmarks.timing import machine
from benchmarks.timing import markdown_table
from benchmarks.timing import take_turns

SHAPES = (
    (20, 35, 200, 200),
    (20, 35, 650, 650),
    (32, 100, 64, 64),
    (64, 30, 256, 512),
    (100, 25, 1024, 1024),
)
GATES = {"LSTM": 4, "GRU": 3, "SimpleRNN": 1}
HEADER = [
    "batch, steps, features, units",
    "Keras ms",
    "zoo ms",
    "zoo GFLOP/s",
    "zoo / Keras",
    "Keras XLA ms",
    "zoo XLA ms",
    "zoo / Keras, XLA",
    "PyTorch ms",
    "zoo / PyTorch",
    "zoo XLA / PyTorch",
]


def contestants(name, shape):
    """The layer called `name` of each library, with the same weights.

    Args:
        name: `"LSTM"`, `"GRU"` or `"SimpleRNN"`.
        shape: Batch size, steps, features, units.

    Returns:
        Dict from names to functions without arguments that return the outputs
        at all steps, the gradient of the inputs, and those of kernel and
        recurrent kernel.
    """
    batch_size, steps, features, units = shape
    random = np.random.default_rng(1)
    x, weighting = (
        random.normal(size=(batch_size, steps, width)).astype("float32")
        for width in (features, units)
    )
    functions = {}
    weights = None
    for library, module in (("Keras", keras.layers), ("zoo", zoo.layers)):
        layer = getattr(module, name)(units, return_sequences=True)
        layer.build(x.shape)
        weights = weights or layer.get_weights()
        layer.set_weights(weights)
        for xla in (False, True):
            key = f"{library} XLA" if xla else library
            functions[key] = _keras_step(layer, x, weighting, xla)
    if importlib.util.find_spec("torch"):
        functions["PyTorch"] = _torch_step(name, weights, x, weighting)
    return functions


def _keras_step(layer, x, weighting, xla):
    x, weighting = tf.constant(x), tf.constant(weighting)
    variables = [variable.value for variable in layer.trainable_weights]

    @tf.function(jit_compile=xla, autograph=False)
    def step(x, weighting):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = layer(x)
        gradients = tape.gradient(
            outputs, [x, *variables], output_gradients=weighting
        )
        return outputs, *gradients

    step = step.get_concrete_function(x, weighting)
    # as NumPy: a result that can be read is a result that is there
    return lambda: [result.numpy() for result in step(x, weighting)[:4]]


def _torch_step(name, weights, x, weighting):
    import torch

    kernel, recurrent_kernel, bias = weights
    features, units = kernel.shape[0], recurrent_kernel.shape[0]
    layer = getattr(torch.nn, "RNN" if name == "SimpleRNN" else name)(
        features, units, batch_first=True
    )
    biases = bias if bias.ndim == 2 else (bias, np.zeros_like(bias))
    with torch.no_grad():
        for parameter, weight in zip(
            layer.parameters(),
            (kernel.T, recurrent_kernel.T, *biases),
            strict=True,
        ):
            parameter.copy_(torch.tensor(_reset_gate_first(name, weight)))
    x = torch.tensor(x, requires_grad=True)
    weighting = torch.tensor(weighting)
    sources = [x, *layer.parameters()]

    def step():
        outputs, _ = layer(x)
        gradients = torch.autograd.grad(outputs, sources, weighting)
        dx, *d_kernels = (gradient.numpy() for gradient in gradients[:3])
        d_kernels = [_reset_gate_first(name, x).T for x in d_kernels]
        return [outputs.detach().numpy(), dx, *d_kernels]

    return step


def _reset_gate_first(name, weight):
    """A GRU's weight with its first two gates exchanged, as in PyTorch."""
    if name != "GRU":
        return weight
    z, r, g = np.split(weight, 3)
    return np.concatenate([r, z, g])


def compare(functions):
    """Raises `ValueError` unless contestants compute the same.

    Errors are measured by the largest value of the result; those of float32
    grow with the number of terms in a sum.
    """
    results = {name: function() for name, function in functions.items()}
    expected = results["Keras"]
    for name, given in results.items():
        for x, y in zip(given, expected, strict=True):
            error = np.max(np.abs(x - y)) / np.max(np.abs(y))
            if not error < 1e-4:
                raise ValueError(
                    f"Expected {name} to compute what Keras does, got a "
                    f"relative error of {error:.1e}: times say nothing."
                )


def measure(name, shape, repeats):
    """Seconds that each contestant takes for a step, by name."""
    functions = contestants(name, shape)
    compare(functions)
    return take_turns(functions, repeats)


def row(name, shape, seconds):
    """A line of the table."""

    def milliseconds(contestant):
        time = seconds.get(contestant)
        return "–" if time is None else f"{1000 * time:.1f}"

    def speedup(ours, theirs):
        if theirs not in seconds:
            return "–"
        return f"{seconds[theirs] / seconds[ours]:.2f}"

    batch_size, steps, features, units = shape
    # a product, and two more for the gradients of its factors
    operations = 3 * 2 * batch_size * steps * (features + units)
    operations *= GATES[name] * units
    return [
        ", ".join(map(str, shape)),
        milliseconds("Keras"),
        milliseconds("zoo"),
        f"{operations / seconds['zoo'] / 1e9:.0f}",
        speedup("zoo", "Keras"),
        milliseconds("Keras XLA"),
        milliseconds("zoo XLA"),
        speedup("zoo XLA", "Keras XLA"),
        milliseconds("PyTorch"),
        speedup("zoo", "PyTorch"),
        speedup("zoo XLA", "PyTorch"),
    ]


def _shape(text):
    sizes = tuple(int(size) for size in text.split(","))
    if len(sizes) != 4 or min(sizes) < 1:
        raise ValueError(text)
    return sizes


def main(arguments=None):
    """Measures, prints, and returns the results as they go into JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.recurrent_layers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--layers", nargs="+", choices=GATES, default=list(GATES)
    )
    parser.add_argument(
        "--shapes",
        nargs="+",
        type=_shape,
        default=SHAPES,
        metavar="BATCH,STEPS,FEATURES,UNITS",
    )
    parser.add_argument("--repeats", type=int, default=15, help="rounds")
    parser.add_argument("--json", type=pathlib.Path, help="also written here")
    options = parser.parse_args(arguments)

    print(machine())
    results = []
    for name in options.layers:
        rows = []
        for shape in options.shapes:
            seconds = measure(name, shape, options.repeats)
            rows.append(row(name, shape, seconds))
            results.append({"layer": name, "shape": shape, "seconds": seconds})
        print(f"\n{name}\n\n{markdown_table(HEADER, rows)}", flush=True)
    if options.json:
        content = {"machine": machine(), "results": results}
        options.json.write_text(json.dumps(content, indent=1) + "\n")
    return results


if __name__ == "__main__":
    main()
