// The page: what is live, what plays, and how to publish.

const $ = id => document.getElementById(id);
const video = $('video');
const WAYS = {
  flv: { label: 'HTTP-FLV', can: () => !!Source, Player: FlvPlayer },
  ws: { label: 'WebSocket', can: () => !!Source, Player: FlvPlayer },
  hls: { label: 'HLS', can: () => !!video.canPlayType('application/vnd.apple.mpegurl'), Player: HlsPlayer },
};
const URLS = { rtmp: 'RTMP', flv: 'HTTP-FLV', ws: 'WS-FLV', ts: 'HTTP-TS', hls: 'HLS' };

let live = [];       // the streams of the last poll
let rtmpPort = 1935; // where to publish; null: nowhere
let now = null;      // what plays: { key, way, player, tries, waiting, why, rate }
const cards = new Map();

const keyOf = stream => [stream.vhost, stream.app, stream.name].filter(Boolean).join('/');
const rtmpBase = () => `rtmp://${location.hostname}${rtmpPort === 1935 ? '' : ':' + rtmpPort}`;

function urlsOf({ vhost, app, name }) {
  const path = [...app.split('/'), name].map(encodeURIComponent).join('/');
  const query = vhost ? `?vhost=${encodeURIComponent(vhost)}` : '';
  const http = `${location.origin}/${path}`, ws = http.replace(/^http/, 'ws');
  return {
    rtmp: rtmpPort ? `${rtmpBase()}/${app}/${name}${query}` : null,
    flv: `${http}.flv${query}`,
    ws: `${ws}.flv${query}`,
    ts: `${http}.ts${query}`,
    hls: `${http}.m3u8${query}`,
  };
}

function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// ---- What is live

async function poll() {
  try {
    const response = await fetch('/live.json', { cache: 'no-store' });
    if (!response.ok) throw new Error();
    const list = await response.json();
    live = list.streams;
    rtmpPort = list.rtmp_port;
    $('count').textContent = list.total === 1 ? '1 stream live' : `${list.total || 'no'} streams live`;
    $('count').className = list.total ? 'on' : '';
    show();
    if (now?.waiting && live.some(stream => keyOf(stream) === now.key)) start();
  } catch {
    $('count').textContent = 'the server does not answer';
    $('count').className = 'off';
  }
  setTimeout(poll, 2000);
}

/** Cards are changed in place: what a person is about to click must not go away under the pointer. */
function show() {
  const keys = new Set(live.map(keyOf));
  for (const [key, card] of cards) {
    if (keys.has(key)) continue;
    card.remove();
    cards.delete(key);
  }
  for (const stream of live) {
    const key = keyOf(stream);
    if (!cards.has(key)) {
      cards.set(key, cardOf(stream));
      $('list').append(cards.get(key));
    }
    cards.get(key).facts.textContent = factsOf(stream).join(' · ');
    cards.get(key).classList.toggle('playing', now?.key === key);
  }
  $('empty').hidden = live.length > 0;
  $('help').hidden = !live.length || !rtmpPort;
  help();
}

function factsOf({ video, audio, players }) {
  const facts = [];
  if (video) facts.push(video.width ? `${video.codec} ${video.width}×${video.height}` : video.codec);
  if (audio) facts.push(audio.sample_rate ? `${audio.codec} ${audio.sample_rate / 1000} kHz` : audio.codec);
  if (!facts.length) facts.push('no picture or sound yet');
  return [...facts, players === 1 ? '1 viewer' : `${players} viewers`];
}

function cardOf(stream) {
  const key = keyOf(stream), urls = urlsOf(stream), facts = make('p', { className: 'facts' });
  const play = make('button', { className: 'main', textContent: 'Play', onclick: () => choose(key) });
  const row = way => make('div', { className: 'url' },
    make('span', { textContent: URLS[way] }), make('code', { textContent: urls[way], title: urls[way] }),
    copier(urls[way]));
  const card = make('article', { className: 'card' },
    make('div', { className: 'top' }, make('h2', { textContent: key }), play), facts,
    make('div', { className: 'urls' }, ...Object.keys(URLS).filter(way => urls[way]).map(row)));
  return Object.assign(card, { facts });
}

function copier(text) {
  const button = make('button', { textContent: 'Copy' });
  button.onclick = async () => {
    button.textContent = await copy(text) ? 'Copied' : 'Sorry';
    setTimeout(() => { button.textContent = 'Copy'; }, 1500);
  };
  return button;
}

/** Browsers lend the clipboard to secure origins alone; the old way works everywhere. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = make('textarea', { value: text, style: 'position:fixed;opacity:0' });
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}

function help() {
  const server = `${rtmpBase()}/live`, picture = '-f lavfi -i testsrc2=size=1280x720:rate=30';
  const sound = '-f lavfi -i sine=frequency=440:sample_rate=48000';
  const codecs = '-c:v libx264 -preset veryfast -tune zerolatency -pix_fmt yuv420p -g 60 -c:a aac';
  const how = (title, text) => [
    make('p', { textContent: title }),
    make('div', { className: 'how' }, make('code', { textContent: text }), copier(text)),
  ];
  for (const place of document.querySelectorAll('.publish')) {
    if (place.dataset.port === String(rtmpPort)) continue;
    place.dataset.port = rtmpPort;
    place.replaceChildren(...rtmpPort ? [
      ...how('In OBS: Settings → Stream → Service “Custom…”. Server:', server),
      ...how('and a stream key of your choice, for instance:', 'cam1'),
      ...how('With FFmpeg, from a file:', `ffmpeg -re -i video.mp4 -c copy -f flv ${server}/cam1`),
      ...how('With FFmpeg, a test picture:', `ffmpeg -re ${picture} ${sound} ${codecs} -f flv ${server}/cam1`),
    ] : [make('p', { textContent: 'RTMP is switched off on this server (setting rtmp.listen).' })]);
  }
}

// ---- What plays

/** Plays a stream, in the way that was asked for or the first that this browser can. */
function choose(key, way = Object.keys(WAYS).find(name => WAYS[name].can())) {
  stop();
  now = { key, way, tries: 0 };
  history.replaceState(null, '', '#' + encodeURI(key));
  $('stage').hidden = false;
  $('title').textContent = key;
  $('ways').replaceChildren(...Object.keys(WAYS).filter(name => WAYS[name].can()).map(name => {
    const button = make('button', { textContent: WAYS[name].label, onclick: () => choose(key, name) });
    button.setAttribute('aria-pressed', name === way);
    return button;
  }));
  if (!way) return word('This browser has neither Media Source nor HLS. Copy a URL into VLC instead.', true);
  $('stage').scrollIntoView({ block: 'nearest' });
  start();
  show();
}

function start() {
  const stream = live.find(stream => keyOf(stream) === now.key), mine = now;
  now.player?.stop();
  now.player = null;
  now.waiting = !stream;
  if (!stream) return word('Waiting for this stream to begin…');
  word('Loading…');
  $('stage').classList.toggle('blind', !stream.video && !!stream.audio);
  now.rate = { at: performance.now(), bytes: 0, kbps: 0 };
  const size = [stream.video?.width || 1280, stream.video?.height || 720];
  const tell = (...news) => { if (now === mine) told(...news); };
  now.player = new WAYS[now.way].Player(video, urlsOf(stream)[now.way], size, tell);
  video.play().catch(error => {
    if (error.name !== 'NotAllowedError') return;
    video.muted = true; // a page that nobody touched may play only without sound
    $('sound').hidden = false;
    video.play().catch(() => word('Press play.'));
  });
}

/** News from the player. */
function told(what, detail) {
  if (what === 'word') return word(detail);
  if (what === 'again') return start();
  now.player?.stop();
  now.player = null;
  if (what === 'ended') {
    word('The stream has ended. It goes on here if it comes back.');
    later(3000, () => { now.waiting = true; });
  } else if (detail.unsupported && now.way !== 'hls' && WAYS.hls.can()) {
    choose(now.key, 'hls');
    now.why = `${detail.message} Copy a URL into VLC instead.`; // said if HLS does not help either
  } else {
    word(detail.name === 'TypeError' ? 'The connection was lost.' : now.why || detail.message, true);
    const hopeless = detail.unsupported || now.why || ++now.tries > 8;
    if (!hopeless) later(Math.min(500 * 2 ** now.tries, 10000), start);
  }
}

/** Does something after a while, unless something else plays by then. */
function later(ms, act) {
  const mine = now;
  setTimeout(() => { if (now === mine && !now.player) act(); }, ms);
}

function stop() {
  now?.player?.stop();
  now = null;
  $('stage').hidden = true;
  $('sound').hidden = true;
  $('stats').replaceChildren();
  word('');
}

function word(text, fault = false) {
  $('word').hidden = !text;
  $('word').textContent = text;
  $('word').classList.toggle('fault', fault);
}

/** Twice a second: lets the player chase the live edge, and shows how it goes. */
function tick() {
  if (!now?.player) return;
  const { player, rate } = now, behind = player.tick(), { buffered, currentTime } = video, facts = [];
  const fact = (name, value) => facts.push(make('span', {}, `${name} `, make('b', { textContent: value })));
  const seconds = value => `${Math.max(value, 0).toFixed(1)} s`;
  if (behind !== undefined) fact('behind live', seconds(behind));
  if (video.videoWidth) fact('picture', `${video.videoWidth}×${video.videoHeight}`);
  if (buffered.length) fact('buffer', seconds(buffered.end(buffered.length - 1) - currentTime));
  const quality = video.getVideoPlaybackQuality?.();
  if (quality?.totalVideoFrames) fact('dropped', `${quality.droppedVideoFrames} of ${quality.totalVideoFrames} frames`);
  const ms = performance.now() - rate.at;
  if (player.bytes !== null && ms > 1900) {
    const kbps = Math.round((player.bytes - rate.bytes) * 8 / ms);
    Object.assign(rate, { at: rate.at + ms, bytes: player.bytes, kbps });
  }
  if (rate.kbps) fact('rate', `${rate.kbps} kbit/s`);
  const names = Object.values(player.tracks || {}).map(track => track.names[0]);
  if (names.length) fact('codecs', names.join(', '));
  $('stats').replaceChildren(...facts);
}

video.addEventListener('playing', () => {
  if (!now) return;
  now.tries = 0;
  word('');
});
video.addEventListener('waiting', () => {
  if (!now?.player) return;
  word('Buffering…');
  if (video.currentTime > 1) now.player.stalled?.();
});
video.addEventListener('timeupdate', () => {
  if ($('word').textContent === 'Buffering…' && !video.paused && video.readyState > 2) word('');
});
video.addEventListener('error', () => {
  if (!(now?.player instanceof FlvPlayer) || !video.error) return;
  told('fault', new Error(`The browser could not decode this: ${video.error.message}`));
});
video.addEventListener('volumechange', () => { if (!video.muted) $('sound').hidden = true; });
$('sound').onclick = () => { video.muted = false; };
$('stop').onclick = () => {
  stop();
  history.replaceState(null, '', location.pathname);
  show();
};
setInterval(tick, 500);
poll().then(() => { if (location.hash.length > 1) choose(decodeURI(location.hash.slice(1))); });
