"""Accounts: what a job did, written beside the folder of what it made.

Whoever reads an account believes it, so it must be that of what stands in the folder, and not an older one
that was put back. The folder holds a copy of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, TypeVar

from socm.diagnostics import DiagnosticError
from socm.formats.document import Document, format_document, parse_document, read_file, replace_file

COPY = "account.json"
"""The name of the copy in the folder."""


class Account(Document):
    """What a job did; the folder `folder` beside it holds what it made."""

    folder: ClassVar[str]


A = TypeVar("A", bound=Account)


def copy_of(model: type[Account], path: Path) -> Path:
    """Return where the copy of an account is."""
    return path.parent / model.folder / COPY


def write_account(path: Path, account: Account) -> None:
    """Write an account, after its copy."""
    content = format_document(account)
    for each in (copy_of(type(account), path), path):
        replace_file(each, content)


def read_account(model: type[A], path: Path) -> A:
    """Return an account.

    Raises DiagnosticError as `read_document` does, and damaged-file where the copy is another one. A folder
    that is gone, or that an earlier version of socm left without a copy, speaks against no account.
    """
    content = read_file(path, model.noun, model.remedy)
    account = parse_document(model, content, path)
    copy = copy_of(model, path)
    if copy.exists() and read_file(copy, f"copy of the {model.noun}", model.remedy) != content:
        raise DiagnosticError.of(
            "damaged-file",
            f"The {model.noun} {path} is of other files than those beside it: theirs is {copy}",
            hint=model.remedy,
        )
    return account
