"""Values of environment variables that name others, in paths and lists of them, as a shell reads them."""

from __future__ import annotations

import re

_NAME = r"[A-Za-z_]\w*"
_PLAIN = r"[\w./+@%=,~-]"
_REFERENCE = rf"\$(?:{_NAME}|\{{{_NAME}(?::?[-+]{_PLAIN}*)?\}})"
_IN_PATHS = rf"(?:{_PLAIN}|{_REFERENCE})*"
_PATH = rf"(?:/{_IN_PATHS}|~(?:/{_IN_PATHS})?|{_REFERENCE}(?:/{_IN_PATHS})?)"
_ENTRY = rf"(?:{_PATH}|[\w.][\w.-]*(?:/{_IN_PATHS})?)"
_PATHS = re.compile(rf"{_PATH}|{_ENTRY}/{_IN_PATHS}|(?:{_ENTRY}:)*{_PATH}(?::{_ENTRY})*:?", re.ASCII)
_NAMES = re.compile(rf"\$(?:({_NAME})|\{{({_NAME})\}})", re.ASCII)
_OF_A_SHELL = re.compile(rf"\$(?:{_NAME}|[{{(])|`|(?:^|:)~", re.ASCII)
_BETWEEN_ENTRIES = re.compile(r":(?![^{]*\})")


def looks_like_shell(text: str) -> bool:
    """Return whether a shell would expand a text: ``$NAME``, ``${…}``, ``$(…)``, backquotes or ``~``."""
    return bool(_OF_A_SHELL.search(text))


def is_expanded(text: str) -> bool:
    """Return whether the value of a variable is expanded where a job runs.

    It is where it is a path or a list of paths that names variables or a home, as in
    ``/opt/lib:$PYTHONPATH``, ``/scratch/$USER`` or ``~/lib``; any other text arrives as it is written.
    """
    return looks_like_shell(text) and bool(_PATHS.fullmatch(text))


def shell_value(text: str) -> str:
    """Return a value that is expanded as a shell's word; an entry that is not set leaves no colon."""
    entries = _BETWEEN_ENTRIES.split(text)
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
    return re.sub(r"^~(?=/|$)", "${HOME}", path)
