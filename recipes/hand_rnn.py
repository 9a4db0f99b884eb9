"""A recurrent network by hand: forward, and back through time.

    python -m recipes.hand_rnn

takes the network of chapter 8.1 of the book, two units that read the numbers
1 and 2, and prints each step of its forward pass: by hand, and from
`zoo.layers.SimpleRNN` with the same weights. Then it goes back through time
by hand and checks the gradients against those of TensorFlow and against
finite differences. Preset `best` lets the network learn: it follows the
gradient that was derived by hand until its outputs are the targets. Seconds.
"""

import dataclasses
import pathlib
import time

import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure as Picture

import zoo
from recipes import command_line
from recipes.command_line import field
from recipes.report import Figure
from recipes.report import write_report
from zoo.plots.figure_file import save_figure


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of a run; the presets are below."""

    name: str = field("hand_rnn", "the run, and its folder")
    folder: str = field("runs", "where the folder of the run is made")
    inputs: tuple = field((1.0, 2.0), "one number a step")
    targets: tuple = field((1.0, 2.0), "what the outputs should be")
    steps: int = field(0, "steps of gradient descent")
    learning_rate: float = field(0.1, "of gradient descent")
    seed: int = field(1, "of nothing: all weights are given")


BOOK = Config()
PRESETS = {
    "book": BOOK,
    "best": Config(name="hand_rnn_best", steps=200),
    "smoke": Config(name="hand_rnn_smoke", steps=10),
}
# Zheng & Gu, chapter 8.1: weights, and what the book printed.
WEIGHTS = {
    "kernel": [[0.5, 0.6]],
    "recurrent_kernel": [[0.1, 0.2], [0.3, 0.4]],
    "bias": [0.1, -0.1],
    "output_kernel": [[1.0], [2.0]],
    "output_bias": [0.1],
}
PRINTED = {
    "z_1": "[0.6 0.5]",
    "state_1": "[0.53704957 0.46211716]",
    "output_1": "[1.56128388]",
    "z_2": "[1.2923401  1.39225678]",
    "state_2": "[0.85973818 0.88366641]",
    "output_2": "[2.72707101]",
}
SOURCE = "chapter 8.1"


def forward(inputs, weights):
    """All steps of the network, by hand.

    Returns:
        List with a tuple (z, state, output) for each step.
    """
    kernel, recurrent_kernel, bias, output_kernel, output_bias = weights
    state = np.zeros(len(bias))
    steps = []
    for x in inputs:
        z = x * kernel[0] + state @ recurrent_kernel + bias
        state = np.tanh(z)
        output = state @ output_kernel + output_bias
        steps.append((z, state, output))
    return steps


def loss_of(inputs, targets, weights):
    """Half the sum of the squared errors of all outputs."""
    outputs = [output[0] for _, _, output in forward(inputs, weights)]
    return 0.5 * np.sum((np.array(outputs) - targets) ** 2)


def backward(inputs, targets, weights):
    """Gradients of `loss_of`, back through time by hand.

    With e_t the error of an output, V the output kernel and U the recurrent
    one, the gradient that reaches z_t is

        d_t = (e_t V^T + d_{t+1} U^T) * (1 - state_t^2)

    and each weight sums its share of all steps.
    """
    kernel, recurrent_kernel, bias, output_kernel, output_bias = weights
    steps = forward(inputs, weights)
    gradients = [np.zeros_like(weight) for weight in weights]
    d_z = np.zeros_like(bias)
    for t in reversed(range(len(inputs))):
        _, state, output = steps[t]
        previous = steps[t - 1][1] if t else np.zeros_like(state)
        error = output - targets[t]
        d_state = error @ output_kernel.T + d_z @ recurrent_kernel.T
        d_z = d_state * (1 - state**2)
        shares = [
            inputs[t] * d_z[None],
            np.outer(previous, d_z),
            d_z,
            np.outer(state, error),
            error,
        ]
        gradients = [sum(x) for x in zip(gradients, shares, strict=True)]
    return gradients


def finite_differences(inputs, targets, weights, width=1e-6):
    """Gradients of `loss_of` from its values alone."""
    gradients = [np.zeros_like(weight) for weight in weights]
    for weight, gradient in zip(weights, gradients, strict=True):
        for index in np.ndindex(weight.shape):
            value = weight[index]
            weight[index] = value + width
            above = loss_of(inputs, targets, weights)
            weight[index] = value - width
            below = loss_of(inputs, targets, weights)
            weight[index] = value
            gradient[index] = (above - below) / (2 * width)
    return gradients


def build_model(weights):
    """The same network from layers, in float64 as the book's NumPy."""
    inputs = keras.Input((None, 1), name="inputs", dtype="float64")
    states = zoo.layers.SimpleRNN(
        2, return_sequences=True, dtype="float64", name="states"
    )(inputs)
    outputs = keras.layers.Dense(1, dtype="float64", name="outputs")(states)
    model = keras.Model(inputs, [states, outputs])
    model.set_weights(weights)
    return model


def gradients_of(model, inputs, targets):
    """Gradients of the same loss, by TensorFlow through our layer."""
    with tf.GradientTape() as tape:
        _, outputs = model(inputs[None, :, None])
        loss = 0.5 * tf.reduce_sum((outputs[0, :, 0] - targets) ** 2)
    return tape.gradient(loss, model.trainable_variables)


def largest_difference(xs, ys):
    return max(
        np.abs(x - np.asarray(y)).max() for x, y in zip(xs, ys, strict=True)
    )


def learn(config, inputs, targets, weights):
    """Gradient descent along the gradient by hand; the loss of each step."""
    losses = []
    for _ in range(config.steps):
        losses.append(loss_of(inputs, targets, weights))
        gradients = backward(inputs, targets, weights)
        for weight, gradient in zip(weights, gradients, strict=True):
            weight -= config.learning_rate * gradient
    return losses


def main(config):
    """Runs the recipe; returns its figures."""
    started = time.time()
    folder = pathlib.Path(config.folder, config.name)
    folder.mkdir(parents=True, exist_ok=True)
    inputs, targets = np.array(config.inputs), np.array(config.targets)
    if len(inputs) != len(targets):
        raise ValueError(
            f"Expected a target for each input, got {len(inputs)} inputs and "
            f"{len(targets)} targets. Give --inputs and --targets together."
        )
    weights = [np.array(weight) for weight in WEIGHTS.values()]
    model = build_model(weights)
    states, outputs = (np.array(x[0]) for x in model(inputs[None, :, None]))
    figures = []
    for t, (z, state, output) in enumerate(forward(inputs, weights), 1):
        print(f"step {t}: input {inputs[t - 1]}")
        print(f"  z: {z}")
        print(f"  state: {state} by hand, {states[t - 1]} by SimpleRNN")
        print(f"  output: {output} by hand, {outputs[t - 1]} by the model")
        rows = {"z": z, "state": states[t - 1], "output": outputs[t - 1]}
        for name, value in rows.items():
            known = (
                PRINTED.get(f"{name}_{t}")
                if config.inputs == BOOK.inputs
                else None
            )
            source = SOURCE if known else ""
            figures.append(Figure(f"{name}_{t}", value, known or "", source))
    by_hand = backward(inputs, targets, weights)
    for name, gradient in zip(WEIGHTS, by_hand, strict=True):
        print(f"gradient of {name}: {gradient.tolist()}")
    checks = {
        "gradient by hand - TensorFlow's, largest": gradients_of(
            model, inputs, targets
        ),
        "gradient by hand - finite differences, largest": finite_differences(
            inputs, targets, weights
        ),
    }
    for name, other in checks.items():
        figures.append(
            Figure(name, f"{largest_difference(by_hand, other):.1e}")
        )
    losses = learn(config, inputs, targets, weights)
    losses.append(loss_of(inputs, targets, weights))
    figures.append(Figure("loss before learning", f"{losses[0]:.6f}"))
    if config.steps:
        figures.append(
            Figure(f"loss after {config.steps} steps", f"{losses[-1]:.1e}")
        )
        picture = Picture(figsize=(6.0, 3.5), layout="constrained")
        axes = picture.add_subplot(
            xlabel="step of gradient descent", ylabel="loss", yscale="log"
        )
        axes.plot(losses)
        save_figure(picture, folder / "plots" / "loss.png")
    model.set_weights(weights)
    norms = zoo.training.gradient_norms(
        keras.Model(model.inputs, model.outputs[0][:, -1]),
        inputs[None, :, None],
    )
    zoo.plots.gradient_norms(norms, path=folder / "plots" / "gradients.png")
    zoo.export(model, folder / "model" / "1")
    sections = {
        "What this is": "Two units read a number a step. `z` is what enters "
        "tanh, and the output is linear. Gradients are those of half the sum "
        f"of squared errors, targets {config.targets}."
    }
    return write_report(
        folder, "recipes.hand_rnn", config, figures, sections, started
    )


if __name__ == "__main__":
    command_line.run(main, Config, PRESETS, __doc__)
