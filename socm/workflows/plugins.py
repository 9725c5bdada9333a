"""Workflows of the user's own: modules and files that a campaign names, and installed entry points."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from socm.config import Document, LoadedCampaign, load_campaign, read_document
from socm.core.models import Campaign, Workflow
from socm.core.user_code import describe_error, their_lines
from socm.diagnostics import Collector, DiagnosticError, KeyPath
from socm.workflows.registry import registered_workflows

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ENTRY_POINTS = "socm.workflows"
PLUGINS: KeyPath = ("campaign", "plugins")

_from_modules: dict[str, dict[str, type[Workflow]]] = {}
"""What each module registered: importing it again registers nothing."""


def load_with_plugins(file: Path, *, plugins: bool = True) -> LoadedCampaign:
    """Return the campaign of a file, whose workflows may be of kinds that its plugins bring.

    Without `plugins` no code that the file names runs, and workflows of such kinds are not checked.
    """
    document = read_document(file)
    if not plugins:
        return load_campaign(
            document, registered_workflows, has_other_kinds=_names_other_kinds(document.data)
        )
    return load_campaign(document, _located_kinds(document, file.parent))


def kinds_of_file(file: Path) -> dict[str, type[Workflow]]:
    """Return every kind of workflow that a campaign file may use, whatever else is wrong in it."""
    return _located_kinds(read_document(file), file.parent)


def _names_other_kinds(data: Mapping[str, Any]) -> bool:
    """Return whether a campaign has plugins or names a kind that is installed; runs none of their code."""
    campaign = data.get("campaign")
    if not isinstance(campaign, Mapping):
        return False
    unknown = _unknown_names(campaign, registered_workflows)
    return bool(unknown) and (bool(campaign.get("plugins")) or bool(_installed(unknown)))


def _installed(names: Container[str]) -> list[EntryPoint]:
    """Return the installed kinds of these names."""
    # Looking through what is installed takes longer than the rest of the load.
    from importlib.metadata import entry_points

    return [point for point in entry_points(group=ENTRY_POINTS) if _plain(point.name) in names]


def _located_kinds(document: Document, base: Path) -> dict[str, type[Workflow]]:
    try:
        return load_kinds(document.data, base)
    except DiagnosticError as error:
        raise DiagnosticError(document.locate_all(error.diagnostics)) from None


def load_kinds(data: Mapping[str, Any], base: Path) -> dict[str, type[Workflow]]:
    """Return every kind of workflow that a campaign may use: socm's, installed ones, and its plugins'.

    `data` is the document as it was read; a plugin that is a file is looked for from `base`. Installed
    kinds are loaded only where the campaign names them. Raises DiagnosticError with every plugin
    that fails, and the user's lines of its traceback.
    """
    problems = Collector()
    kinds = dict(registered_workflows)
    campaign = data.get("campaign")
    campaign = campaign if isinstance(campaign, Mapping) else {}
    plugins = campaign.get("plugins", [])
    for index, plugin in enumerate(plugins if isinstance(plugins, list) else []):
        if isinstance(plugin, str):
            with problems.at((*PLUGINS, index)):
                kinds |= _kinds_of_plugin(plugin, base)
    unknown = _unknown_names(campaign, kinds)
    for point in _installed(unknown) if unknown else ():
        with problems.at(unknown[_plain(point.name)]):
            kinds[point.name] = _kind_of_entry_point(point)
    problems.raise_if_errors()
    return kinds


def _unknown_names(campaign: Mapping[str, Any], kinds: Mapping[str, type[Workflow]]) -> dict[str, KeyPath]:
    """Return names in a campaign that may be kinds and are none of the known ones, each with its key."""
    known = {_plain(name) for name in kinds}
    keys = {"defaults", "matrix", *Campaign.model_fields}
    keys.update(name for kind in kinds.values() for name in kind.model_fields)
    found: dict[str, KeyPath] = {}

    def look_in(table: Mapping[str, Any], path: KeyPath) -> None:
        for key, value in table.items():
            if not isinstance(value, Mapping) or _plain(key) in known | keys:
                continue
            wanted = value.get("workflow", key)
            if isinstance(wanted, str) and _plain(wanted) not in known:
                found.setdefault(_plain(wanted), (*path, key))
                look_in(value, (*path, key))

    look_in(campaign, ("campaign",))
    return found


def _plain(name: str) -> str:
    return name.replace("-", "_")


def _kinds_of_plugin(plugin: str, base: Path) -> dict[str, type[Workflow]]:
    is_file = plugin.endswith(".py") or "/" in plugin
    if is_file:
        kinds = _load_file(plugin, base)
    elif plugin in _from_modules:
        kinds = _from_modules[plugin]
    else:
        kinds = _from_modules[plugin] = _load_module(plugin, base)
    if not kinds:
        raise DiagnosticError.of(
            "plugin-without-workflow",
            f"the plugin `{plugin}` registers no workflow",
            hint='end it with `registered_workflows["my-kind"] = MyWorkflow`',
        )
    for name, kind in kinds.items():
        if not (inspect.isclass(kind) and issubclass(kind, Workflow)):
            message = f"the plugin `{plugin}` registers {kind!r} as `{name}`, which is no Workflow class"
            hint = "inherit from socm.core.models.Workflow"
            raise DiagnosticError.of("plugin-without-workflow", message, hint=hint)
    return kinds


def _load_file(plugin: str, base: Path) -> dict[str, type[Workflow]]:
    path = base / Path(plugin).expanduser()
    if not path.is_file():
        message = f"the plugin {plugin} " + ("is a folder" if path.is_dir() else "does not exist")
        hint = None if Path(plugin).is_absolute() else f"paths are relative to the campaign file, in {base}/"
        raise DiagnosticError.of("plugin-not-found", message, hint=hint)
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    name = f"socm_plugin_{path.stem}_{digest}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        message = f"the plugin {plugin} is no Python file"
        raise DiagnosticError.of("plugin-not-found", message, hint="its name ends in .py")
    module = importlib.util.module_from_spec(spec)
    with _importing(plugin, base), _registering() as kinds:
        sys.modules[name] = module
        # A changed file is read anew, whatever its compiled form beside it says.
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)  # noqa: S102 -- the user's own code
    return kinds


def _load_module(plugin: str, base: Path) -> dict[str, type[Workflow]]:
    with _importing(plugin, base), _registering() as kinds, _found_beside(base):
        importlib.import_module(plugin)
    return kinds


def _kind_of_entry_point(point: EntryPoint) -> type[Workflow]:
    title = f"{point.name} ({point.value}, installed by {point.dist.name if point.dist else 'a package'})"
    with _importing(title, None), _registering():
        found: Any = point.load()
    if isinstance(found, ModuleType) or not (inspect.isclass(found) and issubclass(found, Workflow)):
        message = f"the installed workflow {title} is no Workflow class"
        raise DiagnosticError.of("plugin-without-workflow", message)
    return found


@contextmanager
def _importing(plugin: str, base: Path | None) -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, DiagnosticError):
        raise
    except BaseException as error:  # noqa: BLE001 -- a plugin may even call exit()
        missing = isinstance(error, ModuleNotFoundError) and error.name == plugin.partition(".")[0]
        hint = "a file is named with its path, as in `./my_workflow.py`" if missing else None
        raise DiagnosticError.of(
            "plugin-not-found" if missing else "plugin-fails",
            f"the plugin `{plugin}` can't be imported: {describe_error(error)}",
            hint=hint,
            notes=() if missing else their_lines(error, base),
        ) from None


@contextmanager
def _registering() -> Iterator[dict[str, type[Workflow]]]:
    """Give what is registered inside the block, and leave the registry as it was before."""
    before = dict(registered_workflows)
    found: dict[str, type[Workflow]] = {}
    try:
        yield found
        found.update(
            (name, kind) for name, kind in registered_workflows.items() if before.get(name) is not kind
        )
    finally:
        registered_workflows.clear()
        registered_workflows.update(before)


@contextmanager
def _found_beside(base: Path) -> Iterator[None]:
    """Let modules be found in the campaign's folder too, after everything that is installed."""
    folder = str(base.resolve())
    sys.path.append(folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
