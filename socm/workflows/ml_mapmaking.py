"""Maximum-likelihood maps with ``so-site-pipeline make-ml-map``."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator

from socm.core.fields import CampaignPath, CommaText, NameList, OptionValue, ProgramOptions, names_in
from socm.core.invalid import invalid
from socm.core.jobs import JobSpec, RuleSpec
from socm.core.models import Workflow
from socm.core.references import references_in
from socm.diagnostics import Diagnostic, KeyPath, Severity
from socm.workflows.make_ml_map import (
    FILES,
    KNOWN_VALUES,
    MAKE_ML_MAP_OPTIONS,
    OPTIONS_WITH_KEYS,
    REFUSED_OPTIONS,
    SIDELOBE_MASKS,
    value_problems,
)
from socm.workflows.program import temporary_of
from socm.workflows.words import option_words

if TYPE_CHECKING:
    from socm.observations.asked import Asked

_NUMBERS = re.compile(r"\s*0*[1-9]\d*\s*(,\s*0*[1-9]\d*\s*)*")

EMPTY_PREPROCESS_CONFIG = "workflow/configs/preprocess.yaml"


class MLMapmaking(Workflow):
    """Makes one maximum-likelihood map of the selected observations."""

    kind: ClassVar[str] = "ml-mapmaking"

    executable: str = Field("so-site-pipeline", description="Program that a job runs.")
    subcommand: str = Field("make-ml-map", description="First argument of the program.")
    context: CampaignPath = Field(description="Context file: observation databases and metadata.")
    area: CampaignPath = Field(description="FITS file whose geometry is that of the map.")
    output_dir: CampaignPath = Field(description="Folder of the results.")
    query: str = Field(
        "1",
        description="Observations to map: the text of a SQL WHERE clause over the observation database, "
        "or a file of observation ids.",
    )
    preprocess_config: CampaignPath | None = Field(
        None, description="Preprocessing configuration; by default one with an empty process_pipe."
    )
    bands: NameList | None = Field(None, description="Bands to map, comma separated.")
    wafer: NameList | None = Field(None, description="Wafers to map, comma separated.")
    tube: NameList | None = Field(None, description="Optics tubes to map, comma separated.")
    comps: str = Field("TQU", description="Components of the map.")
    maxiter: CommaText = Field(
        "500", description="Most conjugate gradient steps, one number a pass, comma separated."
    )
    downsample: CommaText = Field(
        "1", description="Factor to downsample by, one number a pass, comma separated."
    )
    interpol: NameList | None = Field(
        None, description="Pointing interpolation of all passes: nearest or bilinear."
    )
    tiled: int = Field(1, ge=0, le=1, description="1 for tiled maps, 0 for untiled ones.")
    site: str = Field("so_lat", description="Site of the telescope, as the mapmaker names it.")
    nmat: str | None = Field(None, description="Noise model: corr, uncorr or corr_dct.")
    unit: str | None = Field(None, description="Unit of the map.")
    nocal: bool = Field(False, description="Leave out the calibration cuts; useful for simulations.")
    no_sidelobe: bool = Field(False, description="Leave out the sun and moon sidelobe cuts.")
    min_coverage: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Least part of its observations a map must use; by default the campaign's.",
    )
    options: dict[str, OptionValue] = Field(
        {}, description="Any other option of make-ml-map; bare flags are booleans."
    )
    allow_unknown_options: bool = Field(
        False, description="true passes options on that make-ml-map may not know."
    )

    program_options: ClassVar[ProgramOptions | None] = ProgramOptions(
        "make-ml-map", MAKE_ML_MAP_OPTIONS, keys=OPTIONS_WITH_KEYS, refused=REFUSED_OPTIONS
    )

    input_fields: ClassVar[tuple[str, ...]] = ("context", "area", "preprocess_config")
    """The fields that name files which must be there."""

    @field_validator("maxiter", "downsample")
    @classmethod
    def _one_number_a_pass(cls, text: str) -> str:
        # The mapmaker would fail when its turn comes, and of 10:13 it makes three passes.
        if not references_in(text) and not _NUMBERS.fullmatch(text):
            raise invalid(
                "bad-passes", f"{text!r} is no list of numbers", 'one number a pass, such as "200,50"'
            )
        return text

    @property
    def runs_make_ml_map(self) -> bool:
        """Whether the program is the one whose options are known, and no other in its place."""
        return posixpath.basename(self.executable) == "so-site-pipeline" and self.subcommand == "make-ml-map"

    def problems(self) -> Iterator[Diagnostic]:
        """Yield the values that make-ml-map would refuse, most of them after it has read all data."""
        if self.runs_make_ml_map:
            fields = {option: key for option, key in OPTIONS_WITH_KEYS.items() if option in KNOWN_VALUES}
            values: dict[str, tuple[KeyPath, Any]] = {
                option: ((key,), getattr(self, key)) for option, key in fields.items()
            }
            values |= {option: (("options", option), value) for option, value in self.options.items()}
            yield from value_problems(values)

    def absent_files(self, base: Path, made: Container[str]) -> Iterator[Diagnostic]:
        """Yield the files that make-ml-map reads besides its inputs, that aren't there and no job makes."""
        if not self.runs_make_ml_map:
            return
        for option in FILES:
            path = self.options.get(option)
            if isinstance(path, str) and path and path not in made and not (base / path).exists():
                message = f"the {option} file {path} does not exist"
                yield Diagnostic("missing-file", message, key=("options", option))

    def absent_masks(self) -> Iterator[Diagnostic]:
        """Yield that the masks which make-ml-map needs by default aren't where it looks for them."""
        absent = [
            option
            for option, default in SIDELOBE_MASKS.items()
            if not self.options.get(option) and not Path(default).exists()
        ]
        if absent and not self.no_sidelobe:
            yield Diagnostic(
                "sidelobe-masks-missing",
                f"make-ml-map cuts the sidelobes of sun and moon by masks, and its {' and '.join(absent)} "
                "are not on this machine: without them it stops at the first observation",
                severity=Severity.WARNING,
                hint="no_sidelobe = true leaves the cuts out; "
                'options = { sun-mask = "…", moon-mask = "…" } names your own',
            )

    @property
    def passes(self) -> int:
        """How many passes the mapmaker makes: the longer of its lists, one value a pass."""
        return max(len(values.split(",")) for values in (self.maxiter, self.downsample))

    @property
    def preprocess_path(self) -> str:
        """Where the mapmaker finds its preprocessing configuration."""
        return self.preprocess_config or EMPTY_PREPROCESS_CONFIG

    def generated_files(self) -> dict[str, str]:
        """Return the files that the compile writes for this workflow's jobs: path to text."""
        return {} if self.preprocess_config else {EMPTY_PREPROCESS_CONFIG: "process_pipe: []\n"}

    def map_outputs(self, folder: str) -> dict[str, str]:
        """Return what a map job makes in `folder`: the map, inverse variance, hits and coverage."""
        return {
            "map": posixpath.join(folder, f"pass{self.passes}_sky_map.fits"),
            "ivar": posixpath.join(folder, "sky_div.fits"),
            "hits": posixpath.join(folder, "sky_hits.fits"),
            "coverage": posixpath.join(folder, "coverage.json"),
        }

    def map_job(
        self,
        name: str,
        folder: str,
        query_file: str,
        observations: Sequence[str],
        asked: Asked,
        min_coverage: float,
        wafers: str | None = None,
        tubes: Sequence[str] = (),
    ) -> JobSpec:
        """Return the job that maps `observations` into `folder`.

        `asked` is what the coverage check reads of them; `wafers` and `tubes` stand for the fields of the
        same names where they are given.
        """
        arguments = self.get_arguments(
            query=query_file,
            output_dir=folder,
            wafer=wafers,
            tube=_tube_option(tubes or names_in(self.tube), observations),
        )
        command = f"{self.get_command()} {arguments}"
        outputs = self.map_outputs(folder)
        temporary, leftovers = temporary_of(self.temporary, outputs)
        return JobSpec(
            name=name,
            command=command,
            inputs={
                "query": query_file,
                "context": self.context,
                "area": self.area,
                "preprocess_config": self.preprocess_path,
            },
            outputs=outputs,
            temporary=temporary,
            leftovers=leftovers,
            observations=tuple(observations),
            asked_for=asked.as_json(),
            min_coverage=min_coverage if self.min_coverage is None else self.min_coverage,
        )

    def map_rules(
        self, observations: Sequence[str], asked: Asked, min_coverage: float
    ) -> tuple[RuleSpec, ...]:
        """Return the one rule of this workflow: a map of all selected observations."""
        job_name = self.variant_folder
        folder = posixpath.join(self.output_dir, job_name) if job_name else self.output_dir
        names = " and ".join(name for name, _ in self.variant)
        query_file = posixpath.join("workflow/queries", self.name, f"{job_name or 'all'}.txt")
        job = self.map_job(job_name, folder, query_file, observations, asked, min_coverage)
        description = f"A map for each {names}." if names else _description(job)
        return (
            RuleSpec(
                name=self.name,
                workflow=self.name,
                body="mapmaker",
                description=description,
                jobs=(job,),
                resources=self.resources,
                environment=self.environment,
                files=self.generated_files(),
                after=self.depends_on,
            ),
        )

    def get_arguments(self, **kwargs: Any) -> str:
        """Return the mapmaker's arguments as shell text.

        Takes ``query`` (a file of ids or query text), ``output_dir``, and the detector selection
        ``wafer`` and ``tube``, which stand for the fields of the same name where they are given; an empty
        ``tube`` asks for all.
        """
        positional = [
            kwargs.get("query") or self.query,
            self.area,
            kwargs.get("output_dir") or self.output_dir,
            self.preprocess_path,
        ]
        values = {
            "context": self.context,
            "bands": self.bands,
            "wafers": kwargs.get("wafer") or self.wafer,
            "ots": (self.tube if kwargs.get("tube") is None else kwargs["tube"]) or None,
            "comps": self.comps,
            "maxiter": self.maxiter,
            "downsample": self.downsample if self.downsample != "1" else None,
            "interpol": self.interpol,
            "tiled": str(self.tiled),
            "site": self.site,
            "nmat": self.nmat,
            "unit": self.unit,
        }
        words = [shlex.quote(word if not word.startswith("-") else f"./{word}") for word in positional]
        words += [f"--{name}={shlex.quote(value)}" for name, value in values.items() if value is not None]
        words += ["--nocal"] if self.nocal else []
        words += ["--no-sidelobe"] if self.no_sidelobe else []
        # At this level the mapmaker names every detector set that it skips.
        words += ["--hits", "-v"]
        words += option_words(self.options)
        return " ".join(words)


def _tube_option(tubes: Sequence[str], observations: Sequence[str]) -> str:
    """Return the value of ``--ots``; empty where the query file alone says which observations are meant.

    The mapmaker looks for a tube's name in ids: those of SATs hold none, and of several tubes it takes
    the observations of none.
    """
    if len(tubes) != 1:
        return ""
    return tubes[0] if all(tubes[0] in line.partition(":")[0] for line in observations) else ""


def _description(job: JobSpec) -> str:
    lines, count = len(job.observations or ()), job.observation_count
    parts = f"{lines} wafers and bands of " if lines != count else ""
    return f"Map of {parts}{count} observations."
