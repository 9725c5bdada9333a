"""What is in the way of a file is told exactly where making it would fail."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from programs import run_program

from socm.workspace.ways import obstacles_in

KINDS = ("missing", "folder", "file", "link", "dangling", "loop", "long loop", "too long")


def put(place: Path, kind: str, chance: random.Random) -> Path:
    """Put something at a place, and return the place of what comes below it."""
    match kind:
        case "folder":
            place.mkdir()
        case "file":
            place.touch()
        case "link":
            place.with_name(f"{place.name}-there").mkdir()
            place.symlink_to(f"{place.name}-there")
        case "dangling":
            place.symlink_to(chance.choice(["nowhere", "/nowhere/at/all"]))
        case "loop":
            place.symlink_to(place.name)
        case "long loop":
            place.symlink_to(f"{place.name}-back")
            place.with_name(f"{place.name}-back").symlink_to(place.name)
        case "too long":
            return place.with_name("long" * 64)
    return place


def make(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()


@pytest.mark.parametrize("seed", range(150))
def test_an_obstacle_is_told_exactly_where_the_file_can_not_be_made(tmp_path, seed):
    chance = random.Random(seed)
    folder = tmp_path
    path = Path()
    for depth in range(chance.randint(1, 4)):
        place = folder / path / f"{depth}"
        there = os.path.isdir(place.parent)  # noqa: PTH112 -- False for names that are too long
        kind = chance.choices(KINDS, [3, 5, 1, 3, 1, 1, 1, 1])[0] if there else "missing"
        path = (put(place, kind, chance) if there else place).relative_to(folder)
    path /= "map.fits" if chance.random() < 0.9 else "m" * 300

    for given in (str(path), str(folder / path)):
        obstacle = obstacles_in(folder)(given)
        if obstacle is None:
            make(folder / path)
        else:
            with pytest.raises(OSError, match="Errno"):
                make(folder / path)
            assert not obstacle.is_closed
            assert f"{path}/".startswith(f"{obstacle.path}/"), "it is on the way"


@pytest.fixture
def another_user(open_path, monkeypatch) -> Iterator[Callable[[], None]]:
    """Become a user who owns nothing."""
    uid = os.geteuid()
    if uid != 0:
        pytest.skip("only root can become another user")
    monkeypatch.setattr(os, "access", partial(os.access, effective_ids=True))
    yield partial(os.seteuid, 7001)
    os.seteuid(uid)


def test_a_closed_folder_is_told(open_path, another_user):
    (open_path / "shut/below").mkdir(parents=True)
    (open_path / "shut").chmod(0o700)
    (open_path / "read-only").mkdir()
    another_user()
    obstacle_of = obstacles_in(open_path)
    for path, closed in (
        ("shut/map.fits", "shut"),
        ("shut/below/deep/map.fits", "shut"),
        ("read-only/new/map.fits", "read-only"),
    ):
        obstacle = obstacle_of(path)
        assert obstacle is not None
        assert (obstacle.path, obstacle.is_closed) == (closed, True)


CAMPAIGN = """\
[campaign.copy]
workflow = "command"
executable = "cp"
args = ["source.txt", "${self.made}"]
output_dir = "results/maps"
inputs = { source = "source.txt" }
outputs = { made = "${self.output_dir}/made.txt" }
"""


@pytest.mark.snakemake
@pytest.mark.parametrize("kind", ["file", "dangling", "loop", "long loop"])
def test_it_is_told_by_a_compile_a_run_and_snakemake_before_a_job(tmp_path, kind):
    chance = random.Random(0)
    (tmp_path / "campaign.toml").write_text(CAMPAIGN)
    (tmp_path / "source.txt").touch()
    run_program("socm", "compile", "campaign.toml", folder=tmp_path)
    put(tmp_path / "results", kind, chance)
    done = run_program("snakemake", "-c1", folder=tmp_path, check=False)
    assert done.returncode == 2
    assert "error: copy can't make results/maps/made.txt: results is a " in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "logs").exists()
    for words in (["compile"], ["check"], ["run"]):
        done = run_program("socm", *words, "campaign.toml", folder=tmp_path, check=False)
        assert done.returncode == 2, done.stderr
        assert "campaign.toml:7:20: error[blocked-output]" in done.stderr
        assert "results is a " in done.stderr
    (tmp_path / "results").unlink()
    run_program("snakemake", "-c1", folder=tmp_path)
