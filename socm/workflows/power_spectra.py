"""Power spectra: scripts in stages, each after those it depends on."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, field_validator

from socm.core.fields import CampaignPath
from socm.core.invalid import invalid
from socm.core.models import Workflow
from socm.workflows.command import Program

_VARIABLE = re.compile(r"[A-Za-z_]\w*=")
_OPERATOR = re.compile(r"[;&|<>`]|\d?[<>]|\$\(|.*;$")


class SpectraStage(Program):
    """Runs one script of a chain from maps to spectra."""

    kind: ClassVar[str] = "spectra-stage"
    free_matrix: ClassVar[bool] = True

    executable: str = Field(
        "python",
        min_length=1,
        description="Program that reads the script, with options of its own.",
        examples=["python -u"],
    )
    script: CampaignPath = Field(description="Script that the stage runs.")

    @field_validator("executable")
    @classmethod
    def _check_words(cls, text: str) -> str:
        try:
            words = shlex.split(text)
        except ValueError as error:
            raise invalid("wrong-value", f"no shell can read {text!r}: {str(error).lower()}") from None
        if not words:
            raise invalid("wrong-value", "the program is empty", 'write "python", or leave the key out')
        if _VARIABLE.match(words[0]):
            what = f"`{words[0]}` is a variable, not a program"
            raise invalid("wrong-value", what, "write variables in .environment")
        if operator := next((word for word in words if _OPERATOR.match(word)), None):
            what = f"`{operator}` would be an argument: no shell reads this"
            raise invalid("wrong-value", what, "write a script that does all of it, and name that")
        return text

    @property
    def program(self) -> str:
        """The first word of the executable."""
        return shlex.split(self.executable)[0]

    def get_command(self, **kwargs: Any) -> str:  # noqa: ARG002 -- part of the documented signature
        """Return the program, its subcommand and the script as shell text."""
        words = (*shlex.split(self.executable), self.subcommand, self.script)
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
