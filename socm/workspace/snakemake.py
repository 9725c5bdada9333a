"""What Snakemake keeps of a workspace in `.snakemake`: records of outputs, unfinished ones, locks."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from socm.formats.foreign import SnakemakeRecord, read_foreign
from socm.formats.layout import INCOMPLETE, LOCKS, RECORDS, RECORDS_DATABASE, SNAKEMAKE

TIMESTAMP = ".snakemake_timestamp"
"""The file by which Snakemake notes when it finished an output that is a folder."""
OLDEST_RECORD_FORMAT = 6
"""The first format of records that tells all of how an output was made."""


def written_folders(workspace: Path) -> tuple[Path, ...]:
    """Return the folders that Snakemake must be able to write to, whatever it runs."""
    return workspace / SNAKEMAKE, workspace / RECORDS, workspace / LOCKS


def read_record(workspace: Path, output: str) -> SnakemakeRecord | None:
    """Return Snakemake's record of how an output was made; None if none that can be read tells all of it."""
    record = read_foreign(SnakemakeRecord, _place(workspace / RECORDS, output))
    return None if record is None or record.record_format_version < OLDEST_RECORD_FORMAT else record


def why_unknown(workspace: Path, output: str) -> str | None:
    """Return why it isn't known how an output was made, in words; None if Snakemake's records say it."""
    _, unseen = look_at(_place(workspace / INCOMPLETE, output))
    if unseen is not None:
        return f"whether it was cut off can't be seen: {unseen}"
    if read_record(workspace, output) is not None:
        return None
    try:
        content = _place(workspace / RECORDS, output).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        if look_at(workspace / RECORDS_DATABASE)[0]:
            return (
                f"no file says how it was made, and {RECORDS_DATABASE} isn't read (--persistence-backend db)"
            )
        return "Snakemake has no record of how it was made"
    except OSError as error:
        return f"Snakemake's record of how it was made can't be read: {error.strerror}"
    try:
        SnakemakeRecord.model_validate_json(content)
    except ValidationError:
        return "Snakemake's record of how it was made is damaged"
    return "Snakemake's record of how it was made is of an older Snakemake and doesn't tell all"


def is_incomplete(workspace: Path, output: str) -> bool:
    """Return whether an output is seen to be being made, or to have been cut off while it was."""
    return look_at(_place(workspace / INCOMPLETE, output))[0]


def mark_incomplete(workspace: Path, output: str) -> None:
    """Mark an output as cut off, as Snakemake does, so that it makes it again. Raises OSError."""
    place = _place(workspace / INCOMPLETE, output)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text('{"external_jobid": null}')


def look_at(path: Path) -> tuple[bool, str | None]:
    """Return whether something is at a path, and why that can't be seen; None where it can."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False, None
    except OSError as error:
        return False, error.strerror
    return True, None


def read_all_records(workspace: Path) -> Iterator[tuple[str, SnakemakeRecord]]:
    """Yield every output that has a record, with it; what can't be read is left out. Raises OSError."""
    folder = workspace / RECORDS
    for root, _, names in os.walk(folder, onerror=_raise_unless_missing):
        for place in sorted(Path(root, name) for name in names):
            parts = place.relative_to(folder).parts
            name = "".join(part.removeprefix("@") for part in parts)
            content = place.read_bytes()
            try:
                path = base64.b64decode(name, altchars=b"-_", validate=True).decode()
                yield path, SnakemakeRecord.model_validate_json(content)
            except (binascii.Error, UnicodeDecodeError, ValidationError):
                continue


def locks_of(workspace: Path) -> list[Path]:
    """Return Snakemake's locks; none where there is no folder of them. Raises OSError."""
    try:
        names = os.listdir(workspace / LOCKS)  # noqa: PTH208 -- of this folder and not of where a link leads
    except FileNotFoundError:
        return []
    return [workspace / LOCKS / name for name in sorted(names) if name.endswith(".lock")]


def _place(folder: Path, output: str) -> Path:
    """Return the file of an output: its name in base 64, cut into folders where it is too long for one."""
    name = base64.urlsafe_b64encode(output.encode()).decode()
    longest = _longest_name(str(folder)) - 1
    parts = [name[start : start + longest] for start in range(0, len(name), longest)]
    return folder.joinpath(*(f"@{part}" for part in parts[:-1]), parts[-1])


@cache
def _longest_name(folder: str) -> int:
    try:
        return os.pathconf(folder, "PC_NAME_MAX") or 255
    except OSError:
        return 255


def _raise_unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
