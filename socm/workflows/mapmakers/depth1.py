"""Depth-1 maps with ``so-site-pipeline make-depth1-map``: one of each scan, and the sum of all."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import yaml
from pydantic import Field

from socm.core.fields import CampaignPath, OptionValue, ProgramOptions, names_in
from socm.core.jobs import PythonNeed, RuleSpec
from socm.core.steps import COADD, COVERAGE, OWN_TMP_DIR, PREPARE, RUN_RANKS, Shell
from socm.diagnostics import Diagnostic, DiagnosticError
from socm.formats.layout import program_config
from socm.workflows.listed_options import listed_options
from socm.workflows.mapmakers.base import Mapmaker, MapProducts, MapRequest
from socm.workflows.mapmakers.known_values import SITES, unknown_value
from socm.workflows.observing import Terms
from socm.workflows.requirements import MPI
from socm.workflows.words import option_words

REFUSED_OPTIONS: Mapping[str, str] = {
    "config-file": "each job has one of its own",
    "update-delay": "which observations are mapped is fixed when the campaign is compiled",
}
"""Options that make-depth1-map knows and no job can have, and why."""

KNOWN_VALUES: Mapping[str, tuple[str, ...]] = {
    "comps": ("T", "TQU"),
    "nmat": ("corr", "uncorr"),
    "site": SITES,
    "unit": ("K", "uK"),
}
"""Keys that take one of a few words."""


class Depth1Maps(Mapmaker):
    """Makes a map of each scan of the selected observations, and adds them up to one."""

    kind: ClassVar[str] = "depth1-maps"

    executable: str = Field("so-site-pipeline", description="Program that a job runs.")
    subcommand: str = Field("make-depth1-map", description="First argument of the program.")
    preprocess_config: CampaignPath = Field(description="Preprocessing configuration.")
    maxiter: int = Field(100, ge=1, description="Most conjugate gradient steps.")
    downsample: int = Field(1, ge=1, description="Factor to downsample by.")
    tiled: int = Field(1, ge=0, le=1, description="1 for tiled maps, 0 for untiled ones.")
    nmat: str = Field("corr", description="Noise model: corr or uncorr.")
    unit: str = Field("K", description="Unit of the time streams and of the maps, K or uK.")
    options: dict[str, OptionValue] = Field(
        {}, description="Any other option of make-depth1-map; bare flags are booleans."
    )
    allow_unknown_options: bool = Field(
        False, description="true passes options on that make-depth1-map may not know."
    )

    program_options: ClassVar[ProgramOptions] = listed_options(
        "make-depth1-map", refused=REFUSED_OPTIONS, command=("so-site-pipeline", "make-depth1-map")
    )
    input_fields: ClassVar[tuple[str, ...]] = ("context", "area", "preprocess_config")
    steps: ClassVar[Shell] = (OWN_TMP_DIR, PREPARE, RUN_RANKS, COADD, COVERAGE)
    coverage_reader: ClassVar[str] = "make-depth1-map"

    def needs(self) -> tuple[PythonNeed, ...]:
        """Return what the program needs that it misses only when it has read all data."""
        return (MPI,)

    def problems(self) -> Iterator[Diagnostic]:
        """Yield what make-depth1-map can't do: join bands in a map, or leave out wafers."""
        yield from super().problems()
        if len(names_in(self.bands)) != 1:
            said = f"not {self.bands}" if self.bands else "and none is given"
            yield Diagnostic(
                "refused-value",
                f"make-depth1-map maps one band, {said}",
                key=("bands",) if self.bands else (),
                hint='write bands = "f090", or matrix = { bands = ["f090", "f150"] }',
            )
        if self.wafer:
            yield _all_wafers(("wafer",))
        for key, known in KNOWN_VALUES.items():
            if problem := unknown_value("make-depth1-map", (key,), getattr(self, key), known):
                yield problem

    def plan_maps(
        self, name: str, description: str, requests: Sequence[MapRequest], terms: Terms
    ) -> tuple[tuple[RuleSpec, ...], tuple[MapProducts, ...]]:
        """Return the rule that makes maps, and their products.

        Raises DiagnosticError where parts of observations are asked for.
        """
        if any(request.wafers or ":" in "".join(request.observations) for request in requests):
            raise DiagnosticError(_all_wafers(()))
        return super().plan_maps(name, description, requests, terms)

    def map_products(self, folder: str) -> MapProducts:
        """Return the sum of the maps, the folder that they are in, and the catalogue that lists them."""
        path = {
            name: posixpath.join(folder, file)
            for name, file in (
                ("map", "map.fits"),
                ("ivar", "ivar.fits"),
                ("coverage", "coverage.json"),
                ("depth1", "depth1"),
                ("catalogue", "mapcat.db"),
            )
        }
        return MapProducts(
            map=path["map"],
            weight=path["ivar"],
            coverage=path["coverage"],
            others={name: path[name] for name in ("depth1", "catalogue")},
            folders=("depth1",),
        )

    def config_file(self, request: MapRequest) -> str:
        """Return where the program's own configuration stands: what it can't be given as arguments."""
        return program_config(self.name, request.name)

    def map_files(self, requests: Sequence[MapRequest]) -> dict[str, str]:
        """Return the configuration of each job."""
        return {
            self.config_file(request): yaml.safe_dump(
                {"freq": self.bands, "mapcat_database_name": self._catalogue(request.folder)}
            )
            for request in requests
        }

    def map_inputs(self, request: MapRequest) -> dict[str, str]:
        """Return the files that a job reads, by name."""
        return {**super().map_inputs(request), "config": self.config_file(request)}

    def prepare(self, request: MapRequest) -> str:
        """Return the command that makes an empty catalogue."""
        catalogue = shlex.quote(f"mapcat_database_name={self._catalogue(request.folder)}")
        return f"env {catalogue} mapcatmigrate"

    def _catalogue(self, folder: str) -> str:
        return self.map_products(folder).others["catalogue"]

    def solver_passes(self) -> tuple[tuple[int, int], ...]:
        """Return the steps and the factor of downsampling of the one pass."""
        return ((self.maxiter, self.downsample),)

    def job_kind(self) -> str:
        """Return what jobs have in common that take time and memory alike: program and noise model."""
        return f"{super().job_kind()} {self.nmat}"

    def get_arguments(self, **kwargs: Any) -> str:
        """Return the arguments as shell text; ``request`` is the map that is asked for."""
        request: MapRequest = kwargs["request"]
        values = {
            "config-file": self.config_file(request),
            "query": request.query_file,
            "area": self.area,
            "odir": self.map_products(request.folder).others["depth1"],
            "preprocess-config": self.preprocess_config,
            "context": self.context,
            "comps": self.comps,
            "maxiter": str(self.maxiter),
            "downsample": str(self.downsample),
            "tiled": str(self.tiled),
            "nmat": self.nmat,
            "site": self.site,
            "unit": self.unit,
        }
        words = [f"--{name}={shlex.quote(value)}" for name, value in values.items()]
        return " ".join([*words, *option_words(self.options)])


def _all_wafers(key: tuple[str, ...]) -> Diagnostic:
    return Diagnostic(
        "refused-value",
        "make-depth1-map maps all wafers of an observation, and no part of them",
        key=key,
        hint="ml-mapmaking and ml-null-tests map wafers apart",
    )
