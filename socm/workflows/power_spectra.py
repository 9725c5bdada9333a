"""Power spectra: scripts in stages, each after those it depends on."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from socm.core.fields import CampaignPath
from socm.core.models import Workflow
from socm.workflows.command import Program


class SpectraStage(Program):
    """Runs one script of a chain from maps to spectra."""

    kind: ClassVar[str] = "spectra-stage"
    free_matrix: ClassVar[bool] = True

    executable: str = Field("python", min_length=1, description="Program that reads the script.")
    script: CampaignPath = Field(description="Script that the stage runs.")

    def get_command(self, **kwargs: Any) -> str:  # noqa: ARG002 -- part of the documented signature
        """Return the program, its subcommand and the script as shell text."""
        words = (self.executable, self.subcommand, self.script)
        return " ".join(shlex.quote(part) for part in words if part)

    def program_files(self) -> dict[str, str]:
        """Return the script, and the program where it is a file of the campaign."""
        return {**super().program_files(), "script": self.script}


class PowerSpectra(SpectraStage):
    """Holds stages: each of its tables is one, and inherits what it doesn't say itself."""

    kind: ClassVar[str] = "power-spectra"

    @classmethod
    def child_kind(cls, name: str, table: Mapping[str, Any]) -> type[Workflow] | None:  # noqa: ARG003
        """Return the kind of a table under this one: every one is a stage."""
        return SpectraStage
