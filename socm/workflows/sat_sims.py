"""Simulated observations of a small aperture telescope with ``toast_so_sim``."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field, PrivateAttr

from socm.core.fields import CampaignPath, CommaText, OptionValue, ProgramOptions
from socm.core.jobs import JobSpec, RuleSpec
from socm.core.models import Environment, Resources, Workflow
from socm.core.steps import CHECK_SCHEDULE, FINISH, MAKE_CONTEXT, OWN_TMP_DIR, RUN, RUN_RANK_GROUPS, Shell
from socm.diagnostics import Collector, Diagnostic
from socm.formats.layout import simulation_settings
from socm.workflows.listed_options import listed_options
from socm.workflows.program import temporary_of
from socm.workflows.schedules import DateTime, Schedule, check_dates, read_schedule, scans_digest
from socm.workflows.words import pair_words, value_text

SIMULATE: Shell = (OWN_TMP_DIR, RUN_RANK_GROUPS, FINISH)
CONTEXT_RESOURCES = Resources(ranks=1, threads=1, memory=4000, runtime="1h")
SCHEDULE_RESOURCES = Resources(ranks=1, threads=1, memory=2000, runtime="1h")
_BAND = re.compile(r"(SAT|LAT)_f\d{3}")
_NOT_A_FOLDER = re.compile(r"[^A-Za-z0-9._-]")


class SATSims(Workflow):
    """Simulates observations: time streams, their maps, and a context through which they are mapped."""

    kind: ClassVar[str] = "sat-sims"
    exclusive_keys: ClassVar[tuple[tuple[str, ...], ...]] = (("telescope", "wafer_slots", "tube_slots"),)
    program_options: ClassVar[ProgramOptions] = listed_options(
        "toast_so_sim", dotted=True, command=("toast_so_sim",)
    )

    executable: str = Field("toast_so_sim", min_length=1, description="Program that a job runs.")
    output_dir: CampaignPath = Field(description="Folder of the results.")
    schedule: CampaignPath | Schedule = Field(
        description="Schedule of the observations: a file, or a table that makes one."
    )
    start: DateTime | None = Field(None, description="Every scan of a schedule file begins after this, UTC.")
    stop: DateTime | None = Field(None, description="Every scan of a schedule file ends before this, UTC.")
    bands: CommaText = Field("SAT_f090", description="Bands, comma separated; each is a job of its own.")
    telescope: str | None = Field(None, description="Telescope to simulate as a whole: SAT1 to SAT4.")
    wafer_slots: CommaText | None = Field(
        None, description='Wafers to simulate, comma separated; "w25" where nothing else is said.'
    )
    tube_slots: CommaText | None = Field(None, description="Optics tubes to simulate, comma separated.")
    sample_rate: float = Field(37.0, gt=0, description="Samples a second, Hz.")
    thinning: int | None = Field(None, ge=1, description="Keep one pixel of the focal plane in so many.")
    realisation: int = Field(
        0, ge=0, description="Number of the first realisation, which seeds what is random."
    )
    realisations: int = Field(1, ge=1, le=10_000, description="How many realisations, each a job of its own.")
    sim_noise: bool = Field(False, description="Simulate the noise of the detectors.")
    scan_map: bool | CampaignPath = Field(False, description="Sky map to scan: a HEALPix FITS file.")
    sim_atmosphere: bool = Field(False, description="Simulate the atmosphere.")
    sim_sss: bool = Field(False, description="Simulate what is synchronous with the scan.")
    sim_hwpss: bool = Field(False, description="Simulate what is synchronous with the half-wave plate.")
    sim_hwpss_atmo_data: str | None = Field(
        None, description="Name of the simulated atmosphere that modulates it."
    )
    pixels_healpix_radec_nside: int = Field(512, ge=1, description="Resolution of maps and of pointing.")
    filterbin_name: str | None = Field(
        None, pattern=r"^[A-Za-z0-9_.-]+$", description="Make filtered and binned maps under this name."
    )
    processing_mask_file: CampaignPath | None = Field(None, description="Mask for the maps, a FITS file.")
    save_tods: bool = Field(True, description="Save the time streams, which the context is made over.")
    options: dict[str, OptionValue] = Field(
        {},
        description="Any other option of toast_so_sim by its dotted name; bare flags are booleans.",
        examples=[{"sim_ground.scan_rate_az": "1 deg/s", "mapmaker.disable": True}],
    )
    allow_unknown_options: bool = Field(
        False, description="true passes options on that toast_so_sim may not know."
    )
    _scans: str = PrivateAttr("")
    """Digest of the scans of a schedule file: with it the observations change."""

    def problems(self) -> Iterator[Diagnostic]:
        """Yield detectors that are chosen in two ways, and what the schedule's table gets wrong."""
        chosen = [name for name in self.exclusive_keys[0] if getattr(self, name) is not None]
        if len(chosen) > 1:
            message = f"toast_so_sim takes one of {' and '.join(f'`{name}`' for name in chosen)}"
            yield Diagnostic("duplicate-key", message, key=(chosen[1],), point_at="key", hint="keep one")
        for band in self._bands():
            if "${" not in band and not _BAND.fullmatch(band):
                hint = f'write "SAT_{band}"' if re.fullmatch(r"f\d{3}", band) else 'such as "SAT_f090"'
                message = f"{band!r} is no band of toast_so_sim, which names telescope and band"
                yield Diagnostic("wrong-value", message, key=("bands",), hint=hint)
        if self.start and self.stop and self.stop <= self.start:
            yield Diagnostic("out-of-range", "the simulation ends before it begins", key=("stop",))
        if isinstance(self.schedule, Schedule):
            yield from (problem.under(("schedule",)) for problem in self.schedule.problems())
            for name in ("start", "stop"):
                if getattr(self, name) is not None:
                    message = f"`{name}` belongs into the table `schedule`, which says when to observe"
                    yield Diagnostic("duplicate-key", message, key=(name,), point_at="key")
        for name, value in self.options.items():
            text = value_text(value)
            if isinstance(value, str) and re.match(r"-(?![\d.])", text):
                message = f"toast_so_sim takes {text!r} for an option of its own, because of the hyphen"
                yield Diagnostic("wrong-value", message, key=("options", name))
        if not self.save_tods and "tods" in self.temporary:
            message = "`tods` can't be temporary, because `save_tods` is false"
            yield Diagnostic("unknown-output", message, key=("temporary",))

    def read_files(self, base: Path) -> Self:
        """Return the workflow with what it read of its schedule file, which may not be there yet.

        Raises DiagnosticError, keys counted from the workflow's table, for a schedule without scans
        or with some outside of the simulation's dates.
        """
        read = self.model_copy()
        problems = Collector()
        if isinstance(self.schedule, str) and (base / self.schedule).is_file():
            with problems.at(("schedule",)):
                scans = read_schedule(base / self.schedule)
                problems.extend(
                    problem.under(("schedule",)) for problem in check_dates(scans, self.start, self.stop)
                )
                read._scans = scans_digest(scans)  # noqa: SLF001 -- of its own copy
        problems.raise_if_errors()
        return read

    @property
    def folder(self) -> str:
        """The folder of this variant's results."""
        return posixpath.join(self.output_dir, self.variant_folder).removesuffix("/")

    @property
    def schedule_file(self) -> str:
        """The schedule that is simulated: the user's, or the one that is made."""
        if isinstance(self.schedule, str):
            return self.schedule
        return posixpath.join(self.folder, "schedule.txt")

    def get_command(self, **kwargs: Any) -> str:  # noqa: ARG002 -- part of the documented signature
        """Return the program as shell text; it has no subcommand."""
        return shlex.quote(self.executable)

    def get_arguments(self, **kwargs: Any) -> str:
        """Return the simulation's arguments as shell text, for a ``band``, ``realisation`` and ``folder``."""
        detectors = {name: getattr(self, name) for name in self.exclusive_keys[0]}
        if not any(detectors.values()):
            detectors = {"wafer_slots": "w25"}
        values: dict[str, Any] = {
            "out_dir": kwargs["folder"],
            "schedule": self.schedule_file,
            "bands": kwargs["band"],
            **detectors,
            "thinfp": self.thinning,
            "sample_rate": self.sample_rate,
            "realization": kwargs["realisation"],
            "scan_map.file": self.scan_map if isinstance(self.scan_map, str) else None,
            "sim_hwpss.atmo_data": self.sim_hwpss_atmo_data,
            "pixels_healpix_radec.nside": self.pixels_healpix_radec_nside,
            "filterbin.name": self.filterbin_name,
            "processing_mask.file": self.processing_mask_file,
        }
        switches = {
            "sim_noise": self.sim_noise,
            "scan_map": bool(self.scan_map),
            "sim_atmosphere": self.sim_atmosphere,
            "sim_sss": self.sim_sss,
            "sim_hwpss": self.sim_hwpss,
            "pixels_healpix_radec": True,
            "save_hdf5": self.save_tods,
            "filterbin": True if self.filterbin_name else None,
            "processing_mask": True if self.processing_mask_file else None,
        }
        # toast takes an option of an operator for given only if its name is a word of its own.
        words = pair_words({name: value for name, value in values.items() if value is not None})
        words += [
            f"--{name}.{'enable' if on else 'disable'}" for name, on in switches.items() if on is not None
        ]
        return " ".join([*words, *pair_words(dict(sorted(self.options.items())))])

    def rules(self) -> tuple[RuleSpec, ...]:
        """Return the rules: the schedule, a simulation for each band and realisation, their contexts."""
        simulations = {
            (number, band): self._simulation(number, band)
            for number in range(self.realisations)
            for band in self._bands()
        }
        rules = [self._rule("", SIMULATE, "Simulated observations.", tuple(simulations.values()))]
        if isinstance(self.schedule, Schedule):
            rules.insert(0, self._schedule_rule(self.schedule))
        if self.save_tods:
            contexts, files = [], {}
            for number in range(self.realisations):
                members = [job for (one, _), job in simulations.items() if one == number]
                path, text, job = self._context(number, members)
                contexts.append(job)
                files[path] = text
            rule = self._rule(
                "-context", (MAKE_CONTEXT,), "Contexts over simulated observations.", tuple(contexts)
            )
            rules.append(_small(rule, CONTEXT_RESOURCES, files))
        return tuple(rules)

    def _bands(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(band.strip() for band in self.bands.split(",") if band.strip()))

    def _part(self, number: int, band: str | None = None) -> str:
        parts = [f"realisation_{self.realisation + number}"] if self.realisations > 1 else []
        parts += [_NOT_A_FOLDER.sub("_", band)] if band is not None and len(self._bands()) > 1 else []
        return posixpath.join(*parts) if parts else ""

    def _simulation(self, number: int, band: str) -> JobSpec:
        part = self._part(number, band)
        name = posixpath.join(self.variant_folder, part).removesuffix("/")
        folder = posixpath.join(self.folder, part).removesuffix("/")
        arguments = self.get_arguments(folder=folder, band=band, realisation=self.realisation + number)
        inputs = {
            "schedule": self.schedule_file,
            "scan_map": self.scan_map if isinstance(self.scan_map, str) else None,
            "processing_mask_file": self.processing_mask_file,
        }
        outputs = {"config": posixpath.join(folder, "config_log.toml")}
        if self.save_tods:
            outputs["tods"] = posixpath.join(folder, "data")
        if self.filterbin_name and not any(option.startswith("filterbin.") for option in self.options):
            outputs |= {
                name: posixpath.join(folder, f"{self.filterbin_name}_filtered_{name}.fits")
                for name in ("map", "hits", "cov")
            }
        own = tuple(entry for entry in self.temporary if entry not in {"context", "schedule_file"})
        temporary, leftovers = temporary_of(own, outputs)
        return JobSpec(
            name=name,
            command=f"{self.get_command()} {arguments}",
            inputs={key: path for key, path in inputs.items() if path is not None},
            outputs=outputs,
            folders=("tods",) if self.save_tods else (),
            temporary=temporary,
            leftovers=leftovers,
        )

    def _context(self, number: int, simulations: list[JobSpec]) -> tuple[str, str, JobSpec]:
        part = self._part(number)
        name = posixpath.join(self.variant_folder, part).removesuffix("/")
        folder = posixpath.join(self.folder, part, "context")
        tods = tuple(job.outputs["tods"] for job in simulations)
        made_by = "\n".join([*(job.command for job in simulations), self._schedule_text()])
        digest = hashlib.sha256(made_by.encode()).hexdigest()
        text = json.dumps({"tods": tods, "simulations": digest}, indent=1) + "\n"
        path = simulation_settings(self.name, name)
        return (
            path,
            text,
            JobSpec(
                name=name,
                command=f"{shlex.quote(path)} {shlex.quote(folder)}",
                inputs={"specification": path, "tods": tods},
                outputs={
                    "context": posixpath.join(folder, "context.yaml"),
                    "obsdb": posixpath.join(folder, "obsdb.sqlite"),
                    "preprocess_config": posixpath.join(folder, "preprocess.yaml"),
                },
                carries={"context": tods},
                records={posixpath.join(folder, "made-from.json"): text},
            ),
        )

    def _schedule_text(self) -> str:
        if isinstance(self.schedule, Schedule):
            return self.schedule.command(self._scheduled_telescope(), self.schedule_file)
        return self._scans

    def _scheduled_telescope(self) -> str:
        return self.telescope or "SAT1"

    def _schedule_rule(self, schedule: Schedule) -> RuleSpec:
        job = JobSpec(
            name=self.variant_folder,
            command=schedule.command(self._scheduled_telescope(), self.schedule_file),
            outputs={"schedule_file": self.schedule_file},
        )
        rule = self._rule("-schedule", (RUN, CHECK_SCHEDULE), "Schedule of the observations.", (job,))
        return _small(rule, SCHEDULE_RESOURCES, {}, self.environment)

    def _rule(self, suffix: str, steps: Shell, description: str, jobs: tuple[JobSpec, ...]) -> RuleSpec:
        return RuleSpec(
            name=f"{self.name}{suffix}",
            workflow=self.name,
            steps=steps,
            description=description,
            jobs=jobs,
            resources=self.resources,
            environment=self.environment,
            after=self.depends_on,
        )


def _small(
    rule: RuleSpec, asked: Resources, files: Mapping[str, str], environment: Environment | None = None
) -> RuleSpec:
    return replace(rule, resources=asked, files=dict(files), environment=environment or Environment())
