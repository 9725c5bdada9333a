"""The commands of ``python -m socm.jobs`` that surround filter-and-bin maps."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from socm.diagnostics import DiagnosticError
from socm.diagnostics.terminal import echo
from socm.formats.account import Account, write_account
from socm.formats.atomic_maps import FULL
from socm.formats.job_table import read_job_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

NO_DATA = 5


def add_commands(commands: Any) -> None:
    """Add the commands to a parser's."""

    def command(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        added: argparse.ArgumentParser = commands.add_parser(name, help=text)
        added.add_argument("table", type=Path, help="the workflow's table of jobs")
        added.add_argument("job", help="the job's name in it")
        added.set_defaults(run=run)
        return added

    command("configure-atomic", configure, "give a job of atomic maps a preprocessing archive of its own")
    command("configure-archive", configure_archive, "give a job that preprocesses an archive of its own")
    listed = command(
        "account-archive", write_archive_account, "write down which observations it preprocessed"
    )
    listed.add_argument("log", type=Path, help="the log of preprocess-tod")
    account = command("account-atomic", write_atomic_account, "write down which atomic maps a job made")
    account.add_argument("log", type=Path, help="the mapmaker's log")
    total = command("sum-atomic", write_sum, "add atomic maps up to one map")
    total.add_argument("--split", default=FULL, help="which half of each observation is added up")
    pixels = total.add_mutually_exclusive_group(required=True)
    pixels.add_argument("--area", help="FITS file whose pixels the map has")
    pixels.add_argument("--nside", type=int, help="HEALPix resolution of the map")


def configure(asked: argparse.Namespace) -> int:
    """Write the job's own preprocessing configuration; return 5 where that can't be done."""
    from socm.jobs.filterbin.preprocessing import write_own_configs

    row = read_job_row(asked.table, asked.job)
    # All that a job maps is of one wafer and band.
    (part,) = set(row["asked_for"]["sets"].values())
    wafer, _, band = part.partition(":")
    return _configured(lambda: write_own_configs(row, _query_of(row), wafer, band))


def configure_archive(asked: argparse.Namespace) -> int:
    """Write the configuration of a job that preprocesses; return 5 where that can't be done."""
    from socm.jobs.filterbin.preprocessing import write_archive_config

    row = read_job_row(asked.table, asked.job)
    return _configured(lambda: write_archive_config(row, _query_of(row)))


def _configured(write: Callable[[], None]) -> int:
    try:
        write()
    except (ValueError, OSError) as error:
        echo(f"socm: {error}", err=True)
        return NO_DATA
    return 0


def write_atomic_account(asked: argparse.Namespace) -> int:
    """Write the account of the maps; return 5 if there are none."""
    from socm.jobs.filterbin.account import account_of, remove_own_archive

    row = read_job_row(asked.table, asked.job)
    return _accounted(asked, row, account_of, lambda: remove_own_archive(Path(row["outputs"]["maps"])))


def write_archive_account(asked: argparse.Namespace) -> int:
    """Write the account of a preprocessing archive; return 5 if nothing could be preprocessed."""
    from socm.jobs.filterbin.archive import archive_account

    return _accounted(asked, read_job_row(asked.table, asked.job), archive_account)


def _accounted(
    asked: argparse.Namespace,
    row: Mapping[str, Any],
    account_of: Callable[[Mapping[str, Any], list[str], Iterable[str]], Account],
    before: Callable[[], None] = lambda: None,
) -> int:
    """Write what a job did into its account; where that is nothing, say so in its log too, and return 5."""
    title = f"{asked.table.stem} {asked.job}".strip()
    try:
        with asked.log.open(encoding="utf-8", errors="replace") as log:
            account = account_of(row, _query_of(row), log)
    except ValueError as error:
        message = f"socm: {title}: {error}"
        echo(message, err=True)
        with asked.log.open("a", encoding="utf-8") as log:
            log.write(f"\n{message}\n")
        return NO_DATA
    before()
    write_account(Path(row["outputs"]["account"]), account)
    return 0


def write_sum(asked: argparse.Namespace) -> int:
    """Write the sum of atomic maps, and on standard output what is in it; return 5 where it can't be made."""
    from socm.jobs.filterbin.sums import AreaPixels, HealpixPixels, find_maps, sum_maps
    from socm.observations.asked import Asked

    row = read_job_row(asked.table, asked.job)
    sets = Asked.from_json(row.get("asked_for", {})).of_query(_query_of(row))
    names = [f"{observation}:{part}" for observation, parts in sets.items() for part in parts or ()]
    try:
        wanted = find_maps(row["inputs"]["account"], names, asked.split)
        for name, reason in wanted.reasons.items():
            echo(f"Skipped {name} ({reason})")
        pixels = AreaPixels(asked.area) if asked.area else HealpixPixels(asked.nside)
        for line in sum_maps(wanted, pixels, row["outputs"]):
            echo(line)
    except ImportError as error:
        echo(f"socm: {error}: a sum of maps needs the analysis extra, pip install 'socm[analysis]'", err=True)
        return NO_DATA
    except DiagnosticError as error:
        echo("\n".join(f"socm: {one.message}" for one in error.diagnostics), err=True)
        return NO_DATA
    except (ValueError, OSError) as error:
        echo(f"socm: {error}", err=True)
        return NO_DATA
    return 0


def _query_of(row: Mapping[str, Any]) -> list[str]:
    return Path(row["inputs"]["query"]).read_text(encoding="utf-8").split()
