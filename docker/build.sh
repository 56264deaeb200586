#!/usr/bin/env bash
# Builds an image of this folder without Docker: `docker/build.sh tf|trt10|trt8 [FOLDER]`, as root on Debian, with buildah and debootstrap.
# The base is Debian bookworm with the files of FOLDER laid over it: what NVIDIA's image would bring. STORAGE=folder keeps the images
# there; BUILD_ARGS='TENSORFLOW=tensorflow …' are handed to the Dockerfile.
set -euo pipefail
cd "$(dirname "$0")/.."
service=${1:?usage: docker/build.sh tf|trt10|trt8 [FOLDER]} files=${2:-}
[ -f "docker/$service.Dockerfile" ] || { echo "docker/build.sh: there is no docker/$service.Dockerfile" >&2; exit 2; }
for needed in buildah debootstrap; do
  command -v $needed >/dev/null || { echo "docker/build.sh: $needed is missing: apt install buildah debootstrap" >&2; exit 2; }
done
storage=${STORAGE:-/var/lib/containers/storage}
b() { buildah --storage-driver vfs --root "$storage" --runroot "$storage-run" "$@"; }

certificates=/etc/ssl/certs/ca-certificates.crt
base() { # NAME [FOLDER]: an image of Debian that trusts the certificates that this machine trusts
  local root container
  root=$(mktemp -d)
  if ! debootstrap --variant=minbase --include=ca-certificates,python3,python3-pip,python3-venv bookworm "$root" >"$root.log"; then
    tail -5 "$root.log" >&2 # what is left of the folder may hold mounts: it stays
    exit 1
  fi
  cat $certificates >"$root$certificates"
  if [ -n "${2:-}" ]; then cp -a "$2/." "$root/"; chroot "$root" ldconfig; fi
  container=$(b from scratch)
  b copy --quiet "$container" "$root" / >/dev/null
  b config --env PIP_CERT=$certificates --env SSL_CERT_FILE=$certificates --env PIP_BREAK_SYSTEM_PACKAGES=1 "$container"
  b commit --quiet --rm "$container" "$1" >/dev/null
  rm -rf "$root" "$root.log"
}

base "base-$service" "$files"
arguments=(--build-arg "BASE=localhost/base-$service")
if [ "$service" = trt8 ]; then
  base headers
  arguments+=(--build-arg HEADERS=localhost/headers)
fi
for one in ${BUILD_ARGS:-}; do arguments+=(--build-arg "$one"); done
b build --isolation chroot --pull=never "${arguments[@]}" -f "docker/$service.Dockerfile" -t "report-$service" .
b images
