"""The older tool's YAML files of stages, brought into the campaign language."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from socm.config.obsolete import obsolete_key
from socm.config.problems import describe, problems_of
from socm.config.reading import read_text
from socm.config.tables import CAMPAIGN_KEYS, name_problem
from socm.config.toml_text import toml_document
from socm.core.invalid import invalid
from socm.core.models import Resources
from socm.diagnostics import (
    Collector,
    Diagnostic,
    DiagnosticError,
    KeyPath,
    Place,
    Severity,
    did_you_mean,
    file_order,
)

KIND = "power-spectra"


def _text(value: Any) -> Any:
    """Return a number as its text."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _words(value: Any) -> Any:
    """Return a text as the words that a shell reads in it."""
    try:
        return shlex.split(value) if isinstance(value, str) else value
    except ValueError as error:
        raise invalid("wrong-value", f"{value!r} can't be read: {str(error).lower()}") from None


def _some(value: Any) -> Any:
    """Return a text as a list of it."""
    return [value] if isinstance(value, str) else value


def _filled(values: Any) -> Any:
    """Return a table without what is null."""
    if not isinstance(values, Mapping):
        return values
    return {str(key): value for key, value in values.items() if value is not None}


Text = Annotated[str, BeforeValidator(_text)]
Words = Annotated[list[Text], BeforeValidator(_words)]
Table = Annotated[dict[str, str | bool | int | float], BeforeValidator(_filled)]


class _Stage(BaseModel):
    """A stage, its keys as files of stages and as campaigns call them."""

    executable: Text = ""
    script: Text
    args: Words = Field([], alias="script-args")
    keywords: Table = Field({}, alias="script-kwargs")
    flags: Words = Field([], alias="script-flags")
    depends_on: Annotated[list[Text], BeforeValidator(_some)] = Field([], alias="depends")
    resources: Resources = Resources()
    environment: Table = {}


_KEYS = tuple(field.alias or name for name, field in _Stage.model_fields.items())


@dataclass(frozen=True)
class ImportedCampaign:
    """A campaign file made from a file of stages, and what could not be taken over."""

    text: str
    diagnostics: tuple[Diagnostic, ...]


def import_stages(path: Path) -> ImportedCampaign:
    """Return the campaign that a YAML file of stages describes, as TOML.

    Raises DiagnosticError with every problem, each at its place in the YAML file.
    """
    file = str(path)
    text = read_text(path)
    places = _Places(file)
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        places.collect(node)
        data = loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)
        message = error.problem or error.context or "not YAML"
        raise DiagnosticError.of("yaml-syntax", message, place=place) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        message = " ".join(str(error).split()) or "the document is nested too deeply"
        raise DiagnosticError.of("yaml-syntax", message, place=Place(file)) from None
    problems = Collector()
    converted = _convert(data, problems)
    problems.extend(_double(key) for key in places.doubles)
    located = tuple(sorted(map(places.locate, problems.diagnostics), key=file_order))
    if problems.has_errors:
        raise DiagnosticError(located)
    return ImportedCampaign(toml_document(converted), located)


class _Places:
    """Where each key of a YAML document is written."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.keys: dict[KeyPath, Place] = {}
        self.values: dict[KeyPath, Place] = {}
        self.doubles: list[KeyPath] = []

    def collect(
        self, node: yaml.Node | None, path: KeyPath = (), above: frozenset[int] = frozenset()
    ) -> None:
        """Note the place of a node and of all below it; an alias that contains itself is an error."""
        if node is None:
            return
        if id(node) in above:
            raise yaml.MarkedYAMLError(problem="an anchor contains itself", problem_mark=node.start_mark)
        self.values[path] = self.place(node)
        above |= {id(node)}
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                name = (*path, str(key.value))
                if name in self.keys:
                    self.doubles.append(name)
                self.keys[name] = self.place(key)
                self.collect(value, name, above)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self.collect(value, (*path, index), above)

    def place(self, node: yaml.Node) -> Place:
        start, end = node.start_mark, node.end_mark
        length = end.column - start.column if end.line == start.line else 1
        return Place(self.file, start.line + 1, start.column + 1, max(length, 1))

    def locate(self, problem: Diagnostic) -> Diagnostic:
        key = problem.key or ()
        places = self.keys if problem.point_at == "key" else self.values
        while key and key not in places:
            key, places = key[:-1], self.keys
        return replace(problem, place=places.get(key, Place(self.file, 1, 1)))


def _convert(data: Any, problems: Collector) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
    if not isinstance(data, Mapping):
        message = (
            "the file is empty" if data is None else f"a file of stages must be a table, not {describe(data)}"
        )
        problems.error("empty-file" if data is None else "wrong-type", message, key=())
        return []
    stages = data.get("stages")
    if "stages" not in data:
        problems.error("missing-key", "there are no `stages`", key=())
    elif not isinstance(stages, Mapping):
        problems.error("wrong-type", f"`stages` must be a table, not {describe(stages)}", key=("stages",))
    converted: list[tuple[tuple[str, ...], dict[str, Any]]] = []
    converted.append((("campaign",), _campaign(data.get("campaign"), problems)))
    stages = stages if isinstance(stages, Mapping) else {}
    for name, stage in stages.items():
        path: KeyPath = ("stages", str(name))
        if problem := name_problem(str(name), path):
            problems.add(problem)
        elif not isinstance(stage, Mapping):
            problems.error("wrong-type", f"a stage must be a table, not {describe(stage)}", key=path)
        else:
            table = ("campaign", KIND, str(name))
            converted += [
                ((*table, *below), values) for below, values in _stage(stage, path, stages, problems)
            ]
    return converted


def _campaign(campaign: Any, problems: Collector) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if campaign is not None and not isinstance(campaign, Mapping):
        message = f"`campaign` must be a table, not {describe(campaign)}"
        problems.error("wrong-type", message, key=("campaign",))
        return values
    for key, value in (campaign or {}).items():
        path = ("campaign", str(key))
        name = str(key).replace("-", "_")
        if note := obsolete_key(path, "campaign"):
            problems.add(note)
        elif name not in CAMPAIGN_KEYS:
            problems.add(_unknown(path, CAMPAIGN_KEYS))
        elif value is not None:
            values[name] = value
    return values


def _stage(
    stage: Mapping[str, Any], path: KeyPath, stages: Mapping[str, Any], problems: Collector
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Yield the tables of one stage: its own, and those below it."""
    given, spelt = {}, {}
    for key, value in stage.items():
        name = str(key).replace("_", "-")
        spelt[name] = str(key)
        if name not in _KEYS:
            problems.add(_unknown((*path, str(key)), _KEYS))
        elif value is not None:
            given[name] = value
    if isinstance(resources := _filled(given.get("resources")), dict):
        spelt |= {key.replace("-", "_"): key for key in resources}
        given["resources"] = resources = {key.replace("-", "_"): one for key, one in resources.items()}

    def written(key: KeyPath) -> KeyPath:
        return (*path, *(spelt.get(str(part), part) for part in key))

    needed, names = _some(given.get("depends")), [str(name) for name in stages]
    for index, other in enumerate(needed if isinstance(needed, list) else ()):
        if isinstance(other, str | int | float) and str(other) not in names:
            hint = did_you_mean(str(other), names)
            message = f"`{other}` is not a stage of this file"
            problems.error("unknown-reference", message, key=written(("depends", index)), hint=hint)
    try:
        values = _Stage.model_validate(given).model_dump(exclude_unset=True)
    except ValidationError as error:
        problems.extend(problems_of(error, _Stage, given, written))
        return
    below = {
        "kwargs": values.pop("keywords", None),
        "resources": resources if values.pop("resources", None) else None,
        "environment": values.pop("environment", None),
    }
    yield (), values
    yield from (((key,), table) for key, table in below.items() if table)


def _double(path: KeyPath) -> Diagnostic:
    message = f"`{path[-1]}` is written twice; the last one counts"
    return Diagnostic("duplicate-key", message, Severity.WARNING, key=path, point_at="key")


def _unknown(path: KeyPath, known: tuple[str, ...]) -> Diagnostic:
    return Diagnostic(
        "unknown-key",
        f"unknown key `{path[-1]}` in `{'.'.join(map(str, path[:-1]))}`",
        severity=Severity.ERROR,
        key=path,
        point_at="key",
        hint=did_you_mean(str(path[-1]), known),
        notes=(f"known keys: {', '.join(known)}",),
    )
