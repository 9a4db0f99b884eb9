"""What `fit` needs around it: losses, callbacks, how far gradients reach."""

from zoo._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "BestBleu": "zoo.training.best_bleu",
        "gradient_norms": "zoo.training.gradient_reach",
        "NonMonotonicAverage": "zoo.training.non_monotonic_average",
        "SamplingSchedule": "zoo.training.sampling_schedule",
        "TokenCrossentropy": "zoo.training.token_crossentropy",
    },
)
