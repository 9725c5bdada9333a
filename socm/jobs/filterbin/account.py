"""Which atomic maps a job made, from its database, its files and its log.

make-atomic-filterbin-map (sotodlib 0.6.24) exits with 0 when every observation failed. A map is made when
the database lists it as valid and its three files are there. Why another isn't stands in the log, or without
a name in `errlog.txt`; what is shorter than `min_dur` is left out without a word.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from socm.formats.atomic_maps import FULL, HALVES, AtomicFile, AtomicMap, AtomicMaps, MapOf
from socm.formats.coverage import Skipped
from socm.formats.file_record import digest_of
from socm.formats.layout import own_atomic_config, own_preprocess_config

MOST_LINES = 20
LEFT_OUT = "make-atomic-filterbin-map left it out without a word; it does so below min_dur"
EMPTY = "its map is empty: none of its samples is kept, or falls into the area"
SHARED = "another observation that began in the same second wrote its map into the same files"

_FAILED = re.compile(r"([A-Z][A-Za-z ]*(?:Error|failed)) for (\S+): \[(.*)\]\s*$")
_REASON = re.compile(r"<class '(?:[\w.]*\.)?(\w+)'>: (.*)")
_DONE = re.compile(r"\bDone with tod (\S+:\S+:\S+)")
_NOT_DONE = re.compile(r"\btod (\S+:\S+:\S+) failed in the preproc database")
_WORD = re.compile(r"[\w.+-]+(?=')")


@dataclass
class Said:
    """What a log says: detector sets that went into a map, and why others did not."""

    done: set[str] = field(default_factory=set)
    reasons: dict[str, str] = field(default_factory=dict)


def read_log(lines: Iterable[str]) -> Said:
    """Return what the lines of a log say of detector sets (obs_id:wafer:band)."""
    said = Said()
    failed = None
    for line in lines:
        if match := _FAILED.search(line):
            failed = ":".join((match[2], *_WORD.findall(match[3])))
            said.reasons[failed] = match[1].strip()
        elif failed is not None:
            # The line below says what it was.
            match = _REASON.search(line)
            text = f"{match[1]}: {match[2]}" if match else line
            said.reasons[failed] = f"{said.reasons[failed]}: {text.removesuffix(' (ERROR)').strip()}"
            failed = None
        elif match := _DONE.search(line):
            said.done.add(match[1])
        elif match := _NOT_DONE.search(line):
            said.reasons.setdefault(match[1], "it failed in preprocessing")
    return said


def read_errors(folder: Path) -> list[str]:
    """Return the errors that the program wrote down without saying of which observation."""
    found = []
    path = folder / "errlog.txt"
    if path.exists():
        text = path.read_text(encoding="utf-8", errors="replace")
        parts = re.split(r"(?m)^[\d.]+, future\.result\(\) error$", text)[1:]
        for part in parts:
            first = next((line for line in part.splitlines() if line.strip()), "no reason")
            match = _REASON.search(first)
            found.append(f"{match[1]}: {match[2]}" if match else first.strip())
    return found


def account_of(row: Mapping[str, Any], observations: Collection[str], log: Iterable[str]) -> AtomicMaps:
    """Return which maps a job made.

    Raises ValueError where there is none, and where two observations went into one map.
    """
    config = yaml.safe_load(Path(own_atomic_config(row["outputs"]["maps"])).read_text(encoding="utf-8"))
    wafer, band = config["wafer"], config["freq"]
    labels = next((halves for option, halves in HALVES.items() if config.get(option)), (FULL,))
    maps, account = Path(row["outputs"]["maps"]), Path(row["outputs"]["account"])
    said, errors = read_log(log), read_errors(Path(own_preprocess_config(str(maps), 0)).parent)
    rows = _read_database(Path(config["atomic_db"]), wafer, band)
    names = {observation: f"{observation}:{wafer}:{band}" for observation in sorted(observations)}
    unlisted = sorted(said.done - {names[one] for one, _ in rows if one in names})
    if len(unlisted) > len(errors):
        raise ValueError(
            f"{', '.join(unlisted)} went into the map of another observation: make-atomic-filterbin-map adds "
            "up those that overlap in time. Take one of them out of the query."
        )
    prefixes = Counter(prefix for prefix, _ in rows.values())
    made: list[AtomicMap] = []
    empty: list[MapOf] = []
    skipped: list[Skipped] = []
    for observation, name in names.items():
        listed = {label: rows[observation, label] for label in labels if (observation, label) in rows}
        files = {
            label: _files_of(prefix, account.parent) for label, (prefix, valid) in listed.items() if valid
        }
        missing = next((lost for _, lost in files.values() if lost), None)
        if len(listed) < len(labels):
            unsaid = "; ".join(dict.fromkeys(errors)) if name in said.done else LEFT_OUT
            reason = said.reasons.get(name, unsaid)
        elif not files:
            reason = EMPTY
        elif any(prefixes[prefix] > 1 for prefix, _ in listed.values()):
            reason = SHARED
        elif missing:
            reason = f"{missing} is missing or empty"
        else:
            for label in labels:
                of = {"observation": observation, "wafer": wafer, "band": band, "split": label}
                if label in files:
                    made.append(AtomicMap(**of, **files[label][0]))
                else:
                    empty.append(MapOf(**of))
            continue
        skipped.append(Skipped(observation=name, reason=reason))
    if not made:
        raise nothing_done("mapped", skipped)
    return AtomicMaps(maps=tuple(made), empty=tuple(empty), skipped=tuple(skipped))


def nothing_done(done: str, skipped: Sequence[Skipped]) -> ValueError:
    """Return the error of a job that did nothing, with the reasons; `done` is the participle."""
    lines = [f"  {one.observation}: {one.reason}" for one in skipped[:MOST_LINES]]
    more = [f"  and {len(skipped) - MOST_LINES} more"] if len(skipped) > MOST_LINES else []
    return ValueError("\n".join([f"no observation could be {done}:", *lines, *more]))


def read_rows(path: Path, query: str, *parameters: str) -> list[tuple[Any, ...]]:
    """Return what a query finds in a database, nothing where there is none yet; raises ValueError."""
    if not path.exists():
        return []
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            return database.execute(query, parameters).fetchall()
    except sqlite3.Error as error:
        raise ValueError(f"{path} can't be read: {error}") from None


def _read_database(path: Path, wafer: str, band: str) -> dict[tuple[str, str], tuple[str, bool]]:
    """Return where the files of each map in the database begin, and whether it is valid.

    A map is one of an observation or of a half of it, which the database calls a split.
    """
    query = "SELECT obs_id, split_label, prefix_path, valid FROM atomic WHERE wafer = ? AND freq_channel = ?"
    return {
        (obs_id, label): (prefix, bool(valid))
        for obs_id, label, prefix, valid in read_rows(path, query, wafer, band)
    }


def _files_of(prefix: str, base: Path) -> tuple[dict[str, AtomicFile], str | None]:
    """Return the files of a map by name, and the first that isn't there."""
    found = {}
    for name in ("wmap", "weights", "hits"):
        paths = [Path(f"{prefix}_{name}{suffix}") for suffix in (".fits", ".fits.gz")]
        path = next((one for one in paths if one.is_file() and one.stat().st_size), None)
        if path is None:
            return {}, str(paths[0])
        relative = path.absolute().relative_to(base.absolute()).as_posix()
        found[name] = AtomicFile(path=relative, size_bytes=path.stat().st_size, sha256=digest_of(path))
    return found, None


def remove_own_archive(maps: Path) -> None:
    """Remove the data of the job's own preprocessing archive, which nobody reads when its maps are made."""
    folder = Path(own_preprocess_config(str(maps), 0)).parent
    for path in folder.glob("*.h5"):
        path.unlink()
    for name in ("temp", "temp_proc"):
        shutil.rmtree(folder / name, ignore_errors=True)
