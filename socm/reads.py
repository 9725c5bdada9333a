"""What a compile reads, noted as it reads: files, folders, environment variables, and paths it looks at.

Python reports every file it opens to audit hooks, so a file counts whoever reads it: a kind of workflow that
is yet to be written, a plugin, a library. `os.stat`, `os.lstat`, `os.access` and the environment report
nothing; they are wrapped while reads are recorded.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMPILED_LIBRARIES = frozenset(
    {"erfa", "markupsafe", "numpy", "pydantic_core", "tree_sitter", "tree_sitter_toml", "yaml", "_yaml"}
)
"""Compiled modules that open no file that a campaign names; any other might, unseen by Python."""
_ABSENT = "absent"
_LOGS_OF_SQLITE = ("-wal", "-journal")
_real_stat = os.stat


@dataclass
class Reads:
    """What was read, and the state in which each was found first: kind of read → name → state."""

    states: dict[str, dict[str, str]] = field(default_factory=lambda: {kind: {} for kind in _STATES})
    unrepeatable: list[str] = field(default_factory=list)
    """Why another compile may differ although the files don't; empty if it may not."""

    def note(self, kind: str, name: str) -> None:
        """Note the state of something that is about to be read, unless it was read before."""
        if name not in self.states[kind]:
            self.states[kind][name] = _STATES[kind](name)

    def are_unchanged(self) -> bool:
        """Return whether everything that was read is as it was then."""
        return not self.unrepeatable and all(
            state_of(name) == state
            for kind, state_of in _STATES.items()
            for name, state in self.states[kind].items()
        )

    def without(self, paths: Collection[str]) -> Reads:
        """Return the reads of everything but these absolute paths."""
        kept = {
            kind: {name: state for name, state in found.items() if name not in paths}
            for kind, found in self.states.items()
        }
        return Reads(kept, self.unrepeatable)


@contextmanager
def recording() -> Iterator[Reads]:
    """Record what this process reads inside the block; the modules that are loaded after it count, too."""
    global _current, _is_heard  # noqa: PLW0603 -- audit hooks belong to the process, and stay
    if not _is_heard:
        sys.addaudithook(_hear)
        _is_heard = True
    environment: Any = type(os.environ)
    before = (os.stat, os.lstat, os.access, environment.__getitem__)
    modules = set(sys.modules)
    reads = _current = Reads()
    os.stat, os.lstat, os.access = (_looking(function, "look") for function in before[:3])
    os.lstat = _looking(os.lstat, "link")
    environment.__getitem__ = _asking(before[3])
    try:
        yield reads
    finally:
        os.stat, os.lstat, os.access, environment.__getitem__ = before
        _current = None
    _note_modules(reads, modules)


def unrepeatable(why: str) -> None:
    """Note that a compile of the same files may differ from this one."""
    if _current is not None and why not in _current.unrepeatable:
        _current.unrepeatable.append(why)


def real_path(path: Path) -> str:
    """Return where a path leads; of what is on the way only the links count as read."""
    with _paused() as reads:
        if reads is not None:
            reads.note("place", _absolute(path))
        return os.path.realpath(path)


@contextmanager
def unrecorded() -> Iterator[None]:
    """Record nothing inside the block: what socm keeps for itself decides nothing."""
    with _paused():
        yield


_current: Reads | None = None
_is_heard = False


@contextmanager
def _paused() -> Iterator[Reads | None]:
    """Give the reads that are recorded, and record none inside the block: those that note a read."""
    global _current  # noqa: PLW0603
    reads, _current = _current, None
    try:
        yield reads
    finally:
        _current = reads


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if _current is None or event not in _EVENTS:
        return
    # Python opens what it compiled from a module; modules are noted at the end, by their sources.
    if sys._getframe(1).f_code.co_filename.startswith("<frozen importlib"):  # noqa: SLF001
        return
    with _paused() as reads:
        if reads is not None:
            _EVENTS[event](reads, *arguments)


def _hear_open(reads: Reads, file: Any, mode: str | None, flags: int, *_: Any) -> None:
    if isinstance(file, int) or (mode is None and flags & (os.O_WRONLY | os.O_RDWR)) or "w" in (mode or ""):
        return
    path = _absolute(file)
    if not path.startswith(("/proc/", "/dev/")):
        reads.note("content", path)


def _hear_database(reads: Reads, database: Any, *_: Any) -> None:
    name = os.fsdecode(database)
    if name in {"", ":memory:"}:
        return
    path = _absolute(unquote(urlsplit(name).path) if name.startswith("file:") else name)
    reads.note("content", path)
    for suffix in _LOGS_OF_SQLITE:
        reads.note("log", path + suffix)


def _hear_listing(reads: Reads, folder: Any, *_: Any) -> None:
    if not isinstance(folder, int):
        reads.note("listing", _absolute("." if folder is None else folder))


def _hear_program(reads: Reads, executable: Any, *_: Any) -> None:
    """Note the file of a program that is asked something, and the packages installed beside it."""
    path = _absolute(executable)
    reads.note("look", path)
    for packages in Path(path).parent.parent.glob("lib/python*/site-packages"):
        reads.note("listing", str(packages))


def _hear_connection(reads: Reads, *_: Any) -> None:
    reads.unrepeatable.append("something was asked over the network")


_EVENTS: dict[str, Callable[..., None]] = {
    "open": _hear_open,
    "sqlite3.connect": _hear_database,
    "os.listdir": _hear_listing,
    "os.scandir": _hear_listing,
    "subprocess.Popen": _hear_program,
    "socket.connect": _hear_connection,
}


def _looking(function: Any, kind: str) -> Any:
    def look(path: Any, *arguments: Any, **options: Any) -> Any:
        if _current is not None and not isinstance(path, int):
            with _paused() as reads:
                if reads is not None:
                    reads.note(kind, _absolute(path))
        return function(path, *arguments, **options)

    return look


def _asking(function: Any) -> Any:
    def get(environment: Any, name: str) -> Any:
        if _current is not None:
            with _paused() as reads:
                if reads is not None:
                    reads.note("variable", name)
        return function(environment, name)

    return get


def _note_modules(reads: Reads, before: Collection[str]) -> None:
    """Note the files of all modules: the text of what may be edited, and which version is installed."""
    import sysconfig

    installed = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
    for name in ("purelib", "platlib"):
        reads.note("listing", sysconfig.get_path(name))
    for name, module in tuple(sys.modules.items()):
        path = getattr(module, "__dict__", {}).get("__file__")
        if not path or not isinstance(path, str):
            continue
        reads.note("look" if path.startswith(installed) else "content", _absolute(path))
        package = name.partition(".")[0]
        is_ours = package in COMPILED_LIBRARIES or package in sys.stdlib_module_names
        if name not in before and not is_ours and not path.endswith(".py"):
            reads.unrepeatable.append(f"the compiled module {name} may read files unseen")


def _absolute(path: Any) -> str:
    return os.path.abspath(os.fsdecode(path))  # noqa: PTH100 -- a path may be bytes


def _content(path: str) -> str:
    try:
        with Path(path).open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        return "folder" if isinstance(error, IsADirectoryError) else _ABSENT


def _log(path: str) -> str:
    """Return the state of a database's log: it may come and go, as long as nothing is in it."""
    state = _content(path)
    return hashlib.sha256().hexdigest() if state == _ABSENT else state


def _look(path: str) -> str:
    try:
        found = _real_stat(path)
    except (OSError, ValueError):
        return _ABSENT
    if stat.S_ISDIR(found.st_mode):
        return f"folder {found.st_mode}"  # its times are those of what jobs put into it
    return f"{found.st_mode} {found.st_size} {found.st_mtime_ns}"


def _link(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115
    except OSError:
        return _ABSENT


def _listing(path: str) -> str:
    try:
        names = sorted(os.listdir(path))  # noqa: PTH208
    except OSError:
        return _ABSENT
    return hashlib.sha256("\0".join(names).encode(errors="surrogateescape")).hexdigest()


def _variable(name: str) -> str:
    value = os.environ.get(name)
    # What an environment holds may be a secret.
    return _ABSENT if value is None else hashlib.sha256(os.fsencode(value)).hexdigest()


_STATES: dict[str, Callable[[str], str]] = {
    "variable": _variable,
    "look": _look,
    "link": _link,
    "place": os.path.realpath,
    "listing": _listing,
    "log": _log,
    "content": _content,
}
"""Kinds of read, those that are quickest to check first."""
