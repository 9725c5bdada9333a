"""Shell words of a program's arguments, from what a campaign says."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any


def plain_words(values: Sequence[Any]) -> list[str]:
    """Return positional arguments as shell words, in their order."""
    return [shlex.quote(value_text(value)) for value in values]


def keyword_words(values: Mapping[str, Any]) -> list[str]:
    """Return ``--key=value`` for each entry, in its order; a list is joined with commas."""
    words = []
    for key, value in values.items():
        text = ",".join(map(value_text, value)) if isinstance(value, list | tuple) else value_text(value)
        words.append(f"{shlex.quote(_dashed(key))}={shlex.quote(text)}")
    return words


def pair_words(values: Mapping[str, Any]) -> list[str]:
    """Return ``--key value`` for each entry, in its order, for programs that don't know ``--key=value``."""
    words = []
    for key, value in values.items():
        if isinstance(value, bool):
            words += [shlex.quote(_dashed(key))] if value else []
        else:
            text = ",".join(map(value_text, value)) if isinstance(value, list | tuple) else value_text(value)
            words += [shlex.quote(_dashed(key)), shlex.quote(text)]
    return words


def flag_words(names: Sequence[str]) -> list[str]:
    """Return ``--name`` for each name, in its order."""
    return [shlex.quote(_dashed(name)) for name in names]


def option_words(options: Mapping[str, Any]) -> list[str]:
    """Return a program's options as shell words, sorted by name.

    true becomes a bare flag, false leaves the flag out, a list is joined with commas.
    """
    words = []
    for name, value in sorted(options.items()):
        if isinstance(value, bool):
            words += [shlex.quote(f"--{name}")] if value else []
        else:
            text = ",".join(map(value_text, value)) if isinstance(value, list | tuple) else value_text(value)
            words.append(f"{shlex.quote(f'--{name}')}={shlex.quote(text)}")
    return words


def value_text(value: Any) -> str:
    """Return a value as programs read it: true and false in lower case."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _dashed(name: str) -> str:
    return name if name.startswith("-") else f"--{name}"
