"""Notebook 01 of a model of the user's own."""
