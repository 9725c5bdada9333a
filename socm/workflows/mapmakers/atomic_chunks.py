"""Which job maps which observation: chunks that an observation never leaves.

What a job maps is what it is, so an observation that joins or leaves a chunk would have all of it mapped
again. A chunk holds what one telescope or tube observes in some days of a fixed calendar. Once its maps are
made it stays as it is, which the account of them says: observations of the same days that come later make a
chunk of their own, and one that left the campaign stays in it.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from socm.diagnostics import Collector, DiagnosticError
from socm.formats.atomic_maps import FULL, AtomicMaps
from socm.formats.document import read_document
from socm.formats.layout import program_config, query_file
from socm.observations.asked import id_end

RULE = "atomic-maps"
DEFAULT_DIR = "results/atomic"
ACCOUNT = "maps.json"
DAY_S = 86_400
_TIME = re.compile(r"(?<!\d)\d{9,10}(?!\d)")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_PLAIN = re.compile(r"[^A-Za-z0-9.-]+")


@dataclass
class Chunk:
    """Observations that one job maps, in one wafer and band.

    `made` are those that it mapped already; `wanted` those that somebody wants now.
    """

    name: str
    folder: str
    made: frozenset[str] = frozenset()
    wanted: set[str] = field(default_factory=set)

    @property
    def wafer(self) -> str:
        """The wafer that is mapped."""
        return self.name.split("/")[1]

    @property
    def query_file(self) -> str:
        """Where its observations are listed."""
        return query_file(RULE, posixpath.join(self.folder, self.name))


class Chunks:
    """The chunks of a band's maps in one folder: those that are made, and those that are added to.

    `base` is the folder that `atomic_dir` is relative to, and `splits` are which maps of an observation a job
    makes. Raises DiagnosticError for every account that can't be read: what is made isn't known without it.
    """

    def __init__(
        self, base: Path, atomic_dir: str, band: str, days: int, splits: Collection[str] = (FULL,)
    ) -> None:
        self.band, self.days = band, days
        self.atomic_dir = atomic_dir
        self.folder = word_of(atomic_dir)
        self.chunks: dict[str, Chunk] = {}
        self.place: dict[tuple[str, str], str] = {}
        problems = Collector()
        for path in sorted((base / atomic_dir).glob(f"{band}/*/*/{ACCOUNT}")):
            name = path.parent.relative_to(base / atomic_dir).as_posix()
            status = path.stat()
            with problems.at(("atomic_dir",)):
                made = _observations_in(path, name, frozenset(splits), status.st_mtime_ns, status.st_size)
                chunk = self.chunks[name] = Chunk(name, self.folder, made)
                self.place |= {(observation, chunk.wafer): name for observation in made}
        problems.raise_if_errors()
        self.made = frozenset(self.chunks)

    @property
    def rule(self) -> str:
        """The name of the rule that makes the maps.

        A rule that is renamed runs again, so its name rests on nothing else that a campaign holds.
        """
        own = "" if self.atomic_dir == DEFAULT_DIR else f"-{self.folder}"
        return f"{RULE}-{self.band}{own}"

    @property
    def config(self) -> str:
        """Where the configuration is that the jobs share."""
        return program_config(RULE, posixpath.join(self.folder, self.band))

    def account(self, name: str) -> str:
        """Return where a chunk's account of its maps is."""
        return posixpath.join(self.atomic_dir, name, ACCOUNT)

    def add(self, observation: str, wafer: str) -> Chunk:
        """Return the chunk of a detector set, which holds it then."""
        name = self.place.get((observation, wafer)) or self._new_place(observation, wafer)
        chunk = self.chunks.setdefault(name, Chunk(name, self.folder))
        chunk.wanted.add(observation)
        return chunk

    def wanted(self) -> Iterator[Chunk]:
        """Yield the chunks that somebody wants observations of, in the order of their names."""
        yield from (self.chunks[name] for name in sorted(self.chunks) if self.chunks[name].wanted)

    def _new_place(self, observation: str, wafer: str) -> str:
        """Return the name of the chunk for an observation that has no map yet."""
        first = f"{self.band}/{wafer}/{telescope_of(observation)}-{day_of(observation, self.days)}"
        name, number = first, 1
        while name in self.made:
            number += 1
            name = f"{first}-{number}"
        self.place[observation, wafer] = name
        return name


@cache
def _observations_in(
    account: Path,
    chunk: str,
    splits: frozenset[str],
    mtime_ns: int,  # noqa: ARG001
    size: int,  # noqa: ARG001
) -> frozenset[str]:
    """Return the observations of a chunk's account, for each workflow of a compile.

    Raises DiagnosticError for one that can't be read, or is of other maps than those that lie beside it.
    """
    record = read_document(AtomicMaps, account)
    band, wafer, _ = chunk.split("/")
    for one in (*record.maps, *record.empty):
        if (one.band, one.wafer) != (band, wafer) or one.split not in splits:
            other = f"{one.detector_set} ({one.split})"
            raise DiagnosticError.of(
                "damaged-file",
                f"The {record.noun} {account} is of other maps than those of its folder: it lists {other}",
                hint=record.remedy,
            )
    skipped = (one.observation.partition(":")[0] for one in record.skipped)
    return frozenset((*(one.observation for one in record.maps), *skipped))


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
