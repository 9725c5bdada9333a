"""Which options a program takes: asked of its own parser, and kept until a file of the program changes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from socm.core.fields import ProgramOptions
from socm.core.models import Workflow
from socm.diagnostics import DiagnosticError
from socm.formats.document import Document, read_document, write_document
from socm.formats.layout import cache_file
from socm.reads import unrecorded

TIMEOUT_S = 120
_ELSEWHERE = ("PATH", "conda", "container", "modules", "setup")
"""Keys of an environment in which another program may have the same name."""
_ASK = """
import argparse, json, os, runpy, sys

packages = set()
add_argument = argparse._ActionsContainer.add_argument

def add_noted(parser, *words, **settings):
    packages.add(sys._getframe(1).f_globals.get("__name__", "").partition(".")[0])
    return add_argument(parser, *words, **settings)

def answer(parser, *_, **__):
    takes_value = {
        word[2:]: action.nargs != 0
        for action in parser._actions
        for word in action.option_strings
        if word.startswith("--") and word != "--help"
    }
    files = [sys.argv[0], argparse.__file__]
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in packages and getattr(module, "__file__", None):
            files.append(module.__file__)
    print("\\n" + json.dumps({"takes_value": takes_value, "files": sorted(set(files))}), flush=True)
    os._exit(0)

argparse._ActionsContainer.add_argument = add_noted
argparse.ArgumentParser.print_help = answer
sys.argv = sys.argv[1:] + ["--help"]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class _Answer(Document):
    noun: ClassVar[str] = "list of a program's options"
    remedy: ClassVar[str] = "It may be removed."

    takes_value: dict[str, bool]
    files: dict[str, tuple[int, int]]
    """Size and time of change (ns) of each file that the answer rests on."""


def known_options(kind: type[Workflow], values: Mapping[str, Any]) -> ProgramOptions | None:
    """Return the options of a kind's program: as the program here lists them, else as socm does.

    The program is asked only where the workflow runs it by its usual name from the PATH of this process.
    """
    options = kind.program_options
    environment = values.get("environment")
    if options is None or (isinstance(environment, Mapping) and any(map(environment.get, _ELSEWHERE))):
        return options
    names = ("executable", "subcommand")
    words = tuple(values.get(name, kind.model_fields[name].default) for name in names)
    if not options.command or options.command != tuple(filter(None, words)):
        return options
    program = shutil.which(options.command[0])
    answer = program and ask_program(program, options.command[1:])
    return replace(options, takes_value=answer, listed_by="") if answer else options


@cache
def ask_program(program: str, words: tuple[str, ...] = ()) -> Mapping[str, bool] | None:
    """Return each option of a Python program and whether it takes a value; None if it doesn't answer.

    `words` are the arguments in front of the options. The program runs up to its ``--help``, once for each
    of its versions.
    """
    kept = _file_of(program, words)
    with unrecorded(), suppress(DiagnosticError):
        known = read_document(_Answer, kept)
    with suppress(OSError, UnboundLocalError):
        if all(_marks(file) == marks for file, marks in known.files.items()):
            return known.takes_value
    python = python_of(program)
    if python is None:
        return None
    # Python looks for modules in the folder it starts in: the campaign's would run what lies there.
    with suppress(OSError, ValueError, KeyError, IndexError, subprocess.TimeoutExpired):
        said = subprocess.run(
            [*python, "-c", _ASK, program, *words],
            cwd="/",
            env={**os.environ, "TOAST_MPI_DISABLE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        ).stdout
        found = json.loads(said.splitlines()[-1])
        answer = _Answer(
            takes_value=found["takes_value"], files={file: _marks(file) for file in found["files"]}
        )
        with unrecorded(), suppress(OSError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_document(kept, answer)
        return answer.takes_value
    return None


def python_of(program: str) -> list[str] | None:
    """Return the words that start the Python of a script; None for a program of another kind."""
    with Path(program).open("rb") as file:
        first = file.readline(4096).decode(errors="replace").strip()
    return first.removeprefix("#!").split() if first.startswith("#!") and "python" in first else None


def _marks(file: str) -> tuple[int, int]:
    found = Path(file).stat()
    return found.st_size, found.st_mtime_ns


def _file_of(program: str, words: tuple[str, ...]) -> Path:
    return cache_file("options", "\0".join((program, *words)))
