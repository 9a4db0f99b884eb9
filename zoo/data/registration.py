"""Makes zoo's corpora known to `tensorflow_datasets`, without importing it."""

import importlib
import importlib.abc
import sys
import warnings

_TFDS = "tensorflow_datasets"
_BUILDERS = ("zoo.data.cmn_eng.cmn_eng_dataset_builder",)


def register_corpora():
    """Lets `tfds.load("cmn_eng")` find the corpora of zoo.

    A builder registers itself when it is imported, which takes
    `tensorflow_datasets`. If that is imported already, the builders are now;
    else they will be right after it, so that `import zoo` stays cheap. Calls
    after the first have no effect.
    """
    if _TFDS in sys.modules:
        _import_builders()
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def _import_builders():
    for name in _BUILDERS:
        try:
            importlib.import_module(name)
        except Exception as error:
            # Whoever imports tfds for a corpus of its own goes on.
            warnings.warn(
                f"zoo could not register a corpus ({name}) with {_TFDS}: "
                f"{type(error).__name__}: {error}",
                stacklevel=2,
            )


class _Finder(importlib.abc.MetaPathFinder):
    """Finds `tensorflow_datasets` as usual, and adds to its import."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname != _TFDS:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None:
                    self._extend(spec.loader)
                return spec
        return None

    def _extend(self, loader):
        execute = loader.exec_module

        def execute_and_register(module):
            execute(module)
            if self in sys.meta_path:
                sys.meta_path.remove(self)
            _import_builders()

        loader.exec_module = execute_and_register
