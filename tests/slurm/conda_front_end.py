"""As much of `conda` as Snakemake calls, over py-rattler, and a channel of hand-made packages.

conda itself is neither on PyPI nor in Debian. Solving and installing are py-rattler's own.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import itertools
import json
import os
import stat
import sys
import tarfile
from pathlib import Path

ACTIVATE = """\
export CONDA_PREFIX="$1"
export PATH="$1/bin:$PATH"
"""


def make_channel(folder: Path, programs: dict[str, str]) -> str:
    """Make a channel with one package for each program, `name-version` to what it prints; return its URL."""
    from rattler.index import index_fs

    (folder / "noarch").mkdir(parents=True)
    for package, words in programs.items():
        name, version = package.rsplit("-", 1)
        script = f"#!/bin/sh\necho {words}\n".encode()
        path = {
            "_path": f"bin/{name}",
            "path_type": "hardlink",
            "sha256": hashlib.sha256(script).hexdigest(),
            "size_in_bytes": len(script),
        }
        index = {
            "name": name,
            "version": version,
            "build": "0",
            "build_number": 0,
            "depends": [],
            "subdir": "noarch",
            "noarch": "generic",
        }
        members = {
            f"bin/{name}": (script, 0o755),
            "info/index.json": (json.dumps(index).encode(), 0o644),
            "info/paths.json": (json.dumps({"paths": [path], "paths_version": 1}).encode(), 0o644),
            "info/files": (f"bin/{name}\n".encode(), 0o644),
        }
        with tarfile.open(folder / "noarch" / f"{package}-0.tar.bz2", "w:bz2") as archive:
            for member, (content, mode) in members.items():
                entry = tarfile.TarInfo(member)
                entry.size, entry.mode = len(content), mode
                archive.addfile(entry, io.BytesIO(content))
    asyncio.run(index_fs(folder))
    return folder.as_uri()


def make_front_end(folder: Path) -> Path:
    """Write the programs `conda` and `activate` into ``folder/bin``; return that folder."""
    binaries = folder / "bin"
    binaries.mkdir(parents=True)
    conda = binaries / "conda"
    conda.write_text(
        f'#!/bin/sh\nCONDA_ROOT={folder} exec {sys.executable} {Path(__file__).resolve()} "$@"\n'
    )
    conda.chmod(conda.stat().st_mode | stat.S_IXUSR)
    (binaries / "activate").write_text(ACTIVATE)
    return binaries


async def create(prefix: Path, file: Path) -> None:
    """Make the environment that a YAML file describes."""
    import yaml
    from rattler import MatchSpec, Platform, VirtualPackage, install, solve

    described = yaml.safe_load(file.read_text())
    records = await solve(
        sources=described["channels"],
        specs=[MatchSpec(spec) for spec in described.get("dependencies", [])],
        platforms=[Platform.current(), Platform("noarch")],
        virtual_packages=VirtualPackage.detect(),
    )
    prefix.mkdir(parents=True, exist_ok=True)
    (prefix / "conda-meta").mkdir(exist_ok=True)
    await install(records, target_prefix=prefix, cache_dir=prefix.parent / "packages")


def main(words: list[str]) -> int:
    """Do what the command line says."""
    root = os.environ["CONDA_ROOT"]
    options = dict(itertools.pairwise(words))
    match words:
        case ["--version"]:
            print("conda 25.1.0")
        case ["info", "--json"]:
            print(json.dumps({"conda_prefix": root, "platform": "linux-64", "envs": []}))
        case ["config", "--get", *_]:
            print(json.dumps({"get": {"channel_priority": "strict"}}))
        case ["env", "create", *_]:
            asyncio.run(create(Path(options["--prefix"]), Path(options["--file"])))
        case ["env", "export", *_] | ["list", *_] | ["clean", *_]:
            print("")
        case _:
            print(f"conda: no {' '.join(words)} here", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    # py-rattler's threads now and then outlive the interpreter's end, which then aborts.
    os._exit(code)
