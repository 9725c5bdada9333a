"""From a campaign file to a campaign: who inherits what, which kind each table is, what is wrong."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from socm.config.dependencies import Names, check_names, collect_names, join_workflows
from socm.config.document import Document, table_name
from socm.config.layers import Layer, Merged, check_spellings, field_name, merge_layers, plain
from socm.config.matrix import WITHOUT_MATRIX, Variant, make_variants
from socm.config.obsolete import obsolete_key
from socm.config.problems import describe, known_keys, problems_of, unknown_key
from socm.config.reading import read_document
from socm.core.fields import PathContext
from socm.core.models import INTERNAL_FIELDS, Campaign, Workflow
from socm.diagnostics import Collector, Diagnostic, DiagnosticError, KeyPath, nearest_name

CAMPAIGN: KeyPath = ("campaign",)
CAMPAIGN_KEYS = tuple(name for name in Campaign.model_fields if name not in {"workflows", "disabled"})
LANGUAGE_KEYS = ("workflow", "matrix")
"""Keys of a workflow's table that are no fields: they say which kind it is and how often it is made."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


@dataclass(frozen=True)
class LoadedCampaign:
    """A campaign that was read, the document it came from, and what the user should know."""

    campaign: Campaign
    document: Document
    diagnostics: tuple[Diagnostic, ...]


def load_campaign(source: Path | Document, kinds: Mapping[str, type[Workflow]]) -> LoadedCampaign:
    """Return the campaign of a TOML file or of a document that was read before.

    `kinds` are the workflows that a table may be, by name. Raises DiagnosticError with every
    problem, each at its place.
    """
    document = source if isinstance(source, Document) else read_document(source)
    loading = _Loading(document, {plain(name): kind for name, kind in kinds.items()})
    campaign = loading.campaign()
    document = replace(
        document, written=loading.written, tables=tuple(dict.fromkeys(t.path for t in loading.tables))
    )
    diagnostics = document.locate_all(loading.problems.diagnostics)
    if campaign is None or loading.problems.has_errors:
        raise DiagnosticError(diagnostics)
    return LoadedCampaign(campaign, document, diagnostics)


@dataclass(frozen=True)
class _Table:
    """A table that makes jobs: its kind, what it inherits, and how others call it."""

    path: KeyPath
    kind: type[Workflow]
    layers: tuple[Layer, ...]
    name: str
    belongs_to: tuple[str, ...]


@dataclass
class _Loading:
    """One reading of a campaign: collects tables, then problems and values."""

    document: Document
    kinds: Mapping[str, type[Workflow]]
    problems: Collector = field(default_factory=Collector)
    tables: list[_Table] = field(default_factory=list)
    written: dict[KeyPath, KeyPath] = field(default_factory=dict)
    wrong_tables: list[str] = field(default_factory=list)
    names: Names = field(default_factory=lambda: collect_names(()))

    def campaign(self) -> Campaign | None:
        self.check_top_level()
        table = self.document.data.get("campaign")
        if not isinstance(table, Mapping):
            if table is not None:
                message = f"`campaign` is a table, not {describe(table)}"
                self.problems.add(Diagnostic("wrong-type", message, key=CAMPAIGN, hint="write [campaign]"))
            return None
        own, others = self.sort_campaign_keys(table)
        defaults = table.get("defaults", {})
        layers: tuple[Layer, ...] = ()
        if isinstance(defaults, Mapping):
            layers = (Layer(defaults, (*CAMPAIGN, "defaults")),)
        else:
            message = f"`defaults` is a table, not {describe(defaults)}"
            self.problems.add(Diagnostic("wrong-type", message, key=(*CAMPAIGN, "defaults")))
        for key, value in others.items():
            self.add_table((*CAMPAIGN, key), value, layers, (), (), may_inherit=False)
        self.check_inherited_keys()
        self.check_names()
        self.names = collect_names(((t.name, t.path, t.belongs_to) for t in self.tables), self.wrong_tables)
        workflows = [workflow for entry in self.tables for workflow in self.workflows(entry)]
        self.lift_missing_keys()
        if not self.tables and not self.problems.has_errors:
            message = "the campaign has no workflow"
            hint = (
                f"add a table such as [campaign.{next(iter(self.kinds), 'ml-mapmaking').replace('_', '-')}]"
            )
            self.problems.add(Diagnostic("no-workflow", message, key=CAMPAIGN, hint=hint))
        settings = self.settings(own)
        joined = join_workflows(workflows, self.names, self.problems)
        if settings is None:
            return None
        return settings.model_copy(
            update={
                "workflows": tuple(w for w in joined if w.enabled),
                "disabled": tuple(w for w in joined if not w.enabled),
            }
        )

    def check_top_level(self) -> None:
        for key, value in self.document.data.items():
            if key == "campaign":
                continue
            kind_or_table = plain(key) in self.kinds or key in {"defaults", "resources"}
            hint = f"write [campaign.{key}]" if kind_or_table and isinstance(value, Mapping) else None
            self.problems.add(unknown_key((key,), ("campaign",), hint))
        if "campaign" not in self.document.data:
            message = "there is no [campaign] table"
            self.problems.add(Diagnostic("missing-key", message, key=()))

    def sort_campaign_keys(self, table: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the campaign's own values, and its other tables."""
        own: dict[str, Any] = {}
        others: dict[str, Any] = {}
        check_spellings(
            {k: v for k, v in table.items() if plain(k) in CAMPAIGN_KEYS}, CAMPAIGN, Campaign, self.problems
        )
        for key, value in table.items():
            path = (*CAMPAIGN, key)
            if plain(key) in CAMPAIGN_KEYS:
                own[key] = value
            elif key == "defaults":
                pass
            elif note := obsolete_key(path, "campaign"):
                self.problems.add(note)
                continue
            elif isinstance(value, Mapping):
                others[key] = value
            elif _is_table_list(value):
                self.problems.add(_table_list(path))
            else:
                self.problems.add(unknown_key(path, known_keys(Campaign)[: len(CAMPAIGN_KEYS)]))
            if note := obsolete_key(path, "campaign"):
                self.problems.add(note)
        return own, others

    def settings(self, own: Mapping[str, Any]) -> Campaign | None:
        """Return the campaign's own settings, still without workflows."""
        merged = merge_layers((Layer(own, CAMPAIGN),), Campaign)
        values = {"name": Path(self.document.file).stem, **merged.values}
        try:
            return Campaign.model_validate(values, context=path_context())
        except ValidationError as error:
            self.problems.extend(
                problems_of(error, Campaign, values, lambda key: merged.origin(key, CAMPAIGN))
            )
            return None

    def add_table(
        self,
        path: KeyPath,
        table: Mapping[str, Any],
        layers: tuple[Layer, ...],
        prefix: tuple[str, ...],
        belongs_to: tuple[str, ...],
        may_inherit: bool,
    ) -> None:
        """Find out what a table of the campaign is, and collect it and what is below it."""
        name = str(path[-1])
        if not self.check_name(path):
            return
        kind = self.kind_of(path, table)
        layers = (*layers, Layer(table, path))
        if kind is not None:
            self.add_workflow(path, kind, layers, prefix, belongs_to)
        elif "workflow" not in table and self.is_sub_campaign(table):
            own_name = "-".join((*prefix, name))
            tables = {k: v for k, v in table.items() if self.is_below(k, v)}
            inherited = {k: v for k, v in table.items() if k not in tables}
            layers = (*layers[:-1], Layer(inherited, path))
            for key, value in tables.items():
                self.add_table(
                    (*path, key), value, layers, (*prefix, name), (*belongs_to, own_name), may_inherit=True
                )
        else:
            self.wrong_tables.append("-".join((*prefix, name)))
            if "workflow" not in table:
                self.problems.add(self.unknown_kind(path, may_inherit))

    def kind_of(self, path: KeyPath, table: Mapping[str, Any]) -> type[Workflow] | None:
        wanted = table.get("workflow", path[-1])
        if not isinstance(wanted, str):
            message = f"`workflow` is a text, not {describe(wanted)}"
            self.problems.add(Diagnostic("wrong-type", message, key=(*path, "workflow")))
            return None
        kind = self.kinds.get(plain(wanted))
        if kind is None and "workflow" in table:
            known = [name.replace("_", "-") for name in self.kinds]
            nearest = nearest_name(wanted, known)
            self.problems.add(
                Diagnostic(
                    "unknown-workflow",
                    f"there is no kind of workflow `{wanted}`",
                    key=(*path, "workflow"),
                    hint=f'did you mean "{nearest}"?' if nearest else None,
                    notes=(f"kinds: {', '.join(known)}",),
                )
            )
        return kind

    def unknown_kind(self, path: KeyPath, inside: bool) -> Diagnostic:
        kinds = [name.replace("_", "-") for name in self.kinds]
        names = kinds if inside else [*kinds, "resources", "defaults"]
        nearest = nearest_name(str(path[-1]).replace("_", "-"), names)
        return Diagnostic(
            "unknown-workflow",
            f"{table_name(path)} is no kind of workflow",
            key=path,
            point_at="key",
            hint=f"did you mean `{nearest}`?"
            if nearest
            else 'say which kind it is: `workflow = "ml-mapmaking"`',
            notes=(f"kinds: {', '.join(kinds)}",),
        )

    def is_below(self, key: str, value: Any) -> bool:
        """Return whether a key of a sub-campaign is a workflow or a sub-campaign, not a value to inherit."""
        if not isinstance(value, Mapping):
            return False
        if "workflow" in value or plain(key) in self.kinds:
            return True
        return not any(plain(key) in {*kind.model_fields, *LANGUAGE_KEYS} for kind in self.kinds.values())

    def is_sub_campaign(self, table: Mapping[str, Any]) -> bool:
        below = {key: value for key, value in table.items() if self.is_below(key, value)}
        if below and all(isinstance(value, Mapping) for value in table.values()):
            return True
        return any(
            "workflow" in value or plain(key) in self.kinds or self.is_sub_campaign(value)
            for key, value in below.items()
        )

    def add_workflow(
        self,
        path: KeyPath,
        kind: type[Workflow],
        layers: tuple[Layer, ...],
        prefix: tuple[str, ...],
        belongs_to: tuple[str, ...],
    ) -> None:
        name = str(path[-1])
        full_name = "-".join((*prefix, name))
        own = layers[-1]
        check_spellings(own.table, path, kind, self.problems)
        if not kind.takes_children():
            self.tables.append(_Table(path, kind, layers, full_name, belongs_to))
            return
        children: dict[str, type[Workflow]] = {}
        for key, value in own.table.items():
            if not isinstance(value, Mapping) or plain(key) in {*kind.model_fields, *LANGUAGE_KEYS}:
                continue
            child = kind.child_kind(key, value)
            if child is not None:
                children[key] = child
        shared = Layer({k: v for k, v in own.table.items() if k not in children and k != "workflow"}, path)
        child_prefix = prefix if plain(name) == plain(kind.kind) else (*prefix, name)
        for key, child in children.items():
            child_path = (*path, key)
            if self.check_name(child_path):
                table = own.table[key]
                check_spellings(table, child_path, child, self.problems)
                child_layers = (*layers[:-1], shared, Layer(table, child_path))
                child_name = "-".join((*child_prefix, key))
                self.tables.append(
                    _Table(child_path, child, child_layers, child_name, (*belongs_to, full_name))
                )
        if not children:
            example = (kind.child_names or ("name",))[0]
            message = (
                f"{table_name(path)} holds no test of its own"
                if kind.child_names
                else f"{table_name(path)} has no table below it"
            )
            hint = f"add a table such as {table_name((*path, example))}"
            self.problems.add(Diagnostic("no-workflow", message, key=path, hint=hint))

    def check_name(self, path: KeyPath) -> bool:
        name = str(path[-1])
        if _NAME.fullmatch(name):
            return True
        message = f"{name!r} can't name a workflow" if name else "a workflow needs a name"
        hint = "names have letters, digits, - and _, at most 100, and begin with a letter or a digit"
        self.problems.add(Diagnostic("bad-name", message, key=path, point_at="key", hint=hint))
        return False

    def check_names(self) -> None:
        seen: dict[str, _Table] = {}
        for table in self.tables:
            first = seen.setdefault(plain(table.name), table)
            if first is not table:
                message = (
                    f"{table_name(table.path)} and {table_name(first.path)} are both called `{table.name}`"
                )
                hint = "give one of the tables another name"
                self.problems.add(Diagnostic("duplicate-workflow", message, key=table.path, hint=hint))

    def check_inherited_keys(self) -> None:
        """Tell of keys in tables above that no workflow below them knows."""
        layers: dict[KeyPath, Layer] = {}
        heirs: dict[KeyPath, list[type[Workflow]]] = {}
        for table in self.tables:
            for layer in table.layers[:-1]:
                layers[layer.path] = layer
                heirs.setdefault(layer.path, []).append(table.kind)
        for path, layer in layers.items():
            fields = dict.fromkeys(name for kind in heirs[path] for name in (*known_keys(kind), "matrix"))
            for key in layer.table:
                if plain(key) in fields:
                    continue
                if note := obsolete_key((*path, key), "workflow"):
                    self.problems.add(note)
                else:
                    self.problems.add(unknown_key((*path, key), fields))

    def workflows(self, table: _Table) -> list[Workflow]:
        """Return the workflows of a table: one, or one for each combination of its matrix."""
        layers = [*(self.known_part(layer, table.kind) for layer in table.layers[:-1]), self.own_part(table)]
        merged = merge_layers(layers, table.kind, table.kind.program_options)
        variants = self.variants(table, merged)
        merged.values.pop("matrix", None)
        self.note_origins(table, merged, variants)
        found: list[Workflow] = []
        seen: set[Diagnostic] = set()
        for variant in variants:
            values = {
                **merged.values,
                **variant.values,
                "name": table.name,
                "path": table.path,
                "belongs_to": table.belongs_to,
                "variant": variant.names,
            }
            made = self.validate(table, merged, variant, values, seen)
            if made is not None:
                found.append(made)
        return found if len(found) == len(variants) else []

    def validate(
        self,
        table: _Table,
        merged: Merged,
        variant: Variant,
        values: Mapping[str, Any],
        seen: set[Diagnostic],
    ) -> Workflow | None:
        def origin(key: KeyPath) -> KeyPath:
            if key and key[0] in variant.origins:
                return variant.origins[str(key[0])] + key[1:]
            return merged.origin(key, table.path)

        problems = Collector()
        problems.extend(
            replace(problem, key=origin(problem.key or ()))
            for problem in (
                *check_names(values, table.path, self.names),
                *_option_problems(table.kind, values),
            )
        )
        workflow: Workflow | None = None
        try:
            workflow = table.kind.model_validate(values, context=path_context())
            problems.extend(
                replace(problem, key=origin(problem.key or ())) for problem in workflow.problems()
            )
        except ValidationError as error:
            problems.extend(problems_of(error, table.kind, values, origin))
        except DiagnosticError as error:
            problems.extend(replace(problem, key=origin(problem.key or ())) for problem in error.diagnostics)
        if workflow is not None:
            problems.extend(_truths_taken_for_other_types(workflow, values, origin))
        for problem in problems.diagnostics:
            if problem not in seen:
                seen.add(problem)
                self.problems.add(self.with_heir(problem, table))
        return None if problems.has_errors else workflow

    def with_heir(self, problem: Diagnostic, table: _Table) -> Diagnostic:
        key = problem.key or ()
        if key[: len(table.path)] == table.path or problem.place is not None:
            return problem
        return replace(problem, notes=(*problem.notes, f"inherited by {table_name(table.path)}"))

    def known_part(self, layer: Layer, kind: type[Workflow]) -> Layer:
        """Return what a table above gives to this kind: keys for other kinds are left out."""
        known = {name for name in kind.model_fields if name not in INTERNAL_FIELDS} | {"matrix"}
        return Layer({k: v for k, v in layer.table.items() if plain(k) in known}, layer.path)

    def own_part(self, table: _Table) -> Layer:
        """Return a workflow's own values, having told of keys that mean nothing in it."""
        own = table.layers[-1]
        known = known_keys(table.kind)
        kept: dict[str, Any] = {}
        for key, value in own.table.items():
            path = (*own.path, key)
            if plain(key) in known or key == "matrix":
                kept[key] = value
            elif key == "workflow":
                continue
            elif note := obsolete_key(path, "workflow"):
                self.problems.add(note)
            elif plain(key) in self.kinds and isinstance(value, Mapping):
                message = f"{table_name(path)} is a workflow inside a workflow"
                hint = f"write [campaign.{key}] and, if it should wait, depends_on"
                self.problems.add(Diagnostic("unknown-key", message, key=path, point_at="key", hint=hint))
            elif _is_table_list(value):
                self.problems.add(_table_list(path))
            else:
                self.problems.add(unknown_key(path, (*known, "matrix")))
        return Layer(kept, own.path)

    def variants(self, table: _Table, merged: Merged) -> Sequence[Variant]:
        if "matrix" not in merged.values:
            return WITHOUT_MATRIX
        matrix = merged.values["matrix"]
        depth = {layer.path: index for index, layer in enumerate(table.layers)}

        def layer_of(key: KeyPath) -> int:
            return max((d for path, d in depth.items() if key[: len(path)] == path), default=0)

        fixed: dict[str, Any] = {}
        if isinstance(matrix, dict):
            for name in [name for name in matrix if plain(name) in merged.values and name != "exclude"]:
                axis = merged.origins["matrix", name]
                value = merged.origins[plain(name),]
                if layer_of(value) > layer_of(axis):
                    del matrix[name]
                    fixed[plain(name)] = merged.values[plain(name)]
                elif layer_of(value) == layer_of(axis):
                    message = f"`{name}` is given both plainly and in the matrix"
                    self.problems.add(
                        Diagnostic("duplicate-key", message, key=axis, point_at="key", hint="keep one")
                    )
            matrix = {(k if k == "exclude" else field_name(k, table.kind)): v for k, v in matrix.items()}
            origins = {
                ("matrix", field_name(str(key[1]), table.kind), *key[2:]) if len(key) > 1 else key: origin
                for key, origin in merged.origins.items()
                if key[0] == "matrix"
            }
            if not [name for name in matrix if name != "exclude"]:
                return WITHOUT_MATRIX
            merged = Merged({"matrix": matrix}, origins)
        return make_variants(merged, known_keys(table.kind), table.path, self.problems, fixed)

    def note_origins(self, table: _Table, merged: Merged, variants: Sequence[Variant]) -> None:
        """Remember where each value that the table doesn't write itself was written."""
        for key, origin in merged.origins.items():
            if key[0] != "matrix" and origin[: len(table.path)] != table.path:
                self.written[table.path + key] = origin
        for name, origin in (variants[0].origins if variants else {}).items():
            self.written[(*table.path, name)] = origin[:-1]

    def lift_missing_keys(self) -> None:
        """Tell once, at the table above, of a key that every workflow below it misses."""
        children: dict[KeyPath, set[KeyPath]] = {}
        for table in self.tables:
            if len(table.path) > len(CAMPAIGN) + 1:
                children.setdefault(table.path[:-1], set()).add(table.path)
        missing: dict[KeyPath, list[Diagnostic]] = {}
        for problem in self.problems.diagnostics:
            if (
                problem.code == "missing-key"
                and problem.key
                and problem.key[:-1] in {t.path for t in self.tables}
            ):
                missing.setdefault((*problem.key[:-2], problem.key[-1]), []).append(problem)
        for key, found in missing.items():
            parent = key[:-1]
            if len(found) > 1 and len(found) == len(children.get(parent, ())):
                self.problems.diagnostics = [d for d in self.problems.diagnostics if d not in found]
                message = f"missing key `{key[-1]}` in {table_name(parent)}"
                self.problems.add(replace(found[0], message=message, key=key))


def _truths_taken_for_other_types(
    workflow: Workflow, values: Mapping[str, Any], origin: Any
) -> list[Diagnostic]:
    """Tell of true and false where a number is meant: pydantic would read them as 1 and 0."""
    return [
        Diagnostic("wrong-type", f"`{name}` is a number, not {describe(value)}", key=origin((name,)))
        for name, value in values.items()
        if isinstance(value, bool) and not isinstance(getattr(workflow, name, value), bool | str)
    ]


def _option_problems(kind: type[Workflow], values: Mapping[str, Any]) -> list[Diagnostic]:
    options = values.get("options")
    if kind.program_options is None or not isinstance(options, Mapping):
        return []
    return kind.program_options.problems(options, values.get("allow_unknown_options") is True)


def path_context() -> PathContext:
    """Return the environment that the paths of a campaign file speak of."""
    return PathContext(environ=os.environ, expand_user=os.path.expanduser)


def _is_table_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(entry, Mapping) for entry in value)


def _table_list(path: KeyPath) -> Diagnostic:
    message = f"[{table_name(path)}] is a list of tables"
    return Diagnostic(
        "wrong-type", message, key=path, hint=f"write {table_name(path)}, under a name of its own for each"
    )
