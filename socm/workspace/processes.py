"""Which process is meant, and whether it still lives: a process id alone is used again."""

from __future__ import annotations

import getpass
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

_ENDED = -1
"""In place of the start of a process that its parent hasn't waited for yet."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process, distinguished from any other that had or will have its number."""

    host: str
    boot: str
    """The boot of the host and its process namespace, in which the number counts."""
    pid: int
    start_ticks: int
    user: str
    uid: int = -1
    """Negative where it isn't on record."""

    @classmethod
    def current(cls) -> Self:
        """Return the running process."""
        pid = os.getpid()
        return cls(socket.gethostname(), _boot(), pid, _start_ticks(pid) or 0, getpass.getuser(), os.getuid())

    @classmethod
    def from_record(cls, record: Any) -> Self | None:
        """Return the process that a record describes, or None if it describes none."""
        try:
            return cls(
                str(record["host"]),
                str(record["boot"]),
                int(record["pid"]),
                int(record["start_ticks"]),
                str(record["user"]),
                int(record.get("uid", -1)),
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            return None

    def record(self) -> dict[str, Any]:
        """Return the process as a record."""
        return asdict(self)

    @property
    def is_here(self) -> bool:
        """Whether its life can be seen from this process."""
        return self.boot == _boot()

    @property
    def is_dead(self) -> bool:
        """Whether it is known to have ended; False where that can't be seen."""
        if self.host == socket.gethostname() and self.boot.partition(" ")[0] != _boot().partition(" ")[0]:
            return True  # the host was started again since
        if not self.is_here:
            return False
        ticks = _start_ticks(self.pid)
        return self._is_gone() if ticks is None else ticks != self.start_ticks

    def _is_gone(self) -> bool:
        """Return whether it has ended, where /proc doesn't show it, as it may hide others' (hidepid)."""
        try:
            os.kill(self.pid, 0)
        except PermissionError:
            # One may send a signal to all of one's own: the number is another user's now.
            return self.uid == os.getuid()
        except (ProcessLookupError, OverflowError):
            return True
        return False

    def __str__(self) -> str:
        return f"process {self.pid} of {self.user} on {self.host}"


def _boot() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _start_ticks(pid: int) -> int | None:
    """Return when a process started, in ticks since the boot; None if none is seen, _ENDED of one that ended.

    psutil has it in seconds since 1970, which move when the clock is set.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return _ENDED if fields[0] in "ZX" else int(fields[19])
