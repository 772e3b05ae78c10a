#!/bin/bash
# tools/bare-root-check.sh [COMMAND...]: does a fresh clone of HEAD work on a bare Debian 12?
# Makes a minimal Debian in a temporary folder (debootstrap), carries in how this machine's package
# clients reach their registries, clones HEAD into it and runs each command there: by default
# `make run` and `make test`, and both again. Nothing of this machine's build, caches or environments is visible.
# Needs root. Removes everything at the end; KEEP=1 keeps the folder and says where it is.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$(id -u)" -eq 0 ] || { echo "bare-root-check: needs root (debootstrap, chroot)" >&2; exit 1; }
command -v debootstrap >/dev/null || tools/setup.sh --lane bare

# A mount and process namespace of our own: mounts made below and whatever the commands leave
# running end with this script, however it ends.
if [ -z "${REGATTA_BARE_INSIDE:-}" ]; then
  REGATTA_BARE_INSIDE=1 exec unshare --mount --pid --fork --kill-child --propagation private \
    "$0" "$@"
fi
[ $# -gt 0 ] || set -- "make run" "make test" "make run" "make test"

work=$(mktemp -d "${BARE_PARENT:-/var/tmp}/regatta-bare-XXXXXX")
root=$work/root
cleanup() {
  # Processes of the commands hold the mounts: a lazy unmount lets go of them at once.
  grep -o " $root/[^ ]*" /proc/self/mounts | sort -r | xargs -r -n 1 umount -l
  if [ -n "${KEEP:-}" ]; then
    echo "bare-root-check: kept $work"
  elif ! grep -q " $root/" /proc/self/mounts; then
    rm -rf --one-file-system "$work"
  fi
}
trap cleanup EXIT
timed() {
  local name=$1 started=$SECONDS
  shift
  echo "== bare: $name"
  "$@" || { echo "== bare: $name FAILED after $((SECONDS - started)) s" >&2; exit 1; }
  echo "== bare: $name took $((SECONDS - started)) s"
}

bootstrap() {
  local mirror
  mirror=$(grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null |
    head -1 | tr -d ' ')
  # make is the one thing the commands themselves need; certificates are what apt and pip need.
  debootstrap --variant=minbase --include=make,ca-certificates bookworm "$root" \
    ${mirror:+"$mirror"} >"$work/debootstrap.log" 2>&1 ||
    { tail -n 20 "$work/debootstrap.log" >&2; return 1; }
}

# How apt, pip and npm reach their registries here, whatever it is: files are copied as they are,
# variables are passed on; a certificate bundle that a variable names goes along under a name that
# no package overwrites.
carry=()
carry_configuration() {
  local file name value
  cp -a /etc/apt/. "$root/etc/apt/"
  cp -a /usr/share/keyrings/. "$root/usr/share/keyrings/"
  for file in /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/npmrc \
    "$HOME"/.pip/pip.conf "$HOME"/.config/pip/pip.conf "$HOME"/.npmrc "$HOME"/.netrc; do
    [ -f "$file" ] || continue
    local target=${file/#$HOME//root}
    mkdir -p "$root$(dirname "$target")"
    cp -L "$file" "$root$target"
  done
  if [ -d /usr/local/share/ca-certificates ]; then
    cp -a /usr/local/share/ca-certificates/. "$root/usr/local/share/ca-certificates/"
    chroot "$root" update-ca-certificates >/dev/null 2>&1
  fi
  while IFS='=' read -r -d '' name value; do
    case $name in
      *_FIND_LINKS | npm_config_nodedir) continue ;;  # folders of this machine
      PIP_CERT | SSL_CERT_FILE | REQUESTS_CA_BUNDLE | CURL_CA_BUNDLE | NODE_EXTRA_CA_CERTS)
        [ -f "$value" ] || continue
        cp -L "$value" "$root/etc/ssl/carried-$name.pem"
        carry+=("$name=/etc/ssl/carried-$name.pem") ;;
      PIP_* | npm_config_* | NPM_CONFIG_* | [Hh][Tt][Tt][Pp]_[Pp][Rr][Oo][Xx][Yy] | \
        [Hh][Tt][Tt][Pp][Ss]_[Pp][Rr][Oo][Xx][Yy] | [Nn][Oo]_[Pp][Rr][Oo][Xx][Yy])
        carry+=("$name=$value") ;;
    esac
  done < <(env -0)
}

mount_system() {
  mount -t proc proc "$root/proc"
  mount --rbind /sys "$root/sys"
  mount --rbind /dev "$root/dev"
  mount -t tmpfs -o size=50% tmpfs "$root/tmp"
}

clone() {
  git -c safe.directory="$PWD" clone -q --no-hardlinks "file://$PWD" "$root/root/regatta"
  git -C "$root/root/regatta" checkout -q "$(git rev-parse HEAD)"
}

inside() {
  chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    TERM=dumb LANG=C.UTF-8 "${carry[@]}" bash -c "cd /root/regatta && $1"
}

timed debootstrap bootstrap
carry_configuration
mount_system
clone
for command in "$@"; do
  timed "$command" inside "$command"
done
echo "bare-root-check: commit $(git rev-parse --short=12 HEAD) works on a bare Debian $(cat "$root/etc/debian_version")"
