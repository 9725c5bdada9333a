"""What every mapmaker has in common: from requests for maps to rules and their products."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass as checked_dataclass

from socm.core.fields import CampaignPath
from socm.core.jobs import JobSpec, RuleSpec
from socm.core.query_lines import QueryLines
from socm.core.steps import MAP, Shell
from socm.core.user_code import is_ours, lacks
from socm.diagnostics import Diagnostic
from socm.formats import layout
from socm.formats.judgement_needs import HealpixSize, MapSize
from socm.workflows.judgement import holds_no_image, read_map_size
from socm.workflows.observing import Observing, Selection, Terms
from socm.workflows.program import checked_paths, command_of, temporary_of

if TYPE_CHECKING:
    from socm.observations.asked import Asked


@dataclass(frozen=True)
class MapRequest:
    """One map: the job's name, the folder of its files, and the observations in its query file.

    `asked` is what the coverage check reads of the observations. `wafers` and `tubes` stand for those of the
    workflow where there are any. `half` is which half of each observation is mapped; empty for the whole.
    """

    name: str
    folder: str
    query_file: str
    observations: QueryLines
    asked: Asked
    wafers: tuple[str, ...] = ()
    tubes: tuple[str, ...] = ()
    half: str = ""


@checked_dataclass(frozen=True)
class MapProducts:
    """The files of one map: what a null test reads, and `others` by name, of which some are `folders`.

    The weight is an inverse variance, or a variance where `is_variance`; a map that `is_weighted` was
    multiplied by its inverse variance.
    """

    map: str
    weight: str
    coverage: str
    hits: str | None = None
    is_weighted: bool = False
    is_variance: bool = False
    others: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()

    def outputs(self) -> dict[str, str]:
        """Return the files by the names that campaigns refer to them with."""
        hits = {} if self.hits is None else {"hits": self.hits}
        return {"map": self.map, "ivar": self.weight, **hits, "coverage": self.coverage, **self.others}


class Mapmaker(Observing):
    """Base class of mapmakers: one map of the selected observations.

    A subclass says in `map_products` which files a map has and in `get_arguments` how they are made; it may
    override `plan_maps` as a whole.
    """

    area: CampaignPath = Field(description="FITS file whose geometry is that of the map.")
    output_dir: CampaignPath = Field(description="Folder of the results.")
    comps: str = Field("TQU", description="Components of the map.")

    input_fields: ClassVar[tuple[str, ...]] = ("context", "area")
    steps: ClassVar[Shell] = MAP
    """What runs in the shell of a job."""
    coverage_reader: ClassVar[str] = ""
    """Who reads from the log what a map holds: a name of `socm.jobs.coverage`, make-ml-map's if empty."""

    halvings: ClassVar[frozenset[str]] = frozenset()
    """In which ways it can halve an observation: what `halves` of null tests says."""

    def map_products(self, folder: str) -> MapProducts:  # noqa: ARG002
        """Return the files of the map in `folder`, as paths relative to the workspace.

        The map has a plane for each of `comps`, in K or as its header says; the weight has one plane, one for
        each of the map's, or a matrix of them, in K^-2 (K^2 for a variance). Raises DiagnosticError
        where a mapmaker doesn't define it.
        """
        raise lacks(self, "map_products", "the MapProducts of a map: the paths of its files")

    def map_inputs(self, request: MapRequest) -> dict[str, str]:
        """Return the files that a job reads, by name."""
        named = {name: getattr(self, name) for name in self.input_fields}
        return {"query": request.query_file, **{name: path for name, path in named.items() if path}}

    def map_files(self, requests: Sequence[MapRequest]) -> dict[str, str]:  # noqa: ARG002
        """Return the files that the compile writes for the jobs: path to text."""
        return {}

    def prepare(self, request: MapRequest) -> str:  # noqa: ARG002
        """Return the command that the step `PREPARE` runs before the program, as shell text."""
        return ""

    def file_problems(self, terms: Terms) -> Iterator[Diagnostic]:
        """Yield each file that must be there and can't be read, and an area that has no rows and columns."""
        yield from super().file_problems(terms)
        if self.area and not terms.makes(self.area) and holds_no_image(terms.base / self.area):
            yield Diagnostic(
                "area-without-pixels",
                f"the area file {self.area} holds no image: its first header has no rows and columns",
                key=("area",),
                hint="HEALPix maps and tables can't be an area; write one with pixell.enmap.write_map",
            )

    def map_size(self, terms: Terms) -> MapSize | HealpixSize | None:
        """Return the size of the maps; None where it isn't known yet."""
        # An area that a job makes may not be there yet, or be an older one.
        return None if terms.makes(self.area) else read_map_size(terms.base / self.area)

    def plan_maps(
        self, name: str, description: str, requests: Sequence[MapRequest], terms: Terms
    ) -> tuple[tuple[RuleSpec, ...], tuple[MapProducts, ...]]:
        """Return the rules that make maps, and the products of each map in the order of the requests.

        `name` and `description` are those of the rule that makes the maps.
        """
        products = tuple(self.map_products(request.folder) for request in requests)
        jobs = tuple(
            self._map_job(request, made, terms) for request, made in zip(requests, products, strict=True)
        )
        rule = RuleSpec(
            name=name,
            workflow=self.name,
            steps=self.steps,
            description=description,
            jobs=jobs,
            resources=self.resources,
            environment=self.environment,
            files=self.map_files(requests),
            after=self.depends_on,
        )
        return (rule,), products

    def _map_job(self, request: MapRequest, made: MapProducts, terms: Terms) -> JobSpec:
        keywords: dict[str, Any] = {
            "query": request.query_file,
            "output_dir": request.folder,
            "wafer": ",".join(request.wafers) or self.wafer,
            "tube": ",".join(request.tubes) or self.tube,
            "request": request,
        }
        inputs, outputs = self.map_inputs(request), made.outputs()
        if not is_ours(type(self)):
            checked_paths("inputs", inputs)
            checked_paths("outputs", outputs)
        temporary, leftovers = temporary_of(self.temporary, outputs)
        return JobSpec(
            name=request.name,
            command=command_of(self, keywords),
            inputs=inputs,
            outputs=outputs,
            folders=made.folders,
            temporary=temporary,
            leftovers=leftovers,
            observations=request.observations,
            asked_for=request.asked.as_json(),
            min_coverage=self.coverage_asked(terms),
            prepare=self.prepare(request),
            reader=self.coverage_reader,
        )

    def solver_passes(self) -> tuple[tuple[int, int], ...]:
        """Return the steps and the factor of downsampling of each pass over the data."""
        return ((1, 1),)

    def job_kind(self) -> str:
        """Return what jobs have in common that take time and memory alike."""
        return " ".join(posixpath.basename(word) for word in shlex.split(self.get_command()))

    def plan(self, selection: Selection, terms: Terms) -> tuple[RuleSpec, ...]:
        """Return the rules of the workflow, whose jobs say how large they are."""
        from socm.workflows.sizes import with_map_sizes

        rules = self.rules_of_maps(selection, terms)
        return with_map_sizes(rules, self, selection.observations, self.map_size(terms))

    def rules_of_maps(self, selection: Selection, terms: Terms) -> tuple[RuleSpec, ...]:
        """Return the rules of one map of all selected observations."""
        job_name = self.variant_folder
        request = MapRequest(
            name=job_name,
            folder=posixpath.join(self.output_dir, job_name) if job_name else self.output_dir,
            query_file=layout.query_file(self.name, job_name),
            observations=selection.lines(),
            asked=selection.asked(),
        )
        names = " and ".join(name for name, _ in self.variant)
        description = f"A map for each {names}." if names else _description(request.observations)
        rules, _ = self.plan_maps(self.name, description, (request,), terms)
        return rules


def _description(lines: QueryLines) -> str:
    count = lines.observation_count
    parts = f"{len(lines)} wafers and bands of " if len(lines) != count else ""
    return f"Map of {parts}{count} observations."
