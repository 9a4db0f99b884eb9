"""Models of the zoo, by name or path."""

import json

from zoo.saving.catalog import find_model


def load(name_or_path):
    """Loads a model: `zoo.load("zh_en").translate(["我爱中国"])`.

    Args:
        name_or_path: string or path: a name in `zoo list`, the folder of a
            model, a SavedModel or a preset; see `zoo.saving.find_model`.

    Returns:
        If the model has a preset, a `zoo.models.Seq2Seq` or a
        `zoo.models.LanguageModel`, which can be trained further and exported.
        Otherwise a `zoo.saving.SavedTranslator`, which can what its
        SavedModel can, `translate` above all.

    Raises:
        FileNotFoundError: If there is no such model; the message says where
            was looked and what is there.

    Example:

    >>> model = zoo.load("zh_en")
    >>> model.translate(["我爱中国"])
    ['I love China.']
    """
    model = find_model(name_or_path)
    if model.preset is not None:
        import zoo.models

        config = json.loads((model.preset / "config.json").read_text())
        is_writer = config.get("class_name") == "LanguageModelBackbone"
        task = zoo.models.LanguageModel if is_writer else zoo.models.Seq2Seq
        return task.from_preset(str(model.preset))
    from zoo.saving.saved_translator import SavedTranslator

    return SavedTranslator(model.saved_model)
