"""How a value makes groups: one function a rule, each used by every test of that kind."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from socm.core.null_tests import Observatory
from socm.diagnostics import DiagnosticError, did_you_mean
from socm.splits.closest import separations_deg
from socm.splits.detectors import decide_wafers
from socm.splits.ephemeris import elevation_deg
from socm.splits.null_tests import RuleName
from socm.splits.sites import DEFAULT_SITE, SITES, TELESCOPES, Site
from socm.splits.values import Column, Decision, Floats, Group, Rule, Selection, factorise, warning

DECIMALS_DEG = 4
"""Angles are compared as the manifest shows them, so that no machine's last bit decides."""

MIDDLE_TOLERANCE_DEG = 180e-5 + 1e-8
"""What counts as due south; numpy.isclose's tolerances, which the older tool used."""

MAX_CATEGORIES = 64

SCAN = ("start_time", "stop_time", "az_center", "az_throw", "el_center")


def find_site(selection: Selection) -> Site:
    """Return where the observations were made: the test's observatory, else the mapmaker's site.

    Raises DiagnosticError (unknown-site).
    """
    asked = selection.options.observatory
    if isinstance(asked, Observatory):
        return Site("observatory", asked.latitude, asked.longitude, asked.height)
    site = asked if asked is not None else selection.default_site or DEFAULT_SITE
    if isinstance(site, Site):
        return site
    known = SITES.get(site.lower())
    if known is None:
        raise DiagnosticError.of(
            "unknown-site",
            f"the site {site!r} is not known, and {selection.test.section} needs to know where it is",
            key=("observatory",) if asked is not None else ("site",),
            hint=did_you_mean(
                site,
                SITES,
                "say where: observatory = {latitude = -22.96, longitude = -67.79, height = 5188}",
                quote="'",
            ),
            notes=(f"sites: {', '.join(SITES)}",),
        )
    return known


def decide_all(selection: Selection) -> Decision:
    """One group holds every observation; its splits differ in time only."""
    times = selection.numbers("timestamp")
    return Decision(times, np.isnan(times), (Group("", np.ones(len(times), dtype=bool)),))


def decide_halves(selection: Selection) -> Decision:
    """Both groups hold every observation, each a half of it; their splits differ in time only."""
    every = decide_all(selection)
    members = every.groups[0].members
    test = selection.test
    groups = tuple(Group(name, members, half=test.prefix(name)) for name in test.groups)
    return Decision(every.value, every.missing, groups)


def decide_coverage(selection: Selection) -> Decision:
    """One group; where each scan looks decides which split it evens out, rising and setting apart."""
    missing = np.isnan(selection.numbers("timestamp"))
    for name in SCAN:
        missing |= np.isnan(selection.numbers(name))
    start, stop = _start_and_stop(selection)
    missing |= np.isnan(start) | np.isnan(stop)
    value = np.where(np.mod(selection.numbers("az_center"), 360) > 180, "setting", "rising").astype(object)
    value[missing] = ""
    return Decision(value, missing, (Group("", np.ones(len(missing), dtype=bool)),))


def decide_direction(selection: Selection) -> Decision:
    """A scan east of due south sees the sky rise; west of it, set."""
    center = selection.numbers("az_center")
    azimuth = np.round(np.mod(center, 360), 9)
    south = selection.test.threshold or 0.0
    middle = np.abs(azimuth - south) <= MIDDLE_TOLERANCE_DEG
    rising, setting = (azimuth < south) & ~middle, (azimuth > south) & ~middle
    crossing = None
    if selection.has("az_throw"):
        throw = np.abs(selection.numbers("az_throw"))
        crossing = ~middle & (throw > np.minimum(np.abs(azimuth - south), np.minimum(azimuth, 360 - azimuth)))
    groups = tuple(
        Group(name, members, optional=name in selection.test.optional_groups)
        for name, members in zip(selection.test.groups, (rising, setting, middle), strict=True)
    )
    return Decision(azimuth, np.isnan(azimuth), groups, np.full(len(azimuth), south), crossing)


def decide_threshold(selection: Selection) -> Decision:
    """Two groups: above a threshold, and at or below it (or at or above, and below)."""
    test, options = selection.test, selection.options
    values = selection.numbers(*test.columns[-1])
    asked = getattr(options, test.threshold_option) if test.threshold_option else None
    warnings = []
    if asked == "median":
        threshold = selection.previous_threshold
        if threshold is None:
            present = values[~np.isnan(values)]
            # as the manifest, which remembers it, writes it
            threshold = float(f"{np.median(present):.12g}") if len(present) else 0.0
            warnings.append(
                warning(
                    "median-threshold",
                    f"{test.section} splits at the median {threshold:.6g} of the observations of today",
                    hint=f"write at = {threshold:.6g} to hold it when observations are added",
                )
            )
    else:
        threshold = float(asked if asked is not None else test.threshold or 0.0)
    above = values >= threshold if test.at_belongs_above else values > threshold
    missing = np.isnan(values)
    groups = (Group(test.groups[0], above & ~missing), Group(test.groups[1], ~above & ~missing))
    return Decision(values, missing, groups, np.full(len(values), threshold), warnings=tuple(warnings))


def decide_above_horizon(selection: Selection) -> Decision:
    """Whether the body is above the horizon in the middle of the observation."""
    test = selection.test
    assert test.body is not None  # noqa: S101 -- the table of tests says so
    site = find_site(selection)
    start, stop = _start_and_stop(selection)
    missing = np.isnan(start) | np.isnan(stop)
    rows = np.flatnonzero(~missing)
    values = np.full(len(selection), np.nan)
    threshold = test.threshold or 0.0
    times = (start[rows], (start[rows] + stop[rows]) / 2, stop[rows])
    at_start, at_middle, at_stop = (
        np.round(elevation_deg(test.body, site, time), DECIMALS_DEG) for time in times
    )
    values[rows] = at_middle
    up = at_middle > threshold
    crossing = np.zeros(len(values), dtype=bool)
    crossing[rows] = ((at_start > threshold) != up) | ((at_stop > threshold) != up)
    above = values > threshold
    groups = (Group(test.groups[0], above), Group(test.groups[1], ~above & ~missing))
    return Decision(values, missing, groups, np.full(len(values), threshold), crossing)


def decide_near(selection: Selection) -> Decision:
    """Whether the scan comes nearer to the body than the threshold and the field's radius."""
    test, options = selection.test, selection.options
    assert test.body is not None  # noqa: S101 -- the table of tests says so
    site = find_site(selection)
    start, stop = _start_and_stop(selection)
    scan = {name: selection.numbers(name) for name in ("az_center", "az_throw", "el_center")}
    asked = getattr(options, test.threshold_option or "")
    threshold = (asked if asked is not None else test.threshold or 0.0) + _field_radius_deg(selection)
    missing = np.isnan(start) | np.isnan(stop) | np.isnan(threshold)
    for values in scan.values():
        missing |= np.isnan(values)
    rows = np.flatnonzero(~missing)
    smallest, largest = separations_deg(
        test.body,
        site,
        start=start[rows],
        stop=stop[rows],
        **{name: values[rows] for name, values in scan.items()},
    )
    values = np.full(len(selection), np.nan)
    values[rows] = np.round(smallest, DECIMALS_DEG)
    near = values <= threshold
    crossing = np.zeros(len(values), dtype=bool)
    crossing[rows] = near[rows] & (np.round(largest, DECIMALS_DEG) > threshold[rows])
    groups = (Group(test.groups[0], near), Group(test.groups[1], ~near & ~missing))
    return Decision(values, missing, groups, threshold, crossing)


def _start_and_stop(selection: Selection) -> tuple[Floats, Floats]:
    start, stop = selection.numbers("start_time"), selection.numbers("stop_time")
    return start, np.where(stop < start, np.nan, stop)


def _field_radius_deg(selection: Selection) -> Floats:
    radius = selection.options.field_radius
    if radius is not None:
        return np.full(len(selection), radius)
    names, rows = factorise(selection.text("telescope_flavor"))
    unknown = [name for name in names if name and name.lower() not in TELESCOPES]
    if unknown:
        raise DiagnosticError.of(
            "unknown-telescope",
            f"the field of view of telescope_flavor = {unknown[0]!r} is not known",
            key=(),
            hint="write its radius in deg: field_radius = 1.0",
            notes=(f"known: {', '.join(TELESCOPES)}",),
        )
    radii = [TELESCOPES[name.lower()].field_radius_deg if name else np.nan for name in names]
    return np.array([*radii, np.nan])[rows]


def decide_ranges(selection: Selection) -> Decision:
    """A group a range: from its lower end, below its upper one."""
    values = selection.numbers(*selection.test.columns[-1])
    ranges = selection.options.ranges or {}
    groups = tuple(
        Group(name, (values >= lower) & (values < upper)) for name, (lower, upper) in ranges.items()
    )
    return Decision(values, np.isnan(values), groups)


_BETWEEN = "\x1f"
"""Stands between values of several columns: ASCII's unit separator, which no value holds."""


def decide_categories(selection: Selection) -> Decision:
    """A group for each distinct value of a column, or combination of several columns' values.

    Raises DiagnosticError where there are too many of them, or a single one.
    """
    names = selection.options.categories or ()
    texts = [selection.text(name) for name in names]
    missing = np.zeros(len(selection), dtype=bool)
    for text in texts:
        missing |= text == ""
    value: Column = texts[0]
    for text in texts[1:]:
        value = value + _BETWEEN + text
    value = np.where(missing, "", value)
    distinct, rows = factorise(value)
    found = {name: rows == number for number, name in enumerate(distinct) if name}
    if len(found) > MAX_CATEGORIES:
        raise DiagnosticError.of(
            "too-many-categories",
            f"{' and '.join(names)} has {len(found):,} distinct values; "
            f"a test has at most {MAX_CATEGORIES} groups",
            key=("categories",),
            hint="split a number by a threshold (at) or by ranges",
        )
    values = {name: name.replace(_BETWEEN, "_") for name in sorted(found)}
    shown = np.array([values.get(one, "") for one in value.tolist()], dtype=object)
    return Decision(shown, missing, tuple(Group(_safe(values[name]), found[name]) for name in values))


def _safe(name: str) -> str:
    """Return the name as it can stand in a file's name."""
    return re.sub(r"[^A-Za-z0-9._+-]", "-", name)


RULES: Mapping[RuleName, Rule] = {
    "all": decide_all,
    "wafers": decide_wafers,
    "direction": decide_direction,
    "threshold": decide_threshold,
    "above-horizon": decide_above_horizon,
    "near": decide_near,
    "ranges": decide_ranges,
    "categories": decide_categories,
    "coverage": decide_coverage,
    "halves": decide_halves,
}
