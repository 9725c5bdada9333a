"""`[campaign.<name>.matrix]`: one variant of a workflow for each combination of values."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from socm.config.problems import describe
from socm.diagnostics import Collector, KeyPath, did_you_mean

LONGEST_VALUE_BYTES = 200
MOST_VARIANTS = 10_000


@dataclass(frozen=True, slots=True)
class Variant:
    """One combination: its names and values as text, the values themselves, and their places."""

    names: tuple[tuple[str, str], ...]
    values: Mapping[str, Any]
    origins: Mapping[str, KeyPath]


Combination = dict[str, tuple[str, Any, KeyPath]]

WITHOUT_MATRIX = (Variant((), {}, {}),)


def make_variants(
    lists: Mapping[str, Any],
    origins: Mapping[str, KeyPath],
    known: Sequence[str],
    fixed: Mapping[str, Any],
    problems: Collector,
) -> tuple[Variant, ...]:
    """Return the variants of a matrix, in the order of its keys.

    `lists` are the values of each key, and `exclude`; `origins` says where each was written.
    `fixed` are keys of an inherited matrix that the workflow gives one value instead: an exclusion
    that names another value of such a key says nothing about this workflow.
    """
    axes: dict[str, list[tuple[str, Any, KeyPath]]] = {}
    for name, values in lists.items():
        if name == "exclude":
            continue
        if name not in known:
            hint = did_you_mean(name, known, "a matrix varies keys of the workflow")
            message = f"unknown key `{name}` in the matrix"
            problems.error("unknown-key", message, key=origins[name], point_at="key", hint=hint)
        elif not isinstance(values, list) or not values:
            given = "an empty one" if values == [] else describe(values)
            message = f"`{name}` in a matrix must be a list of values, not {given}"
            problems.error("wrong-type", message, key=origins[name])
        else:
            axes[name] = _axis(name, values, origins[name], problems)
    combinations = _combinations(axes)
    kept = combinations
    if "exclude" in lists:
        path = origins["exclude"]
        excluded = _exclusions(lists["exclude"], axes, fixed, path, problems)
        kept = [c for c in combinations if not any(_matches(c, exclusion) for exclusion in excluded)]
        _report_idle_exclusions(combinations, excluded, path, problems)
        if combinations and not kept:
            message = "the matrix excludes every combination"
            problems.error("matrix-exclude", message, key=path)
    if len(kept) > MOST_VARIANTS:
        message = f"the matrix has more than {MOST_VARIANTS} combinations"
        problems.error("matrix-size", message, key=next(iter(origins.values()))[:-1])
        kept = kept[:1]
    return tuple(
        Variant(
            names=tuple((name, text) for name, (text, _, _) in combination.items()),
            values={name: value for name, (_, value, _) in combination.items()},
            origins={name: path for name, (_, _, path) in combination.items()},
        )
        for combination in kept
    )


def _report_idle_exclusions(
    combinations: Sequence[Combination],
    excluded: Sequence[Mapping[str, str]],
    path: KeyPath,
    problems: Collector,
) -> None:
    for index, exclusion in enumerate(excluded):
        if exclusion and not any(_matches(c, exclusion) for c in combinations):
            message = "this exclusion matches no combination of the matrix"
            problems.error("matrix-exclude", message, key=(*path, index))


def _combinations(axes: Mapping[str, Sequence[tuple[str, Any, KeyPath]]]) -> list[Combination]:
    if not axes:
        return []
    product = itertools.islice(itertools.product(*axes.values()), 10 * MOST_VARIANTS)
    return [dict(zip(axes, values, strict=True)) for values in product]


def _matches(combination: Combination, exclusion: Mapping[str, str]) -> bool:
    return bool(exclusion) and all(combination[name][0] == text for name, text in exclusion.items())


def _axis(
    name: str, values: Sequence[Any], path: KeyPath, problems: Collector
) -> list[tuple[str, Any, KeyPath]]:
    axis: list[tuple[str, Any, KeyPath]] = []
    for index, value in enumerate(values):
        key = (*path, index)
        if isinstance(value, dict | list) or not isinstance(value, str | int | float):
            wanted = "a string, a number or true or false"
            message = f"a value of `{name}` in a matrix must be {wanted}, not {describe(value)}"
            problems.error("wrong-type", message, key=key)
            continue
        text = value_text(value)
        reason = _why_no_folder(text)
        if reason:
            message = f"{describe(value)} cannot name a folder of results: it {reason}"
            hint = "make a workflow of its own for each"
            problems.error("bad-name", message, key=key, hint=hint)
        elif text in {known for known, _, _ in axis}:
            problems.error("duplicate-value", f"{describe(value)} appears twice in `{name}`", key=key)
        else:
            axis.append((text, value, key))
    return axis


def value_text(value: Any) -> str:
    """Return a value of the matrix as it stands in names of jobs and folders."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _why_no_folder(text: str) -> str | None:
    if not text.strip():
        return "is empty"
    if text in {".", ".."} or "/" in text:
        return "is a path"
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        return "holds a control character"
    if text.startswith("-"):
        return "begins with a hyphen"
    if len(text.encode("utf-8", "replace")) > LONGEST_VALUE_BYTES:
        return "is too long"
    return None


def _exclusions(
    entries: Any,
    axes: Mapping[str, Sequence[Any]],
    fixed: Mapping[str, Any],
    path: KeyPath,
    problems: Collector,
) -> list[dict[str, str]]:
    if not isinstance(entries, list):
        message = f"`exclude` must be a list of tables, not {describe(entries)}"
        problems.error("wrong-type", message, key=path, hint='write `exclude = [{bands = "f090"}]`')
        return []
    exclusions: list[dict[str, str]] = []
    for index, entry in enumerate(entries):
        exclusion: dict[str, str] = {}
        if not isinstance(entry, Mapping):
            message = f'an exclusion must be a table such as {{bands = "f090"}}, not {describe(entry)}'
            problems.error("wrong-type", message, key=(*path, index))
        else:
            for name, value in entry.items():
                plain_name = name.replace("-", "_")
                if plain_name in fixed:
                    if value_text(value) != value_text(fixed[plain_name]):
                        exclusion.clear()
                        break
                elif plain_name not in axes:
                    message = f"`{name}` is not in the matrix"
                    problems.error("unknown-key", message, key=(*path, index, name), point_at="key")
                else:
                    exclusion[plain_name] = value_text(value)
        exclusions.append(exclusion)
    return exclusions
