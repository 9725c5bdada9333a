"""A JSON file that one room writes and another reads: a frozen model with the number of its format."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from socm.diagnostics import Diagnostic, DiagnosticError
from socm.diagnostics.naming import naming

FORMAT_KEY = "format"
"""The first key of every document: the number of its format."""

MOST_PROBLEMS = 8
"""Wrong keys of a document that are listed; one change of shape can make hundreds."""


class Part(BaseModel):
    """A table inside a document: unknown keys, NaN and infinities are errors; nothing changes later."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, ser_json_inf_nan="constants", defer_build=True
    )


class Document(Part):
    """A whole file. A subclass says what it is, its format, and what mends a broken one.

    Raise `format_number` whenever an earlier socm would misread the file.
    """

    noun: ClassVar[str]
    """What messages call the file, such as "coverage record"."""
    format_number: ClassVar[int] = 1
    remedy: ClassVar[str]
    """A hint for who has a broken or an older one: a sentence."""


D = TypeVar("D", bound=Document)


def read_document(model: type[D], path: Path) -> D:
    """Return the document in a file; raises DiagnosticError as `parse_document` does, or unreadable-file."""
    return parse_document(model, read_file(path, model.noun, model.remedy), path)


def parse_document(model: type[D], content: bytes, path: str | os.PathLike[str]) -> D:
    """Return the document that a file's content is; `path` is what messages call it.

    Raises DiagnosticError damaged-file where the content is no JSON, holds NaN or infinity, or isn't of the
    model's shape, and other-format where another version of socm wrote it.
    """
    where = f"The {model.noun} {os.fspath(path)}"

    def refuse(reason: str, *notes: str) -> NoReturn:
        raise DiagnosticError.of(
            "damaged-file", f"{where} is damaged: {reason}", hint=model.remedy, notes=notes
        ) from None

    try:
        keys = json.loads(content.decode(), parse_constant=_refuse_number, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        refuse("it is empty" if not content.strip() else f"it can't be read as JSON: {error}")
    if not isinstance(keys, dict):
        refuse("it isn't a JSON object")
    number = keys.pop(FORMAT_KEY, None)
    if number is None:
        refuse(f"it has no `{FORMAT_KEY}`")
    if number != model.format_number or isinstance(number, bool | float):
        raise DiagnosticError(_other_format(model, number, where))
    try:
        return model.model_validate_json(json.dumps(keys), strict=True)
    except ValidationError as error:
        problems = [_describe_problem(problem) for problem in error.errors(include_url=False)]
        more = len(problems) - MOST_PROBLEMS
        refuse(problems[0], *problems[1:MOST_PROBLEMS], *([f"and {more} more"] if more > 0 else ()))


def format_document(document: Document) -> bytes:
    """Return a document as JSON, its format number first, the same bytes for the same values.

    Raises ValueError for what no reader would take: NaN, infinity, and half a surrogate pair in a text.
    """
    keys = {FORMAT_KEY: document.format_number, **document.model_dump(mode="json")}
    json.dumps(keys, ensure_ascii=False).encode()
    return (json.dumps(keys, indent=1, allow_nan=False) + "\n").encode()


def write_document(path: Path, document: Document) -> None:
    """Write a document, whole or not at all; raises OSError where the folder can't be written."""
    replace_file(path, format_document(document))


def read_file(path: Path, noun: str, remedy: str | None = None) -> bytes:
    """Return a regular file's content; raises DiagnosticError unreadable-file, for a pipe at once."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            reason = "it is a folder" if path.is_dir() else "it isn't a regular file"
        else:
            return path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
    raise DiagnosticError.of("unreadable-file", f"The {noun} {path} can't be read: {reason}", hint=remedy)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file beside its place and rename it into place, so that a reader sees the old or the new.

    Permissions are those of a new file. A failure leaves what was there, and names the file.
    """
    with naming(path):
        try:
            handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from None
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                os.fchmod(file.fileno(), 0o666 & ~umask())
            Path(partial).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(partial).unlink()
            raise


def umask() -> int:
    """Return the permissions that new files don't get."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is too large a number")
    return value


def _other_format(model: type[Document], number: Any, where: str) -> Diagnostic:
    is_newer = type(number) is int and number > model.format_number
    return Diagnostic(
        "other-format",
        f"{where} has format {json.dumps(number)[:20]}; "
        f"this version of socm reads format {model.format_number}",
        hint="Use the version of socm that wrote it, or a later one." if is_newer else model.remedy,
    )


def _describe_problem(problem: Any) -> str:
    key = ".".join(map(str, problem["loc"]))
    return f"{key}: {problem['msg']}" if key else str(problem["msg"])
