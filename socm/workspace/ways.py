"""What keeps a file from being made at a path: what lies on the way to it, as long as it isn't there."""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

LONGEST_NAME_BYTES = 255
"""Where a file system doesn't say."""
LONGEST_PATH_BYTES = 4095


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What is in the way, and why nothing can be made below it."""

    path: str
    """Relative to the workspace where it is below that."""
    why: str
    is_closed: bool = False
    """Whether another user might make it: only permissions are in the way."""

    def __str__(self) -> str:
        return f"{self.path} {self.why}"


def is_there(path: Path | str) -> bool:
    """Return whether a file or folder can be seen at a path, whatever is on the way to it."""
    return os.path.exists(path)  # noqa: PTH110 -- False where Path.exists raises OSError


def obstacles_in(workspace: Path) -> Callable[[str], Obstacle | None]:
    """Return the function that says what is in the way of a path, relative to a workspace or absolute."""
    here = os.path.abspath(workspace)  # noqa: PTH100 -- without .. on the way

    @cache
    def in_the_way(folder: str) -> tuple[Obstacle | None, str]:
        """Return what keeps files out of a folder, and the folder nearest to it that there is."""
        try:
            found = os.stat(folder)  # noqa: PTH116 -- of texts, of which there are thousands
        except OSError as error:
            above, name = posixpath.split(folder)
            obstacle, nearest = in_the_way(above) if above != folder else (None, folder)
            return obstacle or _in_the_way(folder, name, nearest, error.errno), nearest
        if not stat.S_ISDIR(found.st_mode):
            return Obstacle(folder, "is a file, not a folder"), folder
        if not os.access(folder, os.W_OK | os.X_OK):
            return Obstacle(folder, "can't be written to", is_closed=True), folder
        return None, folder

    def obstacle_of(path: str) -> Obstacle | None:
        folder, name = posixpath.split(posixpath.join(here, path))
        obstacle, nearest = in_the_way(folder)
        found = obstacle or _too_long(folder, name, nearest)
        return found and replace(found, path=found.path.removeprefix(f"{here}/"))

    return obstacle_of


def _in_the_way(folder: str, name: str, nearest: str, number: int | None) -> Obstacle | None:
    """Return why a folder can't be made or entered, when nothing above it is in the way."""
    if number == errno.ELOOP:
        return Obstacle(folder, "is a link that leads back to itself")
    if os.path.islink(folder):  # noqa: PTH114 -- False for what can't be named
        return Obstacle(folder, f"is a link to {Path(folder).readlink()}, which is not there")
    if number in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
        return _too_long(posixpath.dirname(folder), name, nearest)
    return Obstacle(folder, f"can't be used: {os.strerror(number or 0)}", is_closed=number == errno.EACCES)


def _too_long(folder: str, name: str, nearest: str) -> Obstacle | None:
    if len(os.fsencode(name)) > _longest_name_bytes(nearest):
        return Obstacle(posixpath.join(folder, name), "has a longer name than its file system takes")
    if len(os.fsencode(posixpath.join(folder, name))) > LONGEST_PATH_BYTES:
        return Obstacle(posixpath.join(folder, name), "is a longer path than there can be")
    return None


@cache
def _longest_name_bytes(folder: str) -> int:
    try:
        return os.pathconf(folder, "PC_NAME_MAX") or LONGEST_NAME_BYTES
    except OSError:
        return LONGEST_NAME_BYTES
