"""What a compile wrote into a workspace, from what, and which rules and null tests are in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from socm.diagnostics import DiagnosticError, Place
from socm.formats.document import Document, Part, read_document
from socm.formats.layout import MANIFEST


class ObservationsRead(Part):
    """What was read of one observation database: how many observations, and a digest of their values."""

    context: str
    query: str
    observations: int
    digest: str


class NullTestPlace(Part):
    """Where the specification and the products of a null test are."""

    test: str
    spec: str
    output_dir: str


class RuleFacts(Part):
    """What is known of a rule: its workflow, a digest of its shell text, what each of its jobs asks for."""

    workflow: str
    shell: str
    environment: dict[str, str | list[str]]
    cores: int
    runtime_minutes: int
    takes: dict[str, int] = Field(default_factory=dict)
    """What each of its jobs takes of the named resources that jobs share; left out where there are none."""
    priority: int = 0
    """Snakemake's priority of its jobs; left out where it is 0."""

    @model_serializer(mode="wrap")
    def _without_nothing(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        keys: dict[str, Any] = serialise(self)
        return {name: value for name, value in keys.items() if name not in ("takes", "priority") or value}


class Manifest(Document):
    """The manifest of a workspace; paths are relative to it, digests are SHA-256."""

    noun = "manifest"
    remedy = "Compile the campaign again: socm compile CAMPAIGN."

    socm: str
    campaign: str
    sources: dict[str, str]
    """The campaign files: name to digest."""
    observations: tuple[ObservationsRead, ...]
    null_tests: tuple[NullTestPlace, ...]
    rules: dict[str, RuleFacts]
    files: dict[str, str]
    """Every other file that the compile wrote: path to digest."""


def read_manifest(workspace: Path) -> Manifest:
    """Return the manifest of a workspace.

    Raises DiagnosticError: not-compiled, and what `read_document` raises.
    """
    path = workspace / MANIFEST
    if not path.exists():
        is_here, is_file = workspace == Path(), workspace.is_file()
        raise DiagnosticError.of(
            "not-compiled",
            f"there is no compiled campaign {'here' if is_here else f'in {workspace}'}",
            place=Place(str(path)),
            hint="name the folder of the campaign file, not the file"
            if is_file
            else "run it where the campaign was compiled to, or name that folder",
        )
    return read_document(Manifest, path)
