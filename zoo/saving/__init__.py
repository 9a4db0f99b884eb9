"""Models on disk: export, load, and the cards that describe them."""

from zoo._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "SavedTranslator": "zoo.saving.saved_translator",
        "export": "zoo.saving.saved_model",
        "export_functions": "zoo.saving.saved_model",
        "find_model": "zoo.saving.catalog",
        "half_precision_preset": "zoo.saving.half_precision",
        "list_models": "zoo.saving.catalog",
        "load": "zoo.saving.loading",
        "read_model_card": "zoo.saving.model_card",
        "write_model_card": "zoo.saving.model_card",
    },
)
