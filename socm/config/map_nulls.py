"""From a file of `socm judge` to null tests of maps, or to everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, ValidationError

from socm.config.document import Document, table_name
from socm.config.layers import Layer, check_spellings, merge_layers, plain
from socm.config.problems import describe, known_keys, missing_key, problems_of, unknown_key
from socm.config.reading import read_document
from socm.config.tables import name_problem
from socm.config.values import path_context
from socm.core.map_nulls import MAP_KEYS, WEIGHT_KEYS, MapFiles, MapNulls, MapTest
from socm.core.models import Section
from socm.core.null_analysis import NullAnalysis
from socm.diagnostics import Collector, Diagnostic, DiagnosticError, KeyPath

NULLS: KeyPath = ("nulls",)
TESTS: KeyPath = (*NULLS, "tests")
ANALYSIS = "analysis"

S = TypeVar("S", bound=Section)


class _Settings(MapNulls):
    """The table [nulls] without the tables below it."""

    tests: dict[str, MapTest] = Field({})


@dataclass(frozen=True)
class LoadedNulls:
    """Null tests that were read, and the document they came from."""

    nulls: MapNulls
    document: Document

    def locate(self, test: str, diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
        """Return what is wrong with a test's maps or their analysis, at its place in the document.

        Keys are those of the analysis, or the number of a map, over all groups, and `map` or `ivar`.
        """
        return self.document.locate_all(
            replace(one, key=self._key(test, one.key)) if one.key else one for one in diagnostics
        )

    def _key(self, test: str, key: KeyPath) -> KeyPath:
        if not isinstance(key[0], int):
            return (*TESTS, test, ANALYSIS, *key)
        members = [
            (group, number, files)
            for group, listed in self.nulls.tests[test].groups.items()
            for number, files in enumerate(listed)
        ]
        group, number, files = members[key[0]]
        names = MAP_KEYS if key[1] == MAP_KEYS[0] else WEIGHT_KEYS
        given = next(name for name in names if getattr(files, name) is not None)
        return (*TESTS, test, "groups", group, number, given)


def load_map_nulls(path: Path) -> LoadedNulls:
    """Return the null tests of a TOML file; raises DiagnosticError with every problem, each at its place."""
    document = read_document(path)
    problems = Collector()
    reader = _Reader(problems)
    nulls = reader.read(document)
    if nulls is not None:
        problems.extend(_missing_files(nulls, path.parent))
    located = replace(document, written=reader.written, tables=tuple(reader.tables))
    if nulls is None or problems.has_errors:
        raise DiagnosticError(located.locate_all(problems.diagnostics))
    return LoadedNulls(nulls.model_copy(update={"name": nulls.name or path.stem}), located)


class _Reader:
    """Reads the tables of a document, and keeps what is wrong and where inherited keys were written."""

    def __init__(self, problems: Collector) -> None:
        self._problems = problems
        self.written: dict[KeyPath, KeyPath] = {}
        self.tables: list[KeyPath] = []

    def read(self, document: Document) -> MapNulls | None:
        """Return what the document says, or None if it can't be said."""
        for key in document.data:
            if key != "nulls":
                hint = "a campaign is compiled: `socm compile`" if key == "campaign" else None
                self._problems.add(unknown_key((key,), ("nulls",), hint))
        own = self._table(document.data.get("nulls", {}), NULLS)
        if "nulls" not in document.data:
            if not self._problems.has_errors:
                self._problems.error("missing-key", "there is no [nulls] table", key=())
            return None
        check_spellings(own, NULLS, MapNulls, self._problems)
        common = self._table(own.get(ANALYSIS, {}), (*NULLS, ANALYSIS))
        settings = {key: value for key, value in own.items() if plain(key) not in ("tests", ANALYSIS)}
        made = self._validate(_Settings, (Layer(settings, NULLS),))
        self._validate(NullAnalysis, (Layer(common, (*NULLS, ANALYSIS)),))
        tests: dict[str, MapTest] = {}
        for name, value in self._table(own.get("tests", {}), TESTS).items():
            path = (*TESTS, name)
            self.tables.append(path)
            is_good = self._name_is_good(name, path, "null test")
            test = self._read_test(self._table(value, path), path, common)
            if is_good and test is not None:
                tests[name] = test
        if not own.get("tests"):
            problem = missing_key((*TESTS,), MapNulls)
            self._problems.add(replace(problem, hint="add a table such as [nulls.tests.direction.groups]"))
        self._problems.extend(_alike(tests))
        return None if made is None else MapNulls(**{**dict(made), "tests": tests})

    def _table(self, value: Any, path: KeyPath) -> Mapping[str, Any]:
        """Return a table, empty if what stands there is none."""
        if isinstance(value, Mapping):
            return value
        message = f"`{path[-1]}` must be a table, not {describe(value)}"
        self._problems.error("wrong-type", message, key=path, hint=f"write {table_name(path)}")
        return {}

    def _name_is_good(self, name: str, path: KeyPath, what: str) -> bool:
        problem = name_problem(name, path, what)
        if problem is not None:
            self._problems.add(problem)
        return problem is None

    def _validate(self, model: type[S], layers: tuple[Layer, ...]) -> S | None:
        """Return the table that layers make together, the last being its own."""
        merged = merge_layers(layers, model)
        path = layers[-1].path
        for layer in layers[:-1]:
            for key in layer.table:
                origin = merged.origin((plain(key),), path)
                if origin[: len(path)] != path:
                    self.written[*path, plain(key)] = origin
        try:
            return model.model_validate(merged.values, context=path_context())
        except ValidationError as error:
            found = problems_of(error, model, merged.values, lambda key: merged.origin(key, path))
            self._problems.extend(found)
            return None

    def _read_test(
        self, table: Mapping[str, Any], path: KeyPath, common: Mapping[str, Any]
    ) -> MapTest | None:
        check_spellings(table, path, MapTest, self._problems)
        known = known_keys(MapTest)
        for key in table:
            if plain(key) not in known:
                self._problems.add(unknown_key((*path, key), known))
        analysis = self._table(table.get(ANALYSIS, {}), (*path, ANALYSIS))
        if "mask" in table and "mask" in analysis:
            self._problems.error(
                "duplicate-key",
                f"{table_name(path)} has two masks",
                key=(*path, "mask"),
                point_at="key",
                hint="keep one of them",
            )
        layers = [Layer(common, (*NULLS, ANALYSIS))]
        if "mask" in table:
            layers.append(Layer({"mask": table["mask"]}, path))
        made = self._validate(NullAnalysis, (*layers, Layer(analysis, (*path, ANALYSIS))))
        groups = self._read_groups(table, (*path, "groups"))
        return None if made is None or groups is None else MapTest(groups=groups, analysis=made)

    def _read_groups(self, table: Mapping[str, Any], path: KeyPath) -> dict[str, tuple[MapFiles, ...]] | None:
        if "groups" not in table:
            self._problems.add(missing_key(path, MapTest))
            return None
        before = len(self._problems.diagnostics)
        groups: dict[str, tuple[MapFiles, ...]] = {}
        for name, value in self._table(table["groups"], path).items():
            place = (*path, name)
            self._name_is_good(name, place, "group")
            if not isinstance(value, list):
                message = f"group `{name}` must be a list of maps, not {describe(value)}"
                hint = 'write [{ map = "…", ivar = "…" }, …]'
                self._problems.error("wrong-type", message, key=place, hint=hint)
                continue
            members = [self._read_map(entry, (*place, number)) for number, entry in enumerate(value)]
            groups[name] = tuple(member for member in members if member is not None)
        if len(self._problems.diagnostics) > before:
            return None
        self._problems.extend(_wrong_numbers(groups, path))
        return groups

    def _read_map(self, entry: Any, path: KeyPath) -> MapFiles | None:
        if isinstance(entry, Mapping):
            return self._validate(MapFiles, (Layer(entry, path),))
        message = f"a map must be a table of its files, not {describe(entry)}"
        hint = 'write { map = "…", ivar = "…" }'
        self._problems.error("wrong-type", message, key=path, hint=hint)
        return None


def _wrong_numbers(groups: Mapping[str, tuple[MapFiles, ...]], path: KeyPath) -> Iterator[Diagnostic]:
    """Yield why maps of groups can't be differenced."""
    test = path[-2]
    counts = {name: len(members) for name, members in groups.items()}
    total = sum(counts.values())
    if total < 2:
        yield Diagnostic(
            "too-few-splits", f"null test {test} has fewer than two maps: nothing to difference", key=path
        )
    elif len(set(counts.values())) > 1:
        listing = ", ".join(f"{name}: {count}" for name, count in counts.items())
        yield Diagnostic(
            "unequal-splits",
            f"the groups of null test {test} have different numbers of maps ({listing})",
            key=path,
            hint="maps of one place in the lists are subtracted from each other",
        )
    elif len(counts) == 1 and total & (total - 1):
        yield Diagnostic(
            "splits-not-power-of-two",
            f"null test {test} has {total} maps in one group, not a power of two",
            key=path,
        )
    seen: dict[str, KeyPath] = {}
    for name, members in groups.items():
        for number, files in enumerate(members):
            key = (*path, name, number, "map" if files.map is not None else "wmap")
            if files.map_path in seen:
                yield Diagnostic(
                    "duplicate-value", f"{files.map_path} appears twice in null test {test}", key=key
                )
            seen[files.map_path] = key


def _alike(tests: Mapping[str, MapTest]) -> Iterator[Diagnostic]:
    """Yield tests whose folders are one on a file system that ignores case."""
    seen: dict[str, str] = {}
    for name in tests:
        first = seen.setdefault(name.lower(), name)
        if first != name:
            yield Diagnostic(
                "duplicate-workflow",
                f"null tests {first} and {name} would share a folder on a file system that ignores case",
                key=(*TESTS, name),
                point_at="key",
                hint="rename one of them",
            )


def _missing_files(nulls: MapNulls, folder: Path) -> Iterator[Diagnostic]:
    """Yield a problem for each file of maps, weights, hits and masks that isn't there."""
    for name, test in nulls.tests.items():
        path = (*TESTS, name)
        if test.analysis.mask is not None and not (folder / test.analysis.mask).is_file():
            yield _missing(test.analysis.mask, (*path, ANALYSIS, "mask"))
        for group, members in test.groups.items():
            for number, files in enumerate(members):
                for key, value in files.model_dump(exclude={"unit"}, exclude_none=True).items():
                    if not (folder / value).is_file():
                        yield _missing(value, (*path, "groups", group, number, key))


def _missing(path: str, key: KeyPath) -> Diagnostic:
    return Diagnostic("missing-file", f"{path} does not exist", key=key)
