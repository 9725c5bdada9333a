"""What pydantic found wrong with a table, said in the words of the campaign language."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from socm.config.document import table_name
from socm.config.layers import section_class
from socm.core.models import INTERNAL_FIELDS, ClusterSize
from socm.diagnostics import Diagnostic, KeyPath, nearest_name
from socm.diagnostics.amounts import some_of

_EXPECTED = {
    "bool": "true or false",
    "int": "an integer",
    "float": "a number",
    "string": "a string",
    "str": "a string",
    "finite": "a finite number",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozen": "a list",
    "iterable": "a list",
    "dict": "a table",
    "mapping": "a table",
    "model": "a table",
    "dataclass": "a table",
    "date": "a date",
    "datetime": "a date and time",
    "path": "a path",
}
_LIMITS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
    "multiple_of": ("multiple_of", "a multiple of"),
}
_FEW_KEYS = 4


def problems_of(
    error: ValidationError,
    model: type[BaseModel],
    values: Mapping[str, Any],
    origin: Callable[[KeyPath], KeyPath],
) -> list[Diagnostic]:
    """Return a diagnostic for each key that pydantic complains of.

    `values` is what was validated; `origin` says where a key of it was written.
    """
    by_key: dict[KeyPath, list[ErrorDetails]] = {}
    for details in error.errors(include_url=False):
        key = tuple(details["loc"])
        if details["type"] == "missing":
            key = (*_existing_part(key[:-1], values), key[-1])
        else:
            key = _existing_part(key, values)
        by_key.setdefault(key, []).append(details)
    return [
        _problem(key, found, model, origin)
        for key, found in by_key.items()
        if not _is_of_another_branch(key, found, by_key)
    ]


def _existing_part(key: KeyPath, values: Any) -> KeyPath:
    """Leave out what pydantic adds to a key: the branch of a union, the mark of a table's key."""
    existing: list[str | int] = []
    for part in key:
        if isinstance(values, str):
            continue  # it may stand for a list of one
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            continue
        existing.append(part)
    return tuple(existing)


def _is_of_another_branch(
    key: KeyPath, found: Sequence[ErrorDetails], all_keys: Mapping[KeyPath, Sequence[ErrorDetails]]
) -> bool:
    """Return whether a table is only said to be no text, where something in the table is wrong."""
    only_type = all(d["type"].endswith("_type") and isinstance(d["input"], Mapping) for d in found)
    return only_type and any(other[: len(key)] == key and other != key for other in all_keys)


def _problem(
    key: KeyPath, found: Sequence[ErrorDetails], model: type[BaseModel], origin: Callable[[KeyPath], KeyPath]
) -> Diagnostic:
    details = found[0]
    written = origin(key)
    kind = details["type"]
    if kind == "missing":
        return missing_key(written, _model_at(model, key[:-1]))
    if kind == "extra_forbidden":
        return unknown_key(written, known_keys(_model_at(model, key[:-1])))
    context = details.get("ctx", {})
    if "message" in context:
        return Diagnostic(kind, context["message"], key=written, hint=context.get("hint"))
    name = _name_of(key)
    if kind in _LIMITS:
        limit, words = _LIMITS[kind]
        message = f"{name} must be {words} {context[limit]:g}, not {details['input']}"
        return Diagnostic("out-of-range", message, key=written)
    choices = [d for d in found if d["type"] in {"literal_error", "enum"}]
    expected = [_EXPECTED[word] for d in found if (word := d["type"].split("_")[0]) in _EXPECTED]
    if choices and len(choices) + len(expected) == len(found):
        return _wrong_choice(name, choices[0], expected, written)
    if expected and len(expected) == len(found):
        wanted = " or ".join(dict.fromkeys(expected))
        given = describe(details["input"])
        hint = "put it in quotes" if "a string" in wanted and _is_bare(details["input"]) else None
        return Diagnostic("wrong-type", f"{name} must be {wanted}, not {given}", key=written, hint=hint)
    reason = str(context["error"]) if "error" in context else details["msg"][:1].lower() + details["msg"][1:]
    return Diagnostic("wrong-value", f"{name}: {reason}", key=written)


def _wrong_choice(name: str, details: ErrorDetails, others: Sequence[str], written: KeyPath) -> Diagnostic:
    choices = str(details.get("ctx", {}).get("expected", "")).replace("'", '"')
    given = details["input"]
    known = [choice.strip(' "') for choice in choices.replace(" or ", ",").split(",")]
    nearest = nearest_name(given, known) if isinstance(given, str) else None
    return Diagnostic(
        "wrong-value",
        f"{name} must be {' or '.join((*dict.fromkeys(others), choices))}, not {describe(given)}",
        key=written,
        hint=f'did you mean "{nearest}"?' if nearest else None,
    )


def _is_bare(value: Any) -> bool:
    return isinstance(value, int | float | datetime.date | datetime.time) and not isinstance(value, bool)


def _name_of(key: KeyPath) -> str:
    names = [part for part in key if isinstance(part, str)]
    if not names:
        return "this table"
    return f"an entry of `{names[-1]}`" if isinstance(key[-1], int) else f"`{names[-1]}`"


def describe(value: Any) -> str:
    """Return a value of the document as a message names it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        shown = value if len(value) <= 40 else value[:40] + "…"
        return f'the string "{shown}"'
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, Sequence):
        return "a list"
    if isinstance(value, datetime.date | datetime.time):
        return f"the date {value.isoformat()}"
    return f"{value!r}"


def list_of_tables(value: Any) -> bool:
    """Return whether a value was written under headers in double brackets, or looks like that."""
    return isinstance(value, list) and bool(value) and all(isinstance(entry, Mapping) for entry in value)


def _model_at(model: type[BaseModel] | None, key: KeyPath) -> type[BaseModel] | None:
    for part in key:
        model = section_class(model, part) if isinstance(part, str) else model
    return model


def known_keys(model: type[BaseModel] | None) -> tuple[str, ...]:
    """Return the keys of a table as documentation spells them."""
    if model is None:
        return ()
    names = tuple(name for name in model.model_fields if name not in INTERNAL_FIELDS)
    return tuple(name.replace("_", "-") for name in names) if model is ClusterSize else names


def missing_key(key: KeyPath, model: type[BaseModel] | None) -> Diagnostic:
    """Return the problem of a key that must be given."""
    name = str(key[-1])
    field = model.model_fields.get(name) if model else None
    notes = (f"{name}: {field.description}",) if field and field.description else ()
    return Diagnostic(
        "missing-key", f"missing key `{name}` in {table_name(key[:-1])}", key=key, point_at="key", notes=notes
    )


def unknown_key(key: KeyPath, known: Iterable[str], hint: str | None = None) -> Diagnostic:
    """Return the problem of a key that means nothing where it stands."""
    names = tuple(known)
    spelt = {name.replace("-", "_"): name for name in names}
    nearest = spelt.get(nearest_name(str(key[-1]).replace("-", "_"), list(spelt)) or "")
    most = len(names) if nearest is None else _FEW_KEYS
    return Diagnostic(
        "unknown-key",
        f"unknown key `{key[-1]}` in {table_name(key[:-1]) if len(key) > 1 else 'the document'}",
        key=key,
        point_at="key",
        hint=f"did you mean `{nearest}`?" if nearest else hint,
        notes=(f"known keys: {some_of(names, most)}",) if names else (),
    )
