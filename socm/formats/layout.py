"""Where the files of a workspace are, relative to it."""

from __future__ import annotations

import hashlib
import os
import posixpath
from pathlib import Path

WORKFLOW = "workflow"
"""The folder that a compile replaces as one."""
SNAKEFILE = f"{WORKFLOW}/Snakefile"
COMMON_RULES = f"{WORKFLOW}/common.smk"
COMMON_SHELL = f"{WORKFLOW}/common.sh"
OUTSIDE = f"{WORKFLOW}/outside.json"
MANIFEST = f"{WORKFLOW}/manifest.json"
CONDA_ENVIRONMENTS = f"{WORKFLOW}/envs"
"""Where the copies are of the conda files that a campaign names."""
EMPTY_PREPROCESS_CONFIG = f"{WORKFLOW}/configs/preprocess.yaml"

LOGS = "logs"
BENCHMARKS = "benchmarks"
RUN_LOG = f"{LOGS}/snakemake.log"
"""What Snakemake said when it was started by `socm run`."""

SNAKEMAKE = ".snakemake"
RECORDS = f"{SNAKEMAKE}/metadata"
RECORDS_DATABASE = f"{SNAKEMAKE}/metadata.db"
"""Where Snakemake keeps its records with `--persistence-backend db`, unless it is told another place."""
INCOMPLETE = f"{SNAKEMAKE}/incomplete"
LOCKS = f"{SNAKEMAKE}/locks"
HOLDER = f"{SNAKEMAKE}/socm-run.json"
"""Who runs the workspace."""
EXECUTORS_USED = f"{SNAKEMAKE}/socm-executors.json"
ALLOCATIONS_USED = f"{SNAKEMAKE}/socm-allocations.json"
"""The Slurm jobs in which the workspace was run."""
STEP_SHELLS = f"{SNAKEMAKE}/allocation"
"""A folder a job that runs as a step, with its shell."""


def rule_file(rule: str) -> str:
    """Return where the text of a rule is."""
    return f"{WORKFLOW}/rules/{rule}.smk"


def job_table(rule: str) -> str:
    """Return where the table of a rule's jobs is."""
    return f"{WORKFLOW}/jobs/{rule}.json"


def environment_note(rule: str) -> str:
    """Return where it is written what the jobs of a rule run in."""
    return f"{WORKFLOW}/environments/{rule}.json"


def query_file(workflow: str, job: str) -> str:
    """Return where the observations of a map are listed."""
    return posixpath.join(WORKFLOW, "queries", workflow, f"{job or 'all'}.txt")


def program_config(workflow: str, job: str) -> str:
    """Return where the configuration is that a map's program reads."""
    return posixpath.join(WORKFLOW, "configs", workflow, f"{job or 'all'}.yaml")


def own_atomic_config(maps: str) -> str:
    """Return where a job of atomic maps has the configuration of its program."""
    return posixpath.join(maps, "config.yaml")


def own_preprocess_config(maps: str, layer: int) -> str:
    """Return where a job of atomic maps has its own configuration of a layer of preprocessing, 0 or 1."""
    return posixpath.join(maps, "preprocess", f"{('init', 'proc')[layer]}.yaml")


def own_archive_config(archive: str) -> str:
    """Return where a job that preprocesses has the configuration of its archive; the index lies beside it."""
    return posixpath.join(archive, "preprocess.yaml")


def own_archive_index(archive: str) -> str:
    """Return where the index of such an archive is."""
    return posixpath.join(archive, "preprocess.sqlite")


def splits_folder(workflow: str, variant: str) -> str:
    """Return the folder of what a null test's splits are."""
    return posixpath.join(WORKFLOW, "splits", workflow, variant)


def split_file(workflow: str, variant: str, split: str) -> str:
    """Return where the observations of a split are listed."""
    return posixpath.join(splits_folder(workflow, variant), f"{split}.txt")


def split_table(workflow: str, variant: str) -> str:
    """Return where it is written which observation of a null test went where, and why."""
    return posixpath.join(splits_folder(workflow, variant), "manifest.tsv")


def null_specification(workflow: str, variant: str, test: str) -> str:
    """Return where the specification of a null test is."""
    return posixpath.join(WORKFLOW, "nulls", workflow, variant, f"{test}.json")


def simulation_settings(workflow: str, job: str) -> str:
    """Return where the settings of a simulation job are."""
    return posixpath.join(WORKFLOW, "simulations", workflow, f"{job or 'all'}.json")


def job_stem(rule: str, job: str) -> str:
    """Return the path of a job's log and benchmark below their folders, without suffix.

    `job` is empty where the rule has a single one.
    """
    return f"{rule}/{job}" if job else rule


def log_file(stem: str) -> str:
    """Return the log of a job's program."""
    return f"{LOGS}/{stem}.log"


def benchmark_file(stem: str) -> str:
    """Return Snakemake's measurement of a job."""
    return f"{BENCHMARKS}/{stem}.tsv"


def stem_of_log(path: str) -> str | None:
    """Return the stem of the job that a log is of; None for what is no log of a job."""
    if not path.startswith(f"{LOGS}/") or not path.endswith(".log") or ".." in path.split("/"):
        return None
    return path.removeprefix(f"{LOGS}/").removesuffix(".log")


def user_cache() -> Path:
    """Return the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def cache_file(kind: str, name: str) -> Path:
    """Return where socm keeps something of a kind by its name, whatever characters that has."""
    return user_cache() / "socm" / kind / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.json"
