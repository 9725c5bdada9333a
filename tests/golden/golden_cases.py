"""The golden cases: a campaign, what it reads, and the whole workspace that a compile makes of it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
CASES = tuple(
    sorted(path.name for path in HERE.iterdir() if path.is_dir() and path.name not in ("data", "__pycache__"))
)
EXAMPLE = HERE.parent.parent / "examples/first-light/campaign.toml"
PLACEHOLDER = "/path/to"
"""Where the data of a campaign with absolute paths is said to be."""


@dataclass(frozen=True)
class Case:
    """A golden case, set up in a folder."""

    name: str
    folder: Path

    @property
    def expected(self) -> Path:
        """The folder of the workspace that is expected."""
        return HERE / self.name / "expected"

    def set_up(self) -> None:
        """Put the campaign and what it reads into the folder; programs that it names are on PATH."""
        self.folder.mkdir(parents=True)
        data = self.folder / "data"
        shutil.copytree(HERE / "data", data)
        shutil.copytree(
            HERE / self.name, self.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("expected")
        )
        if self.name == "first-light":
            shutil.copy(EXAMPLE, self.folder)
        self._make_database(data)
        (data / "area.fits").write_bytes(b"SIMPLE  =                    T")
        campaign = self.folder / "campaign.toml"
        campaign.write_text(campaign.read_text().replace(PLACEHOLDER, str(data)))

    def _make_database(self, data: Path) -> None:
        script = data / "observations.sql"
        with closing(sqlite3.connect(data / "obsdb.sqlite")) as connection, connection:
            connection.executescript(script.read_text())
        script.unlink()

    def tree(self) -> dict[str, bytes]:
        """Return what the compile wrote: path to content, the folder's own name taken out.

        Digests of files that held the name are taken anew, after they were found right.
        """
        found = {path: (self.folder / path).read_bytes() for path in written_files(self.folder)}
        manifest = json.loads(found["workflow/manifest.json"])
        data = str(self.folder / "data").encode()
        for path, digest in manifest["files"].items():
            assert hashlib.sha256(found[path]).hexdigest() == digest, f"the digest of {path} is wrong"
        if not any(data in content for content in found.values()):
            return found
        found = {path: content.replace(data, PLACEHOLDER.encode()) for path, content in found.items()}
        manifest = json.loads(found["workflow/manifest.json"])
        manifest["files"] = {path: hashlib.sha256(found[path]).hexdigest() for path in manifest["files"]}
        campaign = (HERE / self.name / "campaign.toml").read_bytes()
        manifest["sources"] = {"campaign.toml": hashlib.sha256(campaign).hexdigest()}
        found["workflow/manifest.json"] = (json.dumps(manifest, indent=1) + "\n").encode()
        return found


def written_files(folder: Path) -> list[str]:
    """Return the files below a folder that a compile has written there."""
    return sorted(
        path.relative_to(folder).as_posix()
        for name in ("workflow", "slurm", "local", "allocation")
        for path in (folder / name).rglob("*")
        if path.is_file()
    )


def expected_tree(case: str) -> dict[str, bytes]:
    """Return the expected workspace of a case: path to content."""
    folder = HERE / case / "expected"
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def environment(programs: Path) -> dict[str, str]:
    """Return an environment in which the programs that campaigns name are found, as files that do nothing."""
    programs.mkdir(exist_ok=True)
    for name in ("so-site-pipeline",):
        program = programs / name
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    variables = {key: value for key, value in os.environ.items() if not key.startswith("SOTODLIB_")}
    return {**variables, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
