"""Every example of every docstring runs and shows what it says."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import zoo
from tests.backend import BACKEND

# What runs on another backend than TensorFlow; elsewhere files import it.
ANYWHERE = (
    "zoo.layers",
    "zoo.ops",
    "zoo.decoding",
    "zoo.training.gradient_reach",
)


def runs_here(name):
    if name == "zoo.__main__":
        return False
    if name.startswith("zoo.ops._"):
        return name == f"zoo.ops._{BACKEND}"
    return BACKEND == "tensorflow" or name.startswith(ANYWHERE)


MODULES = ["zoo"] + sorted(
    module.name
    for module in pkgutil.walk_packages(zoo.__path__, "zoo.")
    if runs_here(module.name)
)

PACKAGES = sorted(
    name
    for name in MODULES
    if not name.rpartition(".")[2].startswith("_")
    and getattr(importlib.import_module(name), "__all__", None)
)
# What tries its result in a process of its own, which takes seconds.
WITHOUT_EXAMPLE = {"export", "export_functions"}


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_object_has_an_example(name):
    module = importlib.import_module(name)
    public = {part: getattr(module, part) for part in module.__all__}
    without = {
        part
        for part, value in public.items()
        if (inspect.isclass(value) or inspect.isroutine(value))
        and ">>>" not in (value.__doc__ or "")
    }
    assert without == WITHOUT_EXAMPLE & set(public)


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_module_run(name):
    module = importlib.import_module(name)
    # An example may use the names that its reader has imported.
    names = {**vars(module), "zoo": zoo, **_usual_names()}
    result = doctest.testmod(
        module,
        extraglobs=names,
        optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS,
    )
    assert result.failed == 0, f"{result.failed} examples of {name} failed"


def _usual_names():
    import keras
    import numpy as np

    return {"keras": keras, "np": np, "ops": keras.ops}
