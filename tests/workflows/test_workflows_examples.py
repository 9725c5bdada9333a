"""The examples of workflows: they compile as they are, and their scripts do what they say."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from programs import run_program
from workflows_workspace import Workspace

STAGES = ["mask", "crosses", "plot", "check"]


def test_simulation_waits_with_its_maps_for_what_it_makes(checkout: Path, tmp_path: Path) -> None:
    shutil.copytree(checkout / "examples/sat-sims", tmp_path / "example")
    compiled = Workspace(tmp_path / "example").compile()
    rules = [rule.name for rule in compiled.plan.rules]
    assert rules == ["sky", "sat-sims-schedule", "sat-sims", "sat-sims-context"]
    assert compiled.waiting == ("ml-mapmaking", "mission-tests")


@pytest.fixture(scope="module")
def spectra(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The example of spectra, compiled over a database of observations without their data."""
    folder = tmp_path_factory.mktemp("example") / "example"
    shutil.copytree(checkout / "examples/power-spectra", folder)
    run_program("socm", "simulate", "data", "--obsdb-only", "4000", folder=folder)
    (folder / "data/area.fits").write_text("area")
    (folder / "data/preprocess.yaml").write_text("process_pipe: []\n")
    workspace = Workspace(folder)
    workspace.compile()
    return workspace


def test_spectra_are_made_in_stages_after_the_maps(spectra: Workspace) -> None:
    plan = spectra.compile().plan
    splits = [f"results/null/mission_split_{number}" for number in (1, 2, 3, 4)]
    inputs = {rule.name: rule.spec.jobs[0].inputs for rule in plan.rules}
    assert [name for name in inputs if name in STAGES] == STAGES
    assert inputs["mask"]["ivar"] == tuple(f"{split}/sky_div.fits" for split in splits)
    assert inputs["crosses"]["maps"] == tuple(f"{split}/pass1_sky_map.fits" for split in splits)
    (command,) = spectra.commands("crosses").values()
    maps = " ".join(inputs["crosses"]["maps"])
    assert command == (
        f"python crosses.py results/spectra/crosses.txt results/spectra/mask.fits {maps} --lmax=3000 --width=300"
    )


def script(workspace: Workspace, *words: str) -> subprocess.CompletedProcess[str]:
    return run_program("python", *words, folder=workspace.folder, check=False)


def test_spectra_of_a_known_sky_come_back_and_are_drawn(spectra: Workspace) -> None:
    enmap = pytest.importorskip("pixell.enmap", reason="needs the analysis extra")
    shape, wcs = enmap.geometry(np.radians([[-5, 5], [5, -5]]), res=np.radians(0.05), proj="car")
    levels = np.diag([1e-4, 1e-5, 1e-6])
    power = np.repeat(levels[:, :, None], 4000, axis=2)
    sky = enmap.rand_map((3, *shape), wcs, power, seed=1)
    noise = np.random.default_rng(2)
    for number in (1, 2, 3):
        one = sky + noise.normal(scale=0.01, size=sky.shape)
        enmap.write_map(str(spectra.folder / f"map{number}.fits"), one)
    ivar = enmap.ones((3, 3, *shape), wcs)
    enmap.write_map(str(spectra.folder / "ivar.fits"), ivar)
    maps = [f"map{number}.fits" for number in (1, 2, 3)]
    done = script(spectra, "mask.py", "mask.fits", "ivar.fits", "--apodisation=1")
    assert done.returncode == 0, done.stderr
    done = script(spectra, "crosses.py", "crosses.txt", "mask.fits", *maps, "--lmax=3000", "--width=500")
    assert done.returncode == 0, done.stderr
    table = np.loadtxt(spectra.folder / "crosses.txt")
    assert table.shape == (6, 7)
    # Noise isn't in crosses; the mask mixes no more than some percent of a flat spectrum.
    np.testing.assert_allclose(table[1:, 1], 1e-4, rtol=0.1)
    np.testing.assert_allclose(table[1:, 2], 1e-5, rtol=0.15)
    done = script(spectra, "plot.py", "crosses.txt", "crosses.png", "--log")
    assert done.returncode == 0, done.stderr
    assert (spectra.folder / "crosses.png").read_bytes().startswith(b"\x89PNG")
    assert script(spectra, "check.py", "crosses.txt").returncode == 0


@pytest.mark.parametrize(("column", "value"), [(3, 1.0), (2, np.nan)])
def test_the_check_fails_for_what_cant_be(spectra: Workspace, column: int, value: float) -> None:
    table = np.full((5, 7), 1e-3)
    table[2, column] = value
    np.savetxt(spectra.folder / "wrong.txt", table)
    assert script(spectra, "check.py", "wrong.txt").returncode == 1


@pytest.mark.snakemake
def test_an_imported_stage_runs_with_the_options_of_its_python(workspace: Workspace) -> None:
    (workspace.folder / "dag.yml").write_text(
        "stages: {masks: {executable: python -u, script: m.py, script-args: [a b]}}"
    )
    (workspace.folder / "m.py").write_text("import sys; print(sys.argv[1:], sys.stdout.write_through)\n")
    run_program("socm", "import", "dag.yml", "-o", "campaign.toml", folder=workspace.folder)
    workspace.compile()
    ran = workspace.run()
    assert ran.code == 0, ran.text
    assert "['a b'] True" in workspace.text("logs/masks.log")
