"""What jobs run in: variables, modules, a file to source, a container; and how they note it."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
import shlex
from collections.abc import Mapping

from socm.core.jobs import JobSpec, paths_in
from socm.core.variables import is_expanded, shell_value
from socm.formats.layout import SNAKEMAKE
from socm.graph.plan import Rule

OF_CONTAINERS = ("APPTAINER", "SINGULARITY")
"""How the variables begin that the container's runtime reads, not the program in it."""

FIRST_WORD = re.compile(r"""(?:'[^']*'|"[^"]*"|\\.|[^\s'"\\])+""")
"""The first word of shell text."""

THROUGH_SHELL = ("sh", "-c", shlex.quote('exec "$0" "$@"'))


def render_environment(rule: Rule, files: Mapping[str, str], is_own: bool) -> str:
    """Return what a rule's jobs run in, as one line: each job notes it as it is when the job starts.

    `files` are the texts of the workspace, among them the conda environments that are files. `is_own`
    says that nobody else writes into the folders of a job's outputs: a second line says it to the job,
    which then notes all that it makes there.
    """
    environment = rule.spec.environment
    values = {
        "workflow": rule.spec.workflow,
        "conda": environment.conda,
        "conda_file": files.get(environment.conda or ""),
        "container": environment.container,
        "modules": list(environment.modules),
        "setup": environment.setup,
        "variables": environment.all_variables(),
    }
    line = json.dumps({name: value for name, value in values.items() if value}) + "\n"
    return f"{line}own\n" if is_own else line


def command_text(rule: Rule, job: JobSpec) -> str:
    """Return the whole command of a job: its environment variables and its program, as shell text.

    A container is part of the command: so ranks can be started from outside it, and what socm does
    before and after the program needs nothing of the image.
    """
    variables = rule.spec.environment.all_variables()
    if rule.spec.environment.container is None:
        return _with_variables(variables, job.command)
    of_runtime = {name: text for name, text in variables.items() if name.startswith(OF_CONTAINERS)}
    inside = {name: text for name, text in variables.items() if name not in of_runtime}
    start = _container_words(job, rule.spec.environment.container)
    return _with_variables(of_runtime, f"{start} {_with_variables(inside, job.command)}")


def _with_variables(variables: Mapping[str, str], command: str) -> str:
    """Return a command that sees variables; `env` would take a program of a name with = for one more."""
    words = [
        f"{name}={shell_value(value)}" if is_expanded(value) else shlex.quote(f"{name}={value}")
        for name, value in variables.items()
    ]
    if not words:
        return command
    program = FIRST_WORD.match(command)
    through = THROUGH_SHELL if program and "=" in program.group() else ()
    return " ".join(["env", *words, *through, command])


def _container_words(job: JobSpec, image: str) -> str:
    """Return how a program is started in a container that sees the workspace and the job's own folders."""
    values = [value for name, value in job.inputs.items() if name != "container"]
    paths = [path for value in (*values, *job.outputs.values()) for path in paths_in(value)]
    folders = sorted({posixpath.dirname(path) for path in paths if path.startswith("/")})
    binds = "".join(f" --bind {shlex.quote(folder)}" for folder in folders)
    seen = f'--home "$PWD" --bind "${{TMPDIR:-/tmp}}"{binds}'
    return f'"$(container_program)" exec {seen} {shlex.quote(image_file(image))}'


def image_file(image: str) -> str:
    """Return the file of a container image: of one with an address, the one that a run fetches first."""
    if "://" not in image:
        return image
    return f"{SNAKEMAKE}/containers/{hashlib.sha256(image.encode()).hexdigest()[:16]}.sif"


def setup_text(rule: Rule) -> str:
    """Return the shell text that a job starts with: modules that must be loaded, and the file to source."""
    environment = rule.spec.environment
    guards = [
        f"{{ module is-loaded {shlex.quote(module)} || "
        f"{{ echo module {shlex.quote(module)} is not loaded >&2; exit 3; }}; }}"
        for module in environment.modules
    ]
    sourced = []
    if environment.setup:
        path = posixpath.join(".", environment.setup)
        failed = shlex.quote(f"{environment.setup} failed")
        sourced = [
            f"{{ . {shlex.quote(path)} || {{ echo {failed} >&2; exit 3; }}; }}",
            f"digest_setup {shlex.quote(path)}",
        ]
    return " && ".join(guards + sourced)
