# What the shell of a job knows, written by socm.

# socm's own programs, run with the Python that runs Snakemake.
socm_jobs() { "$socm_python" -P -m socm.jobs "$@"; }
socm_nulls() { "$socm_python" -P -m socm.nulls "$@"; }

# A folder of the job's own for temporary files, in the one that is asked for, until the job ends.
own_tmp_dir() {
  [ -z "$1" ] || { export TMPDIR=$(mktemp -d "$1/socm.XXXXXXXX"); trap 'rm -rf "$TMPDIR"' EXIT; }
}

# What runs containers here.
container_program() { type -P apptainer || type -P singularity || echo apptainer; }

# Fetches an image from its address, once: `fetch_image ADDRESS FILE`.
fetch_image() {
  [ -e "$2" ] || {
    mkdir -p "${2%/*}" && "$(container_program)" pull "$2.$$" "$1" && mv "$2.$$" "$2"
  }
}

# Remembers which setup file was sourced.
setup_digest=
digest_setup() {
  setup_digest=$(sha256sum 2>&- < "$1") || setup_digest=
}

# Sets REPLY to a text in JSON's quotes.
as_json() {
  REPLY=${1//\\/\\\\}
  REPLY=${REPLY//\"/\\\"}
  REPLY=${REPLY//$'\n'/\\n}
  REPLY=\"${REPLY//[[:cntrl:]]/ }\"
}

# Notes beside a job's log what it runs in: `note_environment FILE LOG OUTPUT...`, where FILE holds what the
# campaign asks for. The job writes it itself, since only the job knows, and the campaign may change.
note_environment() {
  local environment outputs= started output fact
  read -r environment < "$1"
  printf -v started '%(%Y-%m-%dT%H:%M:%S%z)T' -1
  for output in "${@:3}"; do
    as_json "$output"
    outputs+="${outputs:+, }$REPLY"
  done
  {
    printf '{"outputs": [%s],\n"environment": %s' "$outputs" "$environment"
    for fact in \
      "started=$started" \
      "host=${SLURMD_NODENAME:-${HOSTNAME:-}}" \
      "slurm_id=${SLURM_JOB_ID:-}" \
      "socm=$socm_version" \
      "snakemake=$snakemake_version" \
      "modules=${LOADEDMODULES:-}" \
      "conda_prefix=${CONDA_PREFIX:-}" \
      "setup_sha256=${setup_digest%% *}" \
      "PATH=${PATH:-}" \
      "PYTHONPATH=${PYTHONPATH:-}" \
      "LD_LIBRARY_PATH=${LD_LIBRARY_PATH:-}"; do
      as_json "${fact#*=}"
      [ "$REPLY" = '""' ] || printf ',\n"%s": %s' "${fact%%=*}" "$REPLY"
    done
    printf '}\n'
  } > "${2%.log}.environment.json"
}
