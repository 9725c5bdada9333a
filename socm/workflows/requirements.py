"""Whether the program of a workflow can run here at all, as far as that can be seen before it does."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

from socm.config.programs import python_of
from socm.core.jobs import PythonNeed
from socm.core.models import Workflow
from socm.core.variables import is_expanded, looks_like_shell
from socm.diagnostics import Diagnostic, Severity
from socm.workflows.command import Program

MPI = PythonNeed(
    "import mpi4py; mpi4py.rc.initialize = False; from mpi4py import MPI",
    Diagnostic(
        "mpi-missing",
        "the mapmaker reads all data and then dies without MPI",
        hint="pip install mpi4py mpich beside it",
    ),
)


def check_programs(workflow: Workflow, base: Path, launchers: Collection[str]) -> Iterator[Diagnostic]:
    """Yield what is known to keep the workflow's program from running in the present environment.

    A program that is a file of the campaign is looked for from `base`; `launchers` are programs that start
    ranks. A workflow that brings an environment of its own is not looked at: its programs are elsewhere.
    """
    if Path(workflow.program).name in launchers:
        yield Diagnostic(
            "launcher-in-program",
            f"`{workflow.program}` starts ranks inside a job that has room for one",
            Severity.WARNING,
            key=("executable",),
            hint="name the program itself, and write resources = { ranks = … }: socm starts them",
        )
    environment = workflow.environment
    if environment.conda or environment.modules or environment.container or environment.setup:
        return
    if not workflow.program:
        return
    if "/" in workflow.program and not workflow.program.startswith("/"):
        # Where it is an input as well, its not being there is an error.
        if not isinstance(workflow, Program) and not (base / workflow.program).exists():
            message = f"the program {workflow.program} does not exist"
            yield Diagnostic("program-not-found", message, Severity.WARNING, key=("executable",))
        return
    program = shutil.which(workflow.program)
    if program is None:
        yield Diagnostic(
            code="program-not-found",
            message=f"`{workflow.program}` is not on the PATH of this machine",
            severity=Severity.WARNING,
            hint="arguments of the program go into `args`"
            if " " in workflow.program
            else "its jobs will need it where they run: pip install 'socm[mapmaking]', or name a conda "
            "environment or modules in .environment",
        )
        return
    for need in workflow.needs():
        if why := _missing(program, need.statements):
            yield replace(need.problem, message=f"{need.problem.message}: {why}")


SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "csh", "tcsh", "fish"})


def literal_variables(workflow: Workflow) -> Iterator[Diagnostic]:
    """Yield the environment variables whose values look as if a shell should read them, and no shell does."""
    for name, text in workflow.environment.all_variables().items():
        if looks_like_shell(text) and not is_expanded(text):
            yield Diagnostic(
                "variable-not-expanded",
                f"{name} gets the text `{text}` as it is: no shell expands it",
                severity=Severity.WARNING,
                key=("environment", name),
                hint="paths and lists of paths are expanded where the job runs, such as /scratch/$USER or "
                "~/lib; for anything else, export it in a file that `setup` names",
            )
    if isinstance(workflow, Program) and Path(workflow.program).name not in SHELLS:
        for index, argument in enumerate(workflow.args):
            if is_expanded(argument):
                yield Diagnostic(
                    "variable-not-expanded",
                    f"the program gets the argument `{argument}` as it is: no shell expands it",
                    severity=Severity.WARNING,
                    key=("args", index),
                    hint="write the path, or let a shell run the program: "
                    'executable = "bash", args = ["-c", "…"]',
                )


@cache
def _missing(program: str, statements: str) -> str | None:
    """Return why the Python of `program` can't run statements, or None if it can or can't be asked."""
    python = python_of(program)
    if python is None:
        return None
    # Python looks for modules in the folder it starts in: the campaign's would run what lies there.
    asked = subprocess.run([*python, "-c", statements], cwd="/", capture_output=True, text=True, check=False)
    if asked.returncode == 0:
        return None
    lines = asked.stderr.strip().splitlines() or [f"`{statements}` fails"]
    return lines[-1]
