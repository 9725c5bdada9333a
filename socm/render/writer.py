"""The one writer: what a compile made replaces what stood there, whole or not at all."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from socm.diagnostics import Diagnostic, DiagnosticError
from socm.diagnostics.edge import naming

FOLDER = "workflow"
"""The folder that is replaced as one."""

_MARK = b"ritten by socm"
"""What stands at the head of the files that people write by hand, too: the Snakefile and the profiles."""

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did: paths relative to the workspace, sorted."""

    created: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int


def write_workspace(workspace: Path, contents: Mapping[str, bytes]) -> Written:
    """Write `contents` into `workspace`; touch nothing that already is as it should be.

    The new ``workflow`` folder is made beside the old one, with links to the files that stay, and
    the two change places in one step: a kill leaves the one or the other. Files outside it (the
    profiles) are replaced by rename before that. Files that an earlier compile wrote and this one
    doesn't are removed; any other file is kept. Raises DiagnosticError (not-written-by-socm) where
    somebody else's Snakefile or profile stands in the way, before anything is written.
    """
    _check_own(workspace, contents)
    workspace.mkdir(parents=True, exist_ok=True)
    with _locked(workspace):
        return _write(workspace, contents)


def _check_own(workspace: Path, contents: Mapping[str, bytes]) -> None:
    """Raise for files that would be lost: those that neither an earlier compile nor this one wrote."""
    heads = {path: _MARK in content[:400] for path, content in contents.items()}
    foreign = [
        path
        for path in (FOLDER, *(path for path, is_marked in heads.items() if is_marked))
        if (workspace / path).is_file() and _MARK not in (_read(workspace / path) or b"")[:400]
    ]
    if foreign:
        raise DiagnosticError(
            Diagnostic(
                "not-written-by-socm",
                f"{workspace / path} is in the way, and socm did not write it",
                hint="move it, or write the workflow elsewhere: -o <folder>",
            )
            for path in foreign
        )


def _write(workspace: Path, contents: Mapping[str, bytes]) -> Written:
    before = _files_of_last_compile(workspace)
    current = {path: _read(workspace / path) for path in contents}
    created = tuple(path for path in contents if current[path] is None)
    changed = tuple(path for path in contents if current[path] not in (None, contents[path]))
    removed = tuple(path for path in before if path not in contents and (workspace / path).is_file())
    outside = [path for path in (*created, *changed) if not path.startswith(f"{FOLDER}/")]
    for path in outside:
        _replace_file(workspace / path, contents[path])
    if len(outside) < len(created) + len(changed) or removed:
        _replace_folder(workspace, contents, set(created) | set(changed), set(removed))
    return Written(
        tuple(sorted(created)),
        tuple(sorted(changed)),
        tuple(sorted(removed)),
        len(contents) - len(created) - len(changed),
    )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder against another compile, where the file system knows locks."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _files_of_last_compile(workspace: Path) -> list[str]:
    """Return the paths that the last manifest lists; none where it can't be read."""
    text = _read(workspace / FOLDER / "manifest.json")
    try:
        files = json.loads(text)["files"] if text else {}
    except (ValueError, KeyError, TypeError):
        return []
    return [path for path in files if path.startswith(f"{FOLDER}/") and ".." not in path.split("/")]


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _replace_file(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with naming(path), os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).chmod(0o644 & ~_umask())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _replace_folder(workspace: Path, contents: Mapping[str, bytes], fresh: set[str], gone: set[str]) -> None:
    # Where the folder is a link, to a larger disk for instance, it stays one.
    old = (workspace / FOLDER).resolve()
    for leftover in old.parent.glob(f".{old.name}.*.new"):
        shutil.rmtree(leftover, ignore_errors=True)
    new = Path(tempfile.mkdtemp(dir=old.parent, prefix=f".{old.name}.", suffix=".new"))
    try:
        new.chmod(0o777 & ~_umask())
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
                    if (FOLDER / (Path(folder) / name).relative_to(old)).as_posix() in fresh | gone
                },
            )
        for path in sorted(fresh):
            if path.startswith(f"{FOLDER}/"):
                target = new / Path(path).relative_to(FOLDER)
                target.parent.mkdir(parents=True, exist_ok=True)
                with naming(workspace / path):
                    target.write_bytes(contents[path])
        _remove_empty_folders(new)
        _swap(new, old)
    finally:
        shutil.rmtree(new, ignore_errors=True)


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
    # File systems without an exchange need two renames; the next compile clears the first one's trace.
    aside = new.with_suffix(".old.new")
    old.rename(aside)
    new.rename(old)
    shutil.rmtree(aside, ignore_errors=True)
