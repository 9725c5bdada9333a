"""Which tables of a campaign make jobs: their kinds, their names, and what they inherit from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from socm.config.document import table_name
from socm.config.layers import Layer, check_spellings, plain
from socm.config.obsolete import obsolete_key
from socm.config.problems import describe, known_keys, list_of_tables, unknown_key
from socm.core.models import Campaign, UncheckedWorkflow, Workflow
from socm.diagnostics import Collector, Diagnostic, KeyPath, did_you_mean

CAMPAIGN: KeyPath = ("campaign",)
DEFAULTS: KeyPath = (*CAMPAIGN, "defaults")
CAMPAIGN_KEYS = tuple(name for name in Campaign.model_fields if name not in {"workflows", "disabled"})
LANGUAGE_KEYS = frozenset({"workflow", "matrix"})
"""Keys of a workflow's table that are no fields: they say which kind it is and how often it is made."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


@dataclass(frozen=True)
class Table:
    """A table that makes jobs: its kind, what it inherits (its own layer last), and its names."""

    path: KeyPath
    kind: type[Workflow]
    layers: tuple[Layer, ...]
    name: str
    belongs_to: tuple[str, ...]


@dataclass(frozen=True)
class _Above:
    """What a table finds above it: values to inherit, the beginning of its name, names of groups."""

    layers: tuple[Layer, ...] = ()
    prefix: tuple[str, ...] = ()
    belongs_to: tuple[str, ...] = ()

    def full_name(self, name: str) -> str:
        return "-".join((*self.prefix, name))


@dataclass
class FoundTables:
    """The tables of a campaign that make jobs, its own settings, and names of tables that are wrong."""

    tables: list[Table] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    wrong_names: list[str] = field(default_factory=list)


def find_tables(
    data: Mapping[str, Any],
    kinds: Mapping[str, type[Workflow]],
    problems: Collector,
    *,
    has_other_kinds: bool = False,
) -> FoundTables:
    """Return the workflows of a document and report every table and key without a meaning.

    `kinds` has its names with underscores (`plain`). `has_other_kinds` says that there are more, which
    only plugins know: a table of another kind is then an `UncheckedWorkflow`.
    """
    finder = _Finder(kinds, problems, has_other_kinds)
    _check_top_level(data, kinds, problems)
    campaign = data.get("campaign", {})
    if not isinstance(campaign, Mapping):
        message = f"`campaign` must be a table, not {describe(campaign)}"
        problems.error("wrong-type", message, key=CAMPAIGN, hint="write [campaign]")
        return finder.found
    defaults = campaign.get("defaults", {})
    if not isinstance(defaults, Mapping):
        message = f"`defaults` must be a table, not {describe(defaults)}"
        problems.error("wrong-type", message, key=DEFAULTS)
        defaults = {}
    if "workflow" in defaults:
        message = "`workflow` can't be inherited: each table says which kind it is"
        hint = "move it into the tables that are meant"
        problems.error("unknown-key", message, key=(*DEFAULTS, "workflow"), point_at="key", hint=hint)
    above = _Above((Layer(defaults, DEFAULTS),))
    for key, value in _sort_campaign_keys(campaign, kinds, finder.found.settings, problems).items():
        finder.add((*CAMPAIGN, key), value, above)
    _check_names(finder.found.tables, problems)
    _check_inherited_keys(finder.found.tables, problems)
    if "campaign" in data and not finder.found.tables and not problems.has_errors:
        kind = next(iter(kinds), "name").replace("_", "-")
        hint = f"add a table such as [campaign.{kind}]"
        problems.error("no-workflow", "the campaign has no workflow", key=CAMPAIGN, hint=hint)
    return finder.found


def _check_top_level(
    data: Mapping[str, Any], kinds: Mapping[str, type[Workflow]], problems: Collector
) -> None:
    for key, value in data.items():
        if key == "campaign":
            continue
        belongs_below = plain(key) in kinds or plain(key) in {*CAMPAIGN_KEYS, "defaults"}
        where = f"write [campaign.{key}]" if isinstance(value, Mapping) else "write it below [campaign]"
        problems.add(unknown_key((key,), ("campaign",), where if belongs_below else None))
    if "campaign" not in data and not problems.has_errors:
        problems.error("missing-key", "there is no [campaign] table", key=())


def _sort_campaign_keys(
    campaign: Mapping[str, Any],
    kinds: Mapping[str, type[Workflow]],
    settings: dict[str, Any],
    problems: Collector,
) -> dict[str, Mapping[str, Any]]:
    """Put the campaign's own values into `settings`, and return its other tables."""
    tables: dict[str, Mapping[str, Any]] = {}
    for key, value in campaign.items():
        path = (*CAMPAIGN, key)
        note = obsolete_key(path, "campaign")
        if note:
            problems.add(note)
        if plain(key) in CAMPAIGN_KEYS:
            settings[key] = value
        elif isinstance(value, Mapping) and key != "defaults" and not note:
            tables[key] = value
        elif list_of_tables(value):
            problems.add(_not_a_list(path))
        elif key != "defaults" and not note:
            fields = {name for kind in kinds.values() for name in known_keys(kind)}
            hint = "a key of workflows; write it in one of them or in [campaign.defaults]"
            problems.add(unknown_key(path, CAMPAIGN_KEYS, hint if plain(key) in fields else None))
    check_spellings(settings, CAMPAIGN, Campaign, problems)
    return tables


@dataclass
class _Finder:
    """Goes down the tables of a campaign."""

    kinds: Mapping[str, type[Workflow]]
    problems: Collector
    has_other_kinds: bool
    found: FoundTables = field(default_factory=FoundTables)

    def add(self, path: KeyPath, table: Mapping[str, Any], above: _Above) -> None:
        """Find out what a table is, and collect it or what is below it."""
        name = str(path[-1])
        if not self.name_is_good(path):
            self.found.wrong_names.append(above.full_name(name))
            return
        kind = self.kind_of(path, table)
        if kind is not None:
            self.add_workflow(path, kind, table, above)
        elif "workflow" not in table and self.is_sub_campaign(table):
            self.add_sub_campaign(path, table, above)
        elif self.has_other_kinds and isinstance(table.get("workflow", ""), str):
            self.add_unchecked(path, table, above)
        else:
            self.found.wrong_names.append(above.full_name(name))
            if "workflow" not in table:
                self.problems.add(self.unknown_kind(path))

    def kind_of(self, path: KeyPath, table: Mapping[str, Any]) -> type[Workflow] | None:
        wanted = table.get("workflow", path[-1])
        if not isinstance(wanted, str):
            message = f"`workflow` must be a string, not {describe(wanted)}"
            self.problems.error("wrong-type", message, key=(*path, "workflow"))
            return None
        kind = self.kinds.get(plain(wanted))
        if kind is None and "workflow" in table and not self.has_other_kinds:
            known = self.kind_names()
            self.problems.error(
                "unknown-workflow",
                f"unknown kind of workflow `{wanted}`",
                key=(*path, "workflow"),
                hint=did_you_mean(wanted, known, quote='"'),
                notes=(f"kinds: {', '.join(known)}",),
            )
        return kind

    def kind_names(self) -> list[str]:
        return [name.replace("_", "-") for name in self.kinds]

    def unknown_kind(self, path: KeyPath) -> Diagnostic:
        kinds = self.kind_names()
        tables = ["resources", "defaults"] if len(path) == len(CAMPAIGN) + 1 else []
        example = f'`workflow = "{kinds[0] if kinds else "command"}"`'
        return Diagnostic(
            "unknown-workflow",
            f"{table_name(path)} is not a known kind of workflow",
            key=path,
            point_at="key",
            hint=did_you_mean(
                str(path[-1]).replace("_", "-"), [*kinds, *tables], f"say which kind it is: {example}"
            ),
            notes=(f"kinds: {', '.join(kinds)}",),
        )

    def is_below(self, key: str, value: Any) -> bool:
        """Return whether a key of a sub-campaign is a table of its own, not a value to inherit."""
        if not isinstance(value, Mapping):
            return False
        if "workflow" in value or plain(key) in self.kinds:
            return True
        return not any(plain(key) in {*kind.model_fields, *LANGUAGE_KEYS} for kind in self.kinds.values())

    def is_sub_campaign(self, table: Mapping[str, Any]) -> bool:
        """Return whether a table holds workflows, at any depth, or nothing but tables."""
        below = {key: value for key, value in table.items() if self.is_below(key, value)}
        if below and all(isinstance(value, Mapping) for value in table.values()):
            return True
        return any(
            "workflow" in value or plain(key) in self.kinds or self.is_sub_campaign(value)
            for key, value in below.items()
        )

    def add_sub_campaign(self, path: KeyPath, table: Mapping[str, Any], above: _Above) -> None:
        name = str(path[-1])
        below = {key: value for key, value in table.items() if self.is_below(key, value)}
        shared = Layer({key: value for key, value in table.items() if key not in below}, path)
        inside = _Above(
            (*above.layers, shared), (*above.prefix, name), (*above.belongs_to, above.full_name(name))
        )
        for key, value in below.items():
            self.add((*path, key), value, inside)

    def add_unchecked(self, path: KeyPath, table: Mapping[str, Any], above: _Above) -> None:
        own = {key: value for key, value in table.items() if plain(key) in {"enabled", "depends_on"}}
        layers = (*above.layers, Layer(own, path))
        name = above.full_name(str(path[-1]))
        self.found.tables.append(Table(path, UncheckedWorkflow, layers, name, above.belongs_to))
        self.problems.note(
            "plugins-off",
            f"`{name}` is not checked: plugins are off",
            key=path,
            point_at="key",
            hint="its kind is known only to code that the campaign names; without --no-plugins it runs",
        )

    def add_workflow(
        self, path: KeyPath, kind: type[Workflow], table: Mapping[str, Any], above: _Above
    ) -> None:
        name = str(path[-1])
        check_spellings(table, path, kind, self.problems)
        if not kind.takes_children():
            layers = (*above.layers, Layer(table, path))
            self.found.tables.append(Table(path, kind, layers, above.full_name(name), above.belongs_to))
            return
        children = self.children_of(path, kind, table)
        shared = Layer({k: v for k, v in table.items() if k not in children and k != "workflow"}, path)
        inside = _Above(
            (*above.layers, shared),
            above.prefix if plain(name) == plain(kind.kind) else (*above.prefix, name),
            (*above.belongs_to, above.full_name(name)),
        )
        for key, child in children.items():
            child_path = (*path, key)
            if not self.name_is_good(child_path):
                continue
            check_spellings(table[key], child_path, child, self.problems)
            layers = (*inside.layers, Layer(table[key], child_path))
            self.found.tables.append(
                Table(child_path, child, layers, inside.full_name(key), inside.belongs_to)
            )
        if not children:
            self.found.wrong_names.append(above.full_name(name))
            example = table_name((*path, (kind.child_names or ("name",))[0]))
            message = f"{table_name(path)} needs at least one sub-table"
            hint = f"add a table below it, such as {example}"
            own = {key: obsolete_key((*path, key), "workflow") for key in table if key != "workflow"}
            self.problems.extend(filter(None, own.values()))
            if kept := [key for key, note in own.items() if note is None]:
                hint += f", and move into it {', '.join(kept)}"
            self.problems.error("no-workflow", message, key=path, hint=hint)

    def children_of(
        self, path: KeyPath, kind: type[Workflow], table: Mapping[str, Any]
    ) -> dict[str, type[Workflow]]:
        children: dict[str, type[Workflow]] = {}
        for key, value in table.items():
            if not isinstance(value, Mapping) or plain(key) in {*kind.model_fields, *LANGUAGE_KEYS}:
                continue
            with self.problems.at((*path, key)):
                child = kind.child_kind(key, value)
                if child is not None:
                    children[key] = child
        return children

    def name_is_good(self, path: KeyPath) -> bool:
        problem = name_problem(str(path[-1]), path)
        if problem is not None:
            self.problems.add(problem)
        return problem is None


def name_problem(name: str, path: KeyPath, what: str = "workflow") -> Diagnostic | None:
    """Return what is wrong with the name of a workflow or its like, which becomes part of file names."""
    if _NAME.fullmatch(name):
        return None
    message = f"{name!r} is not a valid name for a {what}" if name else f"a {what} needs a name"
    hint = "use letters, digits, - and _, at most 100 of them, beginning with a letter or a digit"
    return Diagnostic("bad-name", message, key=path, point_at="key", hint=hint)


def _check_names(tables: list[Table], problems: Collector) -> None:
    seen: dict[str, Table] = {}
    for table in tables:
        first = seen.setdefault(plain(table.name), table)
        if first is not table:
            both = f"{table_name(first.path)} and {table_name(table.path)}"
            message = f"{both} are both called `{table.name}`"
            hint = "rename one of the tables"
            problems.error("duplicate-workflow", message, key=table.path, hint=hint)


def _check_inherited_keys(tables: list[Table], problems: Collector) -> None:
    """Report keys in tables above that no workflow below them knows."""
    layers: dict[KeyPath, Layer] = {}
    heirs: dict[KeyPath, dict[type[Workflow], None]] = {}
    for table in tables:
        for layer in table.layers[:-1]:
            layers[layer.path] = layer
            heirs.setdefault(layer.path, {})[table.kind] = None
    for path, layer in layers.items():
        fields = dict.fromkeys((*(name for kind in heirs[path] for name in known_keys(kind)), "matrix"))
        for key, value in layer.table.items():
            if (path, key) == (DEFAULTS, "workflow"):
                continue  # reported where the defaults are read
            if plain(key) in fields or any(option_name(kind, key) for kind in heirs[path]):
                continue
            if note := obsolete_key((*path, key), "workflow"):
                problems.add(note)
            elif list_of_tables(value):
                problems.add(_not_a_list((*path, key)))
            elif UncheckedWorkflow not in heirs[path]:
                problems.add(unknown_key((*path, key), fields))


def own_part(table: Table, problems: Collector) -> Layer:
    """Return a workflow's own values; reports keys that mean nothing in it."""
    own = table.layers[-1]
    known = known_keys(table.kind)
    kept: dict[str, Any] = {}
    for key, value in own.table.items():
        path = (*own.path, key)
        note = obsolete_key(path, "workflow")
        if plain(key) in known or key == "matrix" or option_name(table.kind, key):
            kept[key] = value
        elif note:
            problems.add(note)
            if plain(key) == "depends":
                kept[key] = value
        elif list_of_tables(value):
            problems.add(_not_a_list(path))
        elif key != "workflow":
            problems.add(unknown_key(path, (*known, "matrix"), _where_it_belongs(key, value)))
    return Layer(kept, own.path)


def _where_it_belongs(key: str, value: Any) -> str | None:
    if plain(key) in CAMPAIGN_KEYS:
        return "a key of [campaign]"
    if isinstance(value, Mapping):
        return f"workflows stand side by side: [campaign.{key}]"
    return None


def inherited_part(layer: Layer, kind: type[Workflow]) -> Layer:
    """Return what a table above gives to this kind: keys for other kinds are left out."""
    known = {*known_keys(kind), "matrix", "depends"}
    return replace(
        layer, table={k: v for k, v in layer.table.items() if plain(k) in known or option_name(kind, k)}
    )


def option_name(kind: type[Workflow], key: str) -> str | None:
    """Return the program's option that a key of the workflow's table means, if it is no key of its own.

    The older tool passed every key on to the program, so its campaigns write options in the table.
    """
    options = kind.program_options
    if options is None or plain(key) in kind.model_fields:
        return None
    name = options.spelling(key)
    return name if name in options.takes_value and name not in options.keys else None


def _not_a_list(path: KeyPath) -> Diagnostic:
    message = f"[{table_name(path)}] is a list of tables"
    hint = f"write {table_name(path)}, and give each table a name of its own"
    return Diagnostic("wrong-type", message, key=path, hint=hint)
