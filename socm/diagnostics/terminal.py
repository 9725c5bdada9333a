"""The edge where text leaves for a terminal: nothing in a text moves, colours or retitles it.

Texts of campaigns, logs, databases, FITS headers and file names may hold escape sequences. Everything that
socm prints passes here, and control characters are shown as escapes.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from functools import cache
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

# C0 and C1 controls, surrogates, line and paragraph separators, and what turns the direction of text.
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_KEPT = frozenset("\n\t")


def printable(text: str, kept: Iterable[str] = _KEPT) -> str:
    r"""Return a text with control characters as escapes such as ``\x1b``; line feeds and tabs are `kept`."""
    if text.isascii() and text.isprintable():
        return text
    return CONTROLS.sub(lambda match: match[0] if match[0] in kept else _escaped(match[0]), text)


def printable_json(text: str) -> str:
    r"""Return a JSON document with control characters inside its texts as ``\u009b``: the same document."""
    return CONTROLS.sub(lambda match: match[0] if match[0] in _KEPT else f"\\u{ord(match[0]):04x}", text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


# click and rich take longer to import than most commands run, and jobs print a line or none.


def echo(text: object = "", *, nl: bool = True, err: bool = False, bold: bool = False) -> None:
    """Print a text on standard output, or with `err` on standard error."""
    import click

    click.secho(printable(str(text)), nl=nl, err=err, bold=bold or None)


def json_text(document: object) -> str:
    """Return a JSON document for people and programs."""
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def echo_json(document: object) -> None:
    """Print a JSON document."""
    import click

    click.echo(printable_json(json_text(document)), nl=False)


def make_console(
    *, width: int | None = None, colour: bool | None = None, file: IO[str] | None = None
) -> Console:
    """Return a console of rich on `file`, standard output by default, that prints texts as they are.

    There is no markup in texts (``[bold]``, ``[link=…]``, ``:emoji:``) and no control character in what is
    rendered. `colour` None leaves to rich whether there is any.
    """
    settings: dict[str, Any] = {"markup": False, "emoji": False, "highlight": False}
    if colour is not None:
        settings["no_color"] = not colour
    return _console_class()(file=file or sys.stdout, width=width, **settings)


@cache
def _console_class() -> type[Console]:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment
    from rich.text import Text

    class PlainConsole(Console):
        """A console on which only rich itself moves the cursor or sets a colour."""

        def render(
            self, renderable: RenderableType, options: ConsoleOptions | None = None
        ) -> Iterable[Segment]:
            """Yield the segments of a renderable, their texts without control characters."""
            if isinstance(renderable, Text):
                renderable = _plain_text(renderable)
            for segment in super().render(renderable, options):
                yield segment if segment.control else segment._replace(text=printable(segment.text))

        def render_str(self, text: str, **options: Any) -> Text:
            """Return a string as text, escaped before it is laid out, so that columns fit."""
            return super().render_str(printable(text), **options)

    return PlainConsole


def _plain_text(text: Any) -> Any:
    plain = printable(text.plain)
    if plain == text.plain:
        return text
    found = text.copy()
    found.plain = plain
    return found
