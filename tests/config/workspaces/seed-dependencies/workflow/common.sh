# What the shell of a job knows, written by socm.

# socm's own programs, run with the Python that runs Snakemake.
socm_jobs() { SOCM_FILES=${socm_files:-} "$socm_python" -P -m socm.jobs "$@"; }
socm_nulls() { "$socm_python" -P -m socm.nulls "$@"; }

# A folder of the job's own for temporary files, in the one that is asked for, until the job ends.
own_tmp_dir() {
  [ -n "$1" ] || return 0
  # The job's own commands may change TMPDIR or the folder they are in: what goes is what was made here.
  socm_tmp_dir=$(cd -- "$1" && mktemp -d "$PWD/socm.XXXXXXXX")
  readonly socm_tmp_dir
  export TMPDIR=$socm_tmp_dir
  trap end_job EXIT
}

# What follows the end of a job, however it ends.
end_job() {
  local code=$?
  [ -z "${socm_tmp_dir:-}" ] || rm -rf -- "$socm_tmp_dir" || :
  [ -z "${socm_files:-}" ] || (cd -- "$socm_folder" && note_files "E$code") || :
  # A shell that is killed has no code of its own to end with: bash has to end it.
  [ "$code" = 0 ] && [ -z "${socm_ended:-}" ] || note_usage "$code" || :
}

# Ends a job with the code of its last command: `end_of_job CODE`.
end_of_job() {
  socm_ended=1
  exit "$1"
}

# Notes what a job used, beside its log: `note_usage CODE`. Only this process knows what its descendants took,
# so the program that writes it down takes its place. An interpreter that doesn't start here notes nothing.
note_usage() {
  [ -n "${socm_usage:-}" ] && [ -n "${socm_rules:-}" ] && cd -- "$socm_folder" && "$socm_python" -I -S -c '' 2>&- || return 0
  shopt -s execfail
  exec "$socm_python" -I -S "$socm_usage" end "$1" "$socm_rules" "${socm_files%.made}.log"
}

# What runs containers here.
container_program() { type -P apptainer || type -P singularity || echo apptainer; }

# Fetches an image from its address, once: `fetch_image ADDRESS FILE`.
fetch_image() {
  [ -e "$2" ] || {
    mkdir -p "${2%/*}" && "$(container_program)" pull "$2.$$" "$1" && mv -nT "$2.$$" "$2"
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
  local environment own outputs= started output fact
  { read -r environment && read -r own || own=; } < "$1"
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
      "manifest_sha256=${socm_manifest:-}" \
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
  socm_rules=$1
  export SOCM_RANKS=$PWD/${2%.log}.ranks SOCM_SHELL=${HOSTNAME:-}:$$
  rm -rf -- "$SOCM_RANKS"
  begin_job "$own" "$2" "${@:3}"
}

# Notes beside a job's log which files there are when it starts and when it ends, so that what it made can be
# judged by what was there: `begin_job OWN LOG OUTPUT...`, where OWN says that nobody else writes into the
# folders of its outputs. socm.jobs.made reads it.
begin_job() {
  socm_own=$1 socm_files=$PWD/${2%.log}.made socm_folder=$PWD socm_outputs=() socm_folders=()
  local output folder
  for output in "${@:3}"; do
    [[ $output == /* ]] || output=./$output
    socm_outputs+=("$output")
    folder=${output%/*}
    [[ " ${socm_folders[*]-} " == *" ${folder:=/} "* ]] || socm_folders+=("$folder")
  done
  declare -gA socm_there=()
  note_files "B$EUID" || :
  trap end_job EXIT
}

# Notes the files of this moment: `note_files MOMENT`. Without X at its end a note is not whole, and counts
# for nothing.
note_files() {
  local form='%y %U %s %T@ %p\0' folder real name whole=1
  {
    printf '\0%s\0' "$1" "W$(pwd -P)" || whole=
    for folder in "${socm_folders[@]}"; do
      real=$(cd -- "$folder" 2>&- && pwd -P) || continue
      printf '%s\0' "D$folder" "R$real" || whole=
      # What lies in a folder that the workspace is in is not a job's own.
      [[ $socm_own == own && "$(pwd -P)/" != "${real%/}/"* ]] || continue
      printf '%s\0' "L$folder" || whole=
      find -H "$folder" -mindepth 1 -maxdepth 1 -printf "F$form" || whole=
      while read -rd '' name; do
        if [[ $1 == B* ]]; then
          socm_there[$name]=1
        elif [[ -z ${socm_there[$name]-} ]]; then
          find "$name" -mindepth 1 -printf "F$form" || whole=
        fi
      done < <(find -H "$folder" -mindepth 1 -maxdepth 1 -type d -print0)
    done
    # Those that aren't there are no failure of the note.
    find "${socm_outputs[@]}" -printf "O$form" 2>&- || :
    [ -z "$whole" ] || printf 'X\0'
  } >> "$socm_files"
}
