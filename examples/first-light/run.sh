#!/bin/sh
# The demo: three commands, each of which you can type yourself.
set -eu
cd "$(dirname "$0")"

step() { printf '\n$ %s\n' "$*"; "$@"; }

echo 'Simulate observations, compile, then map and judge: two to four minutes.'
step socm simulate data
step socm compile campaign.toml
printf '\nTwelve jobs follow, about two minutes on two cores; Snakemake shows after each how many are done.\n'
step snakemake --profile local

cat <<'TEXT'

Look at:
  report.html, verdict.json                       what the null tests say
  results/all/pass1_sky_map.fits                  the map of all observations
  results/null/mission-tests/, wafer-tests/       half differences: d_*.fits, pictures: *.png; spectra.npz, pte.json
  results/null/*/summary.json                     the numbers of the tables above
  workflow/Snakefile, workflow/rules/*.smk        the workflow that made them
  workflow/splits/*/*.txt                         which observation went to which split
TEXT
