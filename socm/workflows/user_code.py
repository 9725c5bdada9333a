"""Code that users write themselves: what it raises is reported as theirs, with their own lines only."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pydantic
import pydantic_core

from socm.core.models import Workflow
from socm.diagnostics import DiagnosticError

_NOT_THEIRS = (
    str(Path(__file__).parent.parent),
    str(Path(pydantic.__file__).parent),
    str(Path(pydantic_core.__file__).parent),
    "<frozen ",
)
_MOST_LINES = 12


@contextmanager
def calling(workflow: Workflow, method: str) -> Iterator[None]:
    """Turn what a method of a user's class raises into a diagnostic; socm's own classes may fail."""
    module = type(workflow).__module__
    try:
        yield
    except DiagnosticError:
        raise
    except Exception as error:
        if module.partition(".")[0] == "socm" and not their_lines(error):
            raise
        raise DiagnosticError.of(
            "workflow-raises",
            f"{method} of `{workflow.name}` ({type(workflow).__name__}) raises {describe_error(error)}",
            point_at="key",
            notes=their_lines(error, _folder_of(module)),
        ) from None


def _folder_of(module: str) -> Path | None:
    file = getattr(sys.modules.get(module), "__file__", None)
    return Path(file).parent if file else None


def describe_error(error: BaseException) -> str:
    """Return an exception's class and the first line of what it says."""
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0]}" if said else type(error).__name__


def their_lines(error: BaseException, base: Path | None = None) -> tuple[str, ...]:
    """Return the part of a traceback that is not socm's, pydantic's or the interpreter's.

    A line is ``file:line, in function: source``, the innermost last; files are relative to `base`.
    """
    if isinstance(error, SyntaxError) and error.filename and not error.filename.startswith(_NOT_THEIRS):
        source = (error.text or "").strip()
        return (f"{_shown(error.filename, base)}:{error.lineno}: {source}",)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(_NOT_THEIRS)
    ]
    return tuple(
        f"{_shown(frame.filename, base)}:{frame.lineno}, in {frame.name}: {frame.line}"
        for frame in frames[-_MOST_LINES:]
    )


def _shown(filename: str, base: Path | None) -> str:
    path = Path(filename)
    for folder in (base, Path.cwd()):
        if folder is not None and path.is_relative_to(folder):
            return str(path.relative_to(folder))
    return str(path)
