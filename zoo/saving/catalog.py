"""Where models are: by path, in `ZOO_HOME`, in the checkout."""

import difflib
import os
import pathlib
import typing

CARD_FILE = "README.md"
PRESET_FOLDER = "preset"
SAVED_MODEL_FILE = "saved_model.pb"
CHECKOUT_MODELS = pathlib.Path(__file__).parents[2] / "saved_models"
_PRESET_FILES = ("config.json", "task.json")


class ModelFolder(typing.NamedTuple):
    """A model on disk; what it lacks is `None`.

    Attributes:
        name: string, the folder's name.
        path: path of the folder.
        saved_model: path of the SavedModel with the highest version.
        preset: path of the KerasHub preset.
        card: path of the model card.
    """

    name: str
    path: pathlib.Path
    saved_model: pathlib.Path | None
    preset: pathlib.Path | None
    card: pathlib.Path | None


def model_folders():
    """Lists the folders that are searched for models, first wins.

    These are the folders in the environment variable `ZOO_HOME` (several are
    separated as in `PATH`) and `saved_models/` of the checkout that `zoo` is
    imported from.

    Returns:
        List of paths; a folder need not exist.

    Example:

    >>> zoo.saving.catalog.model_folders()[-1].name
    'saved_models'
    """
    home = os.environ.get("ZOO_HOME", "").split(os.pathsep)
    folders = [pathlib.Path(entry).expanduser() for entry in home if entry]
    return [*folders, CHECKOUT_MODELS]


def list_models():
    """Lists the models in `ZOO_HOME` and the checkout, by name.

    Returns:
        List of `ModelFolder`. Of two models of one name the first counts, as
        it does for `zoo.load`.

    Example:

    >>> names = [model.name for model in zoo.saving.list_models()]
    >>> "zh_en" in names
    True
    """
    models = {}
    for folder in model_folders():
        if folder.is_dir():
            for path in folder.iterdir():
                model = _model_at(path)
                if model is not None:
                    models.setdefault(model.name, model)
    return sorted(models.values())


def find_model(name_or_path):
    """Finds a model by name or path.

    Args:
        name_or_path: string or path: the name of a model (see
            `list_models`); the folder of one (with `1/`, `preset/` and the
            card, as far as it has them); or a SavedModel or a preset itself.

    Returns:
        A `ModelFolder`.

    Raises:
        FileNotFoundError: If there is no such model. The message says where
            was looked, what is there, and where to get more.

    Example:

    >>> model = zoo.saving.find_model("zh_en")
    >>> model.preset.name, model.card.name
    ('preset', 'README.md')
    """
    name = os.fspath(name_or_path)
    if name.strip() in ("", ".", ".."):
        raise FileNotFoundError(
            f"Expected the name or the folder of a model, got {name!r}. "
            "`zoo list` shows the names."
        )
    model = _model_at(pathlib.Path(name).expanduser())
    if model is None and pathlib.Path(name).name == name:
        candidates = (_model_at(folder / name) for folder in model_folders())
        model = next(filter(None, candidates), None)
    if model is None:
        raise FileNotFoundError(_not_found(name))
    return model


def _not_found(name):
    known = [model.name for model in list_models()]
    near = difflib.get_close_matches(name, known, n=1)
    lines = [f"Found no model {name!r}. Looked for:"]
    lines += [f"  the folder {name}"]
    lines += [f"  {folder / name}" for folder in model_folders()]
    if near:
        lines += [f"Did you mean {near[0]!r}?"]
    if known:
        lines += [f"Known models: {', '.join(known)}."]
    else:
        lines += [
            "No models are here. They come with a clone of rnn-zoo's "
            "repository, in saved_models/: clone it, and run from the clone "
            "or set ZOO_HOME to its saved_models/. Or train one: python -m "
            "recipes.translate --preset tiny"
        ]
    return "\n".join(lines)


def _model_at(path):
    """The model in a folder, or `None` if there is none."""
    if not path.is_dir():
        return None
    if is_saved_model(path):
        # NAME/1 itself: the card stands above it.
        name = path.parent.name if path.name.isdecimal() else path.name
        return ModelFolder(
            name, path, path, None, _file(path.parent / CARD_FILE)
        )
    if _is_preset(path):
        own = path.name != PRESET_FOLDER
        name = path.name if own else path.parent.name
        return ModelFolder(
            name, path, None, path, _file(path.parent / CARD_FILE)
        )
    versions = [
        version
        for version in path.iterdir()
        if version.name.isdecimal() and is_saved_model(version)
    ]
    saved_model = max(versions, key=lambda v: int(v.name), default=None)
    preset = path / PRESET_FOLDER
    preset = preset if _is_preset(preset) else None
    if saved_model is None and preset is None:
        return None
    name = path.resolve().name
    return ModelFolder(name, path, saved_model, preset, _file(path / CARD_FILE))


def is_saved_model(path):
    """Whether a folder is a SavedModel."""
    return (path / SAVED_MODEL_FILE).is_file()


def _is_preset(path):
    return all((path / name).is_file() for name in _PRESET_FILES)


def _file(path):
    return path if path.is_file() else None
