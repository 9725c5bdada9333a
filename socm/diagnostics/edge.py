"""The edge of every program of socm: what leaves it as an exception becomes a message and an exit status."""

from __future__ import annotations

import errno
import io
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from socm import __version__
from socm.diagnostics.model import Diagnostic, DiagnosticError, Place
from socm.diagnostics.naming import naming
from socm.diagnostics.printing import format_diagnostics, format_summary, one_line, read_sources, wants_colour
from socm.diagnostics.terminal import echo

USERS_MISTAKE = 2
OUR_MISTAKE = 1
INTERRUPTED = 130
CLOSED_PIPE = 141
DEBUG_VARIABLE = "SOCM_DEBUG"
ISSUES = "https://github.com/simonsobs/socm/issues"
STANDARD_OUTPUT = "standard output"

_HINTS = {
    errno.ENOSPC: "free some space, or write elsewhere",
    errno.EDQUOT: "free some of your quota, or write elsewhere",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f), or write elsewhere",
    errno.EROFS: "the file system is mounted read-only; write elsewhere",
    errno.EACCES: "check its permissions and those of its folder",
    errno.EPERM: "check its owner and permissions, and those of its folder",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
}


def run_program(
    run: Callable[[], int | None], report: Callable[[DiagnosticError], None] | None = None
) -> int:
    """Run a program and return its exit status, whatever it raises.

    A DiagnosticError goes to `report`, by default to standard error. An OSError names its file and is
    the user's to mend (2), a closed pipe ends quietly (141), Ctrl-C is 130, and whatever is left is our
    mistake (1): its traceback is shown where $SOCM_DEBUG is set.
    """
    try:
        status = _status_of(run, report or report_error)
    except BrokenPipeError:
        status = CLOSED_PIPE
    except OSError:
        status = USERS_MISTAKE  # not even the message can be written
    _drop_what_cannot_be_written()
    return status


def _status_of(run: Callable[[], int | None], report: Callable[[DiagnosticError], None]) -> int:
    try:
        _prepare_streams()
        status = _returned(run)
        sys.stdout.flush()
    except KeyboardInterrupt:
        echo("socm: interrupted", err=True)
        return INTERRUPTED
    except (BrokenPipeError, _ReaderLeftError):
        return CLOSED_PIPE
    except DiagnosticError as error:
        report(error)
        return USERS_MISTAKE
    except (OSError, MemoryError) as error:
        _show_traceback_if_asked()
        report_error(DiagnosticError(problem_of(error)))
        return USERS_MISTAKE
    except Exception as error:  # noqa: BLE001 -- whatever is left is ours
        _report_our_mistake(error)
        return OUR_MISTAKE
    return status


def _returned(run: Callable[[], int | None]) -> int:
    try:
        return run() or 0
    except SystemExit as stop:
        if isinstance(stop.code, str):
            echo(stop.code, err=True)
            return OUR_MISTAKE
        return stop.code or 0


def problem_of(error: OSError | MemoryError) -> Diagnostic:
    """Return the problem of a file, or of the machine, as the operating system gave it."""
    if isinstance(error, MemoryError):
        return Diagnostic("out-of-memory", "there is not enough memory", hint="use a machine with more of it")
    reason = error.strerror or str(error) or type(error).__name__
    name = None if error.filename is None else os.fsdecode(error.filename)
    hint = _HINTS.get(error.errno or 0)
    if name is None:
        return Diagnostic("file-problem", f"the operating system refused: {reason}", hint=hint)
    if error.filename2 is not None:
        reason = f"{reason} (on the way to {os.fsdecode(error.filename2)})"
    return Diagnostic("file-problem", reason, place=Place(name), hint=hint)


def report_error(error: DiagnosticError) -> None:
    """Print the problems on standard error, each with its place."""
    found = error.diagnostics
    text = format_diagnostics(found, read_sources(found), wants_colour(sys.stderr))
    # Escaped part by part, and coloured after that.
    sys.stderr.write(text)  # noqa: TID251
    echo(format_summary(found, written=True), err=True)


class _ReaderLeftError(BaseException):
    """Nobody reads standard output any more; libraries have ideas of their own about a BrokenPipeError."""


class _NamedOutput(io.FileIO):
    """Standard output whose errors say that it is."""

    def write(self, data: Any) -> int:
        try:
            with naming(STANDARD_OUTPUT):
                return super().write(data)
        except BrokenPipeError:
            raise _ReaderLeftError from None


def _prepare_streams() -> None:
    """Make standard streams that can be written to, or say why not.

    A descriptor that the caller closed would be given to the next file that is opened.
    """
    closed = sys.stdout is None
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            handle = os.open(os.devnull, os.O_RDWR)
            if handle != number:
                os.dup2(handle, number)
                os.close(handle)
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False, encoding="utf-8"))  # noqa: SIM115
    if closed:
        raise OSError(errno.EBADF, "it is closed; `> /dev/null` discards it", STANDARD_OUTPUT)
    if type(sys.stdout) is io.TextIOWrapper and sys.stdout is sys.__stdout__:
        encoding, is_terminal = sys.stdout.encoding, sys.stdout.isatty()
        raw = _NamedOutput(sys.stdout.fileno(), "wb", closefd=False)
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(raw), encoding, errors="backslashreplace", line_buffering=is_terminal
        )


def _report_our_mistake(error: Exception) -> None:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    _show_traceback_if_asked()
    lines = [
        (
            f"socm: internal error: {type(error).__name__}: {one_line(str(error)) or 'no message'} "
            f"({'/'.join(Path(frame.filename).parts[-3:])}:{frame.lineno})"
        ),
        f"This is a mistake in socm {__version__}, not in your files.",
    ]
    if not os.environ.get(DEBUG_VARIABLE):
        lines.append(f"Run it again with {DEBUG_VARIABLE}=1, and report what it prints at {ISSUES}.")
    else:
        lines.append(f"Please report the lines above at {ISSUES}.")
    echo("\n".join(lines), err=True)


def _show_traceback_if_asked() -> None:
    if os.environ.get(DEBUG_VARIABLE):
        echo(traceback.format_exc(), nl=False, err=True)


def _drop_what_cannot_be_written() -> None:
    """Let Python end without a second message about output that nobody takes."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, _ReaderLeftError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
