"""Corpora are registered when tensorflow_datasets is imported, not before."""

import importlib
import sys
import types

import pytest

from zoo.data import registration


@pytest.fixture
def fake_tfds(monkeypatch, tmp_path):
    """A module in the place of tensorflow_datasets, not imported yet."""
    (tmp_path / "tensorflow_datasets.py").write_text("LOADED = True\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [*sys.modules]:
        if name.split(".")[0] == "tensorflow_datasets":
            monkeypatch.delitem(sys.modules, name)
    finders = [
        finder
        for finder in sys.meta_path
        if not isinstance(finder, registration._Finder)
    ]
    monkeypatch.setattr(sys, "meta_path", finders)
    # The place of the builders' modules.
    imported = []
    monkeypatch.setattr(
        registration, "_import_builders", lambda: imported.append("builders")
    )
    yield imported
    # monkeypatch then brings back what was there before
    sys.modules.pop("tensorflow_datasets", None)


def test_builders_follow_the_import_once(fake_tfds):
    registration.register_corpora()
    registration.register_corpora()
    assert fake_tfds == []
    assert importlib.util.find_spec("tensorflow_datasets") is not None
    assert fake_tfds == []
    assert importlib.import_module("tensorflow_datasets").LOADED
    assert fake_tfds == ["builders"]
    assert not any(
        isinstance(finder, registration._Finder) for finder in sys.meta_path
    )


def test_builders_come_at_once_after_the_import(fake_tfds, monkeypatch):
    module = types.ModuleType("tensorflow_datasets")
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", module)
    registration.register_corpora()
    assert fake_tfds == ["builders"]


def test_missing_tfds_stays_an_import_error(fake_tfds, monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    registration.register_corpora()
    importlib.invalidate_caches()
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("tensorflow_datasets")
    assert fake_tfds == []


def test_broken_builder_warns_and_does_not_stop_the_import(monkeypatch):
    monkeypatch.setattr(registration, "_BUILDERS", ("zoo.data.no_builder",))
    with pytest.warns(UserWarning, match="could not register.*no_builder"):
        registration._import_builders()
