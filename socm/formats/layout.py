"""Where the files of a workspace are, relative to it."""

from __future__ import annotations

WORKFLOW = "workflow"
SNAKEFILE = f"{WORKFLOW}/Snakefile"
COMMON_RULES = f"{WORKFLOW}/common.smk"
COMMON_SHELL = f"{WORKFLOW}/common.sh"
OUTSIDE = f"{WORKFLOW}/outside.json"
MANIFEST = f"{WORKFLOW}/manifest.json"


def rule_file(rule: str) -> str:
    """Return where the text of a rule is."""
    return f"{WORKFLOW}/rules/{rule}.smk"


def job_table(rule: str) -> str:
    """Return where the table of a rule's jobs is."""
    return f"{WORKFLOW}/jobs/{rule}.json"
