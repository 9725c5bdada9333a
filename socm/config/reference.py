"""The reference page of the campaign language, made from the models."""

from __future__ import annotations

import json
import types
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from socm.config.problems import known_keys
from socm.config.schema import children_of, other_child
from socm.config.tables import CAMPAIGN_KEYS
from socm.config.toml_text import toml_value
from socm.core.map_nulls import MapFiles, MapNulls, MapTest
from socm.core.models import Campaign, ClusterSize, Environment, Resources, Section, Workflow


def reference_page(kinds: Mapping[str, type[Workflow]]) -> str:
    """Return the reference page of a language with these kinds of workflow, as Markdown."""
    parts = [
        resources.files("socm.config").joinpath("introduction.md").read_text("utf-8"),
        _section("[campaign]", Campaign, CAMPAIGN_KEYS, "The campaign's own settings."),
        _section("[campaign.resources]", ClusterSize, known_keys(ClusterSize)),
        _section("[campaign.&lt;name&gt;.resources]", Resources, known_keys(Resources)),
        _section(
            "[campaign.&lt;name&gt;.environment]",
            Environment,
            known_keys(Environment),
            "What a job's program finds around it. Every other key is an environment variable.",
        ),
        _section("Every workflow", Workflow, known_keys(Workflow), "Keys that workflows of every kind have."),
    ]
    shown: dict[tuple[str, ...], str] = {}
    for name, kind in sorted(kinds.items()):
        parts += _kind(name, kind, kinds, shown)
    parts += [
        "# Files of `socm judge`\n",
        _section(
            "[nulls]",
            MapNulls,
            ("name", *known_keys(MapNulls)),
            "Null tests of maps by any mapmaker. Every `analysis` has the keys of a campaign's, above.",
        ),
        _section("[nulls.tests.&lt;name&gt;]", MapTest, known_keys(MapTest)),
        _section("A map of a group", MapFiles, known_keys(MapFiles)),
    ]
    return "\n".join(parts)


def _kind(
    name: str, kind: type[Workflow], kinds: Mapping[str, type[Workflow]], shown: dict[tuple[str, ...], str]
) -> list[str]:
    """Return the sections of a kind; `shown` are keys of tables that stand under another kind already."""
    other = other_child(kind)
    if other is None:
        parts = [_section(f"Kind `{name}`", kind, _own_keys(kind, Workflow))]
    else:
        parent = next((k for k in kinds.values() if k is not kind and issubclass(other, k)), Workflow)
        keys = tuple(key for key in _own_keys(kind, parent) if key in other.model_fields)
        besides = f"\n\nIts tables have every key of kind `{parent.kind}` and these:" if parent.kind else ""
        if keys and (elsewhere := shown.setdefault(keys, name)) != name:
            besides = (
                f"Its tables have every key of kind `{parent.kind}`, and those of tables of `{elsewhere}`."
            )
            return [f"## Kind `{name}`\n\n{_summary(kind)}\n\n{besides}\n"]
        parts = [_section(f"Kind `{name}`", kind, keys, _summary(kind) + besides)]
        tables = {key: other.model_fields[key].annotation for key in keys}
        parts += [
            _section(f"[campaign.{name}.{key}]", table, known_keys(table))
            for key, table in tables.items()
            if isinstance(table, type) and issubclass(table, Section)
        ]
        named = children_of(kind)
        if named:
            parts[0] += (
                "\nTables: " + ", ".join(f"`{child}`" for child in named) + ", or a name of your own.\n"
            )
    options = kind.program_options
    if options is not None and other is None:
        parts[-1] += f"\nThe table `options` takes what `{' '.join(options.command)} --help` lists.\n"
    return parts


def _own_keys(kind: type[Workflow], parent: type[Workflow]) -> tuple[str, ...]:
    """Return the keys of a kind that its parent doesn't have, or has with another default."""
    inherited = parent.model_fields
    return tuple(
        key
        for key in known_keys(kind)
        if key not in inherited or kind.model_fields[key].default != inherited[key].default
    )


def _summary(model: type[Section]) -> str:
    return (model.__doc__ or "").split("\n")[0]


def _section(title: str, model: type[Section], keys: tuple[str, ...], text: str | None = None) -> str:
    lines = [
        f"## {title}",
        "",
        text or _summary(model),
        "",
        "| key | value | default | |",
        "|---|---|---|---|",
    ]
    for key in keys:
        field = model.model_fields[key.replace("-", "_")]
        description = (field.description or "").replace("|", "\\|")
        if field.examples:
            description += " For example " + ", ".join(f"`{_shown(value)}`" for value in field.examples) + "."
        lines.append(f"| `{key}` | {_type_of(field)} | {_default_of(field)} | {description} |")
    return "\n".join(lines) + "\n"


def _default_of(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    default: Any = extra["default"] if isinstance(extra, dict) and "default" in extra else field.default
    if default is PydanticUndefined:
        return "**required**"
    if default is None or default in ("", (), {}) or isinstance(default, Section):
        return ""
    return f"`{_shown(default)}`"


def _shown(value: Any) -> str:
    return toml_value(list(value) if isinstance(value, tuple) else value)


def _type_of(field: FieldInfo) -> str:
    return " or ".join(dict.fromkeys(_said(field.metadata) or _words(field.annotation)))


def _said(metadata: Iterable[Any]) -> list[str]:
    """Return the types that a field says of itself, where its annotation is that of the value read."""
    for entry in metadata:
        schema = getattr(entry, "json_schema", None)
        if schema:
            names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            return ["path" if schema.get("format") == "path" else _JSON_TYPES[name] for name in names]
    return []


_JSON_TYPES = {
    "boolean": "true or false",
    "number": "number",
    "string": "string",
    "array": "list",
    "object": "table",
}


def _words(annotation: Any) -> list[str]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in {Union, types.UnionType}:
        return [word for argument in arguments for word in _words(argument)]
    if origin is Literal:
        return [f"`{json.dumps(choice)}`" for choice in arguments]
    if origin is Annotated:
        return _said(annotation.__metadata__) or _words(arguments[0])
    if annotation is type(None):
        return []
    base = origin or annotation
    if not isinstance(base, type):
        return ["any value"]
    if issubclass(base, bool):
        return ["true or false"]
    if issubclass(base, int):
        return ["integer"]
    if issubclass(base, float):
        return ["number"]
    if issubclass(base, str):
        return ["string"]
    return ["table"] if issubclass(base, Mapping | Section) else ["list"]
