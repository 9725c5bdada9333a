"""Any program as a workflow."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, WithJsonSchema

from socm.core.fields import CampaignPath, OptionValue
from socm.core.invalid import invalid
from socm.core.models import Workflow
from socm.diagnostics import Diagnostic
from socm.workflows.words import flag_words, keyword_words, plain_words, value_text


def word(value: Any) -> Any:
    """Return one word of a command; a number or true or false stands for its text."""
    return value_text(value) if isinstance(value, int | float) else value


def named_paths(value: Any, name: str) -> Any:
    """Return paths by name; a single one is called `name`, those of a list ``name_1``, ``name_2``.

    Raises `wrong-type` for a list of anything else.
    """
    if isinstance(value, str):
        return {name: value}
    if isinstance(value, list | tuple):
        if not all(isinstance(entry, str) for entry in value):
            raise invalid("wrong-type", "a list of paths holds texts")
        return {f"{name}_{number}": entry for number, entry in enumerate(value, start=1)}
    return value


Words = tuple[Annotated[str, BeforeValidator(word), WithJsonSchema({"type": ["string", "number"]})], ...]
"""Words of a command, each of which arrives as it is typed."""

_PATHS_SCHEMA: dict[str, Any] = {
    "type": ["object", "string", "array"],
    "items": {"type": "string"},
    "additionalProperties": {"type": "string"},
}
_INPUTS_SCHEMA = {
    **_PATHS_SCHEMA,
    "additionalProperties": {"type": ["string", "array"], "items": {"type": "string"}},
}
Inputs = Annotated[
    dict[str, CampaignPath | tuple[CampaignPath, ...]],
    BeforeValidator(partial(named_paths, name="input")),
    WithJsonSchema(_INPUTS_SCHEMA),
]
Outputs = Annotated[
    dict[str, CampaignPath],
    BeforeValidator(partial(named_paths, name="output")),
    WithJsonSchema(_PATHS_SCHEMA),
]


class Program(Workflow):
    """What workflows share that run a program with arguments, inputs and outputs of the user's."""

    output_dir: CampaignPath | None = Field(
        None, description="Folder of the results, for `${self.output_dir}`; a matrix adds its values to it."
    )
    args: Words = Field((), description="Arguments, in this order.", examples=[["--verbose", "input.fits"]])
    kwargs: dict[str, OptionValue] = Field(
        {}, description="Options with values, passed as --key=value after the arguments."
    )
    flags: tuple[str, ...] = Field((), description="Options without values, passed as --flag at the end.")
    inputs: Inputs = Field(
        {},
        description="Files the program reads, by name; a single one is called input. Jobs wait for those "
        "that others make, and run again when the content of one changes.",
        examples=[{"map": "${ml-mapmaking.map}"}],
    )
    outputs: Outputs = Field(
        {},
        description="Files the program makes, by name; a single one is called output. Without any, success "
        "is what counts.",
        examples=[{"spectrum": "${self.output_dir}/cl.txt"}],
    )

    def argument_words(self) -> list[str]:
        """Return the arguments of the program as shell words."""
        return [*plain_words(self.args), *keyword_words(self.kwargs), *flag_words(self.flags)]

    def get_arguments(self, **kwargs: Any) -> str:  # noqa: ARG002 -- part of the documented signature
        """Return the arguments of the program as shell text."""
        return " ".join(self.argument_words())

    def get_inputs(self, **kwargs: Any) -> Mapping[str, str | Sequence[str]]:  # noqa: ARG002
        """Return the inputs, and the program itself where it is a file of the campaign."""
        return {**self.inputs, **self.program_files()}

    def get_outputs(self, **kwargs: Any) -> Mapping[str, str]:  # noqa: ARG002
        """Return the outputs."""
        return self.outputs

    def program_files(self) -> dict[str, str]:
        """Return the program's own files, which are inputs as well: a change in them runs jobs again."""
        return {} if "/" not in self.program or self.program.startswith("/") else {"executable": self.program}

    def problems(self) -> Iterator[Diagnostic]:
        """Yield names that an input shares with an output, and a folder and files in different places."""
        for name in self.inputs.keys() & self.outputs.keys():
            message = f"`{name}` is both an input and an output, so `${{self.{name}}}` says nothing"
            yield Diagnostic("duplicate-key", message, key=("outputs", name), point_at="key")


class Command(Program):
    """Runs any program: the simplest way to add a step of your own."""

    kind: ClassVar[str] = "command"
    free_matrix: ClassVar[bool] = True

    executable: str = Field(min_length=1, description="Program that a job runs, by name or path.")

    def get_command(self, **kwargs: Any) -> str:  # noqa: ARG002 -- part of the documented signature
        """Return the program and its subcommand as shell text."""
        return " ".join(shlex.quote(part) for part in (self.executable, self.subcommand) if part)
