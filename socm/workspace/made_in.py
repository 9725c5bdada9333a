"""What a product was made in: the note that its job wrote beside its log when it started."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from socm.diagnostics import DiagnosticError
from socm.formats.foreign import read_table
from socm.formats.layout import LOGS

NOTE_SUFFIX = ".environment.json"
"""What stands instead of .log in the name of a note."""


def read_note(workspace: Path, product: Path) -> tuple[str, Mapping[str, Any]]:
    """Return the path of the note on a product and what it says; a product may lie in a declared folder.

    It is found by what it says that the job makes, whatever the campaign says now. `product` is
    relative to the present folder. Raises DiagnosticError `no-note`.
    """
    wanted = {os.path.realpath(path) for path in (product, *product.absolute().parents)}
    if not product.exists():
        raise DiagnosticError.of(
            "no-note", f"{product} is not here", hint="name a file or folder that a job has made"
        )
    notes = dict(_notes(workspace))
    found = {
        path: note
        for path, note in notes.items()
        if note and any(os.path.realpath(workspace / output) in wanted for output in note["outputs"])
    }
    if not found:
        raise DiagnosticError.of(
            "no-note",
            f"no job of {workspace.resolve()} has noted that it made {product}",
            hint="name the workspace: socm status FOLDER --of PRODUCT",
            notes=tuple(f"{path} can't be read" for path, note in notes.items() if note is None),
        )
    newest = max(found, key=lambda path: path.stat().st_mtime)
    return str(newest.relative_to(workspace)), found[newest]


def _notes(workspace: Path) -> Iterator[tuple[Path, Mapping[str, Any] | None]]:
    """Yield each note that jobs left here; None in the place of one that can't be read."""
    for path in sorted((workspace / LOGS).rglob(f"*{NOTE_SUFFIX}")):
        note = read_table(path)
        outputs, environment = note.get("outputs"), note.get("environment", {})
        is_note = isinstance(outputs, list) and all(isinstance(output, str) for output in outputs)
        yield path, note if is_note and isinstance(environment, dict) else None


def note_text(product: Path, path: str, note: Mapping[str, Any]) -> str:
    """Return a note as lines of text: what the campaign asked for, and what the job found."""
    facts = dict(note)
    environment = facts.pop("environment", {})
    facts.pop("outputs")
    workflow = environment.get("workflow", "?")
    where = f" as Slurm {facts.pop('slurm_id')}" if "slurm_id" in facts else ""
    lines = [
        f"{product}: made by a job of {workflow}{where} on {facts.pop('host', '?')}",
        f"started {facts.pop('started', '?')}",
        f"socm {facts.pop('socm', '?')}, Snakemake {facts.pop('snakemake', '?')}; noted in {path}",
        "",
        "asked for",
        *_lines({name: value for name, value in environment.items() if name != "workflow"}),
        "",
        "found",
        *_lines(facts),
    ]
    return "".join(f"{line}\n" for line in lines)


def _lines(values: Mapping[str, Any]) -> Iterator[str]:
    if not values:
        yield "  nothing: what was there where Snakemake was started"
    for name, value in values.items():
        match value:
            case dict():
                yield from (f"  {name} {key}={text}" for key, text in value.items())
            case list():
                yield f"  {name} {' '.join(map(str, value))}"
            case _:
                first, *more = str(value).splitlines() or [""]
                yield f"  {name} {first}"
                yield from (f"  {' ' * len(name)} {line}" for line in more)
