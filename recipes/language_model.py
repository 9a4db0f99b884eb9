"""What the recipes of language models have in common: training, measuring."""

import math
import sys
import time

import keras
import keras_hub

import zoo
from recipes.going_on import going_on
from recipes.logs import logs
from recipes.report import write_training_facts


class Epochs(keras.callbacks.Callback):
    """Starts each epoch from a zero state, measures it and keeps the best.

    Args:
        rates: Learning rate of each epoch, or `None` if the optimizer has a
            schedule of its own.
        valid: Token ids to measure the perplexity on.
        path: Where the best epoch's weights go.
        rows: Number of pieces in which `valid` is read side by side.
        average: A `zoo.training.NonMonotonicAverage` to measure and keep in
            place of the weights, or `None`.
    """

    def __init__(self, rates, valid, path, rows=1, average=None):
        super().__init__()
        self.rates = rates
        self.valid = valid
        self.path = path
        self.rows = rows
        self.average = average
        self.best = math.inf

    def get_state(self):
        """What a training that goes on has to know."""
        return {"best": self.best}

    def set_state(self, state):
        """Takes what `get_state` returned."""
        self.best = float(state["best"])

    def on_epoch_begin(self, epoch, logs=None):
        self.model.reset_state()
        if self.rates is not None:
            self.model.optimizer.learning_rate = self.rates[epoch]

    def on_epoch_end(self, epoch, logs=None):
        if self.average is None:
            logs["valid_perplexity"] = self.measure()
            return
        with self.average.applied():
            logs["valid_perplexity"] = self.measure()
        self.average.measured(logs["valid_perplexity"])

    def measure(self):
        """Perplexity on `valid`; keeps the weights if it is the best yet."""
        perplexity = self.model.perplexity(self.valid, batch_size=self.rows)
        if perplexity < self.best:
            self.best = perplexity
            partial = self.path.with_name(f"partial.{self.path.name}")
            self.model.backbone.save_weights(partial)
            partial.replace(self.path)
        return perplexity


def train(config, model, data, epochs, folder):
    """Fits a compiled model; the best epoch's weights are kept.

    Leaves `config.json`, `history.csv`, `best.weights.h5`, TensorBoard's logs
    and `training.json` with how long it took. Ctrl-C ends it after
    the last whole epoch; after a crash the same command goes on there.

    Args:
        config: The recipe's configuration, with `epochs`.
        model: A compiled `zoo.models.LanguageModel`.
        data: What `zoo.data.contiguous_batches` makes.
        epochs: An `Epochs`.
        folder: Path of the run's folder.
    """
    started = time.time()
    averages = [] if epochs.average is None else [epochs.average]
    resume = going_on(folder, config, [epochs, *averages])
    try:
        model.fit(
            data,
            initial_epoch=resume.first_epoch,
            epochs=config.epochs,
            callbacks=[
                *averages,
                epochs,
                resume,
                *logs(folder, append=resume.first_epoch > 0),
            ],
            verbose=1 if sys.stdout.isatty() else 2,
        )
    except KeyboardInterrupt:
        print("\nInterrupted: going on with the best epoch so far.")
    write_training_facts(folder, started - resume.seconds)


def best_model(model, folder, seed):
    """The best epoch's model for batches of any size, exported.

    Its weights are those of the preset, which are rounded to half precision.

    Args:
        model: The model that was trained.
        folder: Path of the run's folder; gets `model/preset` and `model/1`.
        seed: Of the sampler that it is compiled with.

    Returns:
        A compiled `zoo.models.LanguageModel`.
    """
    checkpoint = folder / "best.weights.h5"
    if not checkpoint.exists():
        sys.exit(f"No epoch was finished: {checkpoint} is missing.")
    model.backbone.load_weights(checkpoint)
    model = model.without_carry()
    model.compile(sampler=keras_hub.samplers.TopKSampler(k=10, seed=seed))
    preset = folder / "model" / "preset"
    model.save_to_preset(str(preset))
    zoo.saving.half_precision_preset(preset)
    model = zoo.models.LanguageModel.from_preset(str(preset))
    zoo.export(model, folder / "model" / "1")
    return model
