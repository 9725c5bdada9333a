"""What a simulation is asked for, and what it says when that can't be had."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from socm.diagnostics import Collector, DiagnosticError, did_you_mean

DEFAULT_OBSERVATIONS = 48
DEFAULT_DAYS_PER_OBSERVATION = 1.5
MIN_DETECTORS = 50
"""The mapmaker leaves out a wafer and band with fewer detectors."""


MIN_SAMPLE_RATE_HZ = 12.0
MAX_SAMPLE_RATE_HZ = 400.0
MIN_SAMPLES = 1440
MAX_DURATION_S = 3600.0
MAX_SLOPE = 4.0
HWP_DURATION_S = 320.0
"""Filter-and-bin maps leave out observations of less than 300 s."""
DEFAULT_WIDTH_DEG = 6.8
MAX_WIDTH_DEG = 60.0


class SystematicKind(StrEnum):
    """An error that the simulator can put into the data, seen by one null test."""

    WAFER_GAIN = "wafer-gain"
    GROUND_PICKUP = "ground-pickup"
    LATE_SOURCE = "late-source"
    GAIN_DRIFT = "gain-drift"


SYSTEMATICS: dict[SystematicKind, str] = {
    SystematicKind.WAFER_GAIN: "the gain of wafer ws1 is wrong by this fraction (wafer tests)",
    SystematicKind.GROUND_PICKUP: "ground pickup of this rms in uK in rising scans (direction tests)",
    SystematicKind.LATE_SOURCE: "a source of this peak in uK in the second half of the days (mission tests)",
    SystematicKind.GAIN_DRIFT: "gains that fall by this fraction from first to last day (mission tests)",
}


@dataclass(frozen=True, slots=True)
class Systematic:
    """One systematic error: its kind and its amplitude (a fraction, or uK: see `SYSTEMATICS`)."""

    kind: SystematicKind
    amplitude: float

    @classmethod
    def parse(cls, text: str) -> Systematic:
        """Return the systematic that ``NAME:AMPLITUDE`` stands for.

        Raises DiagnosticError for an unknown name or an amplitude that is no number.
        """
        name, _, amplitude = text.partition(":")
        known = [kind.value for kind in SystematicKind]
        if name not in known:
            raise DiagnosticError.of(
                "unknown-systematic",
                f"there is no systematic called {name!r}",
                hint=did_you_mean(name, known, f"there are {', '.join(known)}", quote="'"),
            )
        try:
            value = float(amplitude)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise DiagnosticError.of(
                "bad-systematic",
                f"the amplitude of {text!r} is not a number",
                hint=f"write {name}:AMPLITUDE; {SYSTEMATICS[SystematicKind(name)]}",
            )
        return cls(SystematicKind(name), value)


def shortest_duration_s(sample_rate_hz: float, width_deg: float) -> float:
    """Return how long a scan to and fro takes, s, at the nearest rate and width that can be asked for."""
    rate_hz = min(max(MIN_SAMPLE_RATE_HZ, sample_rate_hz), MAX_SAMPLE_RATE_HZ)
    width_deg = min(max(DEFAULT_WIDTH_DEG, width_deg), MAX_WIDTH_DEG)
    return MIN_SAMPLES * (width_deg / DEFAULT_WIDTH_DEG) / rate_hz


@dataclass(frozen=True, slots=True)
class SimulationSettings:
    """What to simulate.

    `noise_uk_sqrt_s` is the white noise of one detector in uK·sqrt(s), in thermodynamic temperature
    like the sky. At a frequency f the noise has 1 + (`knee_hz` / f)^`slope` times the white power; all
    detectors of a wafer share `common_fraction` of what is above 1, as they do the atmosphere. The area
    is `width_deg` wide, and scans, focal plane, beam, pixels and systematics grow with it. A half-wave plate
    that turns at `hwp_hz` modulates the polarisation; there is none at 0. Where
    `observations` or `days` is None it follows from the other at the cadence of
    the directory, one observation every 1.5 days in a new one; with both None a directory that
    exists stays as it is.
    """

    observations: int | None = None
    days: float | None = None
    sample_rate_hz: float = 24.0
    duration_s: float = 200.0
    detectors: int = 52
    noise_uk_sqrt_s: float = 200.0
    knee_hz: float = 0.0
    slope: float = 2.0
    common_fraction: float = 0.5
    width_deg: float = DEFAULT_WIDTH_DEG
    hwp_hz: float = 0.0
    seed: int = 0
    start: str = "2025-02-14"
    systematics: tuple[Systematic, ...] = ()

    def __post_init__(self) -> None:
        problems = Collector()

        def require(holds: bool, message: str, hint: str) -> None:
            if not holds:
                problems.error("bad-simulation-setting", message, hint=hint)

        require(
            self.observations is None or self.observations >= 1,
            f"{self.observations} observations can't be simulated",
            "ask for at least 1",
        )
        require(
            self.days is None or 0 < self.days < math.inf,
            f"{self.days} days hold no observation",
            "ask for more than 0",
        )
        require(
            self.detectors >= MIN_DETECTORS,
            f"{self.detectors} detectors a wafer and band are too few",
            f"the mapmaker leaves out a wafer and band with fewer than {MIN_DETECTORS}",
        )
        require(
            MIN_SAMPLE_RATE_HZ <= self.sample_rate_hz <= MAX_SAMPLE_RATE_HZ,
            f"data can't be sampled at {self.sample_rate_hz:g} Hz",
            f"between {MIN_SAMPLE_RATE_HZ:g} Hz and {MAX_SAMPLE_RATE_HZ:g} Hz; the mapmaker takes slower "
            "pointing for glitches",
        )
        require(
            DEFAULT_WIDTH_DEG <= self.width_deg <= MAX_WIDTH_DEG,
            f"the area can't be {self.width_deg:g} deg wide",
            f"between {DEFAULT_WIDTH_DEG:g} deg and {MAX_WIDTH_DEG:g} deg",
        )
        shortest_s = shortest_duration_s(self.sample_rate_hz, self.width_deg)
        require(
            shortest_s <= self.duration_s <= MAX_DURATION_S,
            f"an observation can't last {self.duration_s:g} s",
            f"at {self.sample_rate_hz:g} Hz and {self.width_deg:g} deg between {shortest_s:g} s "
            f"(one scan to and fro) and {MAX_DURATION_S:g} s",
        )
        require(
            0 <= self.noise_uk_sqrt_s < math.inf,
            "the noise is negative" if self.noise_uk_sqrt_s < 0 else "the noise is no finite number",
            "give it in uK·sqrt(s), 0 or more",
        )
        nyquist_hz = self.sample_rate_hz / 2
        require(
            0 <= self.knee_hz <= nyquist_hz,
            f"noise can't have its knee at {self.knee_hz:g} Hz",
            f"between 0 Hz (white) and {nyquist_hz:g} Hz, half the sample rate",
        )
        require(
            0 < self.slope <= MAX_SLOPE,
            f"noise can't fall with a slope of {self.slope:g}",
            f"above 0, at most {MAX_SLOPE:g}; an atmosphere has 8/3",
        )
        require(
            0 <= self.common_fraction <= 1,
            f"detectors can't share {self.common_fraction:g} of their red noise",
            "a fraction between 0 and 1",
        )
        require(
            0 <= self.hwp_hz < nyquist_hz / 5,
            f"a half-wave plate can't turn at {self.hwp_hz:g} Hz in data of {self.sample_rate_hz:g} Hz",
            f"0 (none), or less than {nyquist_hz / 5:g} Hz: it moves the polarisation to frequencies between "
            "three and five times its own, which must lie below half the sample rate",
        )
        require(self.seed >= 0, "the seed is negative", "0 or more")
        try:
            datetime.fromisoformat(self.start)
        except ValueError:
            require(False, f"{self.start!r} is not a date", "write it as 2025-02-14 (UTC)")
        kinds = [systematic.kind for systematic in self.systematics]
        require(len(kinds) == len(set(kinds)), "a systematic is given twice", "give each name once")
        problems.raise_if_errors()

    @property
    def start_unix_s(self) -> float:
        """The time at which the first day begins, unix s."""
        moment = datetime.fromisoformat(self.start)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()

    @property
    def scale(self) -> float:
        """How much larger than in the smallest set all angles are."""
        return self.width_deg / DEFAULT_WIDTH_DEG

    @property
    def samples(self) -> int:
        """The number of samples of one observation."""
        return round(self.sample_rate_hz * self.duration_s)

    def amplitude(self, kind: SystematicKind) -> float:
        """Return the amplitude of one systematic, 0 where it was not asked for."""
        return next((s.amplitude for s in self.systematics if s.kind is kind), 0.0)
