"""Inheritance: the tables that a workflow's values come from, the nearest last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from socm.core.annotations import classes_in
from socm.core.fields import ProgramOptions
from socm.core.models import Section
from socm.diagnostics import Collector, KeyPath


@dataclass(frozen=True, slots=True)
class Layer:
    """A table that gives values to a workflow, and its path in the document."""

    table: Mapping[str, Any]
    path: KeyPath


@dataclass
class Merged:
    """The values of a table after inheriting, and where each was written."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[KeyPath, KeyPath] = field(default_factory=dict)

    def origin(self, key: KeyPath, table: KeyPath) -> KeyPath:
        """Return where a key was written; for one that wasn't, where it would be in `table`."""
        for length in range(len(key), 0, -1):
            if key[:length] in self.origins:
                return self.origins[key[:length]] + key[length:]
        return table + key

    def drop(self, name: str) -> None:
        """Forget a top-level key and what is below it."""
        del self.values[name]
        self.origins = {key: origin for key, origin in self.origins.items() if key[0] != name}

    def rename(self, old: KeyPath, new: KeyPath) -> None:
        """Move the value of a top-level key elsewhere; what is there already stays."""
        value = self.values.pop(str(old[0]))
        origin = self.origins.pop(old)
        table = self.values
        for part in new[:-1]:
            table = table.setdefault(str(part), {})
            if not isinstance(table, dict):
                return
        if new[-1] not in table:
            table[str(new[-1])] = value
            self.origins[new] = origin


def plain(key: str) -> str:
    """Return a key in the spelling that the models use: hyphens and underscores are the same."""
    return key.replace("-", "_")


def merge_layers(
    layers: Sequence[Layer], model: type[BaseModel] | None, options: ProgramOptions | None = None
) -> Merged:
    """Return what the layers say together: nearer ones win, tables are merged key by key.

    `model` defines which keys may be spelt with ``-`` or ``_``; without one they are taken as they
    are. `options` gives the program's own spelling of what stands in the table ``options``.
    """
    merged = Merged()
    for name, found in _by_name(layers, model).items():
        tables = _tables_on_top(found)
        if tables:
            inner = merge_layers(tables, section_class(model, name), None)
            if name == "options" and options:
                inner = _spelt(inner, options)
            merged.values[name] = inner.values
            merged.origins[(name,)] = tables[-1].path
            merged.origins |= {(name, *key): origin for key, origin in inner.origins.items()}
        else:
            value, path = found[-1]
            merged.values[name] = value
            merged.origins[(name,)] = path
    return merged


def _by_name(layers: Sequence[Layer], model: type[BaseModel] | None) -> dict[str, list[tuple[Any, KeyPath]]]:
    by_name: dict[str, list[tuple[Any, KeyPath]]] = {}
    for layer in layers:
        for key, value in layer.table.items():
            by_name.setdefault(field_name(key, model), []).append((value, (*layer.path, key)))
    return by_name


def _tables_on_top(found: Sequence[tuple[Any, KeyPath]]) -> list[Layer]:
    """Return the tables of one name that are merged: those nearer than any value that is no table."""
    tables: list[Layer] = []
    for value, path in reversed(found):
        if not isinstance(value, Mapping):
            break
        tables.insert(0, Layer(value, path))
    return tables


def _spelt(merged: Merged, options: ProgramOptions) -> Merged:
    if options.dotted:
        merged = _with_dotted_names(merged)
    spelling = {name: options.spelling(name) for name in merged.values}
    return Merged(
        {spelling[name]: value for name, value in merged.values.items()},
        {(spelling[str(key[0])], *key[1:]): origin for key, origin in merged.origins.items()},
    )


def _with_dotted_names(merged: Merged) -> Merged:
    """Return options whose names have parts, which TOML reads as tables in tables, by their full names."""
    flat = Merged()

    def take(value: Any, key: KeyPath) -> None:
        if isinstance(value, Mapping) and value:
            for name, entry in value.items():
                take(entry, (*key, name))
        else:
            name = ".".join(map(str, key))
            flat.values[name] = value
            flat.origins[(name,)] = merged.origin(key, ())

    for name, value in merged.values.items():
        take(value, (name,))
    return flat


def field_name(key: str, model: type[BaseModel] | None) -> str:
    """Return the field that a key means, or the key itself where it is none."""
    return plain(key) if model is not None and plain(key) in model.model_fields else key


def section_class(model: type[BaseModel] | None, name: str) -> type[BaseModel] | None:
    """Return the class of a field that is a table of the language; None for free tables."""
    if model is None or name not in model.model_fields:
        return None
    classes = [c for c in classes_in(model.model_fields[name].annotation) if issubclass(c, BaseModel)]
    return classes[0] if len(classes) == 1 else None


def check_spellings(
    table: Mapping[str, Any], path: KeyPath, model: type[BaseModel], problems: Collector
) -> None:
    """Report keys that a table has twice, once with hyphens and once with underscores."""
    seen: dict[str, str] = {}
    for key, value in table.items():
        name = field_name(key, model)
        if name in seen:
            message = f"`{key}` and `{seen[name]}` are the same key"
            problems.error(
                "duplicate-key", message, key=(*path, key), point_at="key", hint="keep one of them"
            )
        seen[name] = key
        inner = section_class(model, name)
        if inner is not None and issubclass(inner, Section) and isinstance(value, Mapping):
            check_spellings(value, (*path, key), inner, problems)
