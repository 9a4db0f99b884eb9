"""Recipes: one readable file each, `python -m recipes.NAME --preset P`."""
