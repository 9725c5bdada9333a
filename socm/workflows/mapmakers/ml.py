"""Maximum-likelihood maps with ``so-site-pipeline make-ml-map``."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, field_validator

from socm.core.fields import CampaignPath, CommaText, NameList, OptionValue, ProgramOptions, names_in
from socm.core.invalid import invalid
from socm.core.jobs import PythonNeed
from socm.core.references import references_in
from socm.diagnostics import Diagnostic, KeyPath, Severity
from socm.formats.layout import EMPTY_PREPROCESS_CONFIG
from socm.workflows.listed_options import listed_options
from socm.workflows.mapmakers.base import Mapmaker, MapProducts, MapRequest
from socm.workflows.mapmakers.make_ml_map import (
    FILES,
    KNOWN_VALUES,
    REFUSED_OPTIONS,
    SIDELOBE_MASKS,
    value_problems,
)
from socm.workflows.observing import Selection, Terms
from socm.workflows.requirements import MPI
from socm.workflows.words import option_words

_NUMBERS = re.compile(r"\s*0*[1-9]\d*\s*(,\s*0*[1-9]\d*\s*)*")


class MLMapmaking(Mapmaker):
    """Makes one maximum-likelihood map of the selected observations."""

    kind: ClassVar[str] = "ml-mapmaking"

    executable: str = Field("so-site-pipeline", description="Program that a job runs.")
    subcommand: str = Field("make-ml-map", description="First argument of the program.")
    preprocess_config: CampaignPath | None = Field(
        None, description="Preprocessing configuration; by default one with an empty process_pipe."
    )
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
    nmat: str | None = Field(None, description="Noise model: corr, uncorr or corr_dct.")
    unit: str | None = Field(None, description="Unit of the map.")
    nocal: bool = Field(False, description="Leave out the calibration cuts; useful for simulations.")
    no_sidelobe: bool = Field(False, description="Leave out the sun and moon sidelobe cuts.")
    options: dict[str, OptionValue] = Field(
        {}, description="Any other option of make-ml-map; bare flags are booleans."
    )
    allow_unknown_options: bool = Field(
        False, description="true passes on options and values that make-ml-map may not know."
    )

    program_options: ClassVar[ProgramOptions] = listed_options(
        "make-ml-map", refused=REFUSED_OPTIONS, command=("so-site-pipeline", "make-ml-map")
    )

    input_fields: ClassVar[tuple[str, ...]] = ("context", "area", "preprocess_config")

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
        yield from super().problems()
        if self.runs_make_ml_map and not self.allow_unknown_options:
            keys = self.program_options.keys
            values: dict[str, tuple[KeyPath, Any]] = {
                option: ((key,), getattr(self, key)) for option, key in keys.items() if option in KNOWN_VALUES
            }
            values |= {option: (("options", option), value) for option, value in self.options.items()}
            yield from value_problems(values)

    def needs(self) -> tuple[PythonNeed, ...]:
        """Return what make-ml-map needs that it misses only when it has read all data."""
        return (MPI,) if self.runs_make_ml_map else ()

    def notes(self, terms: Terms, written: Iterable[str]) -> Iterator[Diagnostic]:
        """Yield what the compile chose for the user, and the files that make-ml-map would not find."""
        if self.preprocess_config is None:
            yield Diagnostic(
                code="no-preprocess-config",
                message="no preprocess_config is given: the mapmaker gets one with an empty process_pipe, "
                f"{self.preprocess_path}",
                severity=Severity.NOTE,
                hint="preprocess_config = <file> names your own",
            )
        for option in FILES if self.runs_make_ml_map else ():
            path = self.options.get(option)
            if isinstance(path, str) and path and path not in terms.made and not (terms.base / path).exists():
                message = f"the {option} file {path} does not exist"
                yield Diagnostic("missing-file", message, key=("options", option))
        yield from super().notes(terms, written)

    def doubts(self, selection: Selection) -> Iterator[Diagnostic]:
        """Yield what make-ml-map is known to stop at."""
        from socm.workflows.detectors import unknown_bands

        yield from super().doubts(selection)
        if self.runs_make_ml_map:
            yield from unknown_bands(selection.observations)
            yield from self.absent_masks()

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

    def solver_passes(self) -> tuple[tuple[int, int], ...]:
        """Return the steps and the factor of downsampling of each pass; of a short list, the last goes on."""
        lists = [[int(text) for text in value.split(",")] for value in (self.maxiter, self.downsample)]
        steps, factors = ([*values, *[values[-1]] * (self.passes - len(values))] for values in lists)
        return tuple(zip(steps, factors, strict=True))

    def job_kind(self) -> str:
        """Return what jobs have in common that take time and memory alike: program and noise model."""
        return f"{super().job_kind()} {self.nmat or ''}".strip()

    @property
    def preprocess_path(self) -> str:
        """Where the mapmaker finds its preprocessing configuration."""
        return self.preprocess_config or EMPTY_PREPROCESS_CONFIG

    def map_files(self, requests: Sequence[MapRequest]) -> dict[str, str]:  # noqa: ARG002
        """Return the preprocessing configuration where none is given."""
        return {} if self.preprocess_config else {EMPTY_PREPROCESS_CONFIG: "process_pipe: []\n"}

    def map_products(self, folder: str) -> MapProducts:
        """Return what a map job makes in `folder`: the map of the last pass, inverse variance, hits."""
        return MapProducts(
            map=posixpath.join(folder, f"pass{self.passes}_sky_map.fits"),
            weight=posixpath.join(folder, "sky_div.fits"),
            hits=posixpath.join(folder, "sky_hits.fits"),
            coverage=posixpath.join(folder, "coverage.json"),
        )

    def map_inputs(self, request: MapRequest) -> dict[str, str]:
        """Return the files that a job reads, by name."""
        return {**super().map_inputs(request), "preprocess_config": self.preprocess_path}

    def get_arguments(self, **kwargs: Any) -> str:
        """Return the mapmaker's arguments as shell text.

        Takes ``query`` (a file of ids or query text), ``output_dir``, and the detector selection
        ``wafer`` and ``tube``, which stand for the fields of the same name where they are given.
        """
        tube, request = kwargs.get("tube") or self.tube, kwargs.get("request")
        if request is not None:
            tube = _tube_option(names_in(tube), request.observations)
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
            "ots": tube or None,
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
    ids = [line.partition(":")[0] for line in observations] if ":" in "".join(observations) else observations
    return tubes[0] if all(map(str.__contains__, ids, repeat(tubes[0]))) else ""
