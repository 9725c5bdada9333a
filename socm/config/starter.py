"""The campaigns that `socm init` writes: commented, and valid as soon as their data are there."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources

from socm.config.toml_text import toml_value

SCHEMA_FILE = "campaign.schema.json"
SIMULATED: Mapping[str, tuple[str, ...]] = {"lat": (), "sat": ("--hwp-hz", "2")}
"""Options of `socm simulate` for data of each telescope."""
_NAME = 'name = "campaign"'


def starter_files(telescope: str, name: str) -> Mapping[str, str]:
    """Return the texts of a starter campaign of that name and of what it needs, by file."""
    folder = resources.files("socm.config") / "starters" / telescope
    texts = {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()}
    return {
        file: text.replace(_NAME, f"name = {toml_value(name)}", 1) for file, text in sorted(texts.items())
    }
