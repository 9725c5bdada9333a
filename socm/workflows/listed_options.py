"""The options of programs (sotodlib 0.6.24), for where a program can't be asked.

Each program has a file in ``options``, with a line for each option: its name, ``=`` if it takes a value,
and the key of the campaign file that sets it, if there is one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from socm.core.fields import ProgramOptions

LISTED_BY = "sotodlib 0.6.24"


@dataclass(frozen=True)
class _Column(Mapping[str, Any]):
    """A column of a program's list by option, read when first looked at: toast_so_sim has 1,841."""

    program: str
    number: int

    def __getitem__(self, name: str) -> Any:
        return _columns(self.program)[self.number][name]

    def __iter__(self) -> Iterator[str]:
        return iter(_columns(self.program)[self.number])

    def __len__(self) -> int:
        return len(_columns(self.program)[self.number])


@cache
def _columns(program: str) -> tuple[dict[str, bool], dict[str, str]]:
    text = Path(__file__).with_name("options").joinpath(f"{program}.txt").read_text(encoding="utf-8")
    lines = [line.partition(" ") for line in text.splitlines()]
    takes_value = {name.rstrip("="): name.endswith("=") for name, _, _ in lines}
    return takes_value, {name.rstrip("="): key for name, _, key in lines if key}


def listed_options(program: str, **settings: Any) -> ProgramOptions:
    """Return the listed options of a program; `settings` are further fields of ProgramOptions."""
    columns = _Column(program, 0), _Column(program, 1)
    return ProgramOptions(program, *columns, listed_by=LISTED_BY, **settings)
