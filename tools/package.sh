#!/bin/bash
# tools/package.sh deb|wheel: makes one package in dist/ and says which.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p dist .cache
log=$PWD/.cache/package.log
quietly() { "$@" >"$log" 2>&1 || { tail -n 25 "$log" >&2; echo "package: failed; the whole output is in $log" >&2; exit 1; }; }

case ${1:-} in
  deb)
    quietly tools/build.sh release program
    rm -f dist/*.deb
    quietly cpack --config build/release/CPackConfig.cmake -G DEB
    rm -rf dist/_CPack_Packages
    ls dist/*.deb ;;
  wheel)
    rm -f dist/*.whl
    quietly .venv/bin/pip wheel --no-deps --disable-pip-version-check -w dist ./python
    ls dist/*.whl ;;
  *) echo "usage: tools/package.sh deb|wheel" >&2; exit 2 ;;
esac
