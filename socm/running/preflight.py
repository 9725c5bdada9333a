"""What would stop a run, found before anything is submitted."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from socm.core.models import Environment
from socm.diagnostics import Diagnostic, Severity
from socm.diagnostics.amounts import size_text
from socm.executors.registry import EXECUTORS
from socm.formats.layout import user_cache
from socm.graph.checks import output_key
from socm.graph.plan import Plan, Rule
from socm.workspace.snakemake import written_folders
from socm.workspace.ways import Obstacle, is_there, obstacles_in

LEAST_FREE_BYTES = 1_000_000_000


def check_before_run(
    plan: Plan, workspace: Path, profile: str, warnings: Sequence[Diagnostic] = ()
) -> tuple[Diagnostic, ...]:
    """Return what would stop or harm a run of the plan with a profile, all at once.

    Looks at the disks that outputs go to and at the environments, and asks the profile's executor.
    `warnings` are those of the compile.
    """
    found = [
        *check_cache(),
        *_check_records(workspace),
        *_check_ways(plan, workspace),
        *_check_disks(plan, workspace),
        *_check_environments(plan, workspace),
    ]
    executor = EXECUTORS.get(profile)
    if executor is not None:
        found += executor.preflight(plan, warnings)
    return tuple(found)


def check_cache(severity: Severity = Severity.ERROR) -> tuple[Diagnostic, ...]:
    """Return a problem if Snakemake's cache folder can't be written: Snakemake doesn't start without it."""
    folder = user_cache() / "snakemake"
    nearest = _nearest_folder(folder / "file")
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return ()
    return (
        Diagnostic(
            "not-writable",
            f"Snakemake can't keep its cache in {folder}, and doesn't start without it",
            severity=severity,
            hint="export XDG_CACHE_HOME=… names another folder, one that compute nodes see too",
        ),
    )


def _check_records(workspace: Path) -> Iterator[Diagnostic]:
    """Yield a problem where Snakemake can't keep its records, as in a workspace that somebody else ran."""
    folders = (_nearest_folder(folder / "file") for folder in written_folders(workspace))
    closed = next((folder for folder in folders if not os.access(folder, os.W_OK | os.X_OK)), None)
    if closed is not None:
        yield Diagnostic(
            "not-writable",
            f"{closed} can't be written to, and Snakemake keeps its records there",
            hint="`socm compile -o` writes the workflow into a folder of yours",
        )


def _check_ways(plan: Plan, workspace: Path) -> Iterator[Diagnostic]:
    """Yield a problem where something keeps what is still to be made from being written."""
    obstacle_of = obstacles_in(workspace)
    reported: set[Obstacle] = set()
    for rule, job in plan.jobs():
        if all(is_there(workspace / path) for path in job.outputs.values()):
            continue
        for name, path in job.outputs.items():
            if (obstacle := obstacle_of(path)) is not None and obstacle not in reported:
                reported.add(obstacle)
                code = "not-writable" if obstacle.is_closed else "blocked-output"
                yield Diagnostic(code, f"{obstacle}, and {path} goes there", key=output_key(rule, name))


def _check_disks(plan: Plan, workspace: Path) -> Iterator[Diagnostic]:
    """Yield a problem for each file system that can't take what is still to be made.

    What a job will write is what the done jobs of its rule wrote on the average.
    """
    needed: dict[Path, float] = {}
    for rule in plan.rules:
        outputs = [[workspace / path for path in job.outputs.values()] for job in rule.spec.jobs]
        made = [sum(_bytes(path) for path in paths) for paths in outputs if all(map(is_there, paths))]
        each = sum(made) / len(made) if made else 0.0
        for paths in outputs:
            if not all(map(is_there, paths)):
                folder = _nearest_folder(paths[0]) if paths else workspace
                needed[folder] = needed.get(folder, 0.0) + each
    by_device: dict[int, tuple[Path, float]] = {}
    for folder, amount in needed.items():
        device = folder.stat().st_dev
        first, before = by_device.get(device, (folder, 0.0))
        by_device[device] = (first, before + amount)
    for folder, amount in by_device.values():
        free = shutil.disk_usage(folder).free
        if free < amount:
            yield Diagnostic(
                "no-space",
                f"{folder} has {size_text(free)} free, "
                f"and what is left to make takes about {size_text(amount)}",
                hint="the estimate is the mean of the jobs that are done",
            )
        elif free < LEAST_FREE_BYTES:
            yield Diagnostic(
                "no-space", f"{folder} has only {size_text(free)} free", severity=Severity.WARNING
            )


def _bytes(path: Path) -> int:
    return path.stat().st_size


def _nearest_folder(path: Path) -> Path:
    folder = path.parent
    while not is_there(folder):
        folder = folder.parent
    return folder


def _check_environments(plan: Plan, workspace: Path) -> Iterator[Diagnostic]:
    seen: list[Environment] = []
    for rule in plan.rules:
        environment = rule.spec.environment
        if environment in seen:
            continue
        seen.append(environment)
        yield from _check_environment(rule, environment, workspace)


def _check_environment(rule: Rule, environment: Environment, workspace: Path) -> Iterator[Diagnostic]:
    of = f"the jobs of {rule.name}"
    if environment.conda is not None:
        is_prefix = "/" in environment.conda and not environment.conda.endswith((".yaml", ".yml"))
        if is_prefix and not (workspace / environment.conda / "bin").is_dir():
            yield Diagnostic(
                "no-environment", f"{of} need the conda prefix {environment.conda}, and it is not here"
            )
        if shutil.which("conda") is None:
            yield Diagnostic(
                "no-environment",
                f"{of} need conda, and there is no `conda` here",
                hint="install Miniforge (https://conda-forge.org/download/), or load its module",
            )
    if environment.modules and not _has_modules():
        yield Diagnostic(
            "no-environment",
            f"{of} load {', '.join(environment.modules)}, and there is no `module` here",
            hint="install lmod or environment-modules, or start from a login shell",
        )
    for module in environment.modules if _has_modules() else ():
        if not _module_is_available(module):
            yield Diagnostic(
                "no-environment", f"{of} load the module {module}, and `module avail` does not know it"
            )
    if environment.container is not None and not (shutil.which("apptainer") or shutil.which("singularity")):
        yield Diagnostic(
            "no-environment",
            f"{of} run in a container, and there is no `apptainer` here",
            hint="install Apptainer (https://apptainer.org/docs/), or load its module",
        )
    if environment.setup is not None and not (workspace / environment.setup).is_file():
        yield Diagnostic("no-environment", f"{of} source {environment.setup}, and it is not here")


def _bash(script: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = ("bash", "-c", script, "bash", *words)
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def _has_modules() -> bool:
    return _bash("type module").returncode == 0


def _module_is_available(module: str) -> bool:
    done = _bash('module is-avail "$1" || module avail "$1" 2>&1 | grep -qF -- "$1"', module)
    return done.returncode == 0


def is_ready(problems: Sequence[Diagnostic]) -> bool:
    """Return whether nothing among the problems stops a run."""
    return not any(problem.severity is Severity.ERROR for problem in problems)
