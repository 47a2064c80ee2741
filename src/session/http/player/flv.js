// FLV in: bytes become tags, tags become frames and configurations of tracks.

const fourcc = (b, at) => String.fromCharCode(...b.subarray(at, at + 4));
const u16 = (b, at) => b[at] << 8 | b[at + 1];
const u24 = (b, at) => b[at] << 16 | b[at + 1] << 8 | b[at + 2];
const i24 = (b, at) => u24(b, at) << 8 >> 8;

/** Cuts a stream of bytes into tags: calls onHead({ audio, video }) once, onTag(type, ms, body) for each. */
class FlvReader {
  constructor(onHead, onTag) {
    this.onHead = onHead;
    this.onTag = onTag;
    this.store = new Uint8Array(1 << 16);
    this.from = 0;
    this.to = 0;
    this.headed = false;
  }

  push(bytes) {
    if (this.to + bytes.length > this.store.length) this.makeRoom(bytes.length);
    this.store.set(bytes, this.to);
    this.to += bytes.length;
    while (this.next());
  }

  makeRoom(len) {
    const kept = this.store.subarray(this.from, this.to);
    const store = 2 * (kept.length + len) > this.store.length ? new Uint8Array(2 * (kept.length + len)) : this.store;
    store.set(kept);
    this.store = store;
    this.to -= this.from;
    this.from = 0;
  }

  next() {
    const b = this.store.subarray(this.from, this.to);
    if (!this.headed) return this.head(b);
    if (b.length < 11) return false;
    const len = u24(b, 1);
    if (b.length < 11 + len + 4) return false;
    this.from += 11 + len + 4;
    this.onTag(b[0] & 31, u24(b, 4) + b[7] * 0x1000000, b.slice(11, 11 + len));
    return true;
  }

  head(b) {
    if (b.length < 13) return false;
    if (fourcc(b, 0).slice(0, 3) !== 'FLV') throw new Error('The server sent something that is not FLV.');
    this.headed = true;
    this.from += 13;
    this.onHead({ audio: !!(b[4] & 4), video: !!(b[4] & 1) });
    return true;
  }
}

/**
 * What a tag holds: { kind, codec, config } or { kind, codec, key, cts, data }; null for what is not played.
 * Codecs go by their FourCC, those that have none by words.
 */
function parseTag(type, b) {
  if (b.length < 2) return null;
  return type === 9 ? parseVideo(b) : type === 8 ? parseAudio(b) : null;
}

function parseVideo(b) {
  const kind = 'video', key = (b[0] >> 4 & 7) === 1;
  if (b[0] & 0x80) {
    const ex = parseEx(b, 6);
    if (!ex) return null;
    const { packet, codec, at } = ex;
    if (packet === 0) return { kind, codec, config: b.slice(at) };
    if (packet === 3) return { kind, codec, key, cts: 0, data: b.subarray(at) };
    if (packet !== 1) return null;
    const timed = codec === 'avc1' || codec === 'hvc1';
    return { kind, codec, key, cts: timed ? i24(b, at) : 0, data: b.subarray(timed ? at + 3 : at) };
  }
  const codec = { 7: 'avc1', 12: 'hvc1' }[b[0] & 15] || `FLV video codec ${b[0] & 15}`;
  if (b[1] === 0) return { kind, codec, config: b.slice(5) };
  return b[1] === 1 ? { kind, codec, key, cts: i24(b, 2), data: b.subarray(5) } : null;
}

function parseAudio(b) {
  const frame = (codec, at) => ({ kind: 'audio', codec, key: true, cts: 0, data: b.subarray(at) });
  const config = (codec, at) => ({ kind: 'audio', codec, config: b.slice(at) });
  const format = b[0] >> 4;
  if (format === 9) {
    const ex = parseEx(b, 5);
    if (!ex || ex.packet > 1) return null;
    return ex.packet ? frame(ex.codec, ex.at) : config(ex.codec, ex.at);
  }
  if (format === 10) return b[1] ? frame('mp4a', 2) : config('mp4a', 2);
  return frame(format === 2 || format === 14 ? '.mp3' : `FLV audio codec ${format}`, 1);
}

/** Enhanced RTMP: packet type, FourCC, and where the payload begins. Of several tracks, number 0 is taken. */
function parseEx(b, multitrack) {
  let packet = b[0] & 15, at = 1;
  while (packet === 7) { // ModEx: what readers may skip
    let size = b[at++] + 1;
    if (size === 256) { size = u16(b, at) + 1; at += 2; }
    at += size;
    packet = b[at++] & 15;
  }
  if (packet !== multitrack) return at + 4 <= b.length ? { packet, codec: fourcc(b, at), at: at + 4 } : null;
  const single = b[at] >> 4 === 0;
  packet = b[at] & 15;
  const codec = fourcc(b, at + 1), track = b[at + 5];
  return single && track === 0 ? { packet, codec, at: at + 6 } : null;
}
