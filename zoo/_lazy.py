"""Names of a package that are imported when they are first used."""

import importlib
import sys


def attach(package, submodules=(), names=None):
    """Makes a package's names resolve on first use (PEP 562).

    Args:
        package: string, the package's `__name__`.
        submodules: strings, names of submodules.
        names: dict from a public name to the module that defines it.

    Returns:
        `(__getattr__, __dir__, __all__)`, to be assigned in the package.

    Example:

    >>> __getattr__, __dir__, __all__ = attach(
    ...     "json", submodules=["tool"], names={"dumps": "json.encoder"}
    ... )
    >>> __all__
    ['dumps', 'tool']
    """
    submodules = frozenset(submodules)
    names = dict(names or {})
    public = sorted(submodules | names.keys())

    def __getattr__(name):
        if name in submodules:
            return importlib.import_module(f"{package}.{name}")
        if name in names:
            value = getattr(importlib.import_module(names[name]), name)
            # The next use finds it without coming here.
            setattr(sys.modules[package], name, value)
            return value
        raise AttributeError(
            f"module {package!r} has no attribute {name!r}, only "
            f"{', '.join(public)}"
        )

    def __dir__():
        return sorted({*vars(sys.modules[package]), *public})

    return __getattr__, __dir__, public
