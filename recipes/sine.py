"""The next value of a sine, from the ten values before it.

    python -m recipes.sine

is chapter 8.4 of the book: two LSTM layers of 30 units, Adagrad, 10,000
steps, half a minute. Presets:

- `book` gives the ten values as the ten features of one step, as the book's
  program does: its recurrent weights have nothing to do;
- `book_steps` gives them as ten steps of one feature, as the text means it;
- `best` also gives the network what changes from value to value, and lets it
  learn only what linear extrapolation misses.
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
from recipes.fit import fit
from recipes.report import Figure
from recipes.report import write_report
from zoo.data.untuned import untuned
from zoo.plots.figure_file import save_figure


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of a run; the presets are below."""

    name: str = field("sine", "the run, and its folder")
    folder: str = field("runs", "where the folder of the run is made")
    inputs: str = field("features", "features, steps or changes")
    units: int = field(30, "width of each LSTM layer")
    layers: int = field(2, "LSTM layers")
    window: int = field(10, "values that the network sees")
    gap: float = field(0.01, "distance between two values, radians")
    training_examples: int = field(10_000, "windows for training")
    testing_examples: int = field(1_000, "windows after them, for testing")
    batch_size: int = field(32, "windows in a batch")
    steps: int = field(10_000, "steps of training")
    optimizer: str = field("adagrad", "adagrad, or adam with cosine decay")
    learning_rate: float = field(0.1, "of the optimizer, at its peak")
    seed: int = field(1, "of weights and order")


BOOK = Config()
PRESETS = {
    "book": BOOK,
    "book_steps": dataclasses.replace(BOOK, name="sine_steps", inputs="steps"),
    "best": dataclasses.replace(
        BOOK,
        name="sine_best",
        inputs="changes",
        optimizer="adam",
        learning_rate=3e-3,
    ),
    "smoke": dataclasses.replace(
        BOOK, name="sine_smoke", steps=200, training_examples=500
    ),
}


def windows(start, count, config):
    """Windows of a sine in float32, and the value after each.

    As in the book, the values divide the whole range evenly, both ends
    included: their distance is a little more than `gap`.
    """
    values = count + config.window
    end = start + values * config.gap
    sine = np.sin(np.linspace(start, end, values, dtype="float32"))
    found = np.lib.stride_tricks.sliding_window_view(sine, config.window)
    return found[:-1], sine[config.window :, None]


def load_data(config):
    """The windows for training and those after them for testing."""
    train = windows(0.0, config.training_examples, config)
    start = (config.training_examples + config.window) * config.gap
    return train, windows(start, config.testing_examples, config)


def build_model(config, train):
    """The network from a window to the next value."""
    values = keras.Input((config.window,), name="values")
    if config.inputs == "features":
        x = keras.layers.Reshape((1, config.window))(values)
    elif config.inputs == "steps":
        x = keras.layers.Reshape((config.window, 1))(values)
    elif config.inputs == "changes":
        changes = values[:, 1:] - values[:, :-1]
        scaled = changes / float(np.diff(train[0]).std())
        x = keras.ops.stack([values[:, 1:], scaled], axis=-1)
    else:
        raise ValueError(
            "Expected `inputs` to be 'features', 'steps' or 'changes', got "
            f"{config.inputs!r}."
        )
    for i in range(config.layers):
        x = zoo.layers.LSTM(
            config.units, return_sequences=i < config.layers - 1
        )(x)
    outputs = keras.layers.Dense(1, name="next_value")(x)
    if config.inputs == "changes":
        extrapolated = values[:, -1:] + changes[:, -1:]
        missed = float(np.diff(train[0], n=2).std())
        outputs = keras.layers.Rescaling(missed)(outputs)
        outputs = keras.layers.Add(name="extrapolated")([extrapolated, outputs])
    return keras.Model(values, outputs)


def train_model(config, model, train, folder):
    """Fits the model; returns the loss of the first and the last step."""
    if config.optimizer == "adagrad":
        # TensorFlow 1 had no epsilon
        optimizer = keras.optimizers.Adagrad(
            config.learning_rate, initial_accumulator_value=0.1, epsilon=1e-12
        )
    else:
        optimizer = keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(
                config.learning_rate, config.steps
            )
        )
    # errors in units of what is to be learnt, or Adam sees zeros
    unit = 1.0
    if config.inputs == "changes":
        unit = float(np.diff(train[0], n=2).std())

    def loss(targets, outputs):
        return keras.losses.mean_squared_error(targets / unit, outputs / unit)

    model.compile(optimizer, loss=loss, jit_compile=False)
    data = untuned(
        tf.data.Dataset.from_tensor_slices(train)
        .repeat()
        .shuffle(1000, seed=config.seed)
        .batch(config.batch_size)
        .prefetch(tf.data.AUTOTUNE)
    )
    epochs = min(10, config.steps)
    history = fit(
        model,
        data,
        epochs=epochs,
        steps_per_epoch=config.steps // epochs,
        shuffle=False,  # the dataset is shuffled
        folder=folder,
    )
    return [x * unit**2 for x in history["loss"]]


def rmse(outputs, targets):
    return float(np.sqrt(np.mean((outputs - targets) ** 2)))


def run_free(model, window, steps):
    """A forecast that goes on from its own values."""
    step = tf.function(model, reduce_retracing=True)
    window = np.array(window[None])
    found = []
    for _ in range(steps):
        found.append(step(window).numpy()[0, 0])
        window = np.append(window[:, 1:], found[-1:]).reshape(1, -1)
    return np.array(found)


def draw(test, outputs, forecast, path):
    """Targets, predictions, and the forecast that was left to itself."""
    picture = Picture(figsize=(8.0, 4.0), layout="constrained")
    axes = picture.add_subplot(xlabel="step of the test set", ylabel="value")
    axes.plot(test[1], label="sine", linewidth=4, color="0.8")
    axes.plot(outputs, label="next value, from true ones")
    axes.plot(forecast, "--", label="going on from its own values")
    axes.legend()
    save_figure(picture, path)


def main(config):
    """Runs the recipe; returns its figures."""
    started = time.time()
    folder = pathlib.Path(config.folder, config.name)
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(config.seed)
    train, test = load_data(config)
    model = build_model(config, train)
    before = rmse(model.predict(test[0], verbose=0), test[1])
    losses = train_model(config, model, train, folder)
    outputs = model.predict(test[0], verbose=0)
    forecast = run_free(model, test[0][0], len(test[1]))
    draw(test, outputs, forecast, folder / "plots" / "sine.png")
    zoo.export(model, folder / "model" / "1")
    x, y = test
    book = "chapter 8.4"
    figures = [
        Figure("weights", model.count_params(), 12271, "its shapes"),
        Figure("RMSE before training", f"{before:.6f}", 0.691588, book),
        Figure("training loss, last tenth", f"{losses[-1]:.2e}"),
        Figure("**RMSE**", f"{rmse(outputs, y):.3g}", 0.00207, book),
        Figure("RMSE of persistence", f"{rmse(x[:, -1:], y):.3g}"),
        Figure(
            "RMSE of linear extrapolation",
            f"{rmse(2 * x[:, -1:] - x[:, -2:-1], y):.3g}",
        ),
        Figure(
            f"RMSE of {len(y)} values that go on from their own",
            f"{rmse(forecast[:, None], y):.3g}",
        ),
    ]
    sections = {
        "What this is": "Persistence repeats the last value, linear "
        "extrapolation repeats the last change. `plots/sine.png` shows the "
        "forecasts."
    }
    return write_report(
        folder, "recipes.sine", config, figures, sections, started
    )


if __name__ == "__main__":
    command_line.run(main, Config, PRESETS, __doc__)
