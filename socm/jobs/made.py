"""What a job provably made, judged by what was there when it started, and removed only as it was left.

Each job notes beside its log which files there are in its own folders when it starts and when it ends
(``begin_job`` in templates/common.sh). What wasn't there at the start and is there at the end, of the
job's own user, is its work; what was there may be anybody's. Every removal of results goes through
`unlink_unchanged`.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from itertools import takewhile
from pathlib import Path

NOTE_SUFFIX = ".made"
"""What stands instead of .log in the name of such a note."""

_KINDS = {stat.S_IFREG: "f", stat.S_IFDIR: "d", stat.S_IFLNK: "l"}


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as it was at one moment, no link followed: `kind` is f, d or l as in find, times in Unix ns."""

    kind: str
    size_bytes: int
    mtime_ns: int

    @classmethod
    def of(cls, path: str | Path) -> Seen | None:
        """Return how a path is now; None if nothing is there."""
        try:
            found = os.lstat(path)
        except OSError:
            return None
        return cls(_KINDS.get(stat.S_IFMT(found.st_mode), "?"), found.st_size, found.st_mtime_ns)


@dataclass(slots=True)
class _Moment:
    """What a job noted when it started (B) or ended (E): `listed` are the folders it looked through."""

    what: str
    workspace: str = ""
    folders: dict[str, str] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)
    files: dict[str, tuple[str, Seen]] = field(default_factory=dict)
    outputs: dict[str, tuple[str, Seen]] = field(default_factory=dict)
    is_whole: bool = False
    is_broken: bool = False

    @property
    def user(self) -> str:
        return self.what[1:]

    def has(self, path: str) -> bool:
        return path in self.files or path in self.outputs


@dataclass(frozen=True, slots=True)
class Made:
    """What is known of the files of a job, over all its attempts.

    `workspace` is the folder it last ran in and `folders` are the real places of its folders then;
    `files` are what it made and how each was left, by the path that the job knows.
    """

    workspace: str
    folders: Mapping[str, str]
    files: Mapping[str, Seen]

    def is_in_place(self, path: str, workspace: Path) -> bool:
        """Return whether a path still leads where it led for the job, through no link put there since.

        A workspace may have been moved with everything in it; what lies outside of it belongs to the
        workspace that stands where it stood.
        """
        folder = posixpath.dirname(path)
        known = next((above for above in _upwards(folder) if above in self.folders), None)
        here = os.path.realpath(workspace)
        if known is None:
            return False
        now = os.path.realpath(workspace / known)
        below = posixpath.normpath(posixpath.join(now, posixpath.relpath(folder, known or ".")))
        if os.path.realpath(workspace / folder) != below:
            return False
        if f"{self.folders[known]}/".startswith(f"{self.workspace}/"):
            return now == _plain(f"{here}/{posixpath.relpath(self.folders[known], self.workspace)}")
        return now == self.folders[known] and here == self.workspace


def read_made(note: Path) -> Made | None:
    """Return what a job's note says; None where there is none that can be understood."""
    return _replay(_read_moments(note))


def has_succeeded(note: Path) -> bool | None:
    """Return whether the last attempt of a job succeeded, by its note; None where there is none."""
    try:
        texts = note.read_bytes().split(b"\0")
    except OSError:
        return None
    moments = [text for text in texts if text.startswith((b"B", b"E"))]
    return moments[-1] == b"E0" if moments else None


def left_by_success(note: Path) -> Mapping[str, Seen]:
    """Return the outputs of a job as its last attempt left them; none unless it is known to have worked."""
    moments = _read_moments(note)
    if not moments or moments[-1].what != "E0" or not moments[-1].is_whole:
        return {}
    return {path: seen for path, (_, seen) in moments[-1].outputs.items()}


def made_until_now(note: Path) -> Made | None:
    """Return what a job that is about to end has made, as its folders are now; None if it isn't known."""
    moments = _read_moments(note)
    if not moments or not moments[-1].what.startswith("B"):
        return None
    begun = moments[-1]
    now = replace(begun, what="E", files={}, outputs={})
    for folder in begun.listed:
        now.files.update(_files_below(folder, begun))
    return _replay([*moments, now])


def fits(path: str, pattern: str) -> bool:
    """Return whether a pattern fits a path, or a folder that it lies in; both count from one folder."""
    parts, wanted = path.split("/"), pattern.split("/")
    return any(_fit(parts[:length], wanted) for length in range(1, len(parts) + 1))


def leftovers_of(made: Made, patterns: Sequence[str], named: Sequence[str]) -> Iterator[str]:
    """Yield the files of a job that patterns fit beside its outputs, but for those that are `named`."""
    kept = {posixpath.normpath(path) for path in named}
    for path in made.files:
        if any(above in kept for above in _upwards(path)):
            continue
        folders = (above for above in _upwards(posixpath.dirname(path)) if above in made.folders)
        if any(fits(posixpath.relpath(path, folder or "."), one) for folder in folders for one in patterns):
            yield path


def why_not_unlinked(workspace: Path, path: str, known: Seen, made: Made | None) -> str | None:
    """Return why a file is not known to be the job's, as it was left when it was `known`; None if it is.

    Without `made` it is one of socm's own, in the workspace's own folders.
    """
    folder = posixpath.dirname(path)
    own = posixpath.normpath(posixpath.join(os.path.realpath(workspace), folder))
    if not (made.is_in_place(path, workspace) if made else os.path.realpath(workspace / folder) == own):
        return "it is reached through a link that the job didn't know, or from another folder"
    now = Seen.of(workspace / path)
    if now is None or (known.kind == now.kind == "d"):
        return None
    if known != now or now.kind not in {"f", "l"}:
        return "it has changed since the job made it"
    return None


def unlink_unchanged(workspace: Path, path: str, known: Seen, made: Made | None) -> str | None:
    """Remove a file of a job, if it is as it is `known`; return why not, or None if it is gone.

    A folder goes if nothing is in it. Raises OSError.
    """
    place = workspace / path
    why = why_not_unlinked(workspace, path, known, made)
    if why is not None or not os.path.lexists(place):
        return why
    if known.kind != "d":
        place.unlink()
    elif any(place.iterdir()):
        return "there are other files in it"
    else:
        place.rmdir()
    return None


def _fit(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    if not wanted:
        return not parts
    if wanted[0] == "**":
        return _fit(parts, wanted[1:]) or (
            bool(parts) and not parts[0].startswith(".") and _fit(parts[1:], wanted)
        )
    return (
        bool(parts)
        and (wanted[0].startswith(".") or not parts[0].startswith("."))
        and fnmatchcase(parts[0], wanted[0])
        and _fit(parts[1:], wanted[1:])
    )


def _read_moments(note: Path) -> list[_Moment]:
    try:
        return list(_moments(note.read_bytes().decode(errors="surrogateescape").split("\0")))
    except (OSError, ValueError):
        return []


def _moments(texts: Sequence[str]) -> Iterator[_Moment]:
    moment: _Moment | None = None
    folder = ""
    for text in texts:
        mark, rest = text[:1], text[1:]
        if mark in {"B", "E"}:
            if moment is not None:
                yield moment
            moment = _Moment(text)
        elif moment is None:
            continue
        elif mark == "W":
            moment.workspace = rest
        elif mark == "D":
            folder = _plain(rest)
        elif mark == "R":
            moment.folders[folder] = rest
        elif mark == "L":
            moment.listed.add(_plain(rest))
        elif mark in {"F", "O"}:
            files = moment.files if mark == "F" else moment.outputs
            try:
                path, owner, seen = _read_file(rest)
                files[path] = (owner, seen)
            except ValueError:
                moment.is_broken = True
        elif mark == "X":
            moment.is_whole = not moment.is_broken
            yield moment
            moment = None
    if moment is not None:
        yield moment


def _read_file(text: str) -> tuple[str, str, Seen]:
    """Return path, owner and state of a file that find has printed."""
    kind, owner, size, time, path = text.split(" ", 4)
    seconds, _, fraction = time.partition(".")
    mtime_ns = int(seconds) * 10**9 + int(fraction.ljust(9, "0")[:9])
    return _plain(path), owner, Seen(kind, int(size), mtime_ns)


def _replay(moments: Sequence[_Moment]) -> Made | None:
    files: dict[str, Seen] = {}
    begun: _Moment | None = None
    workspace = ""
    for moment in moments:
        if moment.what.startswith("B"):
            begun = moment if moment.is_whole else None
            if moment.workspace != workspace:
                files.clear()  # of a workspace that this one was copied from
            workspace = moment.workspace
            # What changed while no attempt ran is not the job's any more.
            for path, (_, seen) in {**moment.files, **moment.outputs}.items():
                if files.get(path) != seen:
                    files.pop(path, None)
            continue
        if begun is not None and moment.is_whole and moment.workspace == workspace:
            files.update(_appeared(begun, moment, files))
        begun = None
    if not moments:
        return None
    return Made(workspace, moments[-1].folders, files)


def _appeared(begun: _Moment, ended: _Moment, known: Mapping[str, Seen]) -> Iterator[tuple[str, Seen]]:
    """Yield what is there at the end of an attempt and wasn't at its start, or was the job's already."""
    for path, (user, seen) in {**ended.outputs, **ended.files}.items():
        is_old = begun.has(path) and path not in known
        between = takewhile(lambda above: above not in begun.folders, _upwards(posixpath.dirname(path)))
        in_old = any(map(begun.has, between))
        is_looked_at = path in ended.outputs or any(above in begun.listed for above in _upwards(path))
        if user == begun.user and is_looked_at and not is_old and not in_old:
            yield path, seen


def _files_below(folder: str, begun: _Moment) -> Iterator[tuple[str, tuple[str, Seen]]]:
    """Yield what lies below a folder, whose it is and how it is; no link and no old folder is entered."""
    for root, folders, names in os.walk(folder or "."):
        paths = {name: _plain(os.path.join(root, name)) for name in (*folders, *names)}  # noqa: PTH118
        folders[:] = [name for name in folders if not begun.has(paths[name])]
        for path in paths.values():
            if (seen := Seen.of(path)) is not None:
                yield path, (str(os.lstat(path).st_uid), seen)


def _upwards(path: str) -> Iterator[str]:
    yield path
    while (above := posixpath.dirname(path)) != path:
        yield above
        path = above


def _plain(path: str) -> str:
    """Return a path as tables have it: normal, and the workspace's own folder empty."""
    normal = posixpath.normpath(path)
    return "" if normal == "." else normal
