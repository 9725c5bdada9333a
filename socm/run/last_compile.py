"""Whether a compile would find everything as the last one left it, so that it need not be done again.

What a compile reads is known beforehand from the campaign: its own text and values, the cluster, the
context, the observation database, files of ids and of environments, and socm itself. A digest of all
that, and of what was written, is kept in the user's cache folder. Without it, and wherever a campaign
reads what isn't known beforehand, the compile is done as ever.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from socm.clusters import Cluster, shipped_folder
from socm.config import LoadedCampaign
from socm.core.models import Workflow
from socm.diagnostics import Diagnostic, DiagnosticError, Place, Severity
from socm.formats.document import replace_file
from socm.formats.foreign import read_table
from socm.formats.layout import MANIFEST
from socm.formats.manifest import parse_manifest
from socm.observations.context import SITE_FILE_VARIABLE, USER_FILE_VARIABLE, read_context
from socm.observations.files import file_database
from socm.observations.query_file import query_file
from socm.workflows import MLMapmaking
from socm.workflows.judgement import read_map_size
from socm.workflows.make_ml_map import FILES, SIDELOBE_MASKS
from socm.workflows.requirements import ReadsFiles

LIBRARIES = ("jinja2", "numpy", "pydantic", "pyerfa", "pyyaml")
"""What the bytes of a workspace may depend on besides socm and Python."""
_CLOCK = re.compile(r"\bnow\b|\bcurrent_|\b(date|time|datetime|julianday|unixepoch)\s*\(\s*\)", re.IGNORECASE)
"""How SQLite is asked what time it is."""
_OURS = re.compile(r"[0-9a-f]{32}\.json|\.[0-9a-f]{32}\.json\..*\.partial")
"""Names of files in the cache folder that this module writes."""
MOST_KEPT = 200
"""Workspaces that are remembered; those not compiled for longest are forgotten."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What the last compile made of a campaign, and what must be there still.

    `rules` are name, number of jobs and description; `needed` are the files that the jobs read and
    no job makes, relative to the campaign's folder.
    """

    rules: tuple[tuple[str, int, str], ...]
    diagnostics: tuple[Diagnostic, ...]
    needed: tuple[str, ...]
    files: int = 0


def fingerprint(loaded: LoadedCampaign, cluster: Cluster, file: Path) -> str | None:
    """Return a digest of everything that a compile of this campaign reads; None where that isn't known."""
    campaign = loaded.campaign
    if campaign.plugins or not all(map(_reads_what_it_names, campaign.workflows)):
        return None
    try:
        parts = [
            str(file),
            _digest(file),
            repr(campaign),
            repr(cluster),
            sys.version,
            *map(_version, LIBRARIES),
            *_files_of_socm(),
            *_files_of_workflows(campaign.workflows, file.parent),
        ]
    except (OSError, DiagnosticError):
        return None
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def recall(workspace: Path, known: str | None, base: Path) -> Remembered | None:
    """Return what the last compile made, if another would find the same; None where it might not.

    `known` is the fingerprint of now, `base` the campaign's folder. Every file that the last compile
    wrote is read, and is as it was.
    """
    if known is None:
        return None
    try:
        memory = read_table(_memory_file(workspace))
        manifest = (workspace / MANIFEST).read_bytes()
        if memory["fingerprint"] != known or memory["manifest"] != hashlib.sha256(manifest).hexdigest():
            return None
        files = parse_manifest(manifest, workspace).files
        if any(_digest(workspace / path) != digest for path, digest in files.items()):
            return None
        if not all((base / path).exists() for path in memory["needed"]):
            return None
        return Remembered(
            rules=tuple((name, jobs, text) for name, jobs, text in memory["rules"]),
            diagnostics=tuple(map(_diagnostic, memory["diagnostics"])),
            needed=tuple(memory["needed"]),
            files=len(files) + 1,
        )
    except (OSError, ValueError, KeyError, TypeError, DiagnosticError):
        return None


def remember(workspace: Path, known: str | None, made: Remembered) -> None:
    """Keep what a compile made for the next one; where nothing can be kept, nothing is."""
    if known is None:
        return
    with suppress(OSError):
        memory = {
            "fingerprint": known,
            "manifest": _digest(workspace / MANIFEST),
            "rules": made.rules,
            "diagnostics": [asdict(diagnostic) for diagnostic in made.diagnostics],
            "needed": made.needed,
        }
        file = _memory_file(workspace)
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, json.dumps(memory).encode())
        _forget_the_oldest(file.parent)


def _reads_what_it_names(workflow: Workflow) -> bool:
    """Return whether it is known what a compile reads for a workflow: not where others make or find it.

    Nor is it where a query may read the clock.
    """
    if not type(workflow).__module__.startswith("socm.") or isinstance(workflow, ReadsFiles):
        return False
    if not isinstance(workflow, MLMapmaking):
        return True
    return "${" not in f"{workflow.context} {workflow.query}" and not _CLOCK.search(workflow.query)


def _files_of_workflows(workflows: tuple[Workflow, ...], base: Path) -> Iterator[str]:
    """Yield name and digest of each file that decides what the workflows' jobs are."""
    seen: set[tuple[str | None, ...]] = set()
    for workflow in workflows:
        yield _program(workflow.program)
        conda = workflow.environment.conda
        if conda and conda.endswith((".yaml", ".yml")):
            yield f"{conda} {_digest(base / conda.removeprefix('file://'))}"
        if not isinstance(workflow, MLMapmaking):
            continue
        for name in workflow.input_fields:
            if path := getattr(workflow, name):
                yield f"{path} {_state(base / path)}"
        yield repr(read_map_size(base / workflow.area))
        variables = workflow.environment.all_variables()
        yield from (
            f"{path} {_state(base / path)}" for path in (*SIDELOBE_MASKS.values(), *_files_in(workflow))
        )
        named = (
            workflow.context,
            workflow.query,
            *map(variables.get, (SITE_FILE_VARIABLE, USER_FILE_VARIABLE)),
        )
        if named not in seen:
            seen.add(named)
            context = read_context(base / workflow.context, variables, base)
            if files := file_database(context):
                # It may be large, and only which observations it has counts.
                yield f"{files} {files.stat().st_mtime_ns} {files.stat().st_size}"
            ids = query_file(workflow.query, base)
            for path in (*context.files, *_database(context.obsdb), *((ids,) if ids else ())):
                yield f"{path} {_digest(path)}"


def _files_in(workflow: MLMapmaking) -> Iterator[str]:
    return (str(workflow.options[option]) for option in FILES if workflow.options.get(option))


def _database(path: Path) -> Iterator[Path]:
    """Yield the files of a SQLite database: what was written last may stand in its log."""
    yield path
    for suffix in ("-wal", "-journal"):
        log = path.with_name(path.name + suffix)
        if log.exists() and log.stat().st_size:
            yield log


def _program(name: str) -> str:
    found = shutil.which(name)
    return f"{name} {found} {Path(found).stat().st_mtime_ns if found else 0}"


def _state(path: Path) -> str:
    """Return of a file that jobs read what a compile looks at."""
    there = path.is_file()
    return f"{there} {os.access(path, os.R_OK)} {there and path.stat().st_size > 0}"


def _files_of_socm() -> Iterator[str]:
    """Yield name and digest of every file that socm is made of."""
    package = Path(__file__).parent.parent
    for root, patterns in (
        (package, ("*.py", "*.txt")),
        (shipped_folder("templates"), ("*.j2",)),
        (shipped_folder("profiles"), ("*.j2", "*.toml")),
    ):
        for pattern in patterns:
            for path in sorted(root.rglob(pattern)):
                yield f"{path.relative_to(root)} {_digest(path)}"


def _version(library: str) -> str:
    try:
        return f"{library} {version(library)}"
    except PackageNotFoundError:
        return library


def _digest(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _memory_file(workspace: Path) -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    name = hashlib.sha256(os.path.realpath(workspace).encode()).hexdigest()[:32]
    return Path(cache, "socm", "compiles", f"{name}.json")


def _forget_the_oldest(folder: Path) -> None:
    ours = (file for file in folder.iterdir() if _OURS.fullmatch(file.name) and file.is_file())
    files = sorted(ours, key=lambda file: file.stat().st_mtime, reverse=True)
    for file in files[MOST_KEPT:]:
        file.unlink(missing_ok=True)


def _diagnostic(fields: dict[str, Any]) -> Diagnostic:
    place, key = fields["place"], fields["key"]
    return replace(
        Diagnostic(**fields),
        severity=Severity(fields["severity"]),
        place=Place(**place) if place else None,
        key=tuple(key) if key is not None else None,
        notes=tuple(fields["notes"]),
    )
