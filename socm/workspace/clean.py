"""What jobs have left behind that are no longer in the campaign: by Snakemake's records and their notes."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from socm.formats.job_usage import USAGE_SUFFIX
from socm.formats.layout import benchmark_file, stem_of_log
from socm.jobs.made import NOTE_SUFFIX as FILES_SUFFIX
from socm.jobs.made import Made, Seen, leftovers_of, read_made, unlink_unchanged, why_not_unlinked
from socm.workspace.made_in import NOTE_SUFFIX
from socm.workspace.snakemake import TIMESTAMP, read_all_records

CLOCK_SECONDS = 2.0
"""How far the times of files and those of Snakemake's records may be apart."""
_ROUNDING_SECONDS = 1e-5


@dataclass(frozen=True, slots=True)
class Kept:
    """What a campaign still names: paths, folders whose content all counts, and rules.

    Paths are relative to the workspace or absolute; a rule is kept with all whose names go on from
    its own, as the Snakefile has them.
    """

    paths: frozenset[str]
    folders: frozenset[str] = frozenset()
    rules: frozenset[str] = frozenset()

    def names_rule(self, rule: str) -> bool:
        """Return whether a rule is one of those that are kept."""
        return any(rule == name or rule.startswith(f"{name}_") for name in self.rules)


@dataclass(frozen=True, slots=True)
class Proof:
    """A path of this workspace's, and how its job left it. What isn't in `made` is a report of the job's."""

    path: str
    seen: Seen
    made: Made | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """A job that is no longer in the campaign, and what is still there that it provably made.

    `outputs` are those it declared, with what lies in them, `beside` what its program wrote next to them,
    `reports` its log, its benchmark and its notes. Paths are relative to the workspace or absolute.
    `not_mine` are files in their place that stay, each with the reason.
    """

    title: str
    outputs: tuple[Proof, ...]
    beside: tuple[Proof, ...]
    reports: tuple[Proof, ...]
    not_mine: tuple[tuple[str, str], ...]

    @property
    def proofs(self) -> tuple[Proof, ...]:
        """Everything that is removed with it."""
        return (*self.outputs, *self.beside, *self.reports)

    @property
    def size_bytes(self) -> int:
        """How much room its files take."""
        return sum(proof.seen.size_bytes for proof in self.proofs if proof.seen.kind != "d")


@dataclass(frozen=True, slots=True)
class _Record:
    path: str
    rule: str
    logs: tuple[str, ...]
    start_time: float
    end_time: float


class _Places:
    """The paths of a workspace, all brought to one form: where they really are, whatever links lead there."""

    def __init__(self, workspace: Path, kept: Kept) -> None:
        self.workspace = workspace.resolve()
        self._real_folder = cache(os.path.realpath)
        # What a kept link leads to is kept as well.
        paths = {form(path) for path in kept.paths for form in (self.full, self._end)}
        # A text such as "." may be a path of the workspace itself, and would keep everything.
        self.kept = frozenset(full for full in paths if not self.is_ours(full))
        self.folders = tuple(sorted({form(path) for path in kept.folders for form in (self.full, self._end)}))
        # A folder is as good as kept if something below it is.
        self.above_kept = {str(above) for path in (*self.kept, *self.folders) for above in Path(path).parents}

    def full(self, path: str) -> str:
        lexical = os.path.normpath(self.workspace / path)
        return os.path.join(self._real_folder(os.path.dirname(lexical)), os.path.basename(lexical))  # noqa: PTH118, PTH119, PTH120

    def _end(self, path: str) -> str:
        return os.path.realpath(self.workspace / path)

    def is_kept(self, path: str) -> bool:
        full = self.full(path)
        inside = any(full == folder or full.startswith(f"{folder}/") for folder in self.folders)
        below_kept = any(str(above) in self.kept for above in Path(full).parents)
        return inside or below_kept or full in self.kept or full in self.above_kept or self.is_ours(full)

    def is_ours(self, full: str) -> bool:
        return str(self.workspace) == full or str(self.workspace).startswith(f"{full}/")

    def holds_only_gone(self, folder: str) -> bool:
        """Return whether nothing that is kept lies in or below a folder, and it isn't the workspace."""
        full = self.full(folder)
        return full not in self.above_kept and not self.is_kept(full)


def find_gone(workspace: Path, kept: Kept) -> tuple[Gone, ...]:
    """Return the jobs that ran in a workspace and that `kept` doesn't name, with what is left of them.

    Raises OSError where Snakemake's records can't be read.
    """
    places = _Places(workspace, kept)
    records = tuple(_read_records(workspace))
    jobs: dict[tuple[str, tuple[str, ...]], list[_Record]] = {}
    recorded = {places.full(record.path) for record in records}
    for record in records:
        if kept.names_rule(record.rule) or places.is_kept(record.path):
            continue
        if os.path.lexists(workspace / record.path):
            jobs.setdefault((record.rule, record.logs), []).append(record)
    found = (_find_of_job(workspace, members, places, recorded) for members in jobs.values())
    return tuple(sorted(found, key=lambda gone: gone.title))


def find_leftovers(workspace: Path, log: str, patterns: Sequence[str], named: Sequence[str]) -> list[Proof]:
    """Return what a job that is done made and its patterns fit, but for what is `named`."""
    made = read_made(workspace / _note_of(log))
    if made is None:
        return []
    proofs = (Proof(path, made.files[path], made) for path in leftovers_of(made, patterns, named))
    return [proof for proof in proofs if _why_not(workspace, proof) is None and proof.seen.kind != "d"]


def remove(workspace: Path, proofs: Collection[Proof]) -> Iterator[tuple[str, str]]:
    """Remove what is as it was found, and the folders in the workspace that become empty.

    Yields what stays, and why.
    """
    # What lies in a folder goes before the folder, and the notes that prove it last.
    for proof in sorted(proofs, key=lambda proof: (proof.made is not None, proof.path), reverse=True):
        try:
            why = unlink_unchanged(workspace, proof.path, proof.seen, proof.made)
        except OSError as error:
            why = error.strerror or str(error)
        if why is not None:
            yield proof.path, why
            continue
        _remove_empty(workspace, proof.path)


def _remove_empty(workspace: Path, path: str) -> None:
    """Remove the folders above a path that are empty, up to the workspace or a link."""
    folder = os.path.dirname(path)  # noqa: PTH120
    while folder and not os.path.isabs(folder) and not (workspace / folder).is_symlink():  # noqa: PTH117
        try:
            (workspace / folder).rmdir()
        except OSError:
            return
        folder = os.path.dirname(folder)  # noqa: PTH120


def _read_records(workspace: Path) -> Iterator[_Record]:
    for path, record in read_all_records(workspace):
        times = record.starttime or 0.0, record.endtime or 0.0
        yield _Record(path, record.rule or "", record.log or (), *times)


def _find_of_job(
    workspace: Path, members: Sequence[_Record], places: _Places, recorded: Collection[str]
) -> Gone:
    logs = members[0].logs
    note = next((_note_of(log) for log in logs if stem_of_log(log)), None)
    made = read_made(workspace / note) if note else None
    outputs: list[Proof] = []
    not_mine: dict[str, str] = {}
    for record in sorted(members, key=lambda record: record.path):
        for path in _with_content(workspace, record.path):
            proof = _prove(workspace, path, record, made)
            if isinstance(proof, Proof):
                outputs.append(proof)
            else:
                not_mine[path] = proof
    declared = {proof.path for proof in outputs} | not_mine.keys()
    beside = []
    for path in sorted(_beside(workspace, members, places, made)):
        if path in declared or places.full(path) in recorded or places.is_kept(path):
            continue
        seen = made.files.get(path) if made else None
        why = "no note says that the job made it"
        if made and seen:
            why = _why_not(workspace, Proof(path, seen, made)) or ""
        if made and seen and not why:
            beside.append(Proof(path, seen, made))
        else:
            not_mine[path] = why
    # A folder with something in it that stays, stays.
    stays = {str(above) for path in not_mine for above in Path(path).parents}
    outputs, beside = ([proof for proof in some if proof.path not in stays] for some in (outputs, beside))
    going = {proof.path for proof in (*outputs, *beside)}
    reports = []
    for path in _reports(logs):
        if (
            path == note
            and made
            and any(os.path.lexists(workspace / one) for one in made.files.keys() - going)
        ):
            continue  # it still proves what stays
        if (seen := Seen.of(workspace / path)) is None or places.is_kept(path):
            continue
        if _is_report(workspace, path, seen, members):
            reports.append(Proof(path, seen))
        else:
            not_mine[path] = "it has changed since the job ended"
    return Gone(
        _title(members[0].rule, logs), tuple(outputs), tuple(beside), tuple(reports), tuple(not_mine.items())
    )


def _with_content(workspace: Path, path: str) -> Iterator[str]:
    """Yield a declared output, and what lies in it where it is a folder; no link is followed."""
    yield path
    if not (workspace / path).is_symlink():
        for root, folders, names in os.walk(workspace / path):
            below = os.path.relpath(root, workspace / path)
            for name in (*folders, *names):
                yield os.path.normpath(os.path.join(path, below, name))  # noqa: PTH118


def _prove(workspace: Path, path: str, record: _Record, made: Made | None) -> Proof | str:
    """Return the proof that a job made a declared output, or what lies in one; or why there is none.

    When a job has succeeded, Snakemake gives its outputs the time that its record has, and puts an empty
    file with that time into those that are folders.
    """
    now = Seen.of(workspace / path)
    known = made.files.get(os.path.normpath(path)) if made else None
    if made is None or now is None:
        return "no note says that the job made it"
    if os.path.basename(path) == TIMESTAMP and path != record.path:  # noqa: PTH119
        known = Seen("f", 0, 0)
    if known is None:
        return "no note says that the job made it"
    has_time_of_record = abs(now.mtime_ns / 1e9 - record.end_time) < _ROUNDING_SECONDS
    is_touched = path == record.path or known.mtime_ns == 0
    if is_touched and has_time_of_record and (now.kind, now.size_bytes) == (known.kind, known.size_bytes):
        known = now
    proof = Proof(path, known, made)
    return _why_not(workspace, proof) or proof


def _why_not(workspace: Path, proof: Proof) -> str | None:
    """Return why something isn't removed; a folder may be, once what is in it is gone."""
    return why_not_unlinked(workspace, proof.path, proof.seen, proof.made)


def _beside(workspace: Path, members: Sequence[_Record], places: _Places, made: Made | None) -> Iterator[str]:
    """Yield what the job noted, and what else lies next to its outputs where nothing that is kept is near."""
    seen = dict.fromkeys(made.files if made else ())
    yield from (path for path in seen if os.path.lexists(workspace / path))
    for folder in {os.path.dirname(record.path) for record in members}:  # noqa: PTH120
        if folder and places.holds_only_gone(folder) and (workspace / folder).is_dir():
            for entry in (workspace / folder).iterdir():
                if (path := f"{folder}/{entry.name}") not in seen and not entry.is_dir():
                    yield path


def _reports(logs: Sequence[str]) -> Iterator[str]:
    for log, stem in ((log, stem) for log in logs if (stem := stem_of_log(log))):
        yield from (
            log,
            benchmark_file(stem),
            f"{log.removesuffix('.log')}{NOTE_SUFFIX}",
            f"{log.removesuffix('.log')}{USAGE_SUFFIX}",
            _note_of(log),
        )


def _note_of(log: str) -> str:
    return f"{log.removesuffix('.log')}{FILES_SUFFIX}"


def _is_report(workspace: Path, path: str, seen: Seen, members: Sequence[_Record]) -> bool:
    """Return whether a file in socm's own folders was last written while the job ran."""
    start = min(record.start_time for record in members) - CLOCK_SECONDS
    end = max(record.end_time for record in members) + CLOCK_SECONDS
    return (
        seen.kind == "f"
        and start <= seen.mtime_ns / 1e9 <= end
        and why_not_unlinked(workspace, path, seen, None) is None
    )


def _title(rule: str, logs: Sequence[str]) -> str:
    """Return what the job was called: its log says it, else the rule."""
    return (stem_of_log(logs[0]) if logs else None) or rule or "a job"
