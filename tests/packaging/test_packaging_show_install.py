"""What `make demo` shows while it installs: how much is done, and an estimate that comes true at a steady pace."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


@pytest.fixture(scope="module")
def shown(checkout: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "show_install", checkout / "examples/first-light/show_install.py"
    )
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Clock:
    """A clock that goes on by so many seconds with each wheel."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def lines(self, packages: int, pace: float, metadata: bool) -> Iterator[str]:
        for number in range(packages):
            yield f"Collecting package-{number}>=1 (from socm)\n"
            if metadata:
                yield f"  Downloading package_{number}-1-py3-none-any.whl.metadata (4.1 kB)\n"
            else:
                yield f"  Downloading package_{number}-1-py3-none-any.whl (20.0 MB)\n"
                self.seconds += pace
        if metadata:
            for number in range(packages):
                yield f"Downloading package_{number}-1-py3-none-any.whl (20.0 MB)\n"
                self.seconds += pace
        yield f"Installing collected packages: {', '.join(f'p{number}' for number in range(packages))}\n"
        yield "Successfully installed all\n"


@given(packages=st.integers(2, 80), pace=st.floats(0.1, 30))
@pytest.mark.parametrize("metadata", [True, False])
def test_the_estimate_comes_true(shown: ModuleType, metadata: bool, packages: int, pace: float) -> None:
    clock = Clock()
    expected = 1 if metadata else packages
    lines = list(shown.show(clock.lines(packages, pace, metadata), expected, lambda: clock.seconds))
    downloads = lines[:packages]
    for number, line in enumerate(downloads, 1):
        assert line.startswith(f"  package {number} of {'' if metadata else 'about '}{packages}")
    for number, line in enumerate(downloads[1:], 1):
        left = pace * (packages - number)
        said = re.search(r"about (\d+|a) (s|minutes?) left to fetch", line)
        assert said, line
        seconds = (1 if said[1] == "a" else int(said[1])) * (1 if said[2] == "s" else 60)
        assert abs(seconds - left) <= max(10, 30 if said[2] != "s" else 0), (line, left)
    assert lines[-2].startswith(f"  all fetched; installing {packages} packages, the last step: about ")
    assert lines[-1] == "  done"


def test_more_packages_than_expected_have_no_total(shown: ModuleType) -> None:
    clock = Clock()
    lines = list(shown.show(clock.lines(3, 1, metadata=False), 2, lambda: clock.seconds))
    assert [line.partition(":")[0] for line in lines[:3]] == [
        "  package 1 of about 2",
        "  package 2 of about 2, about 10 s left to fetch",
        "  package 3",
    ]


def test_the_demo_expects_as_many_packages_as_it_installs(checkout: Path) -> None:
    pytest.importorskip("toast", reason="needs the mapmaking extra")
    installed: set[str] = set()
    wanted = [Requirement("socm[analysis,mapmaking,diagnostics]")]
    while wanted:
        one = wanted.pop()
        key = f"{canonicalize_name(one.name)}{sorted(one.extras)}"
        if key in installed:
            continue
        installed.add(key)
        try:
            requires = metadata.requires(one.name) or []
        except metadata.PackageNotFoundError:
            continue
        wanted += [
            other
            for other in map(Requirement, requires)
            if other.marker is None
            or any(other.marker.evaluate({"extra": extra}) for extra in ("", *one.extras))
        ]
    count = len({key.partition("[")[0] for key in installed})
    (expected,) = re.findall(r"(?m)^DEMO_PACKAGES := (\d+)$", (checkout / "Makefile").read_text())
    assert abs(int(expected) - count) <= 0.1 * count, count


def test_what_goes_wrong_is_shown_as_it_is(shown: ModuleType) -> None:
    assert list(shown.show(["ERROR: No matching distribution\n", "  noise\n"], 9)) == [
        "ERROR: No matching distribution"
    ]
