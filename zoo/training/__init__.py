"""What `fit` needs around it: losses, callbacks, how far gradients reach.

And what learns while it measures: dynamic evaluation.
"""

from zoo._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "BestBleu": "zoo.training.best_bleu",
        "dynamic_perplexity": "zoo.training.dynamic_evaluation",
        "mean_squared_gradients": "zoo.training.dynamic_evaluation",
        "gradient_norms": "zoo.training.gradient_reach",
        "NonMonotonicAverage": "zoo.training.non_monotonic_average",
        "Resume": "zoo.training.resume",
        "SamplingSchedule": "zoo.training.sampling_schedule",
        "TokenCrossentropy": "zoo.training.token_crossentropy",
    },
)
