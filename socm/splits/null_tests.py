"""The null tests: each is data, a row of a table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from socm.core.null_tests import SplitOptions

RuleName = Literal[
    "all",
    "wafers",
    "direction",
    "threshold",
    "above-horizon",
    "near",
    "ranges",
    "categories",
    "coverage",
    "halves",
]

TIME = (("timestamp",),)
DURATION = (*TIME, ("start_time",), ("stop_time",))
SCAN = (*DURATION, ("az_center",), ("az_throw",), ("el_center",))

COMMON_OPTIONS = frozenset(
    {
        "nsplits",
        "chunk_nobs",
        "chunk_duration",
        "chunk_unit",
        "assignment",
        "crossing",
        "min_observations",
        "max_missing",
        "skip_groups",
    }
)


@dataclass(frozen=True, slots=True)
class NullTest:
    """What a null test asks: which value decides, how, and what its groups and jobs are called.

    ``columns`` are what it reads: each a row of alternatives of which the first that the database
    has is taken. ``groups`` of a threshold are named (above, at or below), of a direction (rising,
    setting, middle), of a body (up, down) or (near, far); empty where the data or the options name them.
    """

    section: str
    label: str
    """Beginning of its jobs' names; {group} stands for the group."""
    rule: RuleName
    columns: tuple[tuple[str, ...], ...]
    optional_columns: tuple[str, ...] = ()
    """Columns that it reads where they are there: without them it knows a little less."""
    groups: tuple[str, ...] = ()
    optional_groups: tuple[str, ...] = ()
    nsplits: int = 2
    threshold: float | None = None
    threshold_option: str | None = None
    at_belongs_above: bool = False
    body: Literal["sun", "moon"] | None = None
    unit: str = ""
    halves: str = ""
    """How each observation is halved, as mapmakers call it; empty where maps are of whole ones. A half is
    called as its group's jobs begin."""
    value: str = ""
    """What the deciding value is, in words."""
    options: frozenset[str] = frozenset()
    """Its own options, besides those that every test has."""

    def prefix(self, group: str) -> str:
        """Return the beginning of the names of a group's jobs."""
        return self.label.format(group=group)

    def job_name(self, group: str, number: int) -> str:
        """Return the name of the job, and of the folder, of one split; numbers start at 1."""
        return f"{self.prefix(group)}_split_{number}"


def _row(test: NullTest) -> tuple[str, NullTest]:
    return test.section, test


NULL_TESTS: Mapping[str, NullTest] = dict(
    _row(test)
    for test in (
        NullTest("mission-tests", "mission", "all", TIME, nsplits=8, unit="unix s", value="start"),
        NullTest(
            "wafer-tests",
            "wafer_{group}",
            "wafers",
            (*TIME, ("wafer_slots_list",)),
            optional_columns=("tube_slot",),
            nsplits=8,
            value="wafers",
            options=frozenset({"groups", "tube_by_tube"}),
        ),
        NullTest(
            "direction-tests",
            "direction_{group}",
            "direction",
            (*TIME, ("az_center",)),
            optional_columns=("az_throw",),
            groups=("rising", "setting", "middle"),
            optional_groups=("middle",),
            threshold=180.0,
            unit="deg",
            value="azimuth of the scan's centre",
        ),
        NullTest(
            "pwv-tests",
            "pwv_{group}",
            "threshold",
            (*TIME, ("pwv_mean", "pwv")),
            groups=("high", "low"),
            threshold=2.0,
            threshold_option="pwv_limit",
            unit="mm",
            value="precipitable water vapour",
            options=frozenset({"pwv_limit"}),
        ),
        NullTest(
            "day-night-tests",
            "{group}",
            "above-horizon",
            DURATION,
            groups=("day", "night"),
            threshold=0.0,
            body="sun",
            unit="deg",
            value="elevation of the sun at the middle",
            options=frozenset({"observatory"}),
        ),
        NullTest(
            "moonrise-set-tests",
            "moon_{group}",
            "above-horizon",
            DURATION,
            groups=("insky", "outsky"),
            threshold=0.0,
            body="moon",
            unit="deg",
            value="elevation of the moon at the middle",
            options=frozenset({"observatory"}),
        ),
        NullTest(
            "elevation-tests",
            "elevation_{group}",
            "threshold",
            (*TIME, ("el_center",)),
            groups=("high", "low"),
            threshold=45.0,
            threshold_option="elevation_threshold",
            at_belongs_above=True,
            unit="deg",
            value="elevation of the scan",
            options=frozenset({"elevation_threshold"}),
        ),
        NullTest(
            "sun-close-tests",
            "sun_{group}",
            "near",
            SCAN,
            groups=("close", "far"),
            threshold=10.0,
            threshold_option="sun_distance_threshold",
            body="sun",
            unit="deg",
            value="smallest separation of the scan from the sun",
            options=frozenset({"sun_distance_threshold", "field_radius", "observatory"}),
        ),
        NullTest(
            "moon-close-tests",
            "moon_{group}",
            "near",
            SCAN,
            groups=("close", "far"),
            threshold=10.0,
            threshold_option="moon_distance_threshold",
            body="moon",
            unit="deg",
            value="smallest separation of the scan from the moon",
            options=frozenset({"moon_distance_threshold", "field_radius", "observatory"}),
        ),
        NullTest(
            "smart-split-tests",
            "smart",
            "coverage",
            SCAN,
            nsplits=4,
            value="direction",
            options=frozenset({"observatory"}),
        ),
        *(
            NullTest(
                f"{halves.replace('_', '-')}-tests",
                f"{halves.partition('_')[0]}_{{group}}",
                "halves",
                TIME,
                groups=groups,
                halves=halves,
                value=value,
            )
            for halves, groups, value in (
                ("scan_left_right", ("left", "right"), "direction in which the telescope moves"),
                ("det_in_out", ("in", "out"), "distance of detectors from the centre of the focal plane"),
                ("det_left_right", ("left", "right"), "detectors' xi in the focal plane"),
                ("det_upper_lower", ("upper", "lower"), "detectors' eta in the focal plane"),
            )
        ),
    )
)
"""The tests that campaigns know by name, by the name of their table."""

ALIASES: Mapping[str, str] = {"smart-split": "smart-split-tests"}
OWN_TEST_OPTIONS = frozenset({"split_by", "at", "ranges", "categories"})


def find_test(name: str, options: SplitOptions) -> NullTest | None:
    """Return the null test of a table: one of NULL_TESTS, or the user's own; None if it is neither."""
    known = NULL_TESTS.get(ALIASES.get(name, name))
    if known is None and (options.split_by is not None or options.categories is not None):
        return custom_test(name, options)
    return known


def custom_test(name: str, options: SplitOptions) -> NullTest:
    """Return the null test that a user's own table defines, by `split_by` or `categories`."""
    label = re.sub(r"[^A-Za-z0-9._+-]", "-", name) + "_{group}"
    if options.categories is not None:
        return NullTest(
            name,
            label,
            "categories",
            (*TIME, *((column,) for column in options.categories)),
            value=" and ".join(options.categories),
            options=OWN_TEST_OPTIONS,
        )
    column = options.split_by or ""
    return NullTest(
        name,
        label,
        "ranges" if options.ranges is not None else "threshold",
        (*TIME, (column,)),
        groups=tuple(options.ranges) if options.ranges is not None else ("high", "low"),
        threshold_option="at" if options.at is not None else None,
        at_belongs_above=True,
        value=column,
        options=OWN_TEST_OPTIONS,
    )


def columns_needed(
    test: NullTest, options: SplitOptions, *, wafers: Sequence[str] = (), tubes: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return every column that the test may read, sorted; alternatives included."""
    names = {name for alternatives in test.columns for name in alternatives} | set(test.optional_columns)
    if test.rule == "near" and options.field_radius is None:
        names.add("telescope_flavor")
    if wafers:
        names.add("wafer_slots_list")
    if tubes:
        names.add("tube_slot")
    return tuple(sorted(names))


def has_memory(test: NullTest, options: SplitOptions) -> bool:
    """Whether the test keeps observations where an earlier manifest placed them: it needs `previous`."""
    return test.rule == "coverage" or options.chunk_unit == "observations" or options.at == "median"


def options_of(test: NullTest) -> frozenset[str]:
    """Return the split options that mean something to this test; others in its table are mistakes."""
    return COMMON_OPTIONS | test.options
