"""What would stop a run, found before anything is submitted."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from socm.clusters.detect import parse_associations, parse_config
from socm.core.models import Environment
from socm.diagnostics import Diagnostic, Severity
from socm.graph import Plan, Rule

LEAST_FREE_BYTES = 1_000_000_000
LEAST_MEMORY_OF_SLURM_SECONDS = 200
"""Snakemake looks at its jobs every 180 s at worst; ended ones must still be in the queue then."""


def check_before_run(plan: Plan, workspace: Path, profile: str) -> tuple[Diagnostic, ...]:
    """Return what would stop or harm a run of the plan with a profile, all at once.

    Looks at the disks that outputs go to, at the environments, and for Slurm at its answer, the
    account, the QoS and how long Slurm remembers a job.
    """
    found = [*_check_disks(plan, workspace), *_check_environments(plan, workspace)]
    if profile == "slurm":
        found += _check_slurm(plan)
    return tuple(found)


def check_programs_here(told: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return what the compile warned of and that stops jobs on this machine: programs that are missing."""
    return tuple(
        replace(problem, severity=Severity.ERROR) for problem in told if problem.code == "program-not-found"
    )


def _check_disks(plan: Plan, workspace: Path) -> Iterator[Diagnostic]:
    """Yield a problem for each file system that can't take what is still to be made.

    What a job will write is what the done jobs of its rule wrote on the average.
    """
    needed: dict[Path, float] = {}
    for rule in plan.rules:
        outputs = [[workspace / path for path in job.outputs.values()] for job in rule.spec.jobs]
        made = [sum(_bytes(path) for path in paths) for paths in outputs if all(p.exists() for p in paths)]
        each = sum(made) / len(made) if made else 0.0
        for paths in outputs:
            if not all(path.exists() for path in paths):
                folder = _nearest_folder(paths[0]) if paths else workspace
                needed[folder] = needed.get(folder, 0.0) + each
    by_device: dict[int, tuple[Path, float]] = {}
    for folder, amount in needed.items():
        if not os.access(folder, os.W_OK):
            yield Diagnostic("not-writable", f"{folder} can't be written to, and outputs go there")
            continue
        device = folder.stat().st_dev
        first, before = by_device.get(device, (folder, 0.0))
        by_device[device] = (first, before + amount)
    for folder, amount in by_device.values():
        free = shutil.disk_usage(folder).free
        if free < amount:
            yield Diagnostic(
                "no-space",
                f"{folder} has {_size(free)} free, and what is left to make takes about {_size(amount)}",
                hint="the estimate is the mean of the jobs that are done",
            )
        elif free < LEAST_FREE_BYTES:
            yield Diagnostic("no-space", f"{folder} has only {_size(free)} free", severity=Severity.WARNING)


def _bytes(path: Path) -> int:
    return path.stat().st_size


def _nearest_folder(path: Path) -> Path:
    folder = path.parent
    while not folder.exists():
        folder = folder.parent
    return folder


def _size(amount: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.3g} TB"


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


def _check_slurm(plan: Plan) -> Iterator[Diagnostic]:
    if shutil.which("sbatch") is None:
        yield Diagnostic("no-slurm", "there is no `sbatch` here", hint="--profile local runs without Slurm")
        return
    done = _client("scontrol", "show", "config")
    config = parse_config(done)
    if not config:
        yield Diagnostic("no-slurm", "Slurm's controller does not answer `scontrol show config`")
        return
    yield from check_settings(config)
    yield from _check_rights(plan, config)


def check_settings(config: Mapping[str, str]) -> Iterator[Diagnostic]:
    """Yield what is amiss with the settings of a Slurm, as `scontrol show config` names them."""
    age = re.match(r"\d+", config.get("MinJobAge", ""))
    if age and 0 < int(age[0]) < LEAST_MEMORY_OF_SLURM_SECONDS:
        yield Diagnostic(
            "slurm-forgets",
            f"this Slurm forgets a job {age[0]} s after it ended (MinJobAge), and Snakemake may look later",
            severity=Severity.WARNING,
            hint="snakemake --profile slurm --slurm-status-command sacct asks the accounts instead; "
            "then a cancelled job is waited for until you stop the run",
        )
    if config.get("ProctrackType") == "proctrack/linuxproc":
        yield Diagnostic(
            "slurm-loses-processes",
            "this Slurm knows a job's processes by their parents only (ProctrackType), and a job that is "
            "cancelled may leave some behind",
            severity=Severity.WARNING,
            hint="before you start again after cancelling jobs, see that none of them still writes; "
            "proctrack/cgroup and proctrack/pgid end them all",
        )


def _check_rights(plan: Plan, config: Mapping[str, str]) -> Iterator[Diagnostic]:
    if "slurmdbd" not in config.get("AccountingStorageType", ""):
        return
    user = getpass.getuser()
    accounts, allowed = parse_associations(
        _client("sacctmgr", "-nP", "show", "assoc", f"user={user}", "format=account,qos")
    )
    if not accounts:
        return
    for rule in plan.rules:
        asked = rule.resources
        if asked.account is not None and asked.account.lower() not in accounts:
            yield Diagnostic(
                "no-account",
                f"{user} has no Slurm account `{asked.account}`, which the jobs of {rule.name} ask for",
                notes=(f"accounts: {', '.join(accounts)}",),
            )
        if asked.qos is not None and asked.qos not in allowed:
            yield Diagnostic(
                "no-account",
                f"{user} may not use the QoS `{asked.qos}`, which the jobs of {rule.name} ask for",
                notes=(f"QoS: {', '.join(sorted(allowed))}",),
            )


def _client(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def is_ready(problems: Sequence[Diagnostic]) -> bool:
    """Return whether nothing among the problems stops a run."""
    return not any(problem.severity is Severity.ERROR for problem in problems)
