"""Where a report's numbers come from: the campaign, its seed, versions, digests, core hours."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from socm.formats.document import read_document
from socm.formats.judged_maps import JUDGED_MAPS, JudgedMaps
from socm.formats.layout import BENCHMARKS, LOGS, MANIFEST
from socm.formats.manifest import read_manifest
from socm.nulls.report.records import TestRecord, iter_products

LIBRARIES = ("socm", "sotodlib", "pixell", "ducc0", "numpy", "scipy")


def read_provenance(directory: Path, records: Sequence[TestRecord]) -> dict[str, str]:
    """Return what is known of a workspace's making: plain values, by name, for a report to print."""
    provenance: dict[str, str] = {}
    if (directory / MANIFEST).exists():
        manifest = read_manifest(directory)
        provenance["campaign"] = manifest.campaign
        provenance["compiled by"] = f"socm {manifest.socm}"
        provenance |= {f"digest of {name}": digest for name, digest in manifest.sources.items()}
        for row in manifest.observations:
            of = f"{row.observations} observations of {row.context}"
            provenance[f"{of}, query {row.query}" if row.query != "1" else of] = (
                f"digest of what the database says of them {row.digest}"
            )
        judged = {row.test for row in manifest.null_tests}
        rules = {name: rule.cores for name, rule in manifest.rules.items() if rule.workflow in judged}
        hours = sum_core_hours(directory / BENCHMARKS, rules)
        if hours is not None:
            provenance["core hours of the null tests"] = f"{hours:.2f}"
        jobs = list_slurm_jobs(directory / LOGS, rules)
        if jobs:
            provenance["Slurm jobs of the null tests"] = ", ".join(map(str, jobs))
    elif (directory / JUDGED_MAPS).exists():
        provenance["maps"] = read_document(JudgedMaps, directory / JUDGED_MAPS).name
    found = [products for _, products in iter_products(records)]
    observed = {
        name
        for products in found
        if products.membership
        for names in products.membership.observations
        for name in names
    }
    if observed:
        digest = hashlib.sha256("\n".join(sorted(observed)).encode()).hexdigest()
        provenance["observations in null tests"] = f"{len(observed)}, digest of their ids {digest}"
    seeds = sorted({products.ptes.seed for products in found})
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
            found |= _slurm_ids(path)
    return sorted(found)


def _slurm_ids(note: Path) -> set[int]:
    """Return the Slurm id in a job's note; none in a note that was cut off."""
    try:
        keys = json.loads(note.read_bytes())
    except (OSError, ValueError):
        return set()
    number = str(keys.get("slurm_id", "")) if isinstance(keys, dict) else ""
    return {int(number)} if number.isdecimal() else set()


def sum_core_hours(folder: Path, rules: Mapping[str, int]) -> float | None:
    """Return the core hours of the rules' jobs, seconds × cores of each rule; None if Snakemake timed none.

    folder: of the benchmark tables, <rule>/<job>.tsv or <rule>.tsv, with a column `s`.
    """
    total, seen = 0.0, False
    for path in sorted(folder.glob("**/*.tsv")):
        rule = path.relative_to(folder).parts[0].removesuffix(".tsv")
        if rule not in rules:
            continue
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                total += float(row.get("s") or 0) * rules[rule] / 3600
                seen = True
    return total if seen else None
