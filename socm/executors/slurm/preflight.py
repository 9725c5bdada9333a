"""What Slurm's settings and accounts say against a run, before anything is submitted."""

from __future__ import annotations

import getpass
import re
import shutil
from collections.abc import Iterator, Mapping

from socm.diagnostics import Diagnostic, Severity
from socm.executors.slurm.client import ask
from socm.executors.slurm.detect import parse_associations, parse_config
from socm.graph.plan import Plan

LEAST_MEMORY_OF_SLURM_SECONDS = 200
"""Snakemake looks at its jobs every 180 s at worst; ended ones must still be in the queue then."""


def check_slurm(plan: Plan) -> Iterator[Diagnostic]:
    """Yield what Slurm's settings and accounts say against a run of the plan."""
    if shutil.which("sbatch") is None:
        yield Diagnostic("no-slurm", "there is no `sbatch` here", hint="--profile local runs without Slurm")
        return
    config = parse_config(ask("scontrol", "show", "config"))
    if not config:
        yield Diagnostic("no-slurm", "Slurm's controller does not answer `scontrol show config`")
        return
    yield from check_settings(config)
    yield from _check_rights(plan, config)


def check_settings(config: Mapping[str, str]) -> Iterator[Diagnostic]:
    """Yield what is amiss with the settings of a Slurm, as `scontrol show config` names them."""
    age = re.match(r"\d+", config.get("MinJobAge", ""))
    accounts = "slurmdbd" in config.get("AccountingStorageType", "")
    if age and 0 < int(age[0]) < LEAST_MEMORY_OF_SLURM_SECONDS and not accounts:
        yield Diagnostic(
            "slurm-forgets",
            f"this Slurm forgets a job {age[0]} s after it ended (MinJobAge) and keeps no accounts; "
            "Snakemake may look later, and wait for a job that is over",
            severity=Severity.WARNING,
            hint="if a run shows no progress, interrupt it and start it again: what is done stays done",
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
        ask("sacctmgr", "-nP", "show", "assoc", f"user={user}", "format=user,account,qos"), user
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
