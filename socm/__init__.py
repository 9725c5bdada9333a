"""Compiles map-making campaigns and their null tests into Snakemake workflows."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from socm.desk import Workspace

__version__ = "0.1.0"


def open(folder: str | PathLike[str] = ".") -> Workspace:  # noqa: A001 -- as h5py and fits call it: socm.open
    """Return a compiled workspace, which is only read.

    Raises DiagnosticError not-compiled for a folder without one, and for one whose manifest is damaged.
    """
    from socm.desk import Workspace

    return Workspace(folder)
