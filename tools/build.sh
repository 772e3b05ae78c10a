#!/bin/bash
# tools/build.sh PRESET [TARGET...]: configures when needed, builds quietly, ends with a plain line.
# The whole output is in build/<preset>/build.log.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:?usage: tools/build.sh PRESET [TARGET...]}
shift
folder=build/$preset
log=$folder/build.log
mkdir -p "$folder"
started=$SECONDS

if [ ! -f "$folder/build.ninja" ] && ! cmake --preset "$preset" >"$log" 2>&1; then
  tail -n 40 "$log" >&2
  echo "build: configuring $preset failed; the whole output is in $log" >&2
  exit 1
fi
echo "build: $preset ..."
if ! ninja -C "$folder" ${JOBS:+-j "$JOBS"} "$@" >"$log" 2>&1; then
  # Ninja prints a step's output after its FAILED line; what went well before it is noise here.
  grep -nm1 '^FAILED' "$log" >/dev/null && sed -n '/^FAILED/,$p' "$log" | head -n 80 >&2 || tail -n 40 "$log" >&2
  echo "build: $preset failed; the whole output is in $log" >&2
  exit 1
fi
echo "build: $preset is up to date after $((SECONDS - started)) s, in $folder"
