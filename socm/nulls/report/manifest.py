"""What a report needs of a workspace's manifest."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from socm.diagnostics import Diagnostic, DiagnosticError
from socm.formats.document import read_file

MANIFEST = Path("workflow/manifest.json")
_REMEDY = "`socm compile` writes it anew."


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class NullTestRow(_Row):
    """A null test of the campaign: its specification and its output folder, relative to the workspace."""

    test: str
    spec: str
    output_dir: str


class ObservationsRow(_Row):
    """What was read of an observation database."""

    context: str
    query: str
    observations: int
    digest: str


class RuleRow(_Row):
    """A rule of the workflow."""

    workflow: str
    cores: int = 1


class Manifest(_Row):
    """What a compile wrote down; `files` are digests (sha256) of what it wrote."""

    campaign: str = ""
    socm: str = "?"
    sources: dict[str, str] = Field({})
    observations: tuple[ObservationsRow, ...] = ()
    null_tests: tuple[NullTestRow, ...] = ()
    rules: dict[str, RuleRow] = Field({})
    files: dict[str, str] = Field({})


def read_manifest(workspace: Path) -> Manifest:
    """Return a workspace's manifest; raises DiagnosticError unreadable-file or damaged-file."""
    path = workspace / MANIFEST
    content = read_file(path, "manifest", _REMEDY)
    try:
        json.loads(content)
        return Manifest.model_validate_json(content, strict=True)
    except (ValueError, RecursionError) as error:
        problem = error.errors()[0] if isinstance(error, ValidationError) else None
        reason = f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" if problem else str(error)
        raise DiagnosticError(
            Diagnostic("damaged-file", f"The manifest {path} is damaged: {reason}", hint=_REMEDY)
        ) from None
