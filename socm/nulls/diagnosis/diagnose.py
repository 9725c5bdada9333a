"""A test's remarkable comparisons diagnosed: evidence gathered, causes weighed, a conclusion said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from threadpoolctl import threadpool_limits

from socm.formats.null_products import Diagnosis, Finding
from socm.nulls.diagnosis.blocks import Products, gather_products
from socm.nulls.diagnosis.causes import SkyCauses, find_causes
from socm.nulls.diagnosis.directions import Direction, find_direction
from socm.nulls.diagnosis.excess import describe_excess, flagged, leave_out_maps, pte_of
from socm.nulls.diagnosis.findings import (
    TITLES,
    Sides,
    as_limit,
    pte_text,
    say_bins,
    say_direction,
    say_ground,
    say_place,
    say_rms,
    say_template,
    sentence_case,
)
from socm.nulls.diagnosis.ground import Ground, find_ground
from socm.nulls.diagnosis.places import Place, find_place
from socm.nulls.diagnosis.regression import explained_power
from socm.nulls.judging.differences import Comparison
from socm.nulls.judging.limits import judged_kinds
from socm.nulls.judging.results import ComparisonResult, Evidence, TestResult
from socm.nulls.judging.spectra import FIELDS, make_forms
from socm.nulls.judging.weighing import NullMaps
from socm.nulls.progress import silent

DIRECTION, GROUND, PLACE = 4.0, 4.0, 6.5
"""Sigma from which each is named; the highest box of clean maps reaches 6.3."""

ELSEWHERE, EVERYWHERE = 3.0, 8.0
"""Sigma below which the map outside of a place has no excess, and from which the excess isn't in one place.

Beside simulated sources it reaches 4; where a few boxes of a narrow map hold most of another excess, it is 12
and more.
"""

MOSTLY = 0.5
"""Share of the excess that a cause must hold to be concluded on."""

NOTHING = "Nothing known explains it."


def diagnose_test(
    maps: NullMaps,
    comparisons: Sequence[Comparison],
    result: TestResult,
    names: Sequence[str],
    unit: str,
    progress: Callable[[str], None] = silent,
) -> TestResult:
    """Return a judgement with a diagnosis of each remarkable comparison; without one, it is as it was.

    names: of the maps. Nothing of the judgement changes, and what goes wrong is said in the diagnosis.
    """
    if result.evidence is None:
        return result
    by_name = {one.name: one for one in comparisons}
    made = []
    for one in result.comparisons:
        if not one.is_remarkable:
            made.append(one)
            continue
        case = _Case(maps, by_name[one.name], one, result, result.evidence, names, unit)
        try:
            with threadpool_limits(1, user_api="blas"):
                diagnosis = case.diagnose(progress)
        except Exception as error:  # noqa: BLE001 a judgement that worked stays one
            diagnosis = _failed(error)
        made.append(replace(one, diagnosis=diagnosis))
    return replace(result, comparisons=tuple(made), evidence=None)


def _failed(error: Exception) -> Diagnosis:
    sentence = f"No diagnosis could be made: {type(error).__name__}: {error}"
    return Diagnosis(
        conclusion=sentence, causes=(), findings=(Finding(name="failed", detected=False, sentence=sentence),)
    )


@dataclass(frozen=True)
class _Case:
    """A comparison to be diagnosed, and all that is known of it."""

    maps: NullMaps
    comparison: Comparison
    result: ComparisonResult
    test: TestResult
    evidence: Evidence
    names: Sequence[str]
    unit: str

    @property
    def sides(self) -> Sides:
        plus, _, minus = self.result.label.partition(" against ")
        return Sides(plus, minus)

    def diagnose(self, progress: Callable[[str], None]) -> Diagnosis:
        numbers = flagged(self.result)
        forms = make_forms(self.comparison, self.evidence.fields)
        excesses = [describe_excess(self.result, number, self.evidence, forms) for number in numbers]
        findings: list[Finding] = []
        for excess in excesses:
            findings.append(say_bins(excess, self.test.edges))
            if excess.shape is not None:
                findings.append(say_rms(excess, self.unit, self.sides))
        maps = self._maps(numbers[0])
        if all(excess.chi < 0 for excess in excesses):
            sentence = (
                "The cross power is below zero, and what all sub-splits share would make it positive: "
                "this is noise that the noise model lacks, or sub-splits that go against each other."
            )
            findings.append(Finding(name="sign", detected=True, sentence=sentence))
            return Diagnosis(conclusion=sentence, causes=(), findings=(*_ordered(findings), *maps))
        products = gather_products(self.maps, self.comparison, self.evidence.sky, progress)
        modes, spectra = self.evidence.modes, [excess.spectrum for excess in excesses]
        kinds = [min(kind, len(modes) - 1) for kind in judged_kinds(self.maps.letters, spectra)]
        fraction = np.minimum(np.exp(np.log(modes[kinds]).mean(axis=0)) / self.evidence.sky.counts, 1)
        sky = find_causes(products, fraction)
        letters = "".join(dict.fromkeys("".join(excess.spectrum for excess in excesses)))
        direction = find_direction(products, letters, fraction)
        wanted = self._wanted(letters)
        planes = products.coarse[:, wanted]
        place = find_place(planes, self.evidence.sky)
        weights = [self.evidence.sky.coarsen(self.maps.weight(one)) for one in wanted]
        ground = find_ground(planes, weights, self.evidence.sky)
        after = self._ptes_after(products, sky, numbers)
        found, conclusion, causes = self._conclude(sky, direction, ground, place, after)
        return Diagnosis(
            conclusion=conclusion, causes=causes, findings=(*_ordered([*findings, *found]), *maps)
        )

    def _wanted(self, letters: str) -> list[int]:
        """Return the numbers of the planes that hold some fields."""
        polarized = bool(set("EB") & set(letters))
        return [
            number
            for number, one in enumerate(self.maps.letters)
            if (polarized if one != "T" else one in letters)
        ]

    def _maps(self, number: int) -> list[Finding]:
        found = leave_out_maps(self.comparison, number, self.evidence, self.test.spectra)
        if not found:
            sentence = "Which sub-split carries it can't be known: that needs three or more of each side."
            return [Finding(name="maps", detected=False, sentence=sentence)]
        gone = [one for one in found if one.is_gone]
        named = tuple(self.names[one.map] for one in gone)
        sentence = (
            f"Without {' or '.join(named)} it goes away ({min(one.left for one in gone):.1f} σ are left)."
            if gone
            else "It stays whichever map is left out."
        )
        return [
            Finding(
                name="maps",
                significance=max((one.fall for one in gone), default=None),
                detected=bool(gone),
                sentence=sentence,
                of=named,
            )
        ]

    def _ptes_after(self, products: Products, sky: SkyCauses, numbers: Sequence[int]) -> list[_After]:
        """Return for each flagged auto-spectrum its PTE without what the sky explains."""
        found: list[_After] = []
        if sky.fit is None:
            return found
        for number in numbers:
            one = self.result.judgements[number]
            if one.spectrum[0] != one.spectrum[1]:
                continue
            letter = one.spectrum[0]
            component = FIELDS[len(self.maps.letters)].index(letter)
            weight = self.maps.weight(component)
            power = explained_power(products, sky.fit, letter)
            sums = np.bincount(products.blocks.bin, power, len(self.test.multipoles))
            binned = self.evidence.sky.normalization(weight, weight) * sums
            simulated = self.result.simulated[:, number]
            ratio = self.result.ratio[number] - binned / self.result.noise[number]
            inverse = np.linalg.inv(np.atleast_2d(np.cov(simulated, rowvar=False)))
            step = ratio - simulated.mean(axis=0)
            left = float(step @ inverse @ step) - len(ratio)
            whole = one.chi_square - len(ratio)
            share = 1 - max(left, 0.0) / whole if whole > 0 else 1.0
            found.append(_After(one.spectrum, one.pte, pte_of(ratio, simulated), max(share, 0.0)))
        return found

    def _conclude(
        self,
        sky: SkyCauses,
        direction: Direction | None,
        ground: Ground | None,
        place: Place | None,
        after: list[_After],
    ) -> tuple[list[Finding], str, tuple[str, ...]]:
        findings, causes, parts = [], [], []
        waves = self.evidence.sky.waves(float(np.mean(self.maps.declination_deg)))
        is_folded = waves.along_y is None
        cosine = float(np.cos(np.radians(np.mean(self.maps.declination_deg)))) if is_folded else 1.0
        for row in sky.rows:
            finding = say_template(
                row.template, row.value, row.error, row.significance, self.sides, self.test.edges[-1], cosine
            )
            if not row.detected:
                finding = as_limit(finding, row.template.name)
            if row.one_sided:
                finding = finding.model_copy(
                    update={
                        "detected": False,
                        "sentence": f"{sentence_case(TITLES[row.template.name])} can't be measured: "
                        "something in one side alone goes with the maps' sum.",
                    }
                )
            findings.append(finding)
        if sky.weak:
            names = ", ".join(TITLES[one.name] for one in sky.weak)
            sentence = f"The maps' sum holds too little signal above its noise for {names}."
            findings.append(Finding(name="sky", detected=False, sentence=sentence))
        explains = bool(sky.causes) and all(one.share >= MOSTLY for one in after)
        if sky.causes:
            names = " and ".join(TITLES[one] for one in sky.causes)
            if sky.alternatives:
                names += f" (or {', '.join(TITLES[one] for one in sky.alternatives)}: the data can't tell)"
            text = "; ".join(
                f"PTE of {one.spectrum} {pte_text(one.before)}, with it taken out {pte_text(one.after)}"
                for one in after
            )
            share = min((one.share for one in after), default=None)
            findings.append(
                Finding(
                    name="sky",
                    value=None if share is None else 100 * share,
                    unit="%",
                    detected=explains,
                    sentence=f"Differences in {names} explain "
                    f"{'the excess' if explains else 'part of the excess at most'}"
                    f"{': ' + text if text else ''}.",
                )
            )
            if explains:
                causes += [*sky.causes, *sky.alternatives]
                parts.append(f"The two sides see the sky differently: {names}.")
        is_place = (
            place is not None
            and place.significance >= PLACE
            and (place.share >= MOSTLY or place.rest < ELSEWHERE)
        )
        is_direction = direction is not None and direction.significance >= DIRECTION
        is_ground = ground is not None and ground.significance >= GROUND and ground.share >= MOSTLY
        if place is not None:
            findings.append(say_place(place, self._position(place), is_place))
        if ground is not None:
            findings.append(say_ground(ground, is_ground))
        if direction is not None and (is_direction or not is_ground):
            findings.append(say_direction(direction, is_folded, is_direction))
        if not explains:
            if place is not None and is_place and place.share >= MOSTLY and place.rest < EVERYWHERE:
                causes.append("place")
                parts.append(f"It is in one place, {self._position(place)}: a source or an artefact.")
            elif is_ground:
                causes.append("ground")
                parts.append(
                    "It goes with declination, and not with the sky: ground pickup, or another signal of the "
                    "scan's azimuth."
                )
            elif direction is not None and is_direction and direction.share >= MOSTLY:
                causes.append("direction")
                parts.append("It is striped, and not of the sky: a signal that goes with the scan.")
        return findings, " ".join(parts) or NOTHING, tuple(causes)

    def _position(self, place: Place) -> str:
        grid = self.evidence.sky.grid
        y, x = place.row, place.column
        rectangle = getattr(self.evidence.sky, "rectangle", None)
        if rectangle is not None:
            return _degrees(
                *(
                    float(np.interp(at, np.arange(len(axis)), axis))
                    for at, axis in ((x, rectangle.right_ascension_deg), (y, rectangle.declination_deg))
                )
            )
        scale = [size / few for size, few in zip(self.maps.shape, grid.shape, strict=True)]
        pixel = [(at + 0.5) * one - 0.5 for at, one in zip((y, x), scale, strict=True)]
        if self.maps.wcs is None:
            offsets = [
                np.degrees(step * (at - (size - 1) / 2))
                for step, at, size in zip(self.maps.steps, pixel, self.maps.shape, strict=True)
            ]
            return f"{offsets[1]:+.1f}, {offsets[0]:+.1f} deg from the middle"
        right_ascension, declination = self.maps.wcs.wcs_pix2world([pixel[::-1]], 0)[0]
        return _degrees(right_ascension, declination)


@dataclass(frozen=True)
class _After:
    """A spectrum's PTE before and after what the sky explains is taken out, and the share of χ² that goes."""

    spectrum: str
    before: float
    after: float
    share: float


def _degrees(right_ascension: float, declination: float) -> str:
    return f"RA {right_ascension % 360:.1f}, Dec {declination:+.1f} deg"


def _ordered(findings: Sequence[Finding]) -> list[Finding]:
    """Return findings by significance, those without a number and the limits after them."""
    return sorted(findings, key=lambda one: (not one.detected, -(one.significance or 0.0)))
