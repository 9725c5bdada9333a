"""Kinds of field that workflows share: paths, lists in one text, options of a program."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ValidationInfo, WithJsonSchema

from socm.core.invalid import invalid
from socm.core.references import references_in
from socm.diagnostics import Diagnostic, did_you_mean

_VARIABLE = re.compile(
    r"(?P<kept>\$\$\{[A-Za-z0-9_-]+\.[A-Za-z0-9_.-]+\})|\$(?:(?P<dollar>\$)|\{(?P<braced>\w+)\}|(?P<name>[A-Za-z_]\w*))"
)
_LONGEST_COMPONENT_BYTES = 255
_LONGEST_PATH_BYTES = 4000


@dataclass(frozen=True, slots=True)
class PathContext:
    """What the paths of a campaign may speak of: environment variables and home folders.

    It is the pydantic validation context when a campaign is read. Without it ``~`` and ``$VAR``
    stay as they are.
    """

    environ: Mapping[str, str]
    expand_user: Callable[[str], str]


def campaign_path(text: str, info: ValidationInfo) -> str:
    """Return a path in its plain form: without ``file://``, ``~``, ``$VAR`` and needless parts.

    A relative path stays relative. A path that holds a reference is made plain when the reference
    is resolved. Raises `bad-path` for what no shared file system takes, and `unset-variable`.
    """
    path = text.removeprefix("file://")
    if isinstance(info.context, PathContext):
        path = _expanded(path, info.context)
    check_path(path)
    return path if references_in(path) else plain_path(path)


def image_path(text: str, info: ValidationInfo) -> str:
    """Return a container image: a path as `campaign_path` does, or a registry's address as it is."""
    return text if "://" in text.removeprefix("file://") else campaign_path(text, info)


def plain_path(path: str) -> str:
    """Return a path without needless parts; one that begins with a hyphen gets ``./`` in front."""
    path = posixpath.normpath(path)
    if path.startswith("//"):
        path = path[1:]
    return f"./{path}" if path.startswith("-") else path


def check_path(path: str) -> None:
    """Raise `bad-path` if a path is empty, holds control characters or is too long."""
    if not path.strip():
        raise invalid("bad-path", "the path is empty")
    if any(ord(character) < 32 or ord(character) == 127 for character in path):
        raise invalid("bad-path", f"the path {path!r} holds a control character")
    sizes = [len(component.encode("utf-8", "replace")) for component in path.split("/")]
    if max(sizes) > _LONGEST_COMPONENT_BYTES or sum(sizes) + len(sizes) > _LONGEST_PATH_BYTES:
        raise invalid("bad-path", f"the path {path[:40]!r}… is longer than file systems allow")


def _expanded(path: str, context: PathContext) -> str:
    if path.startswith("~"):
        expanded = context.expand_user(path)
        if expanded == path:
            raise invalid("bad-path", f"{path!r} names a home folder that does not exist")
        path = expanded

    def value_of(match: re.Match[str]) -> str:
        if match["kept"]:
            return match[0]
        if match["dollar"]:
            return "$"
        name = match["braced"] or match["name"]
        if name not in context.environ:
            raise invalid(
                "unset-variable",
                f"the environment variable `{name}` is not set",
                "a `$` that is part of the name is written `$$`",
            )
        return context.environ[name]

    return _VARIABLE.sub(value_of, path)


CampaignPath = Annotated[
    str, AfterValidator(campaign_path), WithJsonSchema({"type": "string", "format": "path"})
]
"""A path as the campaign file writes it: relative to that file, absolute, file://, ~ or $VAR."""


ImagePath = Annotated[str, AfterValidator(image_path)]
"""A container image: a file or folder, as `CampaignPath`, or an address such as docker://debian:12."""


def comma_text(value: Any) -> Any:
    """Return a list or a number as the comma separated text that programs take."""
    if isinstance(value, list | tuple) and value and all(_is_word(entry) for entry in value):
        return ",".join(map(str, value))
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _is_word(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


CommaText = Annotated[
    str, BeforeValidator(comma_text), WithJsonSchema({"type": ["string", "number", "array"]})
]
"""A text that a program reads as a comma separated list; a list or a number is understood too."""


def names_in(text: str | None) -> tuple[str, ...]:
    """Return the names in a comma separated text; none for None."""
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def name_list(text: str) -> str:
    """Return a comma separated list of names as programs read it, without spaces; raises `empty-list`."""
    names = names_in(text)
    if not names:
        raise invalid("empty-list", "the list is empty", "list at least one, or omit the key to select all")
    return ",".join(names)


NameList = Annotated[CommaText, AfterValidator(name_list)]
"""Names that a program reads as a comma separated list, where it takes a space for part of a name."""


def option_value(value: Any) -> Any:
    """Return the value of a program's option, its lists as tuples; raises `wrong-type` for others."""
    if isinstance(value, list | tuple) and all(_is_word(entry) for entry in value):
        return tuple(value)
    if isinstance(value, str | int | float):
        return value
    raise invalid("wrong-type", "an option must be true or false, a number, a string or a list of these")


OptionValue = Annotated[
    Any,
    BeforeValidator(option_value),
    WithJsonSchema({"type": ["boolean", "number", "string", "array"]}),
]
"""The value of a program's option: true is a bare flag, a list is joined with commas."""


@dataclass(frozen=True, slots=True)
class ProgramOptions:
    """The options that a program knows: each name, and whether it takes a value.

    `keys` maps an option that the workflow sets itself to the workflow's own key for it, `refused` one
    that would break the job to the reason why. `dotted` says that names have parts, so that ``a.b = 1``
    in TOML, a table in a table, is the option a.b. `command` is the words that start the program, which is
    asked for its options where it is; else they are those of `listed_by`.
    """

    program: str
    takes_value: Mapping[str, bool]
    keys: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    dotted: bool = False
    command: tuple[str, ...] = ()
    listed_by: str = ""

    def spelling(self, name: str) -> str:
        """Return how the program spells an option, whose ``-`` and ``_`` are written either way."""
        if name in self.takes_value:
            return name
        plain = {option.replace("-", "_"): option for option in self.takes_value}
        return plain.get(name.replace("-", "_"), name)

    def problems(self, options: Mapping[str, Any], allow_unknown: bool = False) -> list[Diagnostic]:
        """Return what is wrong with the options; keys are counted from the workflow's table."""
        return [
            diagnostic
            for name, value in options.items()
            for diagnostic in self._problems_of(name, value, allow_unknown)
        ]

    def _problems_of(self, name: str, value: Any, allow_unknown: bool) -> list[Diagnostic]:
        key = ("options", name)
        if name in self.keys:
            own = self.keys[name]
            message = f"option `{name}` of {self.program} is set by a key of the workflow's table"
            return [Diagnostic("option-has-key", message, key=key, point_at="key", hint=f"write `{own} = …`")]
        if name in self.refused and value is not False:
            message = f"option `{name}` of {self.program} can't be used: {self.refused[name]}"
            return [Diagnostic("refused-option", message, key=key, point_at="key", hint="remove it")]
        if name not in self.takes_value:
            if allow_unknown:
                return []
            listed = f"checked against {self.listed_by}, because the program could not be asked here"
            return [
                Diagnostic(
                    "unknown-option",
                    f"{self.program} has no option `{name}`",
                    key=key,
                    point_at="key",
                    hint=did_you_mean(name, self.takes_value),
                    notes=(
                        *((listed,) if self.listed_by else ()),
                        "`allow_unknown_options = true` passes it on unchecked",
                    ),
                )
            ]
        if self.takes_value[name] and isinstance(value, bool):
            message = f"option `{name}` of {self.program} takes a value, not true or false"
            return [Diagnostic("wrong-type", message, key=key)]
        if not self.takes_value[name] and not isinstance(value, bool):
            message = f"option `{name}` of {self.program} is a flag and takes no value"
            return [Diagnostic("wrong-type", message, key=key, hint="write true or false")]
        return []
