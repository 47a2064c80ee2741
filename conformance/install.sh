#!/usr/bin/env bash
# Installs what the judges need and this machine lacks: Debian packages, two newer FFmpegs, two players for
# the browser. May be run as often as one likes; says nothing when nothing is missing.
set -euo pipefail
cd "$(dirname "$0")"

packages=(
  g++
  curl ffmpeg iproute2 mediainfo procps python3-venv rtmpdump tshark tstools util-linux
  chromium fonts-dejavu-core
  gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad
  gstreamer1.0-plugins-ugly gstreamer1.0-libav
  obs-studio obs-plugins xvfb xauth libgl1-mesa-dri libegl-mesa0 libglx-mesa0
  vlc-bin vlc-plugin-base
  nginx libnginx-mod-rtmp
)

say() { printf 'install: %s\n' "$*"; }

# Runs a command as root, and keeps quiet unless it fails.
as_root() {
  local log status=0 root=()
  [ "$(id -u)" = 0 ] || root=(sudo -n)
  log=$(mktemp)
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 "$@" >"$log" 2>&1 || status=$?
  [ "$status" = 0 ] || { cat "$log" >&2; say "failed: $*"; }
  rm -f "$log"
  return "$status"
}

# Which of the packages named are not installed.
missing() {
  local name
  for name in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || echo "$name"
  done
}

if ! command -v apt-get >/dev/null; then
  say "this is not Debian; install yourself what these packages hold: ${packages[*]} nodejs npm"
else
  # Node may have come from elsewhere, and be newer.
  for program in node npm; do
    command -v "$program" >/dev/null || packages+=("${program/%node/nodejs}")
  done
  mapfile -t wanted < <(missing "${packages[@]}")
  if [ "${#wanted[@]}" -gt 0 ]; then
    say "Debian packages: ${wanted[*]}"
    as_root apt-get -q update
    as_root apt-get -q -y --no-install-recommends install "${wanted[@]}"
  fi
fi

if ! node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)'; then
  say "node $(node --version) is too old to drive Chromium: install Node.js 20 or later"
  exit 1
fi

if ! cmp -s requirements.txt .venv/installed.txt; then
  say "Python packages: $(grep -v '^#' requirements.txt | tr '\n' ' ')"
  python3 -m venv --clear .venv
  .venv/bin/pip install --quiet --no-deps --requirement requirements.txt
  cp requirements.txt .venv/installed.txt
fi

if ! cmp -s web/package-lock.json web/node_modules/installed.json; then
  say "npm packages: $(sed -n '/"dependencies"/,/}/s/^ *"\(.*\)": "\(.*\)".*/\1@\2/p' web/package.json | tr '\n' ' ')"
  (cd web && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null)
  cp web/package-lock.json web/node_modules/installed.json
fi
