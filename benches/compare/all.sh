#!/usr/bin/env bash
# Everything that is promised of the fan-out, measured in one run: tables, and two pictures.
#
#   benches/compare/all.sh                     all parts, about 40 minutes; nothing else should run meanwhile
#   benches/compare/all.sh --quick             all parts, smaller and once: does it work? (5 minutes)
#   benches/compare/all.sh join memory         these parts
#
# | part     | what                                                                                     |
# | -------- | ---------------------------------------------------------------------------------------- |
# | user     | what a player costs without sockets, in every format (criterion)                         |
# | flush    | every flush rule beside the bare loop with the same rule, 500, 1000 and 2000 players     |
# | relay    | 200 and 500 publishers with a player each, beside the bare relay with the same rule and  |
# |          | nginx-rtmp                                                                               |
# | latency  | delays at 1, 100 and 500 players by the default rule                                     |
# | join     | first pictures: of single players, and of 1000 that come within a second                 |
# | memory   | what players, idle connections and streams cost                                          |
# | hls      | 1000 viewers of segments, from Dacapo and from nginx                                     |
# | overload | more than a processor can do: is it shared evenly, does the API answer?                  |
#
# Needs what run.sh needs.

set -euo pipefail
arguments=("$@")
root=$(cd "$(dirname "$0")/../.." && pwd)

usage() {
    sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
    cat <<'END'
Options:
  --quick       fewer players, one round, short measurements
  --rounds N    how often everything is measured                     (5)
  --out DIR     where tables, measurements and pictures go           (target/compare)
  --server NAME=PATH
                another build of Dacapo, measured in the same rounds as NAME-frame, NAME-video, ...; the tables
                tell the ratio to it ("x NAME"). Parts flush, relay, latency, join. May be given repeatedly.
  --nice N      as in run.sh
END
}

# shellcheck source=benches/compare/lib.sh
. "$root/benches/compare/lib.sh"

quick="" rounds="" nice="" out="${CARGO_TARGET_DIR:-$root/target}/compare" parts=""
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) usage && exit ;;
    --quick) quick=1 ;;
    --rounds | --out | --nice | --server)
        [ $# -ge 2 ] || { echo "$1 needs a value; --help tells more" >&2 && exit 2; }
        case $1 in
        --rounds) rounds=$2 ;;
        --out) out=$2 ;;
        --nice) nice=$2 ;;
        --server) add_build "$2" ;;
        esac
        shift
        ;;
    user | flush | relay | latency | join | memory | hls | overload) parts="$parts $1" ;;
    *) echo "unknown part or option $1; --help tells more" >&2 && exit 2 ;;
    esac
    shift
done
parts=${parts:-user flush relay latency join memory hls overload}

# Windows hold whole periods of every rule: 12 times 350 ms, 42 times 100 ms, 105 pictures.
if [ -n "$quick" ]; then
    rounds=${rounds:-1}
    short=(--prime 1 --warm-up 0 --seconds 2.1 --ramp 1000) alone=2
    steady=(--prime 1 --warm-up 2 --seconds 2.1 --ramp 1000)
    flush_players=500 relay_streams=50 latency_players=1,100 joining="50 200"
    memory_players=100,500,1000 memory_idle=500,1000 memory_streams=20,100 settle=2
    hls_viewers=200 hls_seconds=4 overload_players=1000 overload_bitrate=16000000
else
    rounds=${rounds:-5}
    short=(--prime 1 --warm-up 0 --seconds 4.2 --ramp 2000) alone=4
    # With many streams, memory that is used for the first time would be a tenth of what is measured.
    steady=(--prime 1 --warm-up 10 --seconds 4.2 --ramp 2000)
    flush_players=500,1000,2000 relay_streams="200 500" latency_players=1,100,500 joining="200 1000"
    memory_players=100,1000,2000,4000 memory_idle=1000,5000,9900 memory_streams=100,500,1000 settle=8
    hls_viewers=1000 hls_seconds=10 overload_players=4000 overload_bitrate=16000000
fi
# Parts with little noise of their own need fewer rounds.
few=$(((rounds + 1) / 3))
[ "$few" -gt 0 ] || few=1

[ -z "$nice" ] || renice_all "$nice" "$0" "${arguments[@]}"

prepare
mkdir -p "$out"
# Building takes minutes, and is not measuring.
[[ " $parts " != *" user "* ]] || (cd "$root" && cargo bench --quiet --no-run --bench fanout)

part_user() {
    (cd "$root" && cargo bench --quiet --bench fanout) >"$out/user.txt" 2>"$work/cargo.log" ||
        { tail -5 "$work/cargo.log" >&2 && return 1; }
}

part_flush() {
    local servers="bare-frame dacapo-frame bare-video dacapo bare-100 dacapo-100 bare-350 dacapo-350"
    compare "$rounds" "$servers" "rtmp flv" 1 "$flush_players" "${short[@]}"
    compare "$few" nginx rtmp 1 "$flush_players" "${short[@]}"
    tell flush rule nginx
}

part_relay() {
    local streams
    for streams in $relay_streams; do
        compare "$rounds" "bare-frame dacapo-frame nginx bare-video dacapo" rtmp "$streams" "$streams" "${steady[@]}"
    done
    tell relay rule nginx
}

part_latency() {
    compare "$few" dacapo "rtmp flv" 1 "$latency_players" "${short[@]}"
    tell latency
}

part_join() {
    local round server protocol
    for round in $(seq "$few"); do
        for server in $(with_builds dacapo) $([ "$round$quick" != 1 ] || available nginx); do
            for protocol in rtmp flv; do
                serve "$server" || { stop && continue; }
                if speaks "$protocol"; then
                    echo "round $round of $few: players come to $server, $protocol" >&2
                    # One after the other, and then all at once.
                    ask join "$server" "$round" --protocol "$protocol" --name alone \
                        --watchers 100 --newcomers $((alone * 10)) --within "$alone"
                    ask join "$server" "$round" --protocol "$protocol" --name burst \
                        --watchers "${joining% *}" --newcomers "${joining#* }"
                fi
                stop
            done
        done
    done
    tell join
}

# Every number of its own is measured in a server of its own: what was freed is not given back at once.
part_memory() {
    local what
    for what in "players rtmp $memory_players" "players flv $memory_players" "idle rtmp $memory_idle" \
        "idle flv $memory_idle" "streams rtmp $memory_streams"; do
        # shellcheck disable=SC2086  # three words
        set -- $what
        serve dacapo || { stop && continue; }
        echo "memory of $1, $2" >&2
        local options=(--protocol "$2" --steps "$3")
        case $1 in
        players) options+=(--settle "$settle" --ramp 1000) ;;
        # Connections that have been answered and want nothing stay for a minute and more.
        idle) options+=(--settle 2 --ramp 3000) ;;
        # Only then are the rings of all of them full.
        streams) options+=(--settle $((settle + 2)) --ramp 200) ;;
        esac
        ask "memory $1" dacapo 1 "${options[@]}"
        stop
    done
    tell memory
    "$load" plot memory "$results" >"$out/memory.svg"
}

# nginx serves the very files: Dacapo writes them, and runs beside the load meanwhile.
part_hls() {
    local round folder=$work/hls on=(DACAPO_STREAM__HLS__ENABLED=true)
    local options=(--viewers "$hls_viewers" --seconds "$hls_seconds")
    for round in $(seq "$few"); do
        echo "round $round of $few: segments from Dacapo" >&2
        start_dacapo Video "${on[@]}" && ask hls dacapo "$round" "${options[@]}"
        stop
        [ -n "$(command -v nginx)" ] || continue
        echo "round $round of $few: segments from nginx" >&2
        mkdir -p "$folder"
        server_core=1 start_dacapo Video "${on[@]}" DACAPO_STREAM__HLS__DIRECTORY="$folder"
        helper_pid=$server_pid http=$(free_port)
        nginx_files_conf "$http" "$folder" >"$work/nginx-files.conf"
        start "$http" nginx -c "$work/nginx-files.conf" && ask hls nginx "$round" "${options[@]}"
        stop
        rm -rf "$folder"
    done
    tell hls nginx
}

# More than a processor can do: in system calls, and in bytes. Most players only count bytes, and all are
# read rarely, or the load would be what is measured. Limits are such that the memory they allow means
# something.
part_overload() {
    local round limits=(
        DACAPO_LIMITS__CONNECTIONS=$((overload_players + 100)) DACAPO_LIMITS__STREAMS=2
        DACAPO_LIMITS__RESPONSE_BYTES=131072 DACAPO_LIMITS__OUTBOX_BYTES=65536
        DACAPO_LIMITS__FRAME_BYTES=1048576 DACAPO_LIMITS__UNPROVEN_BYTES=16384
    )
    local options=(--protocol rtmp --players "$overload_players" --look-ms 100 --one-in 10 --ramp 1000)
    options+=(--prime 3 --warm-up 4 --seconds 8)
    for round in $(seq "$few"); do
        echo "round $round of $few: more than a processor can do" >&2
        start_dacapo Frame "${limits[@]}" && ask run "dacapo, calls" "$round" "${options[@]}" \
            --api "127.0.0.1:$api"
        stop
        start_dacapo Auto "${limits[@]}" && ask run "dacapo, calls, auto" "$round" "${options[@]}" \
            --api "127.0.0.1:$api"
        stop
        start_dacapo Video "${limits[@]}" && ask run "dacapo, bytes" "$round" "${options[@]}" \
            --api "127.0.0.1:$api" --bitrate "$overload_bitrate"
        stop
    done
    tell overload
    env "${limits[@]}" DACAPO_STREAM__HLS__ENABLED=false "$dacapo" check "$root/conf/minimal.ron" |
        sed -n 's/^memory */\nmemory /p' >>"$out/overload.txt"
}

# tell PART BASES...: the table of a part, with ratios to the bases and to the other builds.
tell() {
    local part=$1 base flags=()
    shift
    for base in "$@" "${!builds[@]}"; do flags+=(--base "$base"); done
    "$load" table "${flags[@]}" "$results" >"$out/$part.txt"
}

{
    machine
    commit=$(git -C "$root" describe --always --dirty 2>/dev/null || echo "no commit")
    nginx=$(nginx -v 2>&1 || true)
    echo "$("$dacapo" --version), $commit, ${nginx#*: }, $(rustc --version)"
    for name in "${!builds[@]}"; do echo "$name: $("${builds[$name]}" --version)"; done
    echo "rounds: $rounds${quick:+, quick}"
} >"$out/machine.txt"

for part in $parts; do
    echo "== $part, $(date -u +%T)" >&2
    results="$out/$part.jsonl"
    rm -f "$results" "$out/$part.txt"
    "part_$part" || echo "$part failed" >&2
done
[ ! -e "$out/flush.jsonl" ] || "$load" plot cost "$out/flush.jsonl" >"$out/cost.svg"

cat "$out/machine.txt"
for part in $parts; do
    printf '\n## %s\n\n' "$part"
    cat "$out/$part.txt" 2>/dev/null || echo "nothing was measured"
done | tee "$out/tables.md"
