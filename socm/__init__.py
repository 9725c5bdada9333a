"""Compiles map-making campaigns and their null tests into Snakemake workflows."""

__version__ = "0.1.0"
