#!/usr/bin/env bash
# Measures Dacapo beside the bare loop, nginx-rtmp and any other server, in turn, in one run.
#
# Every server gets processor 0 for itself and the load processor 1. In each round the servers run one right
# after the other, each freshly started for each protocol, and their players become more and more; the table
# shows medians over the rounds and ratios of processor time within the rounds. Other work on the machine
# spoils latencies and inflates costs: the column "others %" tells how much of the server's processor it took.
#
#   benches/compare/run.sh                                  100 and 1000 players, RTMP and HTTP-FLV, 3 rounds
#   benches/compare/run.sh --servers "bare-video dacapo" --players "500 2000" --rounds 5
#   benches/compare/run.sh --peer 'srs=/opt/srs -c /tmp/srs.conf' --peer-rtmp 1936 --peer-http 8081
#
# Needs taskset (util-linux) and, for nginx, `apt-get install nginx libnginx-mod-rtmp`. Peers are used as
# their projects ship them; nothing of theirs is built here.

set -euo pipefail
arguments=("$@")
root=$(cd "$(dirname "$0")/../.." && pwd)

usage() {
    sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
    cat <<'END'
Options:
  --players LIST     numbers of players                                        (100 1000)
  --streams LIST     numbers of streams that the players share                 (1)
  --protocols LIST   rtmp, flv                                                 (rtmp flv)
  --servers LIST     bare-frame, bare-video, bare-MS, nginx,
                     dacapo, dacapo-frame, dacapo-video, dacapo-auto, dacapo-MS
                                                    (bare-frame bare-video nginx dacapo)
  --base LIST        servers to which the others are related; `rule` is the
                     bare loop with the same flush rule                        (rule nginx)
  --rounds N         how often everything is measured                          (3)
  --seconds N        length of each measurement                                (10)
  --bitrate N        bits per second of each stream                            (1000000)
  --server NAME=PATH another build of Dacapo, which runs beside each that is named dacapo in --servers and is
                     called NAME-frame, NAME-video, ...; --base NAME relates to it. May be given repeatedly.
  --peer NAME=CMD    one more server: a command that stays in the foreground
  --peer-rtmp PORT   where it listens for RTMP                                 (1935)
  --peer-http PORT   where it listens for HTTP-FLV; 0: it does not             (8080)
  --nice N           run all of it at this priority, -20 to 19: on a machine that others use, a negative
                     one (root only) keeps their work from spoiling the latencies
  --out FILE         keep the measurements, one JSON object a line
END
}

players="100 1000" streams="1" protocols="rtmp flv" servers="bare-frame bare-video nginx dacapo"
bases="rule nginx" rounds=3 seconds=10 bitrate=1000000 out="" nice=""
# shellcheck source=benches/compare/lib.sh
. "$root/benches/compare/lib.sh"
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) usage && exit ;;
    esac
    [ $# -ge 2 ] || { echo "$1 needs a value; --help tells more" >&2 && exit 2; }
    case $1 in
    --players) players=$2 ;;
    --streams) streams=$2 ;;
    --protocols) protocols=$2 ;;
    --servers) servers=$2 ;;
    --base) bases=$2 ;;
    --rounds) rounds=$2 ;;
    --seconds) seconds=$2 ;;
    --bitrate) bitrate=$2 ;;
    --server) add_build "$2" ;;
    --peer) peer_name=${2%%=*} peer_command=${2#*=} ;;
    --peer-rtmp) peer_rtmp=$2 ;;
    --peer-http) peer_http=$2 ;;
    --nice) nice=$2 ;;
    --out) out=$2 ;;
    *) echo "unknown option $1; --help tells more" >&2 && exit 2 ;;
    esac
    shift 2
done
[ -z "$peer_name" ] || servers="$servers $peer_name"

[ -z "$nice" ] || renice_all "$nice" "$0" "${arguments[@]}"

prepare
results="$work/results.jsonl"
# shellcheck disable=SC2086  # numbers become a list with commas
compare "$rounds" "$servers" "$protocols" "$streams" "$(IFS=, && set -- $players && echo "$*")" \
    --bitrate "$bitrate" --seconds "$seconds"

echo "$(machine); $rounds rounds of $seconds s, $bitrate bit/s a stream"
echo
base_flags=()
for base in $bases; do base_flags+=(--base "$base"); done
"$load" table "${base_flags[@]}" "$results"
[ -z "$out" ] || cp "$results" "$out"
