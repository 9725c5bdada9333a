"""The JSON schema of campaign files, for editors that complete and check while one types.

It knows keys, types, units and descriptions. What depends on several places (required keys that
may be inherited, references, names) is left to `socm check`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from socm.config.problems import known_keys
from socm.config.tables import CAMPAIGN_KEYS
from socm.core.fields import ProgramOptions
from socm.core.map_nulls import MapNulls
from socm.core.models import INTERNAL_FIELDS, Campaign, Workflow

DRAFT = "http://json-schema.org/draft-07/schema#"
"""The newest draft that the TOML language servers of the common editors understand whole."""

_REFERENCE = "#/definitions/{model}"
_MATRIX = {
    "type": "object",
    "description": "One job for each combination of these values.",
    "properties": {
        "exclude": {
            "type": "array",
            "items": {"type": "object"},
            "description": "Combinations to leave out.",
        }
    },
    "additionalProperties": {"type": "array", "minItems": 1},
    "examples": [{"bands": ["f090", "f150"]}],
}


def campaign_schema(kinds: Mapping[str, type[Workflow]]) -> dict[str, Any]:
    """Return the JSON schema of campaign files whose workflows are of these kinds."""
    classes = _classes(kinds)
    models: tuple[type[BaseModel], ...] = (Campaign, *classes)
    inputs: list[tuple[type[BaseModel], Literal["validation"]]] = [(model, "validation") for model in models]
    _, generated = models_json_schema(inputs, ref_template=_REFERENCE)
    definitions: dict[str, Any] = _simplified(generated["$defs"])
    for model in classes:
        definitions[model.__name__] = _workflow(definitions[model.__name__], model, kinds)
    for name in ("Workflow", "Campaign"):
        schema = definitions.pop(name)
        if name == "Campaign":
            definitions["campaign"] = _campaign(schema, kinds)
    definitions["defaults"] = _defaults(definitions, classes)
    definitions["table"] = _table(kinds)
    return _document("socm campaign", "campaign", definitions)


def map_nulls_schema() -> dict[str, Any]:
    """Return the JSON schema of the files of `socm judge`."""
    generated = MapNulls.model_json_schema(ref_template=_REFERENCE)
    definitions: dict[str, Any] = _simplified(generated.pop("$defs"))
    definitions["nulls"] = _simplified(generated)
    return _document("socm judge", "nulls", definitions)


def _document(title: str, key: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of files that hold one table, which is defined by its own name."""
    for definition in definitions.values():
        _allow_both_spellings(definition)
    return {
        "$schema": DRAFT,
        "title": title,
        "type": "object",
        "properties": {key: {"$ref": f"#/definitions/{key}"}},
        "required": [key],
        "additionalProperties": False,
        "definitions": dict(sorted(definitions.items())),
    }


def _classes(kinds: Mapping[str, type[Workflow]]) -> tuple[type[Workflow], ...]:
    """Return every class that a table may be: the kinds, and those of their children."""
    classes: dict[type[Workflow], None] = {}
    for kind in kinds.values():
        classes[kind] = None
        classes |= dict.fromkeys(children_of(kind).values())
        if other := other_child(kind):
            classes[other] = None
    return tuple(classes)


def children_of(kind: type[Workflow]) -> dict[str, type[Workflow]]:
    """Return the classes of the sub-tables of a kind that it names."""
    children = {name: kind.child_kind(name, {}) for name in kind.child_names}
    return {name: child for name, child in children.items() if child is not None}


def other_child(kind: type[Workflow]) -> type[Workflow] | None:
    """Return the class of a sub-table whose name the kind doesn't know, if it takes such tables."""
    return kind.child_kind("a-name-of-your-own", {}) if kind.takes_children() else None


def _simplified(schema: Any) -> Any:
    """Leave out what says nothing in TOML: null, titles that repeat the key, limits of Python's types."""
    if isinstance(schema, list):
        return [_simplified(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    simple = {
        key: {name: _simplified(value) for name, value in entry.items()}
        if key in {"properties", "$defs"}
        else _simplified(entry)
        for key, entry in schema.items()
        if key != "title" and not (key == "default" and entry in (None, "", [], {}))
    }
    if "anyOf" in simple:
        choices = [choice for choice in simple["anyOf"] if choice != {"type": "null"}]
        if len(choices) == 1:
            del simple["anyOf"]
            return {**choices[0], **simple}
        simple["anyOf"] = choices
    return simple


def _workflow(
    schema: dict[str, Any], model: type[Workflow], kinds: Mapping[str, type[Workflow]]
) -> dict[str, Any]:
    properties = {name: value for name, value in schema["properties"].items() if name not in INTERNAL_FIELDS}
    properties["workflow"] = {"enum": _kind_names(kinds), "description": "Kind of the workflow."}
    properties["matrix"] = _MATRIX
    if model.program_options is not None and "options" in properties:
        properties["options"] = {**properties["options"], **_options(model.program_options)}
    children = children_of(model)
    properties |= {name: {"$ref": f"#/definitions/{child.__name__}"} for name, child in children.items()}
    # The older tool's campaigns hold options of the program among the keys.
    rest: Any = {} if model.program_options is not None else False
    if other := other_child(model):
        below = {"if": {"type": "object"}, "then": {"$ref": f"#/definitions/{other.__name__}"}}
        rest = below if rest == {} else {"type": "object", **below}
    return {
        "type": "object",
        "description": (model.__doc__ or "").split("\n")[0],
        "properties": properties,
        "additionalProperties": rest,
    }


def _kind_names(kinds: Iterable[str]) -> list[str]:
    """Return the names of kinds, those with hyphens first, then their other spelling."""
    names = sorted(kinds)
    return names + [name.replace("-", "_") for name in names if "-" in name]


def _options(options: ProgramOptions) -> dict[str, Any]:
    value = {"type": ["number", "string", "array"]}
    flag = {"type": "boolean"}
    return {
        "properties": {
            name: value if takes_value else flag
            for name, takes_value in sorted(options.takes_value.items())
            if name not in options.keys
        }
    }


def _campaign(schema: dict[str, Any], kinds: Mapping[str, type[Workflow]]) -> dict[str, Any]:
    properties = {name: schema["properties"][name] for name in CAMPAIGN_KEYS}
    properties["defaults"] = {"$ref": "#/definitions/defaults"}
    for name, kind in kinds.items():
        properties[name] = {"$ref": f"#/definitions/{kind.__name__}"}
    return {
        "type": "object",
        "description": "A campaign: its own settings and its workflows.",
        "properties": properties,
        # The older tool's keys are no tables; socm check says what to write instead.
        "additionalProperties": {
            "if": {"type": "object"},
            "then": {"$ref": "#/definitions/table"},
        },
    }


def _defaults(definitions: Mapping[str, Any], classes: tuple[type[Workflow], ...]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for model in classes:
        for name in (*known_keys(model), "matrix"):
            properties.setdefault(name, definitions[model.__name__]["properties"][name])
    return {
        "type": "object",
        "description": "Values of every workflow that doesn't say its own.",
        "properties": properties,
    }


def _table(kinds: Mapping[str, type[Workflow]]) -> dict[str, Any]:
    """Return the schema of a table with a name of its own: it says its kind, or is a sub-campaign."""
    return {
        "type": "object",
        "description": "A workflow, whose kind is `workflow`, or a sub-campaign.",
        "properties": {"workflow": {"enum": _kind_names(kinds)}},
        "allOf": [
            {
                "if": {
                    "properties": {"workflow": {"enum": _kind_names([name])}},
                    "required": ["workflow"],
                },
                "then": {"$ref": f"#/definitions/{kind.__name__}"},
            }
            for name, kind in sorted(kinds.items())
        ],
    }


def _allow_both_spellings(schema: dict[str, Any]) -> None:
    """Let keys with underscores be written with hyphens; completion offers the first spelling only."""
    properties = schema.get("properties", {})
    hyphened = {name.replace("_", "-"): value for name, value in properties.items() if "_" in name}
    if hyphened:
        schema["patternProperties"] = {f"^{name}$": value for name, value in hyphened.items()}
