"""References between workflows: ``${mapmaking.map}`` is a field or an output of another workflow.

Texts of a workflow keep their references until the graph knows what the other workflow makes;
`Workflow.references` lists them and `Workflow.resolved` puts the values in. ``$${a.b}`` stands for
the text ``${a.b}`` itself. ``${self.band}`` is a value of the workflow that says it: of its matrix,
its inputs and outputs, or its fields.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from socm.diagnostics import KeyPath

_REFERENCE = re.compile(r"\$(\$?)\{([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)\.([A-Za-z0-9_-]+)\}")


SELF = "self"
"""What a workflow calls itself in a reference."""


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """A field or an output of another workflow, as a text names it: ``${workflow.attribute}``."""

    workflow: str
    attribute: str

    def __str__(self) -> str:
        return f"${{{self.workflow}.{self.attribute}}}"


Resolve = Callable[[Reference], str | tuple[str, ...]]
"""Gives the value of a reference: one text, or one for each job of a workflow that has several."""


def references_in(text: str) -> tuple[Reference, ...]:
    """Return the references in a text, in order."""
    return tuple(Reference(match[2], match[3]) for match in _REFERENCE.finditer(text) if not match[1])


def rename_references(text: str, rename: Callable[[Reference], Reference]) -> str:
    """Return the text with every reference replaced by another one."""
    return _REFERENCE.sub(
        lambda match: match[0] if match[1] else str(rename(Reference(match[2], match[3]))), text
    )


def substitute(text: str, resolve: Resolve) -> str | tuple[str, ...]:
    """Return a text with its references replaced by their values.

    Where a value is a list the result is the list of texts, one for each of its values; several
    lists in one text go in step if they are equally long, and raise ValueError if they are not.
    """
    values = {reference: resolve(reference) for reference in references_in(text)}
    lengths = {len(value) for value in values.values() if isinstance(value, tuple)}
    if not lengths:
        return _replace(text, values, None)
    if len(lengths) > 1:
        raise ValueError(f"{text!r} joins lists of different lengths")
    return tuple(_replace(text, values, index) for index in range(lengths.pop()))


def _replace(text: str, values: Mapping[Reference, str | tuple[str, ...]], index: int | None) -> str:
    def value_of(match: re.Match[str]) -> str:
        if match[1]:
            return match[0][1:]
        value = values[Reference(match[2], match[3])]
        return value if isinstance(value, str) else value[index or 0]

    return _REFERENCE.sub(value_of, text)


def texts_in(value: Any, key: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Yield every text inside a value with its key: in tables, lists and models."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from texts_in(getattr(value, name), (*key, name))
        yield from texts_in(value.model_extra or {}, key)
    elif isinstance(value, Mapping):
        for name, entry in value.items():
            yield from texts_in(entry, (*key, name))
    elif isinstance(value, list | tuple):
        for index, entry in enumerate(value):
            yield from texts_in(entry, (*key, index))


def map_texts(value: Any, change: Callable[[str], str | tuple[str, ...]]) -> Any:
    """Return a value with every text inside it changed; a text in a list may become several.

    Raises ValueError where a key of a model would become several.
    """
    if isinstance(value, str):
        return change(value)
    if isinstance(value, BaseModel):
        names = [*type(value).model_fields, *(value.model_extra or {})]
        changed = {name: map_texts(getattr(value, name), change) for name in names}
        single = [name for name in names if isinstance(getattr(value, name), str)]
        several = [name for name in single if isinstance(changed[name], tuple)]
        if several:
            raise ValueError(f"`{several[0]}` takes one text")
        return value.model_copy(
            update={name: entry for name, entry in changed.items() if entry is not getattr(value, name)}
        )
    if isinstance(value, Mapping):
        return {name: map_texts(entry, change) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        entries: list[Any] = []
        for entry in value:
            changed_entry = map_texts(entry, change)
            if isinstance(entry, str) and isinstance(changed_entry, tuple):
                entries += changed_entry
            else:
                entries.append(changed_entry)
        return tuple(entries)
    return value
