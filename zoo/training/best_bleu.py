"""Dev BLEU after each epoch, the best model kept, early stopping."""

import math
import os

import keras
import sacrebleu


class BestBleu(keras.callbacks.Callback):
    """Translates the dev set after each epoch and keeps the best weights.

    Adds `dev_bleu` (sacreBLEU, cased, 0 to 100) to the epoch's logs, so
    that loggers that come later in the list of callbacks record it. An epoch
    whose loss is NaN counts as 0 and is never the best. The weights of the
    best epoch are written to a temporary file and renamed, so that there is a
    complete checkpoint at any moment.

    Args:
        sources: List of source sentences.
        references: List of as many translations.
        path: File for the best weights, ending in `.weights.h5`.
        patience: Number of epochs without a better BLEU after which training
            stops; `None` never stops it.
        beam_width: Width of the search; greedy by default, for speed.
        start_epoch: First epoch, counted from 1, after which to translate;
            before it BLEU counts as 0.
        tokenize: sacreBLEU's tokenizer: `"13a"` for languages with spaces,
            `"zh"` for Chinese, `"char"` for others without spaces.

    Raises:
        ValueError: If there are no sentences or not as many references.

    Example:

    >>> callback = BestBleu(["你好。"], ["Hello."], "best.weights.h5")
    >>> callback.best_bleu
    -1.0
    """

    def __init__(
        self,
        sources,
        references,
        path,
        patience=None,
        beam_width=1,
        start_epoch=1,
        tokenize="13a",
    ):
        if not sources or len(sources) != len(references):
            raise ValueError(
                "Expected at least one source and as many references, got "
                f"{len(sources)} and {len(references)}."
            )
        super().__init__()
        self.sources = sources
        self.references = references
        self.path = os.fspath(path)
        self.patience = patience
        self.beam_width = beam_width
        self.start_epoch = start_epoch
        self.metric = sacrebleu.BLEU(tokenize=tokenize)
        self.best_bleu = -1.0
        self.best_epoch = 0

    def get_state(self):
        """What a training that goes on has to know, for `Resume`."""
        return {"best_bleu": self.best_bleu, "best_epoch": self.best_epoch}

    def set_state(self, state):
        """Takes what `get_state` returned."""
        self.best_bleu = float(state["best_bleu"])
        self.best_epoch = int(state["best_epoch"])

    def on_epoch_end(self, epoch, logs=None):
        epoch += 1
        bleu = 0.0
        broken = logs is not None and math.isnan(logs.get("loss", 0.0))
        if epoch >= self.start_epoch and not broken:
            hypotheses = self.model.translate(
                self.sources, beam_width=self.beam_width
            )
            bleu = self.metric.corpus_score(hypotheses, [self.references]).score
        if logs is not None:
            logs["dev_bleu"] = bleu
        if bleu > self.best_bleu and not broken:
            self.best_bleu, self.best_epoch = bleu, epoch
            partial = self.path.replace(".weights.h5", ".part.weights.h5")
            # of a task the backbone: without the state of the optimizer
            getattr(self.model, "backbone", self.model).save_weights(partial)
            os.replace(partial, self.path)
        elif self.patience and epoch - self.best_epoch >= self.patience:
            self.model.stop_training = True
