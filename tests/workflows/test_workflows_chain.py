"""One campaign of all kinds, chained by their data, run to its end with the real programs."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Collection
from pathlib import Path

import pytest
from programs import run_program

pytest.importorskip("sotodlib", reason="needs the mapmaking extra")

CAMPAIGN = """
[campaign]
name = "chain"
seed = 1
plugins = ["./largest.py"]

[campaign.defaults]
context = "${sat-sims.context}"
preprocess_config = "${sat-sims.preprocess_config}"
area = "${sky.area}"
site = "so_sat1"
bands = "f090"
maxiter = 2
tiled = 0
nocal = true
no_sidelobe = true
resources = { memory = "2G", runtime = "20m" }

[campaign.sky]
workflow = "command"
executable = "python"
args = ["make_sky.py", "${self.sky}", "${self.area}"]
inputs = "make_sky.py"
outputs = { sky = "results/sky.fits", area = "results/area.fits" }

[campaign.sat-sims]
output_dir = "results/sims"
bands = "SAT_f090"
wafer_slots = "w25"
thinning = 16
sample_rate = 10
sim_noise = true
scan_map = "${sky.sky}"
pixels_healpix_radec_nside = 256
filterbin_name = "filterbin"
options.mapmaker.disable = true
resources = { ranks = 2, memory = "3G" }

[campaign.sat-sims.schedule]
patch = "small_patch,1,40,-40,44,-44"
start = 2025-01-01 00:00:00
stop = 2025-01-01 03:20:00

[campaign.ml-mapmaking]
output_dir = "results/map"

[campaign.ml-null-tests]
output_dir = "results/null"
temporary = ["pass*_sky_map0*.fits"]
[campaign.ml-null-tests.mission-tests]
chunk_duration = "9m"
nsplits = 2

[campaign.power-spectra]
output_dir = "results/spectra"
[campaign.power-spectra.mask]
script = "mask.py"
args = ["${self.mask}", "${mission-tests.ivar}"]
outputs = { mask = "${self.output_dir}/mask.fits" }
[campaign.power-spectra.crosses]
script = "crosses.py"
args = ["${self.spectra}", "${mask.mask}", "${mission-tests.map}"]
kwargs = { lmax = 300, width = 100 }
inputs = { mask = "${mask.mask}", maps = "${mission-tests.map}" }
outputs = { spectra = "${self.output_dir}/crosses.txt" }

[campaign.largest]
spectra = "${crosses.spectra}"
output = "results/largest.txt"

[campaign.about-the-map]
workflow = "command"
executable = "wc"
args = ["-c", "${ml-mapmaking.map}"]
"""
LARGEST = """
import shlex

from socm.core.fields import CampaignPath
from socm.core.models import Workflow
from socm.workflows import registered_workflows

PROGRAM = "import sys, numpy; numpy.savetxt(sys.argv[2], [numpy.loadtxt(sys.argv[1])[:, 1].max()])"


class Largest(Workflow):
    '''Writes the largest power of T.'''

    executable: str = "python"
    spectra: CampaignPath
    output: CampaignPath

    def get_arguments(self, **kwargs):
        return shlex.join(["-c", PROGRAM, self.spectra, self.output])

    def get_inputs(self, **kwargs):
        return {"spectra": self.spectra}

    def get_outputs(self, **kwargs):
        return {"largest": self.output}


registered_workflows["largest"] = Largest
"""
SIMULATION = {"sky", "sat-sims-schedule", "sat-sims", "sat-sims-context"}
OF_ALL_DATA = {"ml-mapmaking", "about-the-map"}


class Chain:
    """The folder of the campaign, and the programs that a user would type there."""

    def __init__(self, folder: Path, checkout: Path) -> None:
        self.folder = folder
        for script in ("sat-sims/make_sky.py", "power-spectra/mask.py", "power-spectra/crosses.py"):
            shutil.copy(checkout / "examples" / script, folder)
        (folder / "largest.py").write_text(LARGEST)
        self.write(CAMPAIGN)

    def write(self, campaign: str) -> None:
        (self.folder / "campaign.toml").write_text(campaign)

    def socm(self, *words: str) -> str:
        """Return what a command of socm says, which must succeed."""
        done = run_program("socm", *words, folder=self.folder)
        return done.stdout + done.stderr

    def run(self) -> list[str]:
        """Run the campaign with the one command; return the jobs that it started."""
        return re.findall(r"^Job \d+: (.*), log: ", self.socm("run", "campaign.toml"), flags=re.MULTILINE)

    def downstream_of(self, rules: Collection[str]) -> set[str]:
        """Return the rules that wait, however indirectly, for some, and these, as the graph has them."""
        edges = json.loads(self.socm("graph", "campaign.toml", "--by", "rule", "--format", "json"))["edges"]
        found = set(rules)
        while more := {after for before, after in edges if before in found} - found:
            found |= more
        return found


@pytest.mark.snakemake
@pytest.mark.mapmaker
@pytest.mark.slow
def test_simulations_maps_null_tests_spectra_and_a_step_of_ones_own(tmp_path: Path, checkout: Path) -> None:
    chain = Chain(tmp_path, checkout)
    started = chain.run()
    rules = {job.split()[0] for job in started}
    # Each job ran once, those of the simulation in a first stage of their own.
    assert len(started) == len(set(started))
    assert set(started[:4]) == SIMULATION
    assert chain.downstream_of({"sky", "sat-sims-schedule"}) == rules
    assert {"mission-tests mission_split_1", "mission-tests mission_split_2", "largest"} <= set(started)
    assert float((tmp_path / "results/largest.txt").read_text()) > 0
    # Its ranks are one group, and it made what it declares: else the run would have failed.
    log = (tmp_path / "logs/sat-sims.log").read_text()
    assert "Executing workflow with 2 MPI tasks" in log
    assert "2 ranks and 1 process groups of 2 ranks each" in log
    assert (tmp_path / "results/sims/filterbin_filtered_map.fits").is_file()
    assert chain.run() == []

    chain.write(CAMPAIGN.replace("lmax = 300, width = 100", "lmax = 300, width = 150"))
    assert chain.run() == ["crosses", "largest"]
    assert len((tmp_path / "results/spectra/crosses.txt").read_text().splitlines()) == 4

    # An edit in the middle.
    chain.write(CAMPAIGN.replace("[campaign.ml-null-tests]\n", "[campaign.ml-null-tests]\nmaxiter = 3\n"))
    again = {job.split()[0] for job in chain.run()}
    assert again == chain.downstream_of({"mission-tests"})
    assert {"mission-tests", "mission-tests-null-maps", "mask", "crosses", "largest"} <= again
    assert not again & (SIMULATION | OF_ALL_DATA)
