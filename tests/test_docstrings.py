"""Every example of every docstring runs and shows what it says."""

import doctest
import importlib
import importlib.util
import pkgutil

import pytest

import zoo

# A file for another backend can be imported only where that is installed.
BACKENDS = {"zoo.ops._jax": "jax", "zoo.ops._torch": "torch"}
MODULES = ["zoo"] + sorted(
    module.name
    for module in pkgutil.walk_packages(zoo.__path__, "zoo.")
    if module.name != "zoo.__main__"
    and importlib.util.find_spec(BACKENDS.get(module.name, "zoo"))
)


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
