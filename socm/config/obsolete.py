"""Keys of the older tool that mean nothing here, and what to use instead."""

from __future__ import annotations

from typing import Literal

from socm.diagnostics import Diagnostic, KeyPath, Severity

_CAMPAIGN = {
    "execution_schema": "the profile says where to run: `snakemake --profile local` or `--profile slurm`",
    "requested_resources": "each job asks for its own `resources`; `snakemake --jobs` limits their number",
    "policy": "Snakemake starts a job as soon as what it reads is made",
    "campaign_policy": "Snakemake starts a job as soon as what it reads is made",
}
_WORKFLOW = {
    "name": "a workflow is called as its table",
    "id": "a workflow is called as its table",
    "datasize": "each job asks for its own `resources`",
    "script_args": "write args = […] in the table of a stage: [campaign.power-spectra.<stage>]",
    "script_kwargs": "write kwargs = {…} in the table of a stage: [campaign.power-spectra.<stage>]",
    "script_flags": "write flags = […] in the table of a stage: [campaign.power-spectra.<stage>]",
    "depends": "it is called `depends_on` now, and understood",
}


def obsolete_key(path: KeyPath, where: Literal["campaign", "workflow"]) -> Diagnostic | None:
    """Return the note for a key of the older tool, or None for any other key."""
    advice = (_CAMPAIGN if where == "campaign" else _WORKFLOW).get(str(path[-1]).replace("-", "_"))
    if advice is None:
        return None
    understood = path[-1] == "depends"
    lost = str(path[-1]).replace("-", "_").startswith("script_")
    return Diagnostic(
        "obsolete-key",
        f"`{path[-1]}` is a key of the older tool" if understood or lost else f"`{path[-1]}` has no effect",
        severity=Severity.ERROR if lost else Severity.NOTE,
        key=path,
        point_at="key",
        hint=advice,
    )
