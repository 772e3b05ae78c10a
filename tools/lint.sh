#!/bin/bash
# tools/lint.sh: every style and static check. Whole repository: clang-format, ruff, shell syntax,
# layers. Only C++ files changed since LINT_BASE: clang-tidy (it takes seconds a file).
# LINT_BASE is a commit; the default is where this branch left main. On main itself, which advances
# by several commits at once, it is the last commit made six hours or more before the newest one;
# without one, every file is linted, as it is with LINT_ALL=1.
set -uo pipefail
cd "$(dirname "$0")/.."
. tools/versions
PATH="$PWD/.venv/bin:$PATH"
failed=()
check() {
  local name=$1
  shift
  "$@" || { failed+=("$name"); echo "lint: $name failed" >&2; }
}

base=${LINT_BASE:-}
if [ -z "$base" ]; then
  base=$(git merge-base HEAD main 2>/dev/null || true)
  if [ -z "$base" ] || [ "$base" = "$(git rev-parse HEAD)" ]; then
    base=$(git rev-list -1 --before="$(($(git log -1 --format=%ct) - 6 * 3600))" HEAD)
  fi
fi
# Files git knows or would add, one a line, limited to the given patterns.
all_files() { git ls-files --cached --others --exclude-standard -- "$@" | while read -r f; do [ -f "$f" ] && echo "$f"; done; }
changed_files() {
  if [ -n "${LINT_ALL:-}" ] || [ -z "$base" ]; then
    all_files "$@"
  else
    { git diff --name-only --diff-filter=d "$base" -- "$@"
      git ls-files --others --exclude-standard -- "$@"; } | sort -u
  fi
}

format() {
  local wrong
  wrong=$(all_files '*.cc' '*.h' '*.c' | xargs -r -d '\n' "clang-format-$CLANG_MAJOR" --dry-run -Werror 2>&1 |
    awk -F: '/error:/ { print $1 ": not formatted; make format does it" }' | sort -u)
  [ -z "$wrong" ] || { echo "$wrong"; return 1; }
}
shell_syntax() { all_files '*.sh' .ci/run | while read -r f; do bash -n "$f" || exit 1; done; }

tidy() {
  local files
  files=$(changed_files 'src/*.cc')
  [ -n "$files" ] || return 0
  command -v "clang-tidy-$CLANG_MAJOR" >/dev/null || tools/setup.sh --lane lint || return 1
  cmake --preset debug >/dev/null || return 1
  # clang cannot read GCC's precompiled headers: the same commands without them.
  tools/tidy_commands.py build/debug/compile_commands.json build/lint/compile_commands.json || return 1
  # A file that no target of this preset compiles (a fuzzer) cannot be read without its flags.
  files=$(while read -r f; do ! grep -q "\"file\": \"$PWD/$f\"" build/lint/compile_commands.json || echo "$f"; done <<<"$files")
  [ -n "$files" ] || return 0
  # In a test, an optional that is empty ends the test: nothing to prove before.
  local read='checks=; case $1 in *_test.cc) checks=--checks=-bugprone-unchecked-optional-access ;; esac
    exec "clang-tidy-$0" --quiet -p build/lint $checks "$1"'
  xargs -d '\n' -P "$(nproc)" -n 1 bash -c "$read" "$CLANG_MAJOR" <<<"$files" \
    >build/lint/tidy.log 2>build/lint/tidy.err || { cat build/lint/tidy.log; grep 'error:' build/lint/tidy.err; return 1; }
  echo "lint: clang-tidy read $(wc -l <<<"$files") files${base:+ changed since ${base:0:12}}"
}
console() { [ ! -f console/package.json ] || [ -z "$(changed_files console)" ] || npm --prefix console run --silent lint; }

check clang-format format
check ruff ruff check --quiet .
check "ruff format" ruff format --quiet --check .
check "shell syntax" shell_syntax
check layers /usr/bin/python3 tests/layers_test.py
check clang-tidy tidy
check eslint console
[ ${#failed[@]} -eq 0 ] || { echo "lint: failed: ${failed[*]}" >&2; exit 1; }
echo "lint: clean"
