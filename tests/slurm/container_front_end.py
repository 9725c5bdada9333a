"""As much of `apptainer` as a job calls, over bubblewrap, and images that are folders.

Apptainer itself is neither in Debian nor on PyPI. The namespaces and mounts are bubblewrap's own. As there,
the image is the read-only root, and of the host only the present folder, what is bound, /proc and /dev are seen;
PATH is the image's; other variables go in.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

PATH_INSIDE = "/usr/local/bin:/usr/bin:/bin"


def make_image(folder: Path, name: str, programs: dict[str, str]) -> None:
    """Make an image with bash and env and nothing else; `programs` are bash scripts by name."""
    for program in ("bash", "env"):
        found = shutil.which(program)
        assert found is not None
        _bring(folder, Path(found).resolve(), folder / "bin" / program)
    (folder / "bin/sh").symlink_to("bash")
    (folder / "etc").mkdir()
    (folder / "etc/os-release").write_text(f'PRETTY_NAME="{name}"\n')
    (folder / "usr/local/bin").mkdir(parents=True)
    for program, script in programs.items():
        path = folder / "usr/local/bin" / program
        path.write_text(f"#!/bin/bash\n{script}")
        path.chmod(0o755)


def _bring(folder: Path, program: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(program, place)
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    for library in re.findall(r"(?<=\s)/\S+", said):
        inside = folder / library.lstrip("/")
        inside.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, inside)


def make_front_end(folder: Path, registry: Path) -> Path:
    """Write the program `apptainer` into ``folder/bin`` and return that; `registry` holds docker:// images."""
    binaries = folder / "bin"
    binaries.mkdir(parents=True)
    apptainer = binaries / "apptainer"
    apptainer.write_text(
        f'#!/bin/sh\nREGISTRY={registry} exec {sys.executable} {Path(__file__).resolve()} "$@"\n'
    )
    apptainer.chmod(0o755)
    return binaries


def bubblewrap(words: list[str]) -> list[str]:
    """Return the call of bubblewrap for the words after `apptainer exec`."""
    home, seen = str(Path.cwd()), [word for word in os.environ.get("APPTAINER_BIND", "").split(",") if word]
    while words[0].startswith("--"):
        option, value, *words = words
        if option == "--home":
            home = value
        elif option == "--bind":
            seen.append(value)
        else:
            raise ValueError(f"no {option} here")
    image, *command = words
    mounts: list[str] = []
    for entry in sorted(Path(image).iterdir()):
        mounts += ["--ro-bind", str(entry.resolve()), f"/{entry.name}"]
    for place in (home, *seen):
        mounts += ["--bind", place, place]
    variables = ["--setenv", "PATH", PATH_INSIDE, "--setenv", "HOME", home]
    return ["bwrap", "--dev", "/dev", "--proc", "/proc", *mounts, "--chdir", home, *variables, "--", *command]


def main(words: list[str]) -> int:
    """Do what the command line says."""
    match words:
        case ["--version"]:
            print("apptainer version 1.3.4")
        case ["pull", file, address]:
            image = Path(os.environ["REGISTRY"], address.removeprefix("docker://"))
            shutil.copytree(image, file, symlinks=True)
        case ["exec", *rest]:
            call = bubblewrap(rest)
            os.execvp(call[0], call)  # noqa: S606 -- this program becomes the other
        case _:
            print(f"apptainer: no {' '.join(words)} here", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
