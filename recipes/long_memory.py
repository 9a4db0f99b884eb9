"""How far back recurrent networks remember: SimpleRNN, LSTM and GRU.

    python -m recipes.long_memory

trains each cell on the adding problem of Hochreiter & Schmidhuber (1997):
two of 100 random numbers are marked, and their sum is wanted after the last
step. Who forgets the first of them can only answer 1, at a mean squared
error of 1/6. `--task copy` is their other test: ten symbols, a long silence,
and then the same ten symbols. Before and after training it measures how much
gradient reaches each step: the picture of the vanishing gradient.
"""

import csv
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
from recipes.fit import fit
from recipes.report import Figure
from recipes.report import write_report
from zoo.data.untuned import untuned
from zoo.plots.figure_file import save_figure

CELLS = {
    "SimpleRNN": zoo.layers.SimpleRNN,
    "LSTM": zoo.layers.LSTM,
    "GRU": zoo.layers.GRU,
}
SYMBOLS, RECALL = 8, 10  # of the copy task: kinds of symbols, and how many


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of a run; the presets are below."""

    name: str = field("adding_100", "the run, and its folder")
    folder: str = field("runs", "where the folder of the run is made")
    task: str = field("adding", "adding or copy")
    time: int = field(100, "steps; of the copy task: of silence")
    cells: tuple = field(tuple(CELLS), "SimpleRNN, LSTM, GRU")
    units: int = field(64, "width of the state")
    steps: int = field(3000, "batches to train on, each new")
    batch_size: int = field(64, "sequences in a batch")
    test_examples: int = field(1000, "sequences for the figures")
    learning_rate: float = field(3e-3, "peak of Adam's, then cosine to zero")
    clip: float = field(1.0, "largest global norm of a gradient")
    seed: int = field(1, "of weights and data")


ADDING = Config()
COPY = dataclasses.replace(ADDING, name="copy_100", task="copy")
PRESETS = {
    "adding": ADDING,
    "copy": COPY,
    "smoke": dataclasses.replace(
        ADDING, name="long_memory_smoke", time=8, steps=200, units=16
    ),
}


def adding_problem(rng, examples, time):
    """Random numbers, two of them marked; the sum of the two.

    One mark is in the first half, one in the second.
    """
    numbers = rng.uniform(size=(examples, time)).astype("float32")
    marks = np.zeros_like(numbers)
    rows = np.arange(examples)
    marks[rows, rng.integers(0, time // 2, examples)] = 1
    marks[rows, rng.integers(time // 2, time, examples)] = 1
    sums = np.sum(numbers * marks, axis=1, keepdims=True)
    return np.stack([numbers, marks], axis=-1), sums


def copy_task(rng, examples, time):
    """Ten symbols, silence, ten times the sign to repeat; the ten symbols.

    Ids: 0 is silence, 1 to 8 are symbols, 9 is the sign to repeat.
    """
    symbols = rng.integers(1, SYMBOLS + 1, (examples, RECALL))
    silence = np.zeros((examples, time), "int64")
    sign = np.full((examples, RECALL), SYMBOLS + 1)
    inputs = np.concatenate([symbols, silence, sign], axis=1)
    targets = np.concatenate(
        [np.zeros((examples, time + RECALL), "int64"), symbols], axis=1
    )
    return np.eye(SYMBOLS + 2, dtype="float32")[inputs], targets


def draw_batch(config, rng, examples):
    task = {"adding": adding_problem, "copy": copy_task}[config.task]
    return task(rng, examples, config.time)


def baseline(config):
    """The loss of the best answer that uses no memory."""
    if config.task == "adding":
        return 1 / 6
    return RECALL * np.log(SYMBOLS) / (config.time + 2 * RECALL)


def build_model(config, cell):
    """A layer of the cell, and what reads its states."""
    copy = config.task == "copy"
    inputs = keras.Input((None, SYMBOLS + 2 if copy else 2), name="inputs")
    states = CELLS[cell](
        config.units, return_sequences=copy, name=cell.lower()
    )(inputs)
    outputs = keras.layers.Dense(SYMBOLS + 1 if copy else 1, name="outputs")
    return keras.Model(inputs, outputs(states), name=cell)


def train_model(config, model, folder):
    """Fits the model; returns the loss after each epoch."""

    def batches():
        rng = np.random.default_rng(config.seed)
        while True:
            yield draw_batch(config, rng, config.batch_size)

    x, y = draw_batch(config, np.random.default_rng(0), 1)
    data = tf.data.Dataset.from_generator(
        batches,
        output_signature=tuple(
            tf.TensorSpec((config.batch_size, *a.shape[1:]), a.dtype)
            for a in (x, y)
        ),
    )
    loss = "mse"
    if config.task == "copy":
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    rate = keras.optimizers.schedules.CosineDecay(
        config.learning_rate, config.steps
    )
    model.compile(
        keras.optimizers.Adam(rate, global_clipnorm=config.clip),
        loss,
        jit_compile=False,
    )
    epochs = min(20, config.steps)
    history = fit(
        model,
        untuned(data.prefetch(tf.data.AUTOTUNE)),
        epochs=epochs,
        steps_per_epoch=config.steps // epochs,
        shuffle=False,
        folder=folder,
    )
    return history["loss"]


def last_state_gradients(model, x):
    """Norms of the gradient that the last state sends to each step."""
    layer = model.layers[1]
    states = layer.output
    if len(states.shape) == 3:
        states = states[:, -1]
    return zoo.training.gradient_norms(keras.Model(model.inputs, states), x)


def draw_losses(config, losses, path):
    picture = Picture(figsize=(7.0, 4.0), layout="constrained")
    axes = picture.add_subplot(
        xlabel="training step", ylabel="loss", yscale="log"
    )
    for name, values in losses.items():
        steps = np.linspace(0, config.steps, len(values) + 1)[1:]
        axes.plot(steps, values, label=name)
    axes.axhline(
        baseline(config), linestyle=":", color="0.5", label="no memory"
    )
    axes.legend()
    save_figure(picture, path)


def main(config):
    """Runs the recipe; returns its figures."""
    started = time.time()
    folder = pathlib.Path(config.folder, config.name)
    folder.mkdir(parents=True, exist_ok=True)
    x, y = draw_batch(
        config, np.random.default_rng(10**6 + config.seed), config.test_examples
    )
    losses, figures, norms = {}, [], {"before": {}, "after": {}}
    for cell in config.cells:
        keras.utils.set_random_seed(config.seed)
        model = build_model(config, cell)
        norms["before"][cell] = last_state_gradients(model, x[:64])
        losses[cell] = train_model(config, model, folder / cell)
        norms["after"][cell] = last_state_gradients(model, x[:64])
        test = model.evaluate(x, y, verbose=0)
        figures.append(
            Figure(
                f"{cell}: test loss",
                f"{test:.2g}",
                f"{baseline(config):.4f}",
                "no memory",
            )
        )
        zoo.export(model, folder / "model" / cell.lower() / "1")
    for when, found in norms.items():
        zoo.plots.gradient_norms(
            found,
            path=folder / "plots" / f"gradients_{when}.png",
            title=f"{when} training",
        )
        for cell, values in found.items():
            ratio = values[0] / values[-1]
            figures.append(
                Figure(f"{cell}: first / last gradient {when}", f"{ratio:.1g}")
            )
    with open(folder / "gradients.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["cell", "when", *range(1, x.shape[1] + 1)])
        for when, found in norms.items():
            rows.writerows([c, when, *v] for c, v in found.items())
    draw_losses(config, losses, folder / "plots" / "losses.png")
    sections = {
        "What this is": f"The {config.task} problem over {config.time} steps. "
        "Gradients are those of the last state to the input of each step."
    }
    return write_report(
        folder, "recipes.long_memory", config, figures, sections, started
    )


if __name__ == "__main__":
    command_line.run(main, Config, PRESETS, __doc__)
