"""Reads a campaign file: bytes, encoding, TOML, each with its own way to go wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import tomli

from socm.config.document import Document
from socm.diagnostics import Diagnostic, DiagnosticError, Place, nearest_name

LARGEST_FILE_BYTES = 20_000_000
_INIT_HINT = "`socm init` writes a campaign to start from"
_PLACE_IN_MESSAGE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def read_document(path: Path) -> Document:
    """Return the document in a TOML file; raises DiagnosticError where it can't be read."""
    file = str(path)
    text = read_text(path)
    try:
        data = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise DiagnosticError(_syntax_problem(error, text, file)) from None
    except (RecursionError, ValueError) as error:
        # A nesting or a number beyond what Python takes: TOML sets no limit, so tomli doesn't either.
        what = "nested too deeply" if isinstance(error, RecursionError) else f"not readable: {error}"
        raise DiagnosticError.of("toml-syntax", f"the document is {what}", place=Place(file)) from None
    if not data:
        message = "the file is empty" if not text.strip() else "the file contains only comments"
        raise DiagnosticError.of("empty-file", message, place=Place(file), hint=_INIT_HINT)
    return Document(file=file, text=text, data=data)


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file; raises DiagnosticError where it can't be read."""
    return _decode(_read_bytes(path, str(path)), str(path))


def _read_bytes(path: Path, file: str) -> bytes:
    def problem(code: str, message: str, hint: str | None = None) -> DiagnosticError:
        return DiagnosticError.of(code, message, place=Place(file), hint=hint)

    try:
        if path.is_dir():
            found = sorted(entry.name for entry in path.glob("*.toml"))
            hint = f"did you mean `{path / found[0]}`?" if found else None
            raise problem("not-a-file", "this is a directory, not a campaign file", hint)
        if not path.exists():
            raise problem("no-such-file", "there is no such file", _near_file(path))
        if not path.is_file():
            raise problem("not-a-file", "this is not a regular file")
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise problem("not-a-file", "this file is too large to be a campaign")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise problem("unreadable-file", f"the file can't be read: {reason}") from None


def _near_file(path: Path) -> str | None:
    folder = path.parent
    names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    of_its_kind = [name for name in names if path.suffix and name.endswith(path.suffix)]
    if nearest := nearest_name(path.name, names) or next(iter(of_its_kind), None):
        return f"did you mean `{folder / nearest}`?"
    return _INIT_HINT if folder.is_dir() else f"there is no folder `{folder}`"


def _decode(content: bytes, file: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            message, line, column = "the file is UTF-16, not UTF-8", 1, 1
        else:
            before = content[: error.start].decode("utf-8-sig", "replace")
            line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
            message = f"byte 0x{content[error.start]:02x} is not UTF-8"
        problem = Diagnostic(
            "wrong-encoding", message, place=Place(file, line, column), hint="save the file as UTF-8"
        )
        raise DiagnosticError(problem) from None


def _syntax_problem(error: tomli.TOMLDecodeError, text: str, file: str) -> Diagnostic:
    message: str = getattr(error, "msg", None) or str(error)
    line: int | None = getattr(error, "lineno", None)
    column: int | None = getattr(error, "colno", None)
    found = _PLACE_IN_MESSAGE.search(str(error))
    if found:
        message = _PLACE_IN_MESSAGE.sub("", str(error))
        line, column = (int(found[1]), int(found[2])) if found[1] else _end_of(text)
    elif line is None:
        line, column = _end_of(text)
    lines = text.split("\n")
    row = lines[line - 1].rstrip() if line <= len(lines) else ""
    if "Cannot" in message:
        return _written_twice(message, lines, line, file)
    if "Unescaped" in message:
        # tomli points behind the character that was not escaped.
        column = max((column or 1) - 2, 1)
    return Diagnostic(
        "toml-syntax",
        message[:1].lower() + message[1:],
        place=Place(file, line, column),
        hint=_syntax_hint(message, row.strip()),
    )


def _written_twice(message: str, lines: Sequence[str], line: int, file: str) -> Diagnostic:
    """Return the problem of a key or a table that was there already, with the line of the first one."""
    row = lines[line - 1].rstrip()
    written = row.partition("=")[0] if not row.lstrip().startswith("[") else row.partition("#")[0]
    name = written.strip()
    start = row.find(name) + 1
    first = 0
    for number, earlier in enumerate(lines[: line - 1], start=1):
        if earlier.lstrip().startswith("[") and not name.startswith("["):
            first = 0
        elif re.match(rf"\s*{re.escape(name)}\s*(=|#|$)", earlier):
            first = first or number
    if not first:
        message = message[:1].lower() + message[1:]
    else:
        message = f"{name if name.startswith('[') else f'`{name}`'} is written twice"
    return Diagnostic(
        "toml-syntax",
        message,
        place=Place(file, line, max(start, 1), max(len(name), 1)),
        hint="a key or a table may appear only once",
        notes=(f"first written on line {first}",) if first else (),
    )


def _end_of(text: str) -> tuple[int, int]:
    lines = text.rstrip().split("\n")
    return len(lines), len(lines[-1].rstrip("\r")) + 1


def _syntax_hint(message: str, row: str) -> str | None:
    """Return what most likely went wrong on a row that isn't TOML."""
    value = row.partition("=")[2].strip()
    if re.match(r"(True|False|None|null|yes|no|on|off)\b", value):
        return "TOML writes true and false in lower case, and leaves out what has no value"
    if re.match(r"(<<<<<<<|=======|>>>>>>>)( |$)", row):
        return "a merge left a conflict here: keep one of its sides"
    if "Invalid value" in message or "Expected newline" in message:
        if re.match(r"[A-Za-z/~.$]", value):
            return "a string needs quotes"
        if re.match(r"\d", value):
            return "a number with a unit needs quotes"
    if "Expected '='" in message and re.match(r"[\w-]+\s*:", row):
        return "TOML writes `key = value`, with `=`"
    if "escape" in message:
        return "write a backslash in a string as `\\\\`, or put the string in single quotes"
    if "Illegal character '\\n'" in message:
        return "a string ends on the line where it begins; the closing quote is missing"
    if "Unclosed array" in message:
        return "a list before this line is missing its closing ]"
    if "end of a table declaration" in message:
        return "a table's header ends with ]"
    return None
