"""Where a report's numbers come from: the campaign, its seed, versions, digests, core hours."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from socm.nulls.inputs import read_json
from socm.nulls.report.verdict import MANIFEST, TestRecord

LIBRARIES = ("socm", "sotodlib", "pixell", "ducc0", "numpy", "scipy")


def read_provenance(directory: Path, records: Sequence[TestRecord]) -> dict[str, Any]:
    """Return what is known of a workspace's making: plain values, by name, for a report to print."""
    provenance: dict[str, Any] = {}
    manifest_path = directory / MANIFEST
    manifest = read_json(manifest_path, "manifest") if manifest_path.is_file() else {}
    if manifest:
        provenance["campaign"] = manifest.get("campaign", "")
        provenance["compiled by"] = f"socm {manifest.get('socm', '?')}"
        provenance |= {f"digest of {name}": digest for name, digest in manifest.get("sources", {}).items()}
        for row in manifest.get("observations", []):
            of = f"{row['observations']} observations of {row['context']}"
            provenance[f"{of}, query {row['query']}" if row["query"] != "1" else of] = (
                f"digest of what the database says of them {row['digest']}"
            )
        judged = {row["test"] for row in manifest.get("null_tests", [])}
        rules = {
            name: rule for name, rule in manifest.get("rules", {}).items() if rule.get("workflow") in judged
        }
        hours = sum_core_hours(directory / "benchmarks", rules)
        if hours is not None:
            provenance["core hours of the null tests"] = f"{hours:.2f}"
        jobs = list_slurm_jobs(directory / "logs", rules)
        if jobs:
            provenance["Slurm jobs of the null tests"] = ", ".join(map(str, jobs))
    observed = {
        name
        for record in records
        if record.membership
        for names in record.membership.observations
        for name in names
    }
    if observed:
        digest = hashlib.sha256("\n".join(sorted(observed)).encode()).hexdigest()
        provenance["observations in null tests"] = f"{len(observed)}, digest of their ids {digest}"
    seeds = sorted({record.ptes["seed"] for record in records if record.missing is None})
    provenance["seed"] = ", ".join(map(str, seeds))
    provenance["reported with"] = ", ".join(f"{name} {number}" for name, number in _versions())
    return provenance


def _versions() -> list[tuple[str, str]]:
    found = []
    for name in LIBRARIES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return found


def list_slurm_jobs(folder: Path, rules: Collection[str]) -> list[int]:
    """Return the Slurm ids of the rules' jobs, from what each noted beside its log when it last began.

    folder: of the logs, with the notes <rule>/<job>.environment.json or <rule>.environment.json.
    """
    found = set()
    for path in folder.glob("**/*.environment.json"):
        if path.relative_to(folder).parts[0].removesuffix(".environment.json") in rules:
            number = str(read_json(path, "note of a job").get("slurm_id", ""))
            found |= {int(number)} if number.isdigit() else set()
    return sorted(found)


def sum_core_hours(folder: Path, rules: Mapping[str, Mapping[str, Any]]) -> float | None:
    """Return the core hours of the rules' jobs, seconds × cores; None if Snakemake timed none.

    folder: of the benchmark tables, <rule>/<job>.tsv or <rule>.tsv, with a column `s`.
    """
    total, seen = 0.0, False
    for path in sorted(folder.glob("**/*.tsv")):
        rule = path.relative_to(folder).parts[0].removesuffix(".tsv")
        if rule not in rules:
            continue
        cores = int(rules[rule].get("cores", 1))
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                total += float(row.get("s") or 0) * cores / 3600
                seen = True
    return total if seen else None
