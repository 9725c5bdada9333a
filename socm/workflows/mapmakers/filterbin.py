"""Filter-and-bin maps of single observations, with ``make-atomic-filterbin-map``, and their sums."""

from __future__ import annotations

import math
import posixpath
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import yaml
from pydantic import Field

from socm.core.fields import CampaignPath, OptionValue, ProgramOptions, names_in
from socm.core.jobs import JobSpec, PythonNeed, RuleSpec
from socm.core.models import Environment, Resources
from socm.core.null_tests import EXCLUSIVE_OPTIONS
from socm.core.steps import (
    ACCOUNT_ARCHIVE,
    ACCOUNT_ATOMIC,
    CONFIGURE_ARCHIVE,
    CONFIGURE_ATOMIC,
    COVERAGE,
    OWN_TMP_DIR,
    RUN_RANKS,
    SUM_ATOMIC,
    Shell,
)
from socm.diagnostics import Diagnostic, DiagnosticError, Severity
from socm.diagnostics.amounts import counted
from socm.formats.atomic_maps import FULL, HALVES
from socm.formats.judgement_needs import HealpixSize, MapSize
from socm.formats.layout import own_archive_config, own_atomic_config
from socm.formats.preprocess_config import read_preprocess_config
from socm.observations.asked import Asked, id_end
from socm.workflows.listed_options import listed_options
from socm.workflows.mapmakers.atomic_chunks import (
    ATOMIC_DIR,
    PREPROCESS_DIR,
    AtomicChunks,
    Chunk,
    Chunks,
    PreprocessedChunks,
)
from socm.workflows.mapmakers.base import Mapmaker, MapProducts, MapRequest
from socm.workflows.mapmakers.halving import check_halving
from socm.workflows.mapmakers.known_values import SITES, UNITS, unknown_value
from socm.workflows.observing import Terms
from socm.workflows.requirements import MPI

_FIXED = "which observations are mapped is fixed when the campaign is compiled"
_HALVES = "with it the program maps halves of observations, which null tests such as {}-tests ask for"
REFUSED_OPTIONS: Mapping[str, str] = {
    "all_splits": "the program doesn't know it yet",
    "atomic_db": "each job has one of its own",
    "center_at": "maps that follow an object have no pixels in common",
    **{halves: _HALVES.format(halves.replace("_", "-")) for halves in HALVES},
    "fixed_time": _FIXED,
    "nproc": "resources = { ranks = … } says how many maps are made at once",
    "nset": _FIXED,
    "ntod": _FIXED,
    "odir": "each job has a folder of its own",
    "only_hits": "there would be no maps",
    "tods": _FIXED,
    "update_delay": _FIXED,
}
"""Options that make-atomic-filterbin-map knows and no job can have, and why."""

SHARING = replace(
    MPI, problem=replace(MPI.problem, message="without MPI each rank of the mapmaker would make all maps")
)

_SUM_PLANES = 14
"""Planes of float64 in memory while maps are added up: T, Q, U, their weights, hits, and a file's."""
_SUM_BASE_MB = 500
_SUM_PIXEL_S = 2.6e-7
"""Of CPU time for each pixel of a compressed HEALPix map, of T, Q and U: 0.8 s at nside = 512."""
_SUM_RUNTIME_MARGIN = 3


class FilterBinMaps(Mapmaker):
    """Makes filter-and-bin maps of single observations, which all workflows share, and adds them up."""

    kind: ClassVar[str] = "filterbin-mapmaking"
    exclusive_keys: ClassVar[tuple[tuple[str, ...], ...]] = (("area", "nside"), *EXCLUSIVE_OPTIONS)

    executable: str = Field("so-site-pipeline", description="Program that a job runs.")
    subcommand: str = Field("make-atomic-filterbin-map", description="First argument of the program.")
    area: CampaignPath | None = Field(  # type: ignore[assignment]
        None, description="FITS file whose geometry is that of the map; or give nside."
    )
    nside: int | None = Field(
        None, ge=1, le=8192, description="HEALPix resolution of the map, a power of two; or give area."
    )
    preprocess_config: CampaignPath = Field(
        description="Preprocessing configuration. Its archive is only read; jobs preprocess what it lacks."
    )
    preprocess_proc_config: CampaignPath | None = Field(
        None, description="Configuration of the second layer of preprocessing, where there is one."
    )
    atomic_dir: CampaignPath = Field(
        ATOMIC_DIR, description="Folder of the maps of single observations, which workflows share."
    )
    preprocess: bool = Field(
        False,
        description="Whether jobs of preprocess-tod go before those of maps, which then read their archives; "
        "else each job of maps preprocesses what preprocess_config's archive lacks.",
    )
    preprocess_dir: CampaignPath = Field(
        PREPROCESS_DIR, description="Folder of the archives of preprocess-tod, which workflows share."
    )
    days_per_job: int = Field(
        1,
        ge=1,
        le=366,
        description="A job maps what a telescope observes in so many days (UTC), one wafer and band of it.",
    )
    unit: str = Field("K", description="Unit of the time streams and of the maps.")
    sum_resources: Resources = Field(
        Resources(), description="What a job that adds maps up asks for; by default what its maps need."
    )
    options: dict[str, OptionValue] = Field(
        {}, description="Any other option of make-atomic-filterbin-map; bare flags are booleans."
    )
    allow_unknown_options: bool = Field(
        False, description="true passes options and values on that make-atomic-filterbin-map may not know."
    )

    halvings: ClassVar[frozenset[str]] = frozenset(HALVES)
    program_options: ClassVar[ProgramOptions] = listed_options(
        "make-atomic-filterbin-map", refused=REFUSED_OPTIONS
    )
    input_fields: ClassVar[tuple[str, ...]] = (
        "context",
        "area",
        "preprocess_config",
        "preprocess_proc_config",
    )

    def needs(self) -> tuple[PythonNeed, ...]:
        """Return what ranks need to share the maps between them."""
        return (SHARING,) if self.resources.ranks > 1 else ()

    def problems(self) -> Iterator[Diagnostic]:
        """Yield what make-atomic-filterbin-map can't do, and pixels that aren't said once."""
        yield from super().problems()
        if len(names_in(self.bands)) != 1:
            said = f"not {self.bands}" if self.bands else "and none is given"
            yield Diagnostic(
                "refused-value",
                f"filter-and-bin maps have one band, {said}",
                key=("bands",) if self.bands else (),
                hint='write bands = "f090", or matrix = { bands = ["f090", "f150"] }',
            )
        if self.comps != "TQU" and "${" not in self.comps:
            message = f"make-atomic-filterbin-map makes maps of T, Q and U, not of {self.comps}"
            yield Diagnostic("refused-value", message, key=("comps",), hint='write "TQU"')
        for key, known in () if self.allow_unknown_options else (("site", SITES), ("unit", UNITS)):
            if problem := unknown_value("make-atomic-filterbin-map", (key,), getattr(self, key), known):
                yield problem
        if (self.area is None) == (self.nside is None):
            few = "and none is given" if self.nside is None else "not both"
            message = f"filter-and-bin maps need either `area` or `nside`, {few}"
            yield Diagnostic("bad-pixels", message, key=("nside",) if self.nside else (), hint=_PIXELS_HINT)
        elif self.nside is not None and self.nside & (self.nside - 1):
            message = f"nside is a power of two, which {self.nside} isn't"
            yield Diagnostic("bad-pixels", message, key=("nside",), hint="most maps of SATs have nside = 512")

    def file_problems(self, terms: Terms) -> Iterator[Diagnostic]:
        """Yield besides a preprocessing that can't be run: each observation would fail in its turn."""
        yield from super().file_problems(terms)
        for key, path, context in self._preprocessing_of(terms):
            if isinstance(context, ValueError):
                yield Diagnostic(
                    "bad-preprocess-config",
                    f"the preprocessing configuration {path} {context}",
                    key=(key,),
                    hint="it is what preprocess-tod reads: context_file, subobs, process_pipe, archive",
                )
            elif not terms.makes(context) and not (terms.base / context).exists():
                yield Diagnostic(
                    "missing-file",
                    f"the context_file {context} of {path} does not exist",
                    key=(key,),
                    hint="jobs run in the folder of the campaign file, from which its paths count",
                )

    def notes(self, terms: Terms, written: Iterable[str]) -> Iterator[Diagnostic]:
        """Yield besides that time streams are those of another context than the observations."""
        yield from super().notes(terms, written)
        for key, path, context in self._preprocessing_of(terms):
            if (
                isinstance(context, str)
                and (terms.base / context).exists()
                and not self._is_context(context, terms)
            ):
                yield Diagnostic(
                    "two-contexts",
                    f"{path} reads time streams and metadata through {context}, not through {self.context}",
                    severity=Severity.WARNING,
                    key=(key,),
                    hint="make-atomic-filterbin-map takes the list of observations alone from `context`",
                )

    def _is_context(self, path: str, terms: Terms) -> bool:
        return (terms.base / path).resolve() == (terms.base / self.context).resolve()

    def _preprocessing_of(self, terms: Terms) -> Iterator[tuple[str, str, str | ValueError]]:
        """Yield each configuration that is there: its key, its path, its context or what is wrong with it."""
        for key in ("preprocess_config", "preprocess_proc_config"):
            path = getattr(self, key)
            if path is not None and not terms.makes(path) and (terms.base / path).is_file():
                try:
                    yield key, path, str(read_preprocess_config(terms.base / path)["context_file"])
                except ValueError as error:
                    yield key, path, error

    def map_size(self, terms: Terms) -> MapSize | HealpixSize | None:
        """Return the size of the maps; None where it isn't known yet."""
        return super().map_size(terms) if self.nside is None else HealpixSize(self.nside)

    def map_products(self, folder: str) -> MapProducts:
        """Return the mean of the maps of a request, its weight, and the hits."""
        names = (
            ("map", "map.fits"),
            ("ivar", "ivar.fits"),
            ("hits", "hits.fits"),
            ("coverage", "coverage.json"),
        )
        path = {name: posixpath.join(folder, file) for name, file in names}
        return MapProducts(path["map"], path["ivar"], path["coverage"], hits=path["hits"])

    def plan_maps(
        self, name: str, description: str, requests: Sequence[MapRequest], terms: Terms
    ) -> tuple[tuple[RuleSpec, ...], tuple[MapProducts, ...]]:
        """Return the rule that maps single observations and the rule that adds them up, and the products.

        The requests are for whole observations, or for both of their halves. Raises DiagnosticError where it
        isn't known which wafers and bands observations have, and where maps can't be halved.
        """
        halving = next((name for name, halves in HALVES.items() if requests[0].half in halves), "")
        folder = self.atomic_dir
        if halving:
            check_halving(halving, self._layers(), terms.base)
            # Jobs of their own, in a folder of their own: who asks for halves leaves whole maps as they are.
            folder = posixpath.join(folder, halving.replace("_", "-"))
        splits = HALVES.get(halving, (FULL,))
        chunks = AtomicChunks(terms.base, folder, self.bands or "", self.days_per_job, splits)
        archives = (
            PreprocessedChunks(terms.base, self.preprocess_dir, self.days_per_job)
            if self.preprocess
            else None
        )
        sums = [self._sum(request, chunks, terms) for request in requests]
        atomic = [self._atomic(chunk, chunks, archives) for chunk in chunks.wanted()]
        rules: tuple[RuleSpec, ...] = (
            self._shared_rule(
                chunks,
                (OWN_TMP_DIR, CONFIGURE_ATOMIC, RUN_RANKS, ACCOUNT_ATOMIC),
                f"Maps of {'halves of ' if halving else ''}single observations.",
                atomic,
                {chunks.config: self._config(halving)},
            ),
            RuleSpec(
                name=name,
                workflow=self.name,
                steps=(SUM_ATOMIC, COVERAGE),
                description=description,
                jobs=tuple(sums),
                resources=self._resources_of_sums(requests, terms),
                environment=Environment(),
                after=self.depends_on,
                resources_key=("sum_resources",),
            ),
        )
        if archives is not None:
            rules = (self._preprocessing(archives), *rules)
        return rules, tuple(self.map_products(request.folder) for request in requests)

    def _sum(self, request: MapRequest, chunks: AtomicChunks, terms: Terms) -> JobSpec:
        """Return the job that makes the map of a request, whose maps of observations chunks then hold."""
        accounts: dict[str, None] = {}
        unknown = []
        for observation, parts in request.asked.of_query(request.observations).items():
            if parts is None:
                unknown.append(observation)
            for part in parts or ():
                accounts[chunks.account(chunks.add(observation, part.partition(":")[0]))] = None
        if unknown:
            raise DiagnosticError.of(
                "detectors-unknown",
                f"the database doesn't say which wafers and bands {counted(len(unknown), 'observation')} "
                f"would be mapped of, like {unknown[0]}",
                hint="each wafer and band has a map of its own; fill in wafer_slots_list and tube_flavor, or "
                "leave these observations out of the query",
            )
        pixels = {"area": self.area} if self.area is not None else {}
        option = f"--area={shlex.quote(self.area)}" if self.area is not None else f"--nside={self.nside}"
        option += f" --split={request.half}" if request.half else ""
        made = self.map_products(request.folder)
        return JobSpec(
            name=request.name,
            command=option,
            inputs={"query": request.query_file, "account": tuple(sorted(accounts)), **pixels},
            outputs=made.outputs(),
            observations=request.observations,
            asked_for=request.asked.as_json(),
            min_coverage=self.coverage_asked(terms),
            kind="sum of atomic maps",
        )

    def _atomic(self, chunk: Chunk, chunks: AtomicChunks, archives: PreprocessedChunks | None) -> JobSpec:
        """Return the job that maps the observations of a chunk, which archives then hold."""
        observations = sorted(chunk.observations)
        band, wafer = chunk.group.split("/")
        ends = {id_end(observation): f"{wafer}:{band}" for observation in observations}
        layers = self._layers()
        read = {archives.account(archives.add(one)) for one in observations} if archives is not None else ()
        config = shlex.quote(own_atomic_config(chunks.product(chunk)))
        return chunks.job(
            chunk,
            f"{self.get_command()} --config_file={config} --nprocs=1",
            {
                "config": chunks.config,
                "context": self.context,
                **({"area": self.area} if self.area is not None else {}),
                "preprocess_config": layers[0] if len(layers) == 1 else layers,
                **({"archives": tuple(sorted(read))} if read else {}),
            },
            asked_for=Asked(dict(sorted(ends.items()))).as_json(),
        )

    def _preprocessing(self, archives: PreprocessedChunks) -> RuleSpec:
        """Return the rule that preprocesses observations, of which maps then read the archives."""
        command = self.model_copy(update={"subcommand": "preprocess-tod"}).get_command()
        inputs = {"context": self.context, "preprocess_config": self.preprocess_config}
        jobs = []
        for chunk in archives.wanted():
            archive = archives.product(chunk)
            config, query, folder = map(shlex.quote, (own_archive_config(archive), chunk.query_file, archive))
            line = f"{command} {config} --query={query} --pb-path={folder} --nproc=1"
            jobs.append(archives.job(chunk, line, inputs, kind="preprocess-tod"))
        steps = (OWN_TMP_DIR, CONFIGURE_ARCHIVE, RUN_RANKS, ACCOUNT_ARCHIVE)
        return self._shared_rule(archives, steps, "Preprocessing of observations.", jobs, {})

    def _shared_rule(
        self,
        chunks: Chunks,
        steps: Shell,
        description: str,
        jobs: Iterable[JobSpec],
        files: Mapping[str, str],
    ) -> RuleSpec:
        """Return the rule of jobs that workflows share."""
        return RuleSpec(
            name=chunks.rule,
            workflow=self.name,
            steps=steps,
            description=description,
            jobs=tuple(jobs),
            resources=self.resources,
            environment=self.environment,
            files=files,
            after=self.depends_on,
            keys=dict.fromkeys((chunks.model.folder, "account"), (chunks.key,)),
            is_shared=True,
        )

    def _layers(self) -> tuple[str, ...]:
        """Return the configurations of preprocessing, in the order in which they are run."""
        return tuple(
            path for path in (self.preprocess_config, self.preprocess_proc_config) if path is not None
        )

    def _config(self, halving: str) -> str:
        """Return the part of the program's configuration that jobs share; each job adds its own."""
        pixels = {"area": self.area} if self.area is not None else {"nside": self.nside}
        options = {
            name: list(value) if isinstance(value, tuple) else value for name, value in self.options.items()
        }
        shared = {"context": self.context, "site": self.site, "comps": self.comps, "unit": self.unit}
        return yaml.safe_dump({**shared, **pixels, **options, **({halving: True} if halving else {})})

    def _resources_of_sums(self, requests: Sequence[MapRequest], terms: Terms) -> Resources:
        """Return what the largest of the sums needs, where nothing else is asked for."""
        size = self.map_size(terms)
        asked = {name: getattr(self.sum_resources, name) for name in self.sum_resources.model_fields_set}
        if size is not None:
            planes_mb = _SUM_PLANES * 8 * size.pixels / 1e6
            asked.setdefault("memory", math.ceil((_SUM_BASE_MB + planes_mb) / 500) * 500)
            sets = (request.asked.of_query(request.observations).values() for request in requests)
            most = max(sum(len(parts or ()) for parts in one) for one in sets)
            minutes = _SUM_RUNTIME_MARGIN * most * _SUM_PIXEL_S * size.pixels / 60
            asked.setdefault("runtime", max(Resources().runtime, math.ceil(minutes / 10) * 10))
        return Resources().model_copy(update=asked)


_PIXELS_HINT = "area is a FITS file for flat pixels, nside a power of two for HEALPix ones"
