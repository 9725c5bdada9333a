"""Simulations with toast_so_sim: what a campaign says about them, and what its jobs are told."""

from __future__ import annotations

import shlex

import pytest
from workflows_workspace import Workspace

SCHEDULE = """#Site           Telescope        Latitude [deg] Longitude [deg]   Elevation [m]
ATACAMA         SAT1                    -22.958         -67.786          5200.0
#     Start time UTC        Stop time UTC Rotation Patch name      Az min   Az max       El  Pass Sub
 2025-01-01 02:20:00  2025-01-01 02:29:20     0.00 small_patch     220.87   227.41    58.93     0   0
"""
TABLE = """
[campaign.sat-sims]
output_dir = "sims"
[campaign.sat-sims.schedule]
patch = "small_patch,1,40,-40,44,-44"
start = 2025-01-01 {start}
stop = 2025-01-01 {stop}
elevation_min = 45
options.boresight-angle-step-deg = 45
"""


def words_of(workspace: Workspace, campaign: str, rule: str = "sat-sims") -> dict[str, list[str]]:
    """Return the words of each job's command."""
    workspace.write(
        f'[campaign.sat-sims]\noutput_dir = "sims"\nschedule = "s.txt"\n{campaign}', s_txt=SCHEDULE
    )
    workspace.compile()
    return {name: shlex.split(command) for name, command in workspace.commands(rule).items()}


def value_of(words: list[str], option: str) -> str:
    """Return the word after an option, which is there once."""
    assert words.count(option) == 1
    return words[words.index(option) + 1]


def test_every_key_reaches_the_program_under_its_name(workspace: Workspace) -> None:
    (words,) = words_of(
        workspace,
        """
bands = "SAT_f150"
telescope = "SAT2"
sample_rate = 20
thinning = 8
sim_noise = true
sim_sss = true
sim_hwpss = true
sim_hwpss_atmo_data = "atmosphere"
pixels_healpix_radec_nside = 256
filterbin_name = "maps"
options.sim_ground.scan_rate_az = "1 deg/s"
options.mapmaker.disable = true
options.demodulate.enable = true
options.raw_statistics.enable = false
""",
    ).values()
    assert words[0] == "toast_so_sim"
    values = {
        "--out_dir": "sims",
        "--schedule": "s.txt",
        "--bands": "SAT_f150",
        "--telescope": "SAT2",
        "--sample_rate": "20.0",
        "--thinfp": "8",
        "--realization": "0",
        "--sim_hwpss.atmo_data": "atmosphere",
        "--pixels_healpix_radec.nside": "256",
        "--filterbin.name": "maps",
        "--sim_ground.scan_rate_az": "1 deg/s",
    }
    assert {option: value_of(words, option) for option in values} == values
    switches = {word for word in words if word.endswith((".enable", ".disable"))}
    assert switches == {
        "--sim_noise.enable",
        "--scan_map.disable",
        "--sim_atmosphere.disable",
        "--sim_sss.enable",
        "--sim_hwpss.enable",
        "--pixels_healpix_radec.enable",
        "--save_hdf5.enable",
        "--filterbin.enable",
        "--mapmaker.disable",
        "--demodulate.enable",
    }
    assert not {"--wafer_slots", "--tube_slots", "--context", "--subcommand"} & set(words)


def test_each_band_and_realisation_is_a_job_with_its_seed_and_folder(workspace: Workspace) -> None:
    jobs = words_of(workspace, 'bands = "SAT_f090,SAT_f150"\nrealisation = 5\nrealisations = 3\n')
    assert {
        name: (value_of(words, "--realization"), value_of(words, "--bands")) for name, words in jobs.items()
    } == {
        f"realisation_{number}/{band}": (str(number), band)
        for number in (5, 6, 7)
        for band in ("SAT_f090", "SAT_f150")
    }
    assert all(value_of(words, "--out_dir") == f"sims/{name}" for name, words in jobs.items())
    contexts = workspace.commands("sat-sims-context")
    assert list(contexts) == ["realisation_5", "realisation_6", "realisation_7"]


def test_ranks_make_process_groups(workspace: Workspace) -> None:
    words_of(workspace, 'resources = { ranks = 2, threads = 1, memory = "4G" }\n')
    rule = workspace.text("workflow/rules/sat-sims.smk")
    assert "group_size=2" in rule
    assert "--job_group_size={resources.group_size}" in rule


def test_outputs_are_declared_and_other_workflows_read_them(workspace: Workspace) -> None:
    words_of(
        workspace,
        """filterbin_name = "maps"
[campaign.look]
workflow = "command"
executable = "ls"
args = ["${sat-sims.map}", "${sat-sims.tods}", "${sat-sims.config}", "${sat-sims.context}"]
""",
    )
    assert workspace.commands("look") == {
        "": "ls sims/maps_filtered_map.fits sims/data sims/config_log.toml sims/context/context.yaml"
    }


SIMULATOR = """#!/bin/sh
mkdir -p "$2/data"
touch "$2/data/scan.h5" "$2/config_log.toml"
"""


@pytest.mark.snakemake
def test_time_streams_that_are_temporary_go_when_their_last_reader_is_done(workspace: Workspace) -> None:
    words_of(
        workspace,
        """executable = "./simulator"
temporary = ["tods"]
[campaign.count]
workflow = "command"
executable = "sh"
args = ["-c", "ls $0 > count.txt", "${sat-sims.tods}"]
outputs = "count.txt"
""",
    )
    (workspace.folder / "simulator").write_text(SIMULATOR)
    (workspace.folder / "simulator").chmod(0o755)
    workspace.compile()
    # Not the context, for which nothing was simulated here.
    run = workspace.run("count")
    assert run.code == 0, run.text
    assert run.started == ("count", "sat-sims")
    assert workspace.text("count.txt") == "scan.h5\n"
    assert not (workspace.folder / "sims/data").exists()
    assert (workspace.folder / "sims/config_log.toml").exists()


@pytest.mark.snakemake
@pytest.mark.mapmaker
def test_a_made_schedule_without_a_scan_ends_the_run_before_anything_is_simulated(
    workspace: Workspace,
) -> None:
    pytest.importorskip("toast", reason="needs the mapmaking extra")
    workspace.write(TABLE.format(start="08:00:00", stop="09:00:00"))
    workspace.compile()
    run = workspace.run()
    assert run.code != 0
    assert run.started == ("sat-sims-schedule",)
    assert "the schedule sims/schedule.txt is empty" in workspace.text("logs/sat-sims-schedule.log")
    assert not (workspace.folder / "sims/schedule.txt").exists()
