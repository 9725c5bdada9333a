"""The campaign as the user wrote it: frozen models that read no file and open no database."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from socm.core.annotations import classes_in
from socm.core.fields import CampaignPath, ImagePath, ProgramOptions
from socm.core.invalid import invalid
from socm.core.references import SELF, Reference, Resolve, map_texts, references_in, substitute, texts_in
from socm.core.shells import AccountName, CondaName, ModuleName, SlurmName, SubmitOptions
from socm.core.units import memory_mb, runtime_minutes
from socm.core.user_code import watch
from socm.diagnostics import Diagnostic, DiagnosticError, KeyPath

if TYPE_CHECKING:
    from socm.core.jobs import PythonNeed, RuleSpec

MemoryMb = Annotated[
    int,
    BeforeValidator(memory_mb),
    WithJsonSchema({"type": ["number", "string"], "examples": ["64G", "4.8 TB", 4000]}),
]
RuntimeMinutes = Annotated[
    int,
    BeforeValidator(runtime_minutes),
    WithJsonSchema({"type": ["number", "string"], "examples": ["7h", "1h30m", "2d 3h", "1:30:00", 3600]}),
]


def learnt_amounts(value: Any) -> Any:
    """Return the amounts that are learnt: true is all of them, one name is that one."""
    if isinstance(value, bool):
        return LEARNT if value else ()
    return (value,) if isinstance(value, str) else value


LEARNT = ("memory", "runtime")
"""Amounts of a job's resources that can be learnt."""
LearntAmounts = Annotated[
    tuple[Literal["memory", "runtime"], ...],
    BeforeValidator(learnt_amounts),
    WithJsonSchema({"type": ["boolean", "string", "array"], "items": {"enum": list(LEARNT)}}),
]


class Section(BaseModel):
    """A table of the campaign file. Unknown keys are errors; nothing changes after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, defer_build=True)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_truth_for_numbers(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse true and false where a number is meant: pydantic would read them as 1 and 0."""
        if isinstance(value, bool) and info.field_name is not None:
            wanted = set(classes_in(cls.model_fields[info.field_name].annotation))
            if wanted & {int, float} and bool not in wanted:
                given = "true" if value else "false"
                raise invalid("wrong-type", f"`{info.field_name}` must be a number, not {given}")
        return value


class Resources(Section):
    """What one job of a workflow asks of the cluster."""

    ranks: int = Field(1, ge=1, description="MPI processes of a job.")
    threads: int = Field(1, ge=1, description="Threads of each process; OMP_NUM_THREADS follows.")
    memory: MemoryMb = Field(
        4000,
        description="Memory of the whole job; a bare number is MB.",
        json_schema_extra={"default": "4G"},
    )
    runtime: RuntimeMinutes = Field(
        60,
        description="Longest run time of a job; a bare number is seconds.",
        json_schema_extra={"default": "1h"},
    )
    learn: LearntAmounts = Field(
        (),
        description="What each job asks for as much of as jobs that ran let expect: memory, runtime, or true "
        "for both. Until jobs of its kind have run, it asks for what the table says.",
        examples=[True, "memory"],
    )
    learn_from: tuple[CampaignPath, ...] = Field(
        (),
        description="Folders of other compiled campaigns whose jobs count, besides those of this one.",
        examples=[["../last-month"]],
    )
    nodes: int | None = Field(None, ge=1, description="Nodes to spread over; by default as few as fit.")
    gpus: int | None = Field(None, ge=0, description="GPUs of the whole job.")
    partition: SlurmName | None = Field(None, description="Slurm partition.", examples=["cpu"])
    qos: SlurmName | None = Field(None, description="Slurm QoS; by default the smallest that fits.")
    account: AccountName | None = Field(None, description="Slurm account.")
    constraint: SlurmName | None = Field(None, description="Slurm node features.", examples=["cascade"])
    retries: int | None = Field(None, ge=0, description="How often a failed job is tried again.")
    memory_growth: float = Field(1.5, ge=1, description="Factor on the memory at each retry.")
    runtime_growth: float = Field(1.5, ge=1, description="Factor on the run time at each retry.")
    extra: SubmitOptions | None = Field(
        None,
        description="Further options of the command that submits a job, and their values.",
        examples=["--exclusive"],
    )
    tmp_dir: str | None = Field(
        None,
        min_length=1,
        description="Folder on fast local storage. Each job makes one of its own in it, finds it as TMPDIR, "
        "and takes it away when it ends. $VARIABLES are read where the job runs.",
        examples=["/scratch/$USER"],
    )


def variable_text(value: Any) -> str:
    """Return the text of an environment variable; raises `wrong-type` for what has no plain text."""
    if isinstance(value, bool):
        hint = 'write "1", "true" or what the program reads'
        raise invalid("wrong-type", "an environment variable must be a string", hint)
    if not isinstance(value, str | int | float):
        raise invalid("wrong-type", "an environment variable must be a string or a number")
    text = str(value)
    if "\0" in text:
        raise invalid("wrong-value", "an environment variable can't hold a NUL character")
    return text


VariableText = Annotated[str, BeforeValidator(variable_text), WithJsonSchema({"type": ["string", "number"]})]


class Environment(Section):
    """What a job's program finds around it. Keys that are none of these fields are variables."""

    model_config = ConfigDict(extra="allow", frozen=True)

    conda: CondaName | None = Field(
        None,
        description="Conda environment: a YAML file, a name or a prefix.",
        examples=["envs/sotodlib.yaml"],
    )
    modules: tuple[ModuleName, ...] = Field(
        (), description="Environment modules to load, in order.", examples=[["openmpi/gcc/4.1.6"]]
    )
    container: ImagePath | None = Field(
        None,
        description="Container image: a file, a folder or an address.",
        examples=["sky.sif", "docker://debian:12"],
    )
    setup: CampaignPath | None = Field(
        None, description="Shell file to source before the program starts.", examples=["env.sh"]
    )
    variables: dict[str, VariableText] = Field(
        {}, description="Variables whose names collide with these keys."
    )
    __pydantic_extra__: dict[str, VariableText] = Field(init=False)

    @model_validator(mode="after")
    def _refuse_what_names_no_variable(self) -> Self:
        for name in self.all_variables():
            if not name or name.startswith("-") or "=" in name or "\0" in name:
                raise invalid("bad-name", f"{name!r} is not a valid name for an environment variable")
        return self

    def all_variables(self) -> dict[str, str]:
        """Return every environment variable, sorted by name."""
        return dict(sorted({**(self.model_extra or {}), **self.variables}.items()))


class Workflow(Section):
    """Base class of every workflow: one table of the campaign, from which jobs are made.

    A subclass adds its parameters as fields and says what to run in `get_command` and
    `get_arguments`; both return shell text.
    """

    kind: ClassVar[str] = ""
    """The name under which the class is registered."""

    child_names: ClassVar[tuple[str, ...]] = ()
    """Names of sub-tables that are workflows of their own, for messages and the schema."""

    exclusive_keys: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Rows of keys of which a table gives one: a nearer one replaces those of its row from above."""

    program_options: ClassVar[ProgramOptions | None] = None
    """What the program of a workflow with a field `options` takes there."""

    free_matrix: ClassVar[bool] = False
    """Whether a matrix may have names that are no fields; `${self.name}` gives their values."""

    name: str = Field("", description="Name of the workflow; the table's name.", exclude=True)
    path: tuple[str, ...] = Field((), description="Keys of the workflow's table.", exclude=True)
    belongs_to: tuple[str, ...] = Field(
        (),
        description="Names of the tables above, each of which stands for all workflows in it.",
        exclude=True,
    )
    variant: tuple[tuple[str, str], ...] = Field(
        (), description="Names and values of the matrix that this one was made for.", exclude=True
    )
    executable: str = Field("", description="Program that a job runs.")
    subcommand: str = Field("", description="First argument of the program.")
    enabled: bool = Field(True, description="false leaves the workflow out of the campaign.")
    depends_on: tuple[str, ...] = Field(
        (), description="Workflows that must be done before this one starts.", examples=[["preprocessing"]]
    )
    resources: Resources = Field(Resources(), description="What one job asks of the cluster.")
    environment: Environment = Field(Environment(), description="Variables, conda, modules, container.")
    temporary: tuple[str, ...] = Field(
        (),
        description="What is not kept: names of outputs, which go once their last reader is done, and "
        "patterns of other files beside the outputs, which go when the job is done.",
        examples=[["tods"], ["pass*_sky_map0*.fits"]],
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """See that what a user's class gets wrong is reported as its own mistake."""
        super().__pydantic_init_subclass__(**kwargs)
        watch(cls)

    @classmethod
    def child_kind(cls, name: str, table: Mapping[str, Any]) -> type[Workflow] | None:  # noqa: ARG003
        """Return the class of a sub-table that is a workflow of its own, or None if it is none.

        A kind that overrides this makes no job itself: its table is what its children inherit.
        """
        return None

    @classmethod
    def takes_children(cls) -> bool:
        """Return whether sub-tables of this kind are workflows of their own."""
        return cls.child_kind.__func__ is not Workflow.child_kind.__func__  # type: ignore[attr-defined]

    @property
    def program(self) -> str:
        """The program that a job runs, by name or path."""
        return self.executable

    @property
    def variant_folder(self) -> str:
        """The folder of this variant below output_dir: its values of the matrix; empty without one."""
        return "/".join(value for _, value in self.variant)

    def problems(self) -> Iterable[Diagnostic]:
        """Return what is wrong with the workflow as a whole; keys are counted from its table.

        A subclass says here what no field can say alone; by default there is nothing.
        """
        return ()

    def needs(self) -> Sequence[PythonNeed]:
        """Return what the Python of the program must be able to run, which it misses only after hours."""
        return ()

    def read_files(self, base: Path) -> Workflow:  # noqa: ARG002
        """Return the workflow with what it must see of its files, which lie in `base`, to know its jobs."""
        return self

    def rules(self) -> tuple[RuleSpec, ...]:
        """Return the rules of a workflow that makes them itself, all references resolved; else nothing."""
        return ()

    def references(self) -> tuple[tuple[KeyPath, Reference], ...]:
        """Return each reference to another workflow, with its key counted from the table."""
        return tuple((key, found) for key, found in self._all_references() if found.workflow != SELF)

    def own_references(self) -> tuple[tuple[KeyPath, Reference], ...]:
        """Return each reference of the workflow to itself, with its key counted from the table."""
        return tuple((key, found) for key, found in self._all_references() if found.workflow == SELF)

    def _all_references(self) -> Iterator[tuple[KeyPath, Reference]]:
        for name in self.settable_fields():
            if name != "depends_on":
                for key, text in texts_in(getattr(self, name), (name,)):
                    yield from ((key, reference) for reference in references_in(text))

    @property
    def dependencies(self) -> tuple[str, ...]:
        """Names of the workflows that this one waits for or refers to, each once, sorted."""
        return tuple(sorted({*self.depends_on, *(reference.workflow for _, reference in self.references())}))

    def resolved(self, resolve: Resolve) -> Self:
        """Return the workflow with every reference replaced by its value.

        Raises DiagnosticError, its key counted from the table, where a list is put in the place of
        one text; `socm.core.resolving` knows what references stand for.
        """
        changes: dict[str, Any] = {}
        for name in self.settable_fields():
            before = getattr(self, name)
            if not any("${" in text for _, text in texts_in(before)):
                continue
            try:
                after = map_texts(before, lambda text: substitute(text, resolve))
                changes[name] = after if isinstance(after, BaseModel) else self._valid(name, after)
            except ValueError as error:
                hint = "give both workflows the same matrix, or name one of the tables"
                message = f"`{name}` takes one value, but a reference in it stands for several"
                reason = () if isinstance(error, ValidationError) else (str(error),)
                problem = Diagnostic("reference-is-list", message, key=(name,), hint=hint, notes=reason)
                raise DiagnosticError(problem) from None
        return self.model_copy(update=changes)

    @classmethod
    def _valid(cls, name: str, value: Any) -> Any:
        info = cls.model_fields[name]
        annotation: Any = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
        return TypeAdapter(annotation).validate_python(value)

    @classmethod
    def settable_fields(cls) -> tuple[str, ...]:
        """Return the fields that a campaign file may set."""
        return tuple(name for name in cls.model_fields if name not in INTERNAL_FIELDS)

    def get_command(self, **kwargs: Any) -> str:  # noqa: ARG002 -- part of the documented signature
        """Return the command of a job, as shell text."""
        return " ".join(shlex.quote(word) for word in (self.executable, self.subcommand) if word)

    def get_arguments(self, **kwargs: Any) -> str:  # noqa: ARG002 -- part of the documented signature
        """Return the arguments of a job's command, as shell text."""
        return ""

    def get_inputs(self, **kwargs: Any) -> Mapping[str, str | Sequence[str]]:  # noqa: ARG002
        """Return the files that a job reads, by name; a change of their content runs it again."""
        return {}

    def get_outputs(self, **kwargs: Any) -> Mapping[str, str]:  # noqa: ARG002
        """Return the files that a job makes, by name; with none, its success makes a mark."""
        return {}

    def get_jobs(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the jobs: each one's name, and what the other methods get as keywords for it.

        A single job needs no name.
        """
        return {"": {}}


class UncheckedWorkflow(Workflow):
    """A workflow of a kind that is not known while plugins are off: nothing in its table is checked."""

    free_matrix: ClassVar[bool] = True


INTERNAL_FIELDS = ("name", "path", "belongs_to", "variant")
"""Fields of a workflow that reading the campaign sets; no key of the file does."""


class ClusterSize(Section):
    """How much of the cluster the campaign may take (the older tool's [campaign.resources])."""

    nodes: int | None = Field(None, ge=1, description="Nodes the campaign may use at once.")
    cores_per_node: int | None = Field(None, ge=1, description="Cores of a node.")


class Campaign(Section):
    """A campaign: its own settings and its workflows in the order of the file."""

    name: str = Field("campaign", description="Name of the campaign; the file's name by default.")
    seed: int = Field(0, description="Seed of every random choice: which split a chunk goes to.")
    min_coverage: float = Field(0.9, ge=0, le=1, description="Least part of its observations a map must use.")
    resource: str = Field(
        "local", description="Cluster: a name or a cluster file.", examples=["tiger3", "my-cluster.toml"]
    )
    resources: ClusterSize = Field(ClusterSize(), description="How much of the cluster to use.")
    plugins: tuple[str, ...] = Field(
        (), description="Modules or files with workflows of your own.", examples=[["./my_workflow.py"]]
    )
    deadline: RuntimeMinutes | None = Field(
        None,
        description="How long the campaign may take; a compile warns where it may take longer.",
        examples=["36h"],
    )
    workflows: tuple[Workflow, ...] = Field((), description="The workflows, in the order of the file.")
    disabled: tuple[Workflow, ...] = Field((), description="The workflows with enabled = false.")

    def named(self, name: str) -> tuple[Workflow, ...]:
        """Return the workflows of that name, or of the table of that name: all variants, in order."""
        return tuple(w for w in self.workflows if name == w.name or name in w.belongs_to)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the workflows, each once, in the order of the file."""
        return tuple(dict.fromkeys(workflow.name for workflow in self.workflows))
