"""What `fit` needs around it: losses and callbacks."""

from zoo._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "BestBleu": "zoo.training.best_bleu",
        "TokenCrossentropy": "zoo.training.token_crossentropy",
    },
)
