"""Recurrent networks with attention for Keras 3.

Everything below loads on first use, so `import zoo` alone is cheap:

- `zoo.ops`, `zoo.layers`: functions of tensors, and layers with weights;
- `zoo.decoding`: greedy and beam search over any step function;
- `zoo.data`: corpora, and text to ids and back inside the TensorFlow graph;
- `zoo.models`, `zoo.training`: whole networks, and what `fit` needs;
- `zoo.saving`, `zoo.load`, `zoo.export`: models on disk;
- `zoo.plots`: pictures of what a network looked at.

Example:

>>> import zoo
>>> sorted(name for name in dir(zoo) if name in ("layers", "load"))
['layers', 'load']
"""

from zoo._lazy import attach
from zoo.data.registration import register_corpora

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = attach(
    __name__,
    submodules=(
        "cli",
        "data",
        "decoding",
        "layers",
        "models",
        "ops",
        "plots",
        "saving",
        "training",
    ),
    names={
        "export": "zoo.saving.saved_model",
        "load": "zoo.saving.loading",
    },
)

register_corpora()
