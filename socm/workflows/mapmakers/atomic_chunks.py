"""Which job maps or preprocesses which observation: chunks that an observation never leaves.

What a job maps is what it is, so an observation that joins or leaves a chunk would have all of it mapped
again. A chunk holds what one telescope or tube observes in some days of a fixed calendar. Once its maps are
made it stays as it is, which the account of them says: observations of the same days that come later make a
chunk of their own, and one that left the campaign stays in it.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, cast

from socm.core.jobs import JobSpec
from socm.core.query_lines import QueryLines
from socm.diagnostics import Collector, DiagnosticError
from socm.formats.account import A, Account, copy_of, read_account
from socm.formats.atomic_maps import FULL, AtomicMaps
from socm.formats.coverage import Skipped
from socm.formats.layout import program_config, query_file
from socm.formats.preprocessed import PreprocessedArchive
from socm.observations.asked import id_end

ATOMIC_DIR = "results/atomic"
PREPROCESS_DIR = "results/preprocess"
DAY_S = 86_400
_TIME = re.compile(r"(?<!\d)\d{9,10}(?!\d)")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_PLAIN = re.compile(r"[^A-Za-z0-9.-]+")


@dataclass
class Chunk:
    """Observations of one job. `made` are those that it did already, `wanted` those that are wanted now."""

    name: str
    query_file: str
    made: frozenset[str] = frozenset()
    wanted: set[str] = field(default_factory=set)

    @property
    def group(self) -> str:
        """What the job is of besides its telescope and days: the folders that its name begins with."""
        return posixpath.dirname(self.name)

    @property
    def observations(self) -> frozenset[str]:
        """All that the job is given: what it did, and what is wanted."""
        return self.made | self.wanted


class Chunks(ABC):
    """The chunks in one folder, `directory` below `base`: those that are made, and those that are added to.

    Raises DiagnosticError for every account that can't be read: what is made isn't known without it.
    """

    stem: ClassVar[str]
    """What their rules and files are called."""
    default: ClassVar[str]
    """The folder that goes without saying."""
    key: ClassVar[str]
    """The key of a workflow's table that names the folder."""
    model: ClassVar[type[Account]]
    """What their accounts are."""

    def __init__(self, base: Path, directory: str, groups: str, days: int) -> None:
        self.days, self.directory = days, directory
        self.folder = word_of(directory)
        self.chunks: dict[str, Chunk] = {}
        self.place: dict[tuple[str, str], str] = {}
        problems = Collector()
        for path in sorted((base / directory).glob(posixpath.join(groups, "*", f"{self.model.folder}.json"))):
            chunk = self._chunk(path.parent.relative_to(base / directory).as_posix())
            with problems.at((self.key,)):
                chunk.made = self.observations_in(path, chunk.name)
                self.chunks[chunk.name] = chunk
                self.place |= {(observation, chunk.group): chunk.name for observation in chunk.made}
        problems.raise_if_errors()
        self.made = frozenset(self.chunks)

    @abstractmethod
    def observations_in(self, account: Path, chunk: str) -> frozenset[str]:
        """Return the observations of a chunk's account; raises DiagnosticError for one that can't be read."""

    @property
    def rule(self) -> str:
        """The name of the rule of their jobs.

        A rule that is renamed runs again, so its name rests on nothing else that a campaign holds.
        """
        own = () if self.directory == self.default else (self.folder,)
        return "-".join((*self.rule_words(), *own))

    def rule_words(self) -> tuple[str, ...]:
        """Return how the name of the rule begins."""
        return (self.stem,)

    def account(self, chunk: Chunk) -> str:
        """Return where a chunk's account is."""
        return f"{self.product(chunk)}.json"

    def product(self, chunk: Chunk) -> str:
        """Return the folder of what a chunk's job makes."""
        return posixpath.join(self.directory, chunk.name, self.model.folder)

    def job(
        self, chunk: Chunk, command: str, inputs: Mapping[str, str | tuple[str, ...]], **more: Any
    ) -> JobSpec:
        """Return the job of a chunk; `more` are further fields of it."""
        product = self.model.folder
        return JobSpec(
            name=chunk.name,
            command=command,
            inputs={"query": chunk.query_file, **inputs},
            outputs={product: self.product(chunk), "account": self.account(chunk)},
            folders=(product,),
            observations=QueryLines(chunk.observations),
            **more,
        )

    def add(self, observation: str, group: str = "") -> Chunk:
        """Return the chunk of an observation in a group, which holds it then."""
        name = self.place.get((observation, group)) or self._new_place(observation, group)
        chunk = self.chunks.setdefault(name, self._chunk(name))
        chunk.wanted.add(observation)
        return chunk

    def wanted(self) -> Iterator[Chunk]:
        """Yield the chunks that somebody wants observations of, in the order of their names."""
        yield from (self.chunks[name] for name in sorted(self.chunks) if self.chunks[name].wanted)

    def _chunk(self, name: str) -> Chunk:
        return Chunk(name, query_file(self.stem, posixpath.join(self.folder, name)))

    def _new_place(self, observation: str, group: str) -> str:
        """Return the name of the chunk for an observation that is in none yet."""
        first = posixpath.join(group, f"{telescope_of(observation)}-{day_of(observation, self.days)}")
        name, number = first, 1
        while name in self.made:
            number += 1
            name = f"{first}-{number}"
        self.place[observation, group] = name
        return name


class AtomicChunks(Chunks):
    """The chunks of a band's maps, grouped by band and wafer; `splits` are which maps of an observation."""

    stem = "atomic-maps"
    default = ATOMIC_DIR
    key = "atomic_dir"
    model = AtomicMaps

    def __init__(
        self, base: Path, directory: str, band: str, days: int, splits: Collection[str] = (FULL,)
    ) -> None:
        self.band, self.splits = band, frozenset(splits)
        super().__init__(base, directory, f"{band}/*", days)

    def rule_words(self) -> tuple[str, ...]:
        """Return how the name of the rule begins."""
        return (self.stem, self.band)

    def add(self, observation: str, group: str = "") -> Chunk:
        """Return the chunk of an observation's wafer, which holds it then."""
        return super().add(observation, posixpath.join(self.band, group))

    @property
    def config(self) -> str:
        """Where the configuration is that the jobs share."""
        return program_config(self.stem, posixpath.join(self.folder, self.band))

    def observations_in(self, account: Path, chunk: str) -> frozenset[str]:
        """Return the observations of an account, which must be of maps that belong beside it."""
        record = _read(AtomicMaps, account)
        band, wafer, _ = chunk.split("/")
        for one in (*record.maps, *record.empty):
            if (one.band, one.wafer) != (band, wafer) or one.split not in self.splits:
                other = f"{one.detector_set} ({one.split})"
                raise DiagnosticError.of(
                    "damaged-file",
                    f"The {record.noun} {account} is of other maps than those beside it: it lists {other}",
                    hint=record.remedy,
                )
        return frozenset((*(one.observation for one in record.maps), *_names(record.skipped)))


class PreprocessedChunks(Chunks):
    """The chunks of preprocessing archives, of all wafers and bands that a telescope observes with."""

    stem = "preprocessing-archives"
    default = PREPROCESS_DIR
    key = "preprocess_dir"
    model = PreprocessedArchive

    def __init__(self, base: Path, directory: str, days: int) -> None:
        super().__init__(base, directory, "", days)

    def observations_in(self, account: Path, chunk: str) -> frozenset[str]:  # noqa: ARG002
        """Return the observations of an account."""
        record = _read(PreprocessedArchive, account)
        return frozenset((*record.observations, *_names(record.skipped)))


def _names(skipped: Iterable[Skipped]) -> Iterator[str]:
    """Yield the observations of what was skipped, which may be a part of one."""
    return (one.observation.partition(":")[0] for one in skipped)


def _read(model: type[A], account: Path) -> A:
    """Return an account, read once for all workflows of a compile."""
    return cast("A", _read_version(model, account, *map(_version_of, (account, copy_of(model, account)))))


def _version_of(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_size


@cache
def _read_version(model: type[Account], account: Path, *versions: tuple[int, int] | None) -> Account:  # noqa: ARG001
    return read_account(model, account)


def word_of(folder: str) -> str:
    """Return a folder's path as one word, another one for each folder: results_atomic for results/atomic."""
    plain = _PLAIN.sub("_", folder)
    if plain.replace("_", "/") == folder:
        return plain
    return f"{plain}-{hashlib.sha256(folder.encode()).hexdigest()[:8]}"


def telescope_of(observation: str) -> str:
    """Return which telescope or tube an id speaks of, such as satp1; observations of one never overlap.

    make-atomic-filterbin-map adds up what overlaps in time, and calls it a map of the first of them.
    """
    match = _WORD.match(id_end(observation))
    return match[0] if match else "any"


def day_of(observation: str, days: int) -> str:
    """Return the first day of the calendar's block of days that an observation began in, as YYYYMMDD.

    Blocks are counted from 1970; an id that holds no time is of the first one.
    """
    match = _TIME.search(observation)
    block_s = days * DAY_S
    start = int(match[0]) // block_s * block_s if match else 0
    return datetime.fromtimestamp(start, UTC).strftime("%Y%m%d")
