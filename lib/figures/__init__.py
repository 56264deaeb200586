"""Plots of the report: one module a notebook, over base.py."""
