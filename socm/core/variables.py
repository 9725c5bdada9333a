"""Values of environment variables that name others, in paths and lists of them, as a shell reads them."""

from __future__ import annotations

import re

_REFERENCE = r"\$(?:[A-Za-z_]\w*|\{[A-Za-z_]\w*\})"
_IN_PATHS = rf"(?:[\w./+@%=,~-]|{_REFERENCE})*"
_PATH = rf"(?:/{_IN_PATHS}|~/{_IN_PATHS}|{_REFERENCE}(?:/{_IN_PATHS})?)"
_PATHS = re.compile(rf"{_PATH}(?::{_PATH})*:?", re.ASCII)
_NAMES = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})", re.ASCII)


def names_variables(text: str) -> bool:
    """Return whether a text holds ``$NAME`` or ``${NAME}``."""
    return bool(_NAMES.search(text))


def is_expanded(text: str) -> bool:
    """Return whether the value of a variable is expanded where a job runs.

    It is where it is a path or a list of paths that names variables, as in ``/opt/lib:$PYTHONPATH`` or
    ``/scratch/$USER``; any other text arrives as it is written.
    """
    return names_variables(text) and bool(_PATHS.fullmatch(text)) and not _NAMES.fullmatch(text)


def shell_value(text: str) -> str:
    """Return a value that is expanded as a shell's word; an entry that is not set leaves no colon."""
    entries = text.split(":")
    first = next((index for index, entry in enumerate(entries) if not _NAMES.fullmatch(entry)), 0)
    words = []
    for index, entry in enumerate(entries):
        lone = _NAMES.fullmatch(entry)
        name = lone[1] or lone[2] if lone else ""
        if index == first:
            words.append(f"${{{name}-}}" if lone else _with_home(entry))
        elif lone:
            words.append(f"${{{name}:+${name}:}}" if index < first else f"${{{name}:+:${name}}}")
        else:
            words.append(f":{_with_home(entry)}")
    return f'"{"".join(words)}"'


def _with_home(path: str) -> str:
    return re.sub(r"^~(?=/)", "${HOME}", path)
