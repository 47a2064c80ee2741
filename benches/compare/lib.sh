# What the scripts of this folder share: building, starting servers on processor 0, measuring from
# processor 1.
#
# A script that sources this has set `root`. It sets `load`, `dacapo` and `work`, a folder that vanishes in the
# end; `serve` sets `server_pid`, and `rtmp`, `http`, `api` and `bare`, the ports of the server that runs.
# shellcheck shell=bash disable=SC2154

# Where the kernel groups processes by session, priorities count within a session only; so a script that is to
# run at another priority gets its own session, and sets the priority of that.
#
# renice_all NICE SCRIPT ARGUMENTS...
renice_all() {
    local nice=$1
    shift
    [ -n "${COMPARE_SESSION:-}" ] || COMPARE_SESSION=1 exec setsid --wait "$@"
    renice -n "$nice" -p $$ >/dev/null
    [ ! -w /proc/self/autogroup ] || echo "$nice" >"/proc/$$/autogroup"
}

prepare() {
    [ "$(nproc)" -ge 2 ] ||
        { echo "needs two processors: one for the server, one for the load" >&2 && exit 1; }
    # A player is a descriptor in the server and one in the load.
    ulimit -n "$(ulimit -Hn)"
    cargo build --profile dist --quiet --manifest-path "$root/Cargo.toml" -p dacapo-server -p load
    local target=${CARGO_TARGET_DIR:-$root/target}
    load="$target/dist/load" dacapo="$target/dist/dacapo"
    # In memory where that is possible: no disk has a part in what is measured.
    if [ -w /dev/shm ]; then work=$(mktemp -d -p /dev/shm); else work=$(mktemp -d); fi
    trap 'stop; rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
}

server_pid="" helper_pid=""
stop() {
    local pid
    for pid in $server_pid $helper_pid; do
        kill "$pid" 2>/dev/null || true
        # Whatever it takes to drain is not ours to wait for.
        for _ in $(seq 50); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        kill -9 "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    server_pid="" helper_pid=""
}

is_open() { (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 10000))
        is_open "$port" || { echo "$port" && return; }
    done
}

# start PORT COMMAND...: runs a server on processor 0 and waits until the port is open.
start() {
    local port=$1
    shift
    taskset -c "${server_core:-0}" "$@" >"$work/server.log" 2>&1 &
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

# nginx_rtmp_conf PORT
nginx_rtmp_conf() {
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

# nginx_files_conf PORT FOLDER: files as nginx serves them best.
nginx_files_conf() {
    cat <<END
daemon off;
master_process off;
user root;
pid $work/nginx-files.pid;
error_log $work/nginx.log error;
events { worker_connections 16000; }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    types { application/vnd.apple.mpegurl m3u8; video/mp2t ts; }
    client_body_temp_path $work; proxy_temp_path $work; fastcgi_temp_path $work;
    uwsgi_temp_path $work; scgi_temp_path $work;
    server {
        listen 127.0.0.1:$1 backlog=4096;
        root $2;
    }
}
END
}

# start_dacapo FLUSH SETTING=VALUE...: `binary`, or else `dacapo`, on ports of its own. HLS is off as in the peers, unless a
# setting turns it on: its segments would count as memory of the players.
start_dacapo() {
    local flush=$1
    shift
    rtmp=$(free_port) http=$(free_port) api=$(free_port)
    start "$rtmp" env DACAPO_RTMP__LISTEN="127.0.0.1:$rtmp" DACAPO_HTTP__LISTEN="127.0.0.1:$http" \
        DACAPO_API__LISTEN="127.0.0.1:$api" DACAPO_LOG__LEVEL=warn DACAPO_STREAM__HLS__ENABLED=false \
        DACAPO_STREAM__PLAY__FLUSH="$flush" "$@" "${binary:-$dacapo}"
}

# Other builds of Dacapo by name: they are measured in the same rounds as `dacapo`, as NAME-frame, NAME-video, ...
declare -A builds=()

# add_build NAME=PATH
add_build() {
    local name=${1%%=*} path=${1#*=}
    if ! [[ $1 =~ ^[a-z0-9]+=. ]] || [[ $name =~ ^(bare|dacapo|nginx)$ ]]; then
        echo "expected NAME=PATH, the name in small letters and digits, not bare, dacapo or nginx: $1" >&2
        exit 2
    fi
    [ -x "$path" ] || { echo "$path is no program" >&2 && exit 2; }
    builds[$name]=$(realpath "$path")
}

# with_builds SERVERS...: the list, with the same of every other build behind each that is Dacapo.
with_builds() {
    local server name list=()
    for server in "$@"; do
        list+=("$server")
        [[ $server == dacapo* ]] || continue
        for name in "${!builds[@]}"; do
            case $server in
            dacapo) list+=("$name-video") ;;
            *) list+=("$name-${server#dacapo-}") ;;
            esac
        done
    done
    echo "${list[@]}"
}

peer_name="" peer_command="" peer_rtmp=1935 peer_http=8080

# serve NAME: starts a server; leaves empty what it does not speak.
serve() {
    rtmp="" http="" api="" bare=""
    case $1 in
    bare-*)
        bare=$(free_port)
        start "$bare" "$load" bare --listen "127.0.0.1:$bare" --flush "${1#bare-}"
        ;;
    nginx)
        rtmp=$(free_port)
        nginx_rtmp_conf "$rtmp" >"$work/nginx.conf"
        start "$rtmp" nginx -c "$work/nginx.conf"
        ;;
    "$peer_name")
        rtmp=$peer_rtmp
        [ "$peer_http" = 0 ] || http=$peer_http
        # shellcheck disable=SC2086  # a command line: its words are meant
        start "$rtmp" $peer_command
        ;;
    dacapo | dacapo-video) start_dacapo Video ;;
    dacapo-frame) start_dacapo Frame ;;
    dacapo-auto) start_dacapo Auto ;;
    dacapo-*) start_dacapo "Ms(${1#dacapo-})" ;;
    *-*)
        [ -n "${builds[${1%-*}]:-}" ] || { echo "unknown server $1" >&2 && exit 2; }
        binary=${builds[${1%-*}]} serve "dacapo-${1##*-}"
        ;;
    *) echo "unknown server $1" >&2 && exit 2 ;;
    esac
}

# ask SUBCOMMAND SERVER ROUND OPTIONS...: measures the server that runs, and adds to the results.
ask() {
    local what=$1 server=$2 round=$3 status=0
    shift 3
    # shellcheck disable=SC2086  # a subcommand may have a word behind it
    "$load" $what --rtmp "127.0.0.1:${rtmp:-0}" --http "127.0.0.1:${http:-0}" --bare "127.0.0.1:${bare:-0}" \
        --pid "$server_pid" --pin 1 --json --server "$server" --round "$round" "$@" >>"$results" || status=$?
    [ "$status" = 0 ] || { echo "no measurement of $server ($what)" >&2 && tail -5 "$work/server.log" >&2; }
}

speaks() {
    case $1 in
    rtmp) [ -n "$rtmp" ] ;;
    flv) [ -n "$http" ] ;;
    bare) [ -n "$bare" ] ;;
    esac
}

# Servers of a list that can run here.
available() {
    if [[ " $* " == *" nginx "* ]] && ! [ -e /usr/lib/nginx/modules/ngx_rtmp_module.so ]; then
        echo "nginx-rtmp is left out: apt-get install nginx libnginx-mod-rtmp" >&2
        set -- "${@/#nginx/}"
    fi
    echo "$@"
}

# reversed WORDS...
reversed() {
    local word list=()
    for word in "$@"; do list=("$word" "${list[@]}"); done
    echo "${list[@]}"
}

# compare ROUNDS SERVERS PROTOCOLS STREAMS PLAYERS OPTIONS...: in each round, for each number of streams, the
# servers run one right after the other, each freshly started for each protocol; PLAYERS are numbers with
# commas between, measured as more and more come. Every second round goes through the servers backwards, so
# that a machine that slows down favours none.
compare() {
    local rounds=$1 servers=$2 protocols=$3 streams=$4 players=$5 round stream_count protocol server
    shift 5
    # shellcheck disable=SC2086  # a list of words
    servers=$(available $(with_builds $servers))
    for round in $(seq "$rounds"); do
        # shellcheck disable=SC2086  # a list of words
        [ "$round" = 1 ] || servers=$(reversed $servers)
        for stream_count in $streams; do
            for server in $servers; do
                for protocol in bare $protocols; do
                    # The bare loop speaks nothing else, and no other server speaks that.
                    case $protocol:$server in
                    bare:bare-*) ;;
                    bare:* | *:bare-*) continue ;;
                    esac
                    serve "$server" || { stop && continue; }
                    if speaks "$protocol"; then
                        echo "round $round of $rounds: $server, $players players, $protocol" >&2
                        ask run "$server" "$round" --protocol "$protocol" --players "$players" \
                            --streams "$stream_count" "$@"
                    fi
                    stop
                done
            done
        done
    done
}

machine() {
    local model memory
    model=$(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2- | sed 's/^ *//')
    memory=$(awk '/MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo)
    echo "$(date -u +%F), $model, $(nproc) processors, $memory, Linux $(uname -r)"
}
