"""A campaign in a folder, compiled by socm and run by the real Snakemake."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from programs import run_program

from socm.compile import Compiled, compile_campaign, write
from socm.diagnostics import Diagnostic, DiagnosticError

PREPROCESS = """context_file: data/context.yaml
subobs: {use: [wafer_slot, wafer.bandpass], label: wafer_slot}
archive: {index: index.sqlite, policy: {type: simple, filename: archive.h5}}
process_pipe: []
"""
"""The configuration of a preprocessing that does nothing."""


@dataclass(frozen=True)
class Run:
    """What a run of Snakemake did: its exit code, the jobs that it started, and what it said."""

    code: int
    started: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Workspace:
    """A folder with a campaign in it."""

    folder: Path

    def write(self, campaign: str, **files: str) -> None:
        """Write the campaign, and other files whose names have _ for dots."""
        (self.folder / "campaign.toml").write_text(campaign, encoding="utf-8")
        for name, text in files.items():
            (self.folder / name.replace("_", ".")).write_text(text, encoding="utf-8")

    def compile(self) -> Compiled:
        compiled = compile_campaign(self.folder / "campaign.toml")
        write(compiled)
        return compiled

    def told(self) -> tuple[Diagnostic, ...]:
        """Return the errors of a compile that must fail, and see that it wrote nothing."""
        before = self.paths()
        try:
            compile_campaign(self.folder / "campaign.toml")
        except DiagnosticError as error:
            assert self.paths() == before
            return error.diagnostics
        raise AssertionError("the campaign compiles")

    def paths(self) -> list[Path]:
        """Return every path in the folder but for Python's compiled files."""
        return sorted(path for path in self.folder.rglob("*") if "__pycache__" not in path.parts)

    def run(self, *options: str, timeout_s: float = 500) -> Run:
        """Run the workflow on this machine, without the start-up of a shell around it."""
        words = ("snakemake", "--profile", "local", "--cores", "2", *options)
        done = run_program(*words, folder=self.folder, check=False, timeout=timeout_s)
        text = done.stdout + done.stderr
        started = re.findall(r"^Job \d+: (.*), log: ", text, flags=re.MULTILINE)
        return Run(done.returncode, tuple(sorted(started)), text)

    def text(self, path: str) -> str:
        return (self.folder / path).read_text(encoding="utf-8")

    def commands(self, rule: str) -> Mapping[str, str]:
        """Return the command of each job in a rule's table, by the job's name."""
        import json

        rows = json.loads(self.text(f"workflow/jobs/{rule}.json"))
        return {name: row["command"] for name, row in rows.items()}
