#!/usr/bin/env bash
# Plays the campaign that CI plays, in the tiny world and in turmoil in turn: 300 seeds that are always the same,
# then 100 that follow from the commit, so that every commit tries others. Red if a run fails, or if some rare
# branch of the server was never reached by the fixed ones. What a failing run was given lies in target/campaign.
# Then a few small runs by a build with other optimisation and all assertions: they must be the same, to the bit.
#
#   conformance/campaign.sh                     that: three minutes on two cores
#   conformance/campaign.sh 5000 --seeds 1000   others instead, and more
#
# SIM and SIM_DEBUG name simulators that are built already.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${SIM:-}" ]; then
  cargo build --quiet --locked --release -p sim
  SIM=${CARGO_TARGET_DIR:-target}/release/sim
fi
if [ -z "${SIM_DEBUG:-}" ]; then
  cargo build --quiet --locked -p sim
  SIM_DEBUG=${CARGO_TARGET_DIR:-target}/debug/sim
fi
SIM=$(realpath "$SIM") SIM_DEBUG=$(realpath "$SIM_DEBUG")

# The commit as a number below 2^60: the same wherever this commit is. A fixed number where there is none.
seed_of_commit() {
  local commit
  if [ -e .git ] && commit=$(git rev-parse --verify --quiet HEAD); then
    echo "$((16#${commit:0:15}))"
  else
    echo 1000000000
  fi
}
fresh=$(seed_of_commit)

mkdir -p target/campaign && cd target/campaign
if [ $# = 0 ]; then
  "$SIM" --world both --seeds 300
  echo "fresh seeds, from the commit; again: conformance/campaign.sh $fresh --seeds 100"
  "$SIM" --world both --seeds 100 "$fresh"
else
  "$SIM" --world both "$@"
fi

small=(--mode lite --world both --seeds 10 --hashes)
"$SIM" "${small[@]}" >release.hashes || { cat release.hashes; exit 2; }
"$SIM_DEBUG" "${small[@]}" >debug.hashes || { cat debug.hashes; exit 2; }
if ! diff release.hashes debug.hashes; then
  echo "FAIL: the debug build (>) plays other runs: seed, hash, events"
  exit 4
fi
echo "$(wc -l <release.hashes) small runs are the same in the debug build"
