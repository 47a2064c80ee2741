#!/usr/bin/env bash
# Plays the campaign that CI plays: 300 numbers, in the tiny world and in turmoil in turn. Red if a run fails,
# or if some rare branch of the server was never reached. What a failing run was given lies in target/campaign.
# Then a few small runs by a build without optimisation: they must be the same, to the bit.
#
#   conformance/campaign.sh                     300 numbers, from 1 on: two minutes on two cores
#   conformance/campaign.sh 5000 --seeds 1000   others, and more
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# = 0 ] && set -- --seeds 300
sim() { cargo run --quiet --locked -p sim "$@"; }

mkdir -p target/campaign && cd target/campaign
sim --release -- --world both "$@"

small=(--mode lite --world both --seeds 10 --hashes)
sim --release -- "${small[@]}" >release.hashes || { cat release.hashes; exit 2; }
sim -- "${small[@]}" >debug.hashes || { cat debug.hashes; exit 2; }
if ! diff release.hashes debug.hashes; then
  echo "FAIL: a build without optimisation (>) plays other runs: seed, hash, events"
  exit 4
fi
echo "$(wc -l <release.hashes) small runs are the same without optimisation"
