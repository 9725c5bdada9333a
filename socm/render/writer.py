"""The one writer: what a compile made replaces what stood there, whole or not at all."""

from __future__ import annotations

import ctypes
import glob
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from socm.diagnostics import Diagnostic, DiagnosticError
from socm.diagnostics.naming import naming
from socm.formats.document import replace_file, umask
from socm.formats.layout import MANIFEST, WORKFLOW
from socm.formats.locks import locked
from socm.formats.manifest import read_manifest

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_NEW, _OLD = ".new", ".old"
"""How the names end of the folder that is being made, and of the one that is moved aside."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did: paths relative to the workspace, sorted."""

    created: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int


def write_workspace(workspace: Path, contents: Mapping[str, bytes], *, force: bool = False) -> Written:
    """Write `contents` into `workspace`; touch nothing that already is as it should be.

    The new ``workflow`` folder is made beside the old one, with links to the files that stay, and
    the two change places in one step: a kill leaves the one or the other. Files outside it (the
    profiles) are replaced by rename before that. Files that an earlier compile wrote and this one
    doesn't are removed; any other file is kept. Raises DiagnosticError (not-written-by-socm), before
    anything is written, where a file would be lost that somebody else wrote or has changed since the
    last compile; `force` writes over it.
    """
    _check_own(workspace, contents, force)
    workspace.mkdir(parents=True, exist_ok=True)
    with locked(workspace):
        return _write(workspace, contents)


def _check_own(workspace: Path, contents: Mapping[str, bytes], force: bool) -> None:
    """Raise for files that would be lost: those that are not as the last compile left them."""
    known = _files_of_last_compile(workspace)
    folder = workspace / WORKFLOW
    in_the_way = [WORKFLOW] if folder.exists() and not folder.is_dir() else []
    changed = (
        [] if force else [path for path in contents if not _is_own(workspace, path, contents[path], known)]
    )
    if in_the_way or changed:
        raise DiagnosticError(
            Diagnostic(
                "not-written-by-socm",
                f"{workspace / path} is in the way: socm did not write it"
                + (", or it was changed since" if path in changed else ""),
                hint="move it, or write the workflow elsewhere: -o <folder>"
                + ("; `socm compile --force` writes over it" if path in changed else ""),
            )
            for path in (*in_the_way, *changed)
        )


def _is_own(workspace: Path, path: str, content: bytes, known: Mapping[str, str]) -> bool:
    """Return whether nothing is lost if a file is replaced: it isn't there, or as it was or will be."""
    place = workspace / path
    if not os.path.lexists(place):
        return True
    current = _read(place)
    if current == content:
        return True
    if current is None or place.is_symlink():
        return False
    if path == MANIFEST:
        return bool(known)
    return hashlib.sha256(current).hexdigest() == known.get(path)


def _write(workspace: Path, contents: Mapping[str, bytes]) -> Written:
    _restore(workspace)
    before = _files_of_last_compile(workspace)
    current = {path: _read(workspace / path) for path in contents}
    created = tuple(path for path in contents if current[path] is None)
    changed = tuple(path for path in contents if current[path] not in (None, contents[path]))
    removed = tuple(
        path
        for path in before
        if path not in contents
        and path.startswith(f"{WORKFLOW}/")
        and (text := _read(workspace / path)) is not None
        and hashlib.sha256(text).hexdigest() == before[path]
    )
    outside = [path for path in (*created, *changed) if not path.startswith(f"{WORKFLOW}/")]
    for path in outside:
        (workspace / path).parent.mkdir(parents=True, exist_ok=True)
        replace_file(workspace / path, contents[path])
    if len(outside) < len(created) + len(changed) or removed:
        generated = {*contents, *before, MANIFEST}
        _replace_folder(workspace, contents, set(created) | set(changed), set(removed), generated)
    return Written(
        tuple(sorted(created)),
        tuple(sorted(changed)),
        tuple(sorted(removed)),
        len(contents) - len(created) - len(changed),
    )


def _files_of_last_compile(workspace: Path) -> dict[str, str]:
    """Return the paths that the last manifest lists, with their digests; none where it can't be read."""
    try:
        files = read_manifest(workspace).files
    except DiagnosticError:
        return {}
    return {path: digest for path, digest in files.items() if ".." not in path.split("/")}


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def _replace_folder(
    workspace: Path, contents: Mapping[str, bytes], fresh: set[str], gone: set[str], generated: set[str]
) -> None:
    # Where the folder is a link, to a larger disk for instance, it stays one.
    old = (workspace / WORKFLOW).resolve()
    for leftover in _leftover_folders(old):
        _discard(leftover, old, generated)
    new = Path(tempfile.mkdtemp(dir=old.parent, prefix=f".{old.name}.", suffix=_NEW))
    try:
        new.chmod(0o777 & ~umask())
        if old.is_dir():
            shutil.copytree(
                old,
                new,
                copy_function=_link,
                dirs_exist_ok=True,
                symlinks=True,
                ignore=lambda folder, names: {
                    name
                    for name in names
                    if (WORKFLOW / (Path(folder) / name).relative_to(old)).as_posix() in fresh | gone
                },
            )
        inside = [path for path in sorted(fresh) if path.startswith(f"{WORKFLOW}/")]
        targets = {path: new / path.removeprefix(f"{WORKFLOW}/") for path in inside}
        for folder in dict.fromkeys(target.parent for target in targets.values()):
            folder.mkdir(parents=True, exist_ok=True)
        for path, target in targets.items():
            with naming(workspace / path):
                target.write_bytes(contents[path])
        _remove_empty_folders(new)
        _swap(new, old)
    finally:
        _discard(new, old, generated)


def _leftover_folders(old: Path) -> list[Path]:
    """Return the folders that killed compiles have left beside a workflow folder."""
    name = re.compile(rf"\.{re.escape(old.name)}\.[a-z0-9_]{{8}}({re.escape(_NEW)}|{re.escape(_OLD)})")
    folders = (path for path in old.parent.glob(f".{glob.escape(old.name)}.*") if name.fullmatch(path.name))
    return sorted(path for path in folders if path.is_dir() and not path.is_symlink())


def _restore(workspace: Path) -> None:
    """Put the folder back that a compile had moved aside when it was killed."""
    old = (workspace / WORKFLOW).resolve()
    aside = [path for path in _leftover_folders(old) if path.name.endswith(_OLD)]
    if aside and not old.exists():
        aside[0].rename(old)


def _discard(folder: Path, current: Path, generated: set[str]) -> None:
    """Remove a folder that was replaced or not finished, but for what would be lost with it.

    What somebody put into it is moved to the folder that stands now, or stays where that has another one.
    """
    for root, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(root, name)
            below = path.relative_to(folder)
            if (WORKFLOW / below).as_posix() in generated or _is_twin(path, current / below):
                path.unlink()
            elif not os.path.lexists(current / below):
                (current / below).parent.mkdir(parents=True, exist_ok=True)
                path.rename(current / below)
        for link in (
            path
            for path in Path(root).iterdir()
            if path.is_symlink() and _is_twin(path, current / path.relative_to(folder))
        ):
            link.unlink()
        with suppress(OSError):
            Path(root).rmdir()


def _is_twin(path: Path, other: Path) -> bool:
    try:
        if path.is_symlink() or other.is_symlink():
            return path.readlink() == other.readlink()
        return path.samefile(other) or path.read_bytes() == other.read_bytes()
    except OSError:
        return False


def _link(source: str, target: str) -> None:
    try:
        Path(target).hardlink_to(source)
    except OSError:
        shutil.copy2(source, target)


def _remove_empty_folders(folder: Path) -> None:
    for path, _, _ in os.walk(folder, topdown=False):
        if Path(path) != folder and not any(Path(path).iterdir()):
            Path(path).rmdir()


def _swap(new: Path, old: Path) -> None:
    """Put `new` in the place of `old`; afterwards `new`, if it is still there, is what was old."""
    if not old.exists():
        new.rename(old)
        return
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is not None and (
        renameat2(_AT_FDCWD, os.fsencode(new), _AT_FDCWD, os.fsencode(old), _RENAME_EXCHANGE) == 0
    ):
        return
    # File systems without an exchange need two renames; the next compile undoes the first one alone.
    aside = new.with_name(new.name.removesuffix(_NEW) + _OLD)
    old.rename(aside)
    new.rename(old)
    aside.rename(new)
