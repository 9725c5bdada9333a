"""Which detectors an observation has, and the groups of wafers that a test compares."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from socm.diagnostics import Diagnostic, DiagnosticError, nearest_name
from socm.splits.sites import TELESCOPES
from socm.splits.values import Column, Decision, Group, Mask, Selection, as_text, factorise

_SEPARATOR = re.compile(r"[\s,;]+")


def wafer_masks(wafer_lists: Column) -> dict[str, Mask]:
    """Return for each wafer, sorted by name, which observations have it."""
    lists, rows = factorise(wafer_lists)
    names = [frozenset(filter(None, _SEPARATOR.split(text))) for text in lists]
    return {
        wafer: np.array([wafer in there for there in names])[rows]
        for wafer in sorted(frozenset().union(*names))
    }


def tube_masks(tubes: Column) -> dict[str, Mask]:
    """Return for each tube, sorted by name, which observations are of it."""
    names, rows = factorise(tubes)
    return {name: rows == names.index(name) for name in sorted(names) if name}


def check_detectors(
    columns: Mapping[str, Column], *, wafers: Sequence[str] = (), tubes: Sequence[str] = ()
) -> tuple[Diagnostic, ...]:
    """Return the problems of a detector selection: wafers and tubes that no selected observation has."""
    problems: list[Diagnostic] = []
    for option, column, asked, masks_of in (
        ("wafer", "wafer_slots_list", wafers, wafer_masks),
        ("tube", "tube_slot", tubes, tube_masks),
    ):
        if not asked or column not in columns:
            continue
        there = list(masks_of(values := as_text(columns[column])))
        if not any(values):
            continue
        problems.extend(_absent(option, name, there) for name in asked if name not in there)
    return tuple(problems)


def _absent(option: str, name: str, there: Sequence[str], key: tuple[str, ...] | None = None) -> Diagnostic:
    known = {part for telescope in TELESCOPES.values() for part in getattr(telescope, f"{option}s")}
    nearest = nearest_name(name, there)
    return Diagnostic(
        f"unknown-{option}" if name not in known else f"absent-{option}",
        f"no selected observation has the {option} {name}",
        key=(option,) if key is None else key,
        hint=f"did you mean {nearest}?" if nearest and name not in known else None,
        notes=(f"available {option}s: {', '.join(there) or 'none'}",),
    )


def decide_wafers(selection: Selection) -> Decision:
    """Groups are wafers, tube by tube where there are several tubes, or the user's lists of wafers.

    Raises DiagnosticError where there are fewer than two groups, or a list names wafers that aren't there.
    """
    options = selection.options
    lists = selection.text("wafer_slots_list")
    masks = wafer_masks(lists)
    tubes = _tubes(selection)
    missing = np.asarray(lists == "", dtype=bool)
    groups: tuple[Group, ...]
    if options.groups is not None:
        groups = _listed_groups(options.groups, masks, tubes)
        _check_asked_for(groups, selection.wafers)
    else:
        wafers = [wafer for wafer in masks if not selection.wafers or wafer in selection.wafers]
        by_tube = len(tubes) > 1 if options.tube_by_tube is None else options.tube_by_tube
        if by_tube and not tubes:
            raise DiagnosticError.of(
                "missing-column",
                "tube_by_tube needs the column `tube_slot`, which the observations don't have",
                key=("tube_by_tube",),
            )
        of_tubes = np.logical_or.reduce(list(tubes.values())) if tubes else np.ones(len(lists), dtype=bool)
        groups = tuple(
            Group(f"{tube}_{wafer}", members, (wafer,), (tube,))
            for tube in (tubes if by_tube else ())
            for wafer in wafers
            if (members := masks[wafer] & tubes[tube]).any()
        ) or tuple(
            Group(wafer, masks[wafer], (wafer,)) for wafer in wafers if (masks[wafer] & of_tubes).any()
        )
    return Decision(lists, missing, groups)


def _check_asked_for(groups: Sequence[Group], asked: Sequence[str]) -> None:
    """Raise if a group has wafers that the map was not to use; () asks for all."""
    problems = [
        Diagnostic(
            "wafer-not-asked-for",
            f"the group {group.name} takes the wafer {wafer}, which `wafer` leaves out",
            key=("groups", group.name),
            hint=f"`wafer` asks for {', '.join(asked)}; take {wafer} out of the group, or into `wafer`",
        )
        for group in groups
        for wafer in group.wafers
        if asked and wafer not in asked
    ]
    if problems:
        raise DiagnosticError(problems)


def _tubes(selection: Selection) -> dict[str, Mask]:
    if not selection.has("tube_slot"):
        return {}
    masks = tube_masks(selection.text("tube_slot"))
    return {tube: mask for tube, mask in masks.items() if not selection.tubes or tube in selection.tubes}


def _listed_groups(
    listed: Mapping[str, tuple[str, ...]], masks: Mapping[str, Mask], tubes: Mapping[str, Mask]
) -> tuple[Group, ...]:
    problems: list[Diagnostic] = []
    owner: dict[str, str] = {}
    groups = []
    for name, detectors in listed.items():
        members = np.zeros(len(next(iter(masks.values()), ())), dtype=bool)
        wafers_of: dict[str, set[str]] = {}
        for position, detector in enumerate(detectors):
            key = ("groups", name)
            tube, _, wafer = detector.rpartition(":")
            if owner.setdefault(detector, name) != name or detectors.index(detector) != position:
                problems.append(
                    Diagnostic(
                        "wafer-twice", f"the wafer {detector} is in {owner[detector]} and {name}", key=key
                    )
                )
            if wafer not in masks:
                problems.append(_absent("wafer", wafer, list(masks), key))
            if tube and tube not in tubes:
                problems.append(_absent("tube", tube, list(tubes), key))
            wafers_of.setdefault(tube, set()).add(wafer)
            if wafer in masks and (not tube or tube in tubes):
                members |= masks[wafer] & tubes[tube] if tube else masks[wafer]
        if len({frozenset(wafers) for wafers in wafers_of.values()}) > 1:
            problems.append(
                Diagnostic(
                    "uneven-group",
                    f"the group {name} takes different wafers of its tubes; "
                    "a map selects wafers for all of its tubes alike",
                    key=("groups", name),
                    hint="list the same wafers for each tube, or make a test of each tube",
                )
            )
        wafers = tuple(sorted(set().union(*wafers_of.values())))
        groups.append(Group(name, members, wafers, tuple(sorted(filter(None, wafers_of)))))
    if problems:
        raise DiagnosticError(problems)
    return tuple(groups)
