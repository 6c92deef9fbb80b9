#!/usr/bin/env bash
# Fetches a VictoriaMetrics that receives OTLP (1.93 and later), which Debian 12 does not have, from Debian 13, and unpacks it beside the
# tests' other tools. Nothing is installed, and no setting of apt is changed.
set -euo pipefail
folder="${XDG_CACHE_HOME:-$HOME/.cache}/pulselane-tests/victoria-metrics"
[ -x "$folder/usr/bin/victoria-metrics" ] && exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial"
cat >"$work/debian.sources" <<'SOURCES'
Types: deb
URIs: http://deb.debian.org/debian
Suites: trixie
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
options=(
  -o "Dir::Etc::sourcelist=$work/debian.sources" -o Dir::Etc::sourceparts=-
  -o "Dir::State::lists=$work/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
  -o APT::Sandbox::User=root -o Debug::NoLocking=1
)
apt-get -qq "${options[@]}" update
(cd "$work" && apt-get -qq "${options[@]}" download victoria-metrics)
mkdir -p "$folder"
dpkg-deb -x "$work"/victoria-metrics_*.deb "$folder"
