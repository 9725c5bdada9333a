"""The context file says where the observation database is."""

from __future__ import annotations

import os
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from socm.diagnostics import Diagnostic, DiagnosticError, Place

SITE_FILE_VARIABLE = "SOTODLIB_SITECONFIG"
USER_FILE_VARIABLE = "SOTODLIB_USERCONFIG"
MAX_DEPTH = 20
MAX_SUBSTITUTIONS = 100
MAX_LENGTH = 100_000
"""Of a value with its tags put in, in characters."""
MAX_VALUES = 100_000
"""Values below all keys: a YAML file may repeat one part of itself without end."""


@dataclass(frozen=True, slots=True)
class Context:
    """A context file with its site and user files merged and its tags put in.

    ``obsdb`` is absolute or relative as the context's own path is; ``values`` holds every other
    key, tags substituted.
    """

    path: Path
    obsdb: Path
    values: Mapping[str, Any]
    files: tuple[Path, ...]
    """Every file that was read, in the order of merging."""


def read_context(path: Path, environ: Mapping[str, str] | None = None, base: Path | None = None) -> Context:
    """Return the context in `path`, merged and substituted as sotodlib.core.Context does it.

    `environ` are variables that the job gets besides those of the compile, their paths counted from `base`.
    The site file ($SOTODLIB_SITECONFIG, else site.yaml in the current folder) comes first, then the
    user's ($SOTODLIB_USERCONFIG, else ~/.sotodlib.yaml), then the context: later values win, ``tags``
    are merged, ``metadata`` is appended. Raises DiagnosticError: context-not-found,
    context-unreadable, context-without-obsdb, context-tag.
    """
    if not path.is_file():
        raise DiagnosticError(
            Diagnostic("context-not-found", f"the context file {path} does not exist")
            if not path.exists()
            else Diagnostic("context-not-found", f"the context {path} is no file")
        )
    optional = (
        _named_in(environ, SITE_FILE_VARIABLE, base) or Path("site.yaml"),
        _named_in(environ, USER_FILE_VARIABLE, base) or Path.home() / ".sotodlib.yaml",
    )
    files = (*(file for file in optional if file.is_file()), path)
    values: dict[str, Any] = {}
    for file in files:
        _merge(values, _read_yaml(file))
    tags = values.setdefault("tags", {}) or {}
    if not isinstance(tags, dict):
        raise DiagnosticError.of("context-unreadable", f"`tags` of {path} is not a map of names")
    values = _substitute(values, {str(name): value for name, value in tags.items()}, path, MAX_DEPTH)
    obsdb = values.get("obsdb")
    if not isinstance(obsdb, str) or not obsdb:
        raise DiagnosticError.of(
            "context-without-obsdb",
            f"the context file {path} names no observation database (`obsdb:`)",
            notes=(f"its keys: {', '.join(sorted(map(str, values)))}",),
        )
    return Context(path=path, obsdb=path.parent / obsdb, values=values, files=files)


def _named_in(environ: Mapping[str, str] | None, variable: str, base: Path | None) -> Path | None:
    if text := (environ or {}).get(variable):
        return (base or Path()) / os.path.expanduser(os.path.expandvars(text))  # noqa: PTH111 -- of a text
    return Path(text) if (text := os.environ.get(variable)) else None


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        values = yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 -- a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = Place(str(file), mark.line + 1, mark.column + 1) if mark else Place(str(file))
        problem = getattr(error, "problem", None) or str(error)
        raise DiagnosticError.of(
            "context-unreadable", f"{file} is not YAML: {problem}", place=place
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise DiagnosticError.of(
            "context-unreadable", f"{file} can't be read: {error}", place=Place(str(file))
        ) from error
    if not isinstance(values, dict):
        raise DiagnosticError.of(
            "context-unreadable", f"{file} is not a map of keys to values", place=Place(str(file), 1, 1)
        )
    _check_size(values, file)
    return values


def _check_size(values: dict[str, Any], file: Path) -> None:
    """Raise for values that go on without end: in YAML a part may stand for itself many times."""
    pending: list[Any] = [values]
    for _ in range(MAX_VALUES):
        if not pending:
            return
        value = pending.pop()
        if isinstance(value, dict):
            pending += value.values()
        elif isinstance(value, list | set | tuple):
            pending += value
    raise DiagnosticError.of(
        "context-unreadable", f"{file} holds more than {MAX_VALUES:,} values", place=Place(str(file))
    )


_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _merge(values: dict[str, Any], update: Mapping[str, Any]) -> None:
    for key, value in update.items():
        if key == "metadata" and isinstance(values.get(key), list) and isinstance(value, list):
            values[key] = values[key] + value
        elif key == "tags" and isinstance(values.get(key), dict) and isinstance(value, dict):
            values[key] = {**values[key], **value}
        else:
            values[key] = value


def _substitute(value: Any, tags: Mapping[str, Any], path: Path, depth: int) -> Any:
    """Put the tags into every string below `value`, again and again until nothing changes."""
    if depth == 0:
        raise DiagnosticError.of("context-tag", f"the values of {path} are nested too deeply")
    if isinstance(value, str):
        return _substitute_text(value, tags, path)
    if isinstance(value, list):
        return [_substitute(part, tags, path, depth - 1) for part in value]
    if isinstance(value, dict):
        return {key: _substitute(part, tags, path, depth - 1) for key, part in value.items()}
    return value


def _substitute_text(text: str, tags: Mapping[str, Any], path: Path) -> str:
    for _ in range(MAX_SUBSTITUTIONS):
        try:
            _refuse_more_than_names(text)
            changed = text.format(**tags)
        except KeyError as error:
            raise DiagnosticError.of(
                "context-tag",
                f"{path} uses the tag {error.args[0]!r}, which is not under `tags:`",
                notes=(f"its tags: {', '.join(sorted(tags)) or 'none'}",),
            ) from error
        except (ValueError, IndexError, AttributeError) as error:
            raise DiagnosticError.of(
                "context-tag", f"the tags in {text!r} of {path} can't be put in: {error}"
            ) from error
        if changed == text:
            return text
        if len(changed) > MAX_LENGTH:
            break
        text = changed
    raise DiagnosticError.of("context-tag", f"the tags of {path} refer to each other in a cycle")


def _refuse_more_than_names(text: str) -> None:
    """Raise ValueError for what a tag's name may have beside it: a width takes any amount of memory."""
    for _, name, form, conversion in string.Formatter().parse(text):
        if name is not None and (form or conversion or "." in name or "[" in name):
            raise ValueError(f"{name!r} is no plain name in braces")
