#!/usr/bin/env bash
# Measures Dacapo beside the bare loop, nginx-rtmp and any other server, in turn, in one run.
#
# Every server gets processor 0 for itself and the load processor 1. In each round, for each number of players
# and each protocol, the servers run one right after the other, each freshly started; the table shows medians
# over the rounds and ratios of processor time within the rounds. Other work on the machine spoils latencies
# and inflates costs: the column "others %" tells how much of the server's processor it took.
#
#   benches/compare/run.sh                                  100 and 1000 players, RTMP and HTTP-FLV, 3 rounds
#   benches/compare/run.sh --servers "bare-video dacapo" --players "500 2000" --rounds 5
#   benches/compare/run.sh --peer 'srs=/opt/srs/objs/srs -c /tmp/srs.conf' --peer-rtmp 1936 --peer-http 8081
#
# Needs taskset (util-linux) and, for nginx, `apt-get install nginx libnginx-mod-rtmp`. Peers are used as their
# projects ship them; nothing of theirs is built here.

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
                     dacapo, dacapo-frame, dacapo-video, dacapo-MS  (bare-frame bare-video nginx dacapo)
  --base LIST        servers to which the others are related                   (bare-video nginx)
  --rounds N         how often everything is measured                          (3)
  --seconds N        length of each measurement                                (10)
  --bitrate N        bits per second of each stream                            (1000000)
  --peer NAME=CMD    one more server: a command that stays in the foreground
  --peer-rtmp PORT   where it listens for RTMP                                 (1935)
  --peer-http PORT   where it listens for HTTP-FLV; 0: it does not             (8080)
  --nice N           run all of it at this priority, -20 to 19: on a machine that others use, a negative
                     one (root only) keeps their work from spoiling the latencies
  --out FILE         keep the measurements, one JSON object a line
END
}

players="100 1000" streams="1" protocols="rtmp flv" servers="bare-frame bare-video nginx dacapo"
bases="bare-video nginx" rounds=3 seconds=10 bitrate=1000000 out="" nice=""
peer_name="" peer_command="" peer_rtmp=1935 peer_http=8080
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

if [ -n "$nice" ]; then
    # Where the kernel groups processes by session, priorities count within a session only; so this gets its
    # own, and sets the priority of that.
    [ -n "${COMPARE_SESSION:-}" ] || COMPARE_SESSION=1 exec setsid --wait "$0" "${arguments[@]}"
    renice -n "$nice" -p $$ >/dev/null
    [ ! -w /proc/self/autogroup ] || echo "$nice" >"/proc/$$/autogroup"
fi

[ "$(nproc)" -ge 2 ] || { echo "needs two processors: one for the server, one for the load" >&2 && exit 1; }
# A player is a descriptor in the server and one in the load.
ulimit -n "$(ulimit -Hn)"

cargo build --release --quiet --manifest-path "$root/Cargo.toml" -p dacapo -p load
target=${CARGO_TARGET_DIR:-$root/target}
load="$target/release/load" dacapo="$target/release/dacapo"

work=$(mktemp -d)
server_pid=""
stop() {
    [ -n "$server_pid" ] || return 0
    kill "$server_pid" 2>/dev/null || true
    # Whatever it takes to drain is not ours to wait for.
    for _ in $(seq 50); do
        kill -0 "$server_pid" 2>/dev/null || break
        sleep 0.1
    done
    kill -9 "$server_pid" 2>/dev/null || true
    wait "$server_pid" 2>/dev/null || true
    server_pid=""
}
trap 'stop; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

is_open() { (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 10000))
        is_open "$port" || { echo "$port" && return; }
    done
}

# start COMMAND...: runs a server on processor 0 and waits until $1 (a port) is open.
start() {
    local port=$1
    shift
    taskset -c 0 "$@" >"$work/server.log" 2>&1 &
    server_pid=$!
    for _ in $(seq 100); do
        is_open "$port" && return
        kill -0 "$server_pid" 2>/dev/null || break
        sleep 0.1
    done
    echo "$1 does not serve on port $port:" >&2
    tail -5 "$work/server.log" >&2
    return 1
}

nginx_conf() {
    cat <<END
load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
daemon off;
master_process off;
pid $work/nginx.pid;
error_log $work/nginx.log error;
events { worker_connections 16000; }
rtmp {
    access_log off;
    server {
        listen 127.0.0.1:$1;
        chunk_size 4096;
        application live { live on; }
    }
}
END
}

# serve NAME: starts a server; sets rtmp, http and bare to what it listens on, empty for what it does not.
serve() {
    rtmp="" http="" bare=""
    case $1 in
    bare-*)
        bare=$(free_port)
        start "$bare" "$load" bare --listen "127.0.0.1:$bare" --flush "${1#bare-}"
        ;;
    nginx)
        rtmp=$(free_port)
        nginx_conf "$rtmp" >"$work/nginx.conf"
        start "$rtmp" nginx -c "$work/nginx.conf"
        ;;
    dacapo*)
        local flush
        rtmp=$(free_port) http=$(free_port)
        case $1 in
        dacapo | dacapo-video) flush=Video ;;
        dacapo-frame) flush=Frame ;;
        *) flush="Ms(${1#dacapo-})" ;;
        esac
        # HLS is off as in the peers: its segments would count as memory of the players.
        start "$rtmp" env DACAPO_RTMP__LISTEN="127.0.0.1:$rtmp" DACAPO_HTTP__LISTEN="127.0.0.1:$http" \
            DACAPO_API__LISTEN=127.0.0.1:0 DACAPO_LOG__LEVEL=warn DACAPO_STREAM__HLS__ENABLED=false \
            DACAPO_STREAM__PLAY__FLUSH="$flush" "$dacapo"
        ;;
    "$peer_name")
        rtmp=$peer_rtmp
        [ "$peer_http" = 0 ] || http=$peer_http
        # shellcheck disable=SC2086  # a command line: its words are meant
        start "$rtmp" $peer_command
        ;;
    *) echo "unknown server $1" >&2 && exit 2 ;;
    esac
}

# measure NAME PROTOCOL PLAYERS STREAMS ROUND
measure() {
    local status=0
    "$load" run --rtmp "127.0.0.1:${rtmp:-0}" --http "127.0.0.1:${http:-0}" --bare "127.0.0.1:${bare:-0}" \
        --protocol "$2" --players "$3" --streams "$4" --bitrate "$bitrate" --seconds "$seconds" \
        --pid "$server_pid" --pin 1 --json --server "$1" --round "$5" >>"$work/results.jsonl" || status=$?
    [ "$status" = 0 ] || { echo "no measurement of $1 ($2)" >&2 && tail -5 "$work/server.log" >&2; }
}

speaks() {
    case $1 in
    rtmp) [ -n "$rtmp" ] ;;
    flv) [ -n "$http" ] ;;
    bare) [ -n "$bare" ] ;;
    esac
}

if [[ " $servers " == *" nginx "* ]] && ! [ -e /usr/lib/nginx/modules/ngx_rtmp_module.so ]; then
    echo "nginx-rtmp is left out: apt-get install nginx libnginx-mod-rtmp" >&2
    servers=${servers/nginx/}
fi

for round in $(seq "$rounds"); do
    for stream_count in $streams; do
        for player_count in $players; do
            for protocol in bare $protocols; do
                for server in $servers; do
                    # The bare loop speaks nothing else, and nobody else speaks that.
                    case $protocol:$server in
                    bare:bare-*) ;;
                    bare:* | *:bare-*) continue ;;
                    esac
                    echo "round $round of $rounds: $server, $player_count players, $protocol" >&2
                    serve "$server" || { stop && continue; }
                    if speaks "$protocol"; then
                        measure "$server" "$protocol" "$player_count" "$stream_count" "$round"
                    fi
                    stop
                done
            done
        done
    done
done

echo "$(date -u +%F), $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2- | sed 's/^ *//'), $(nproc) processors," \
    "Linux $(uname -r); $rounds rounds of $seconds s, $bitrate bit/s a stream"
echo
base_flags=()
for base in $bases; do base_flags+=(--base "$base"); done
"$load" table "${base_flags[@]}" "$work/results.jsonl"
[ -z "$out" ] || cp "$work/results.jsonl" "$out"
