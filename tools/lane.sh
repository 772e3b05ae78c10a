#!/bin/bash
# tools/lane.sh LANE[+LANE...]: sets up, builds and runs one lane of docs/ci.md, or several.
# tools/lane.sh --list: the names of the lanes.
# Ends with a line "N passed, N failed" for each lane; with $COUNTS set, appends it to that file.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"
lanes="fast asan tsan postgres browser containers frameworks torch2 api crash fuzz bare"
if [ "${1:-}" = "--list" ]; then
  tr ' ' '\n' <<<"$lanes"
  exit 0
fi

report() { # PASSED FAILED
  echo "$1 passed, $2 failed"
  if [ -n "${COUNTS:-}" ]; then echo "$1 $2" >>"$COUNTS"; fi
}

# ctest_lane PRESET ARGUMENT...: what a test prints is shown only when it fails. A test that needs a
# lane's parts carries the label lane.<name>; every other test belongs to the fast lane.
ctest_lane() {
  local preset=$1 status=0 results=$PWD/build/$1/ctest.xml
  shift
  rm -f "$results"
  ctest --test-dir "build/$preset" --output-on-failure --progress --no-tests=error -j "${JOBS:-2}" \
    --timeout 300 --test-output-size-passed 1048576 --test-output-size-failed 1048576 \
    --output-junit "$results" "$@" || status=$?
  local counts
  counts=$(tools/count_tests.py "$results") || status=1
  # shellcheck disable=SC2086 # two numbers
  report $counts
  return $status
}

fuzz_lane() {
  local passed=0 failed=0 fuzzer name
  for fuzzer in $(find build/fuzz -name 'fuzz_*' -type f -executable | sort); do
    name=${fuzzer##*/}
    name=${name#fuzz_}
    mkdir -p ".cache/fuzz/$name" build/fuzz/found
    # Seeds, where a format has some, are read; what the fuzzer finds interesting is kept in .cache.
    local corpus=(".cache/fuzz/$name")
    [ ! -d "tests/fuzz/$name" ] || corpus+=("tests/fuzz/$name")
    if "$fuzzer" -max_total_time="${FUZZ_SECONDS:-60}" -rss_limit_mb=2048 -timeout=20 \
      -artifact_prefix="build/fuzz/found/$name-" "${corpus[@]}" >"build/fuzz/$name.log" 2>&1; then
      passed=$((passed + 1))
      echo "fuzz: $name: $(grep -oE 'Done [0-9]+ runs in [0-9]+' "build/fuzz/$name.log") s"
    else
      failed=$((failed + 1))
      tail -n 40 "build/fuzz/$name.log" >&2
      echo "fuzz: $name failed; its input is in build/fuzz/found/" >&2
    fi
  done
  report $passed $failed
  [ $failed -eq 0 ] && [ $passed -gt 0 ]
}

run_lane() {
  case $1 in
    fast)
      tools/setup.sh
      tools/build.sh debug
      ctest_lane debug -LE '^lane[.]' ;;
    asan | tsan)
      # Leaks are looked for at exit; a test that must see a child killed by a signal still does.
      export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1
      export UBSAN_OPTIONS=print_stacktrace=1
      export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:suppressions=$PWD/tools/tsan.supp
      tools/setup.sh
      tools/build.sh "$1"
      ctest_lane "$1" -LE '^(lane[.].*|house|python|console)$' ;;
    postgres)
      tools/setup.sh --lane postgres
      cmake --preset debug -DREGATTA_LANE_POSTGRES=ON >/dev/null
      tools/build.sh debug
      ctest_lane debug -L '^lane[.]postgres$' ;;
    browser)
      tools/setup.sh --lane browser
      tools/build.sh debug
      ctest_lane debug -L '^lane[.]browser$' ;;
    containers)
      tools/setup.sh --lane containers
      tools/build.sh debug
      ctest_lane debug -L '^lane[.]containers$' ;;
    frameworks)
      tools/setup.sh --lane frameworks
      tools/build.sh debug
      ctest_lane debug -L '^lane[.]frameworks$' ;;
    torch2)
      tools/setup.sh --lane torch2
      tools/build.sh debug
      ctest_lane debug -L '^lane[.]torch2$' ;;
    crash)
      tools/setup.sh
      tools/build.sh debug
      ctest_lane debug -L '^lane[.]crash$' ;;
    api)
      tools/setup.sh --lane api
      tools/build.sh debug
      ctest_lane debug -L '^lane[.]api$' ;;
    fuzz)
      tools/setup.sh --lane fuzz
      tools/build.sh fuzz
      fuzz_lane ;;
    bare)
      tools/setup.sh --lane bare
      local status=0
      tools/bare-root-check.sh || status=$?
      if [ $status -eq 0 ]; then report 1 0; else report 0 1; fi
      return $status ;;
    *)
      echo "lane.sh: no lane \"$1\"; the lanes are: $lanes" >&2
      return 2 ;;
  esac
}

[ $# -eq 1 ] || { echo "usage: tools/lane.sh LANE[+LANE...]; the lanes are: $lanes" >&2; exit 2; }
for lane in ${1//+/ }; do
  run_lane "$lane"
done
