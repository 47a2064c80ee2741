#!/usr/bin/env bash
# Plays the campaign that CI plays: 300 numbers, in the tiny world and in turmoil in turn. Red if a run fails,
# or if some rare branch of the server was never reached. What a failing run was given lies in target/campaign.
#
#   conformance/campaign.sh                     300 numbers, from 1 on: two minutes on two cores
#   conformance/campaign.sh 5000 --seeds 1000   others, and more
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# = 0 ] && set -- --seeds 300
cargo build --quiet --locked --release -p sim
mkdir -p target/campaign && cd target/campaign
cargo run --quiet --locked --release -p sim -- --world both "$@"
