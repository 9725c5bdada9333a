"""Where the files that ship with the package are: templates and profiles."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent


def shipped_folder(name: str) -> Path:
    """Return the folder ``templates`` or ``profiles``.

    A wheel holds it inside the package, a checkout beside it. Raises FileNotFoundError if it is in
    neither place, which is a broken installation.
    """
    for folder in (PACKAGE / name, PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"the installation lacks the folder {name!r} beside or in {PACKAGE}")
