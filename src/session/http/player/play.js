// Players: FLV through Media Source, close to the live edge; HLS where the browser plays it by itself.
// Each takes (video, url, [width, height], tell) and reports with tell('ended' | 'again' | 'word' | 'fault', …).

const Source = window.MediaSource || window.ManagedMediaSource;

/** Seconds behind the newest frame: wanted, when to play faster, when to jump; and how much more after stalls. */
const LATENCY = { target: 1, chase: 1.6, jump: 5, slackMax: 2 };

class FlvPlayer {
  constructor(video, url, size, tell) {
    Object.assign(this, { video, url, size, tell });
    this.tracks = {};   // by kind
    this.buffers = {};  // by kind, once begun
    this.queues = {};   // by kind: what waits to be appended
    this.frames = [];   // what was read and not laid out yet
    this.bytes = 0;
    this.slack = 0;
    this.abort = new AbortController();
    this.reader = new FlvReader(flags => { this.flags = flags; }, (...tag) => this.tag(...tag));
    this.media = new Source();
    this.media.addEventListener('sourceopen', () => this.open(), { once: true });
    video.disableRemotePlayback = true; // or Safari does not open the source
    video.src = URL.createObjectURL(this.media);
  }

  open() {
    URL.revokeObjectURL(this.video.src);
    const read = this.url.startsWith('ws') ? this.readSocket() : this.readBody();
    read.then(() => this.tell('ended'), error => this.fail(error));
  }

  fail(error) {
    if (!this.abort.signal.aborted) this.tell('fault', error);
  }

  async readBody() {
    const response = await fetch(this.url, { signal: this.abort.signal, cache: 'no-store' });
    if (!response.ok) throw new Error((await response.text()).trim() || `The server answered ${response.status}.`);
    const body = response.body.getReader();
    for (;;) {
      const { done, value } = await body.read();
      if (done) return;
      this.take(value);
    }
  }

  readSocket() {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(this.url);
      let opened = false;
      socket.binaryType = 'arraybuffer';
      this.abort.signal.addEventListener('abort', () => socket.close());
      socket.onopen = () => { opened = true; };
      socket.onmessage = event => {
        try { this.take(new Uint8Array(event.data)); } catch (error) { reject(error); }
      };
      socket.onclose = event => {
        if (event.code === 1000) return resolve();
        reject(new Error(opened ? 'The connection was lost.' : 'The server refused the WebSocket.'));
      };
    });
  }

  take(bytes) {
    if (this.abort.signal.aborted) return;
    this.bytes += bytes.length;
    this.reader.push(bytes);
    this.flush();
  }

  tag(type, dts, body) {
    const got = parseTag(type, body);
    if (!got) return;
    const { kind, codec } = got;
    // These two need no configuration to begin with.
    const first = got.data && !this.tracks[kind] && (codec === '.mp3' || codec === 'Opus');
    if (got.config || first) this.configure(kind, codec, got.config || new Uint8Array(0), got.data);
    if (!got.data) return;
    if (this.tracks[kind]) this.frames.push({ dts, ...got });
    else if (!CODECS[codec]) this.leaveOut(kind, codec);
  }

  configure(kind, codec, config, frame) {
    const known = this.tracks[kind];
    if (known?.codec === codec && String(known.config) === String(config)) return;
    if (!known && this.begun) return this.tell('again'); // a track that comes late needs a fresh start
    this.flush();
    const track = new Track(kind, codec, config, frame, this.size);
    this.tracks[kind] = track;
    if (!this.begun) return;
    if (!track.type || track.loose || !this.buffers[kind].changeType) return this.tell('again');
    this.queues[kind].push({ type: track.type }, track.init());
  }

  leaveOut(kind, codec) {
    if (this.leftOut) return;
    this.leftOut = true;
    this.tell('word', `The ${kind} is coded in ${codec.trim()}, which this page cannot play.`);
  }

  /** Begins as soon as every track that the file announces is known, or 800 ms of media came without them. */
  begin() {
    const { tracks: { video, audio }, frames, flags } = this;
    const all = (video || !flags.video) && (audio || !flags.audio);
    const waited = frames.length && frames[frames.length - 1].dts - frames[0].dts > 800;
    if (!(video || audio) || !(all || waited)) return;
    for (const track of [video, audio].filter(Boolean)) {
      const { kind, type, names: [name] } = track;
      if (!type) throw Object.assign(new Error(`This browser cannot play ${name}.`), { unsupported: true });
      this.buffers[kind] = this.media.addSourceBuffer(type);
      this.queues[kind] = [track.init()];
      this.buffers[kind].addEventListener('updateend', () => this.feed(kind));
    }
    this.begun = true;
  }

  /** Lays out what was read. */
  flush() {
    if (!this.frames.length) return;
    if (!this.begun) this.begin();
    if (!this.begun) return;
    const ready = { video: [], audio: [] };
    for (const frame of this.frames) {
      if (!this.buffers[frame.kind]) continue;
      this.keyed ||= frame.kind === 'video' && frame.key;
      if (frame.kind === 'video' && !this.keyed) continue; // nothing to decode it from
      this.base ??= frame.dts;
      if (frame.dts >= this.base) ready[frame.kind].push({ ...frame, dts: frame.dts - this.base });
    }
    this.frames = [];
    for (const kind of Object.keys(this.buffers)) {
      if (ready[kind].length) this.append(kind, ready[kind]);
    }
  }

  append(kind, frames) {
    const track = this.tracks[kind], buffer = this.buffers[kind];
    if (track.loose && buffer.mode !== 'sequence') {
      Object.assign(buffer, { mode: 'sequence', timestampOffset: frames[0].dts / 1000 });
    }
    this.queues[kind].push(track.fragment(frames));
    this.feed(kind);
  }

  /** Hands on what waits, if the browser is not busy; what was seen is not kept for long. */
  feed(kind) {
    const buffer = this.buffers[kind], queue = this.queues[kind];
    if (this.media.readyState !== 'open' || buffer.updating) return;
    const seen = this.video.currentTime - 30;
    try {
      if (buffer.buffered.length && buffer.buffered.start(0) < seen - 10) return buffer.remove(0, seen);
      if (queue[0]?.type) buffer.changeType(queue.shift().type);
      const end = queue.findIndex(part => part.type);
      const parts = join(queue.splice(0, end < 0 ? queue.length : end));
      if (parts.length) buffer.appendBuffer(parts);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Called twice a second: keeps near the newest frame, and gives how far behind it is in seconds. */
  tick() {
    const { video, slack } = this, { buffered, currentTime } = video;
    if (!buffered.length || video.seeking) return undefined;
    const ranges = [...Array(buffered.length).keys()].map(i => [buffered.start(i), buffered.end(i)]);
    const end = ranges[ranges.length - 1][1], behind = end - currentTime;
    const inside = ranges.some(([from, to]) => from <= currentTime + .05 && currentTime < to);
    const ahead = ranges.find(([from]) => from > currentTime);
    if (behind > LATENCY.jump + slack && !video.paused) video.currentTime = end - LATENCY.target;
    else if (ahead && !inside) video.currentTime = ahead[0] + .01; // over a hole
    else if (behind > LATENCY.chase + slack) video.playbackRate = 1.1;
    else if (behind < .5 && slack) video.playbackRate = .95;
    else if (behind < LATENCY.target + slack) video.playbackRate = 1;
    return behind;
  }

  /** It ran dry: this network needs more distance. */
  stalled() {
    this.slack = Math.min(this.slack + .4, LATENCY.slackMax);
  }

  stop() {
    this.abort.abort();
    this.video.playbackRate = 1;
    this.video.removeAttribute('src');
    this.video.load();
  }
}

class HlsPlayer {
  constructor(video, url, size, tell) {
    this.video = video;
    this.bytes = null; // not known
    this.silence = new AbortController();
    const { signal } = this.silence;
    const fault = () => tell('fault', new Error('The browser could not play this as HLS.'));
    video.addEventListener('error', fault, { signal });
    video.addEventListener('ended', () => tell('ended'), { signal });
    video.src = url;
  }

  tick() {
    const { seekable, currentTime } = this.video;
    return seekable.length ? seekable.end(seekable.length - 1) - currentTime : undefined;
  }

  stop() {
    this.silence.abort();
    this.video.removeAttribute('src');
    this.video.load();
  }
}
