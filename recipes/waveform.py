"""From a few numbers to a waveform: the shape 1 -> N.

    python -m recipes.waveform

A string that is plucked rings at a pitch and dies away. The network reads
its amplitude, frequency, decay, and phase (as sine and cosine), and writes
the 100 values of the oscillation. Presets:

- `first` reads the numbers at the first step only: the network must run on by
  itself;
- `every` reads them at every step.

Three to four minutes each. An LSTM of 64 units and a linear output, nothing
else.
"""

import dataclasses
import pathlib
import time

import keras
import numpy as np
from matplotlib.figure import Figure as Picture

import zoo
from recipes import command_line
from recipes.command_line import field
from recipes.fit import fit
from recipes.report import Figure
from recipes.report import write_report
from zoo.plots.figure_file import save_figure

# Lowest and highest amplitude, frequency and decay (per step), and phase.
RANGES = np.array([[0.5, 1.0], [0.1, 0.5], [0.0, 0.05], [-np.pi, np.pi]])


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of a run; the presets are below."""

    name: str = field("waveform_first", "the run, and its folder")
    folder: str = field("runs", "where the folder of the run is made")
    read: str = field("first", "when the numbers are read: first or every")
    time: int = field(100, "steps to write")
    units: int = field(64, "width of the LSTM")
    training_examples: int = field(5_000, "waveforms for training")
    testing_examples: int = field(1_000, "further ones, for testing")
    batch_size: int = field(50, "waveforms in a batch")
    epochs: int = field(60, "times through the waveforms")
    learning_rate: float = field(5e-3, "of Adam, falling as a cosine")
    seed: int = field(1, "of weights, order and waveforms")


FIRST = Config()
PRESETS = {
    "first": FIRST,
    "every": dataclasses.replace(FIRST, name="waveform_every", read="every"),
    "smoke": dataclasses.replace(
        FIRST,
        name="waveform_smoke",
        read="every",
        time=20,
        units=16,
        training_examples=500,
        testing_examples=100,
        epochs=6,
        learning_rate=2e-2,
    ),
}


def waveforms(rng, count, steps):
    """Random numbers, and what they sound like.

    ```
    y_t = a exp(-d t) sin(f t + p)
    ```

    Returns:
        Tuple of what the network reads, `(count, 5)`: amplitude, frequency
        and decay, scaled to -1 to 1, sine and cosine of the phase; and the
        waveforms, `(count, steps, 1)`.
    """
    scaled = rng.uniform(-1, 1, (count, 4))
    low, high = RANGES.T
    values = low + (scaled + 1) / 2 * (high - low)
    a, f, d, p = values.T[:, :, None]
    t = np.arange(steps)
    y = a * np.exp(-d * t) * np.sin(f * t + p)
    # the phase itself would jump where a turn ends
    x = np.column_stack([scaled[:, :3], np.sin(p), np.cos(p)])
    return x.astype("float32"), y[..., None].astype("float32")


def build_model(config):
    """The network from the numbers to the waveform."""
    numbers = keras.Input((5,), name="numbers")
    if config.read == "first":
        x = keras.layers.Reshape((1, 5))(numbers)
        x = keras.layers.ZeroPadding1D((0, config.time - 1))(x)
    elif config.read == "every":
        x = keras.layers.RepeatVector(config.time)(numbers)
    else:
        raise zoo.data.DataError(
            f"--read: expected first or every, got {config.read!r}."
        )
    x = zoo.layers.LSTM(config.units, return_sequences=True)(x)
    return keras.Model(numbers, keras.layers.Dense(1, name="waveform")(x))


def train_model(config, model, train, folder):
    """Fits the model; returns the loss of each epoch."""
    steps = -(-config.training_examples // config.batch_size)
    rate = keras.optimizers.schedules.CosineDecay(
        config.learning_rate, steps * config.epochs
    )
    model.compile(
        keras.optimizers.Adam(rate, global_clipnorm=1.0),
        "mean_squared_error",
        jit_compile=False,
    )
    history = fit(
        model,
        *train,
        batch_size=config.batch_size,
        epochs=config.epochs,
        folder=folder,
    )
    return history["loss"]


def rmse(outputs, targets):
    return float(np.sqrt(np.mean((outputs - targets) ** 2)))


def nearest(train, x):
    """The waveforms of training whose numbers are nearest."""
    distances = ((x[:, None] - train[0][None]) ** 2).sum(axis=-1)
    return train[1][distances.argmin(axis=1)]


def draw(targets, outputs, path):
    """Three waveforms and what the network writes for them."""
    picture = Picture(figsize=(8.0, 6.0), layout="constrained")
    rows = picture.subplots(3, sharex=True)
    for axes, target, output in zip(rows, targets, outputs, strict=False):
        axes.plot(target[:, 0], label="waveform", linewidth=4, color="0.8")
        axes.plot(output[:, 0], label="network")
        axes.set_ylabel("value")
    rows[0].legend()
    rows[-1].set_xlabel("step")
    save_figure(picture, path)


def main(config):
    """Runs the recipe; returns its figures."""
    started = time.time()
    folder = pathlib.Path(config.folder, config.name)
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    train = waveforms(rng, config.training_examples, config.time)
    x, y = waveforms(rng, config.testing_examples, config.time)
    model = build_model(config)
    losses = train_model(config, model, train, folder)
    outputs = model.predict(x, verbose=0)
    draw(y, outputs, folder / "plots" / "waveforms.png")
    zoo.export(model, folder / "model" / "1")
    half = config.time // 2
    figures = [
        Figure("weights", model.count_params()),
        Figure("training loss, last epoch", f"{losses[-1]:.2e}"),
        Figure("**RMSE**", f"{rmse(outputs, y):.4f}"),
        Figure(
            "RMSE of the second half",
            f"{rmse(outputs[:, half:], y[:, half:]):.4f}",
        ),
        Figure("RMSE of silence", f"{rmse(0, y):.4f}"),
        Figure(
            "RMSE of the nearest waveform in training",
            f"{rmse(nearest(train, x), y):.4f}",
        ),
    ]
    sections = {
        "What this is": "The test's numbers were not in training. "
        "`plots/waveforms.png` shows three of them."
    }
    return write_report(
        folder, "recipes.waveform", config, figures, sections, started
    )


if __name__ == "__main__":
    command_line.run(main, Config, PRESETS, __doc__)
