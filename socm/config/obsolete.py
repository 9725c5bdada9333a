"""Keys of the older tool that mean nothing here, and what to use instead."""

from __future__ import annotations

from typing import Literal

from socm.diagnostics import Diagnostic, KeyPath, Severity

_CAMPAIGN = {
    "deadline": "every job has its own `resources.runtime`; Slurm is asked for that",
    "execution_schema": "a laptop and a cluster differ by profile: `snakemake --profile local` or `--profile slurm`",
    "requested_resources": "each job asks for its own `resources`; Snakemake runs as many at once as `--jobs` allows",
    "policy": "Snakemake orders the jobs by what they depend on",
}
_WORKFLOW = {
    "name": "a workflow is called as its table",
    "id": "a workflow is called as its table",
    "depends": "write `depends_on`",
}


def obsolete_key(path: KeyPath, where: Literal["campaign", "workflow"]) -> Diagnostic | None:
    """Return the note for a key of the older tool, or None for any other key."""
    advice = (_CAMPAIGN if where == "campaign" else _WORKFLOW).get(str(path[-1]).replace("-", "_"))
    if advice is None:
        return None
    return Diagnostic(
        "obsolete-key",
        f"`{path[-1]}` has no effect",
        severity=Severity.NOTE,
        key=path,
        point_at="key",
        hint=advice,
    )
