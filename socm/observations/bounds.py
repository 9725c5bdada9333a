"""What a query may cost: time, memory, and the length of a text, with Ctrl-C at any moment.

The query is the user's text and the database may hold views of anybody's, so that neither is known to
end. SQLite calls back while it works: there the clock is read and an interrupt is taken.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from socm.diagnostics import DiagnosticError

SECONDS_VARIABLE = "SOCM_QUERY_SECONDS"
MEMORY_VARIABLE = "SOCM_QUERY_MB"
LENGTH_VARIABLE = "SOCM_QUERY_LENGTH"
OPERATIONS_BETWEEN_LOOKS = 100_000
"""Of SQLite's virtual machine: about a millisecond."""
QUIET_SECONDS = 2.0
LONGEST_PATTERN = 1_000
"""Of LIKE and GLOB: one comparison is a single operation, which nothing interrupts."""
BYTES_A_CELL = 64
"""What a value that was read takes until it stands in an array."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one query may take; a query over some million observations stays well below all of them."""

    seconds: float = 600.0
    memory_mb: int = 4_000
    length: int = 1_000_000
    """Bytes of one text or one row of the database."""

    @classmethod
    def from_environment(cls) -> Limits:
        """Return the limits that the environment sets; raises DiagnosticError (bad-limit)."""
        names = {"seconds": SECONDS_VARIABLE, "memory_mb": MEMORY_VARIABLE, "length": LENGTH_VARIABLE}
        values = {key: _number(name) for key, name in names.items() if os.environ.get(name)}
        return cls(
            seconds=float(values.get("seconds", cls().seconds)),
            memory_mb=values.get("memory_mb", cls().memory_mb),
            length=values.get("length", cls().length),
        )

    @property
    def most_cells(self) -> int:
        """How many values a query may return."""
        return self.memory_mb * 1_000_000 // BYTES_A_CELL


def _number(name: str) -> int:
    text = os.environ[name]
    if text.isascii() and text.isdigit() and 0 < int(text[:10]) <= 2_000_000_000:
        return int(text)
    raise DiagnosticError.of(
        "bad-limit", f"${name} is {text!r}, which is not an integer from 1 to 2,000,000,000"
    )


class QueryTooLongError(Exception):
    """A query went beyond one of its limits; the text says which and how to raise it."""


@dataclass
class Watch:
    """Watches the queries on one connection; their time counts together."""

    limits: Limits
    started: float = field(default_factory=time.monotonic)
    _shown_seconds: int = 0
    _stop: BaseException | None = None

    def set_on(self, connection: sqlite3.Connection) -> None:
        """Bound everything that this connection runs from now on."""
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, self.limits.length)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, LONGEST_PATTERN)
        # What a query sorts or collects stays in memory, where this counts it, and never fills a disk.
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(f"PRAGMA hard_heap_limit = {self.limits.memory_mb * 1_000_000}")
        connection.set_progress_handler(self._look, OPERATIONS_BETWEEN_LOOKS)

    @contextmanager
    def bounded(self) -> Iterator[None]:
        """Raise QueryTooLongError or KeyboardInterrupt where a query inside the block was stopped."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
                # Ctrl-C may come before the first line of the callback.
                raise (self._stop or KeyboardInterrupt()) from None
            if "too big" in str(error):
                length = f"{self.limits.length:,} bytes"
                raise QueryTooLongError(
                    f"a string in it is longer than {length} ({LENGTH_VARIABLE} raises that)"
                ) from None
            raise
        except MemoryError:
            raise self._beyond_memory() from None
        finally:
            if self._shown_seconds:
                _show("")

    def check_cells(self, cells: int) -> None:
        """Raise QueryTooLongError where a query returned more values than may be kept."""
        if cells > self.limits.most_cells:
            raise self._beyond_memory()

    def _beyond_memory(self) -> QueryTooLongError:
        return QueryTooLongError(
            f"it takes more than {self.limits.memory_mb:,} MB of memory ({MEMORY_VARIABLE} raises that)"
        )

    def _look(self) -> int:
        """Return 1 to stop the query. SQLite swallows what is raised here, so that it is kept."""
        try:
            seconds = time.monotonic() - self.started
            if seconds > self.limits.seconds:
                self._stop = QueryTooLongError(
                    f"it has not ended after {self.limits.seconds:g} s ({SECONDS_VARIABLE} raises that)"
                )
                return 1
            if seconds > QUIET_SECONDS and int(seconds) > self._shown_seconds and sys.stderr.isatty():
                self._shown_seconds = int(seconds)
                _show(f"query: {int(seconds)} s of at most {self.limits.seconds:g} s (Ctrl-C stops it)")
        except BaseException as error:  # noqa: BLE001 -- raised again once SQLite has stopped
            self._stop = error
            return 1
        return 0


def _show(text: str) -> None:
    sys.stderr.write(f"\r\x1b[K{text}")  # noqa: TID251 -- it writes over itself
    sys.stderr.flush()
