"""A diagnostic is a value: rooms return or raise it, the command line prints it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal, Self, TypedDict, Unpack

KeyPath = tuple[str | int, ...]
"""The path of keys to a value in the user's document: ``("campaign", "ml-mapmaking", "query")``."""


class Severity(StrEnum):
    """How bad a diagnostic is: an error stops the compile, a warning or a note does not."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in a file: line and column count from 1, in characters; None where it isn't known."""

    file: str
    line: int | None = None
    column: int | None = None
    length: int = 1


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem: what happened, where, and what to do.

    A room that doesn't know the text of the user's document names the ``key`` it speaks of; the
    document that was read turns keys into places (`socm.config.Document.locate`). `point_at` says
    whether the key or its value is wrong; a table is pointed at by its header in either case.
    """

    code: str
    message: str
    severity: Severity = Severity.ERROR
    place: Place | None = None
    key: KeyPath | None = None
    point_at: Literal["key", "value"] = "value"
    hint: str | None = None
    notes: tuple[str, ...] = ()

    def under(self, prefix: KeyPath) -> Diagnostic:
        """Return the same diagnostic with its key counted from further up in the document."""
        return replace(self, key=prefix + (self.key or ()))


def file_order(diagnostic: Diagnostic) -> tuple[str, int, int]:
    """Return what diagnostics are sorted by: file, line and column; those without a place come first."""
    place = diagnostic.place
    return ("", 0, 0) if place is None else (place.file, place.line or 0, place.column or 0)


class Details(TypedDict, total=False):
    """What a problem may have besides its code and message: fields of `Diagnostic`."""

    place: Place | None
    key: KeyPath | None
    point_at: Literal["key", "value"]
    hint: str | None
    notes: tuple[str, ...]


class DiagnosticError(Exception):
    """Carries every problem of one phase to whoever prints them; a traceback shows notes and hints."""

    def __init__(self, diagnostics: Diagnostic | Iterable[Diagnostic]) -> None:
        self.diagnostics: tuple[Diagnostic, ...] = (
            (diagnostics,) if isinstance(diagnostics, Diagnostic) else tuple(diagnostics)
        )
        super().__init__("; ".join(f"{d.severity}[{d.code}]: {d.message}" for d in self.diagnostics))
        for diagnostic in self.diagnostics:
            for note in diagnostic.notes:
                self.add_note(note)
            if diagnostic.hint:
                self.add_note(f"hint: {diagnostic.hint}")

    @classmethod
    def of(cls, code: str, message: str, **details: Unpack[Details]) -> Self:
        """Return the error of a single problem."""
        return cls(Diagnostic(code, message, **details))


@dataclass
class Collector:
    """Collects the problems of a phase, so that all are reported at once."""

    diagnostics: list[Diagnostic] = field(default_factory=list)

    def add(self, diagnostic: Diagnostic) -> None:
        """Keep one diagnostic."""
        self.diagnostics.append(diagnostic)

    def error(self, code: str, message: str, **details: Unpack[Details]) -> None:
        """Keep a problem that stops the compile."""
        self.add(Diagnostic(code, message, **details))

    def warning(self, code: str, message: str, **details: Unpack[Details]) -> None:
        """Keep a problem that doesn't stop it."""
        self.add(Diagnostic(code, message, Severity.WARNING, **details))

    def note(self, code: str, message: str, **details: Unpack[Details]) -> None:
        """Keep what the user should know."""
        self.add(Diagnostic(code, message, Severity.NOTE, **details))

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Keep several diagnostics."""
        self.diagnostics.extend(diagnostics)

    @contextmanager
    def at(self, prefix: KeyPath = ()) -> Iterator[None]:
        """Keep the diagnostics raised inside the block, their keys counted from `prefix`."""
        try:
            yield
        except DiagnosticError as error:
            self.extend(diagnostic.under(prefix) for diagnostic in error.diagnostics)

    @property
    def has_errors(self) -> bool:
        """Whether any of the problems stops the compile."""
        return any(diagnostic.severity is Severity.ERROR for diagnostic in self.diagnostics)

    def raise_if_errors(self) -> None:
        """Raise everything collected if there is an error among it."""
        if self.has_errors:
            raise DiagnosticError(self.diagnostics)


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` was most likely meant to be, or None."""
    matches = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return matches[0] if matches else None


def did_you_mean(
    name: str, known: Iterable[str], otherwise: str | None = None, quote: str = "`"
) -> str | None:
    """Return the hint that names the known name nearest to `name`; `otherwise` where none is near."""
    nearest = nearest_name(name, known)
    return f"did you mean {quote}{nearest}{quote}?" if nearest else otherwise
