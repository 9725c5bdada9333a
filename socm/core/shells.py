"""What may stand in texts that other programs put into a shell's command line, and how."""

from __future__ import annotations

import re
import shlex
from typing import Annotated

from pydantic import AfterValidator

from socm.core.invalid import invalid

_READ_BY_SHELLS = frozenset("$`\"'\\")
_LONGEST_UNDERWAY_BYTES = 200

_MODULE = re.compile(r"[\w.+:@~=/-]+")


def survives_submission(text: str) -> bool:
    r"""Return whether a text arrives unchanged in a job that Snakemake's Slurm executor submits.

    The executor writes the wildcards of a job, its temporary files and the Snakefile's path as Python
    literals, and a shell on the login node and one on the compute node read them as if they were shell
    words (snakemake-interface-executor-plugins, `format_cli_value`; the executor's ``--wrap="…"``). So
    ``$(…)`` and backticks run there, quotes and backslashes change, and what Python writes with an escape
    arrives as that escape. Snakemake then splits the wildcards at commas, and Slurm replaces ``%`` in the
    name of a log.
    """
    return (
        is_plain(text)
        and text == text.strip()
        and not set(",%").intersection(text)
        and len(text.encode("utf-8", "replace")) <= _LONGEST_UNDERWAY_BYTES
    )


def is_plain(text: str) -> bool:
    """Return whether a text in a Python literal is the same text for a shell, once and once more."""
    return text.isprintable() and not _READ_BY_SHELLS.intersection(text)


def slurm_name(text: str) -> str:
    """Return a name that Slurm may know; raises `bad-name` for what is none or could be read otherwise."""
    if not re.search(r"\w", text) or text.startswith("-") or text != text.strip() or not is_plain(text):
        raise invalid(
            "bad-name",
            f"{text!r} is not a valid name in Slurm",
            "no quotes, dollar signs or control characters",
        )
    return text


def account_name(text: str) -> str:
    """Return the name of an account in Slurm; raises `bad-name`: of several, the executor takes the first."""
    if re.search(r"[\s,]", text):
        raise invalid("bad-name", f"{text!r} is not a valid Slurm account", "name the account to charge")
    return slurm_name(text)


def module_name(text: str) -> str:
    """Return the name of an environment module; raises `bad-name`: Snakemake doesn't quote it."""
    if not _MODULE.fullmatch(text) or text.startswith("-"):
        hint = "letters, digits and . / + : @ ~ = _ -"
        raise invalid("bad-name", f"{text!r} is not a valid name for an environment module", hint)
    return text


def is_program_path(text: str) -> bool:
    """Return whether a path may stand in a shell's command line without quotes."""
    return text == shlex.quote(text)


def conda_name(text: str) -> str:
    """Return a conda environment; raises `bad-name` for what Snakemake's shell would change or run."""
    if not is_plain(text) or text.startswith("-"):
        hint = "no quotes, dollar signs or control characters"
        raise invalid("bad-name", f"{text!r} is not a valid name for a conda environment", hint)
    return text


def submit_options(text: str) -> str:
    """Return options as words, each quoted for the shell that an executor gives them to.

    Raises `bad-submit-option` for a quote that isn't closed and for words that a shell would change. What the
    words mean, the executors know.
    """
    try:
        words = shlex.split(text)
    except ValueError:
        raise invalid("bad-submit-option", f"a quote in {text!r} isn't closed") from None
    for word in words:
        if not is_plain(word):
            hint = "no $, quotes or backslashes in it"
            raise invalid("bad-submit-option", f"a shell would change {word!r}", hint)
    return shlex.join(words)


SlurmName = Annotated[str, AfterValidator(slurm_name)]
AccountName = Annotated[str, AfterValidator(account_name)]
ModuleName = Annotated[str, AfterValidator(module_name)]
CondaName = Annotated[str, AfterValidator(conda_name)]
SubmitOptions = Annotated[str, AfterValidator(submit_options)]
