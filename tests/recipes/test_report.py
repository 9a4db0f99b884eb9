"""What the reports of all recipes are made of."""

import importlib.machinery
import sys
import types

from recipes.report import command


def test_the_command_is_of_the_recipe_that_was_started(monkeypatch):
    arguments = ["--preset", "best", "--no-train_first", "--name", "a b"]
    monkeypatch.setattr(sys, "argv", ["multi30k.py", *arguments])
    # Python itself was started with another module, pytest
    expected = "python -m recipes.translate --preset best --name 'a b'"
    assert command("recipes.translate") == expected
    main = types.ModuleType("__main__")
    main.__spec__ = importlib.machinery.ModuleSpec("recipes.multi30k", None)
    monkeypatch.setitem(sys.modules, "__main__", main)
    expected = expected.replace("translate", "multi30k")
    assert command("recipes.translate") == expected
