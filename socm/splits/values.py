"""What decides: the value of each observation, the groups it makes, and what is missing."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from socm.core.null_tests import SplitOptions
from socm.diagnostics import Diagnostic, DiagnosticError, Severity, did_you_mean
from socm.diagnostics.amounts import counted
from socm.splits.null_tests import NullTest
from socm.splits.sites import Site

Column = NDArray[Any]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Group:
    """One side of a test: the rows that belong to it and the detectors its maps use (() = all).

    `half` is that of each observation which is mapped; empty where it is the whole.
    """

    name: str
    members: Mask
    wafers: tuple[str, ...] = ()
    tubes: tuple[str, ...] = ()
    optional: bool = False
    half: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a rule says of every observation, in the order of the selection."""

    value: Column
    """The deciding value: float64 (NaN where missing) or str."""
    missing: Mask
    groups: tuple[Group, ...]
    threshold: Floats | None = None
    crossing: Mask | None = None
    warnings: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True)
class Selection:
    """The columns of the selected observations and all that a rule may ask about them."""

    columns: Mapping[str, Column]
    test: NullTest
    options: SplitOptions
    available: Collection[str] = ()
    default_site: Site | str | None = None
    previous_threshold: float | None = None
    tubes: tuple[str, ...] = ()
    wafers: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.columns["obs_id"])

    def has(self, name: str) -> bool:
        """Whether the column is there, with something in it."""
        return name in self.columns

    def detector_columns(self) -> tuple[str, ...]:
        """Return the columns that say whether an observation has the wafers and tubes asked for."""
        asked = {"wafer_slots_list": self.wafers, "tube_slot": self.tubes}
        return tuple(name for name, detectors in asked.items() if detectors and self.has(name))

    def numbers(self, *alternatives: str) -> Floats:
        """Return the first of the columns that is there, as float64 with NaN where it is missing.

        Raises DiagnosticError: missing-column, column-not-numeric.
        """
        values = self._column(*alternatives)
        name = next(name for name in alternatives if name in self.columns)
        if values.dtype == object:
            if not any(values):
                return np.full(len(values), np.nan)
            # What is stored as a number reads as one; NaN has no other form than text.
            no_numbers = [value for value in values if value and not _is_number(value)]
            found = no_numbers or [value for value in values if value]
            raise DiagnosticError.of(
                "column-not-numeric",
                f"{self.test.section} compares numbers, but `{name}` holds text in {len(found):,} of the "
                f"{counted(len(values), 'observation')}, such as {found[0]!r}",
                key=self.column_key(),
                hint=f"typeof({name}) != 'text' in the query leaves them out; where there is no value, "
                "the database should hold NULL",
            )
        finite: Floats = np.where(np.isfinite(values), values, np.nan)
        return finite

    def text(self, *alternatives: str) -> Column:
        """Return the first of the columns that is there, as str with "" where it is missing.

        Raises DiagnosticError: missing-column.
        """
        return as_text(self._column(*alternatives))

    def column_key(self) -> tuple[str, ...]:
        """Return the key of the user's table that named the column, () where none did."""
        if self.options.split_by is not None:
            return ("split_by",)
        return ("categories",) if self.options.categories is not None else ()

    def _column(self, *alternatives: str) -> Column:
        for name in alternatives:
            if name in self.columns:
                return self.columns[name]
        raise DiagnosticError(missing_column(self, alternatives))


def as_text(values: Column) -> Column:
    """Return a column as str with "" where it is missing: one whose values are all NULL reads as numbers."""
    if values.dtype == object:
        return values
    text = np.empty(len(values), dtype=object)
    text[:] = ["" if value != value else f"{value:.12g}" for value in values.tolist()]
    return text


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def missing_column(selection: Selection, alternatives: tuple[str, ...]) -> Diagnostic:
    """Return the error of a test whose column the observation database lacks."""
    there = sorted({*selection.available, *selection.columns})
    wanted = " nor ".join(f"`{name}`" for name in alternatives)
    has = "has neither" if len(alternatives) > 1 else "has no"
    return Diagnostic(
        "missing-column",
        f"{selection.test.section} needs the column {wanted}, which the observations don't have"
        if len(alternatives) == 1
        else f"{selection.test.section} needs a column that the observations don't have: "
        f"the database {has} {wanted}",
        key=selection.column_key(),
        # Whoever didn't write the name didn't misspell it either.
        hint=did_you_mean(alternatives[0], there)
        if selection.column_key()
        else "a test of your own can split by another column: split_by",
        notes=(f"columns: {', '.join(there)}",),
    )


def factorise(values: Column) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the distinct texts in order of appearance, and the number of each row's.

    Of a column that nobody can write to, the answer is kept as long as the column is: each test asks again.
    """
    known = _FACTORISED.get(id(values))
    if known is not None and known[0]() is values and not values.flags.writeable:
        return known[1]
    texts = values.tolist()
    codes = {text: code for code, text in enumerate(dict.fromkeys(texts))}
    numbers = np.fromiter(map(codes.__getitem__, texts), dtype=np.int64, count=len(texts))
    numbers.flags.writeable = False
    if not values.flags.writeable:
        forget = partial(_FACTORISED.pop, id(values), None)
        _FACTORISED[id(values)] = weakref.ref(values, lambda _: forget()), (tuple(codes), numbers)
    return tuple(codes), numbers


_FACTORISED: dict[int, tuple[weakref.ref[Column], tuple[tuple[str, ...], NDArray[np.int64]]]] = {}


def warning(code: str, message: str, **more: Any) -> Diagnostic:
    """Return a warning with the key of the test's own table."""
    return Diagnostic(code, message, severity=Severity.WARNING, key=(), **more)


Rule = Callable[[Selection], Decision]
