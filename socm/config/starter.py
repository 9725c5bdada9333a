"""The campaign that `socm init` writes: commented, and valid as soon as its data are there."""

from __future__ import annotations

from socm.config.toml_text import toml_value

FILE = "campaign.toml"
SCHEMA_FILE = "campaign.schema.json"

_STARTER = """\
#:schema ./{schema}
# A campaign: maps of a selection of observations, and null tests of them.
#
#     socm check campaign.toml      reports every error; writes nothing
#     socm compile campaign.toml    writes workflow/Snakefile and what it needs
#     snakemake --profile local     runs it here; --profile slurm runs it on the cluster
#
# No data at hand? `socm simulate data` writes a small observation set that this campaign maps.
# docs/reference.md, or `socm schema --format markdown`, lists every key.

[campaign]
name = {name}
seed = 1                          # of the random choice: which split a chunk of time goes to
# resource = "tiger3"             # the cluster; by default this machine
# min_coverage = 0.9              # least part of its observations that a map must use

# What every workflow below has unless it says its own. Paths are relative to this file.
[campaign.defaults]
context = "data/context.yaml"     # which observations there are
area = "data/area.fits"           # the geometry of the maps
preprocess_config = "data/preprocess.yaml"
query = "1"                       # all of them; or "el_center > 50", or a file of ids
bands = "f090"
site = "so_lat"
comps = "TQU"
maxiter = 30
tiled = 0
nocal = true                      # simulated detectors are calibrated; real ones need false
no_sidelobe = true                # leave out the sidelobe cuts, which need mask files

[campaign.defaults.resources]     # of one job
ranks = 1                         # MPI processes
threads = 1                       # of each of them
memory = "2G"
runtime = "30m"

# [campaign.defaults.environment] # variables of the jobs; conda, modules, container, setup
# SOTODLIB_SITECONFIG = "site.yaml"

# One map of everything.
[campaign.ml-mapmaking]
output_dir = "results/all"

# Several of one kind: give the table a name, and say the kind. A matrix makes one job for each value.
# [campaign.maps]
# workflow = "ml-mapmaking"
# output_dir = "results/maps"
# [campaign.maps.matrix]
# bands = ["f090", "f150"]

# Null tests: each table below is one, and inherits what stands here.
[campaign.ml-null-tests]
output_dir = "results/null"

[campaign.ml-null-tests.mission-tests]
chunk_nobs = 5                    # days
nsplits = 4                       # a power of two

[campaign.ml-null-tests.wafer-tests]
chunk_nobs = 5
nsplits = 2
"""


def starter_text(name: str) -> str:
    """Return the text of a starter campaign of that name."""
    return _STARTER.format(schema=SCHEMA_FILE, name=toml_value(name))
