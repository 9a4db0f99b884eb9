"""Recipes: one readable file each, `python -m recipes.NAME --preset P`."""

from zoo._quiet import quiet_tensorflow

with quiet_tensorflow():
    import keras
