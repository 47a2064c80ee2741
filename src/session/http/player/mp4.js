// Fragmented MP4 out, for Media Source: an initialisation segment for each track, then fragments.

const ascii = text => Uint8Array.from(text, c => c.charCodeAt(0));
const hex = byte => byte.toString(16).padStart(2, '0');
const two = number => String(number).padStart(2, '0');

function be32(...numbers) {
  const view = new DataView(new ArrayBuffer(4 * numbers.length));
  numbers.forEach((number, i) => view.setUint32(4 * i, number >>> 0));
  return new Uint8Array(view.buffer);
}

function be16(...numbers) {
  const view = new DataView(new ArrayBuffer(2 * numbers.length));
  numbers.forEach((number, i) => view.setUint16(2 * i, number));
  return new Uint8Array(view.buffer);
}

function join(parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) { all.set(part, at); at += part.length; }
  return all;
}

function box(type, ...parts) {
  const body = join(parts);
  return join([be32(8 + body.length), ascii(type), body]);
}

/**
 * For each codec, from its configuration (and its first frame): the names by which browsers may know it, its
 * sample entry, and for sound the rate, the channels and how many samples a frame has.
 */
const CODECS = {
  avc1: c => ({ names: [`avc1.${hex(c[1])}${hex(c[2])}${hex(c[3])}`], entry: ['avc1', box('avcC', c)] }),

  hvc1: c => {
    let flags = 0; // the compatibility flags, read backwards (ISO/IEC 14496-15, annex E)
    for (let i = 0; i < 32; i++) flags |= (c[2 + (i >> 3)] >> (7 - (i & 7)) & 1) << i;
    const limits = [...c.subarray(6, 12)];
    while (limits.length && !limits[limits.length - 1]) limits.pop();
    const profile = ['', 'A', 'B', 'C'][c[1] >> 6] + (c[1] & 31);
    const level = (c[1] & 32 ? 'H' : 'L') + c[12];
    const name = ['hvc1', profile, (flags >>> 0).toString(16), level, ...limits.map(n => n.toString(16))];
    return { names: [name.join('.')], entry: ['hvc1', box('hvcC', c)] };
  },

  av01: c => {
    const tier = c[2] & 128 ? 'H' : 'M', depth = c[2] & 64 ? (c[2] & 32 ? 12 : 10) : 8;
    return { names: [`av01.${c[1] >> 5}.${two(c[1] & 31)}${tier}.${two(depth)}`], entry: ['av01', box('av1C', c)] };
  },

  vp09: c => {
    const record = c.length >= 12 && c[0] === 1 && !u24(c, 1) ? c.subarray(4) : c; // perhaps with its box's version
    const name = `vp09.${two(record[0])}.${two(record[1])}.${two(record[2] >> 4)}`;
    return { names: [name], entry: ['vp09', box('vpcC', be32(0x1000000), record)] };
  },

  mp4a: c => {
    const rates = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350];
    return {
      names: [`mp4a.40.${c[0] >> 3}`, 'mp4a.40.2'],
      entry: ['mp4a', esds(0x40, c)],
      rate: rates[(c[0] & 7) << 1 | c[1] >> 7] || 48000,
      channels: c[1] >> 3 & 15 || 2,
      samples: () => 1024,
    };
  },

  Opus: c => {
    // OpusHead begins numbers at their low end, dOps at their high end (Opus in ISOBMFF, 4.3.2).
    const h = c.length >= 19 ? c.subarray(8) : Uint8Array.of(1, 2, 0x38, 1, 0x80, 0xbb, 0, 0, 0, 0, 0);
    const numbers = [h[3], h[2], h[7], h[6], h[5], h[4], h[9], h[8]];
    const dops = box('dOps', Uint8Array.of(0, h[1], ...numbers, ...h.subarray(10)));
    return { names: ['opus'], entry: ['Opus', dops], rate: 48000, channels: h[1], samples: opusSamples };
  },

  fLaC: c => {
    // STREAMINFO comes with marker and block header from some publishers, bare from others.
    const bare = c.length === 34 ? join([Uint8Array.of(0x80, 0, 0, 34), c]) : c;
    const info = fourcc(bare, 0) === 'fLaC' ? bare.subarray(4) : bare;
    return {
      names: ['flac'],
      entry: ['fLaC', box('dfLa', be32(0), info)],
      rate: u24(info, 14) >> 4,
      channels: (info[16] >> 1 & 7) + 1,
      samples: () => u16(info, 4),
    };
  },

  '.mp3': (c, frame) => {
    const version = frame[1] >> 3 & 3; // 3: MPEG-1, 2: MPEG-2, 0: MPEG-2.5
    const halved = version === 3 ? 0 : version === 2 ? 1 : 2;
    return {
      names: ['mp4a.6B', 'mp3'],
      bare: 'audio/mpeg',
      entry: ['mp4a', esds(0x6b)],
      rate: [44100, 48000, 32000][frame[2] >> 2 & 3] >> halved,
      channels: frame[3] >> 6 === 3 ? 1 : 2,
      samples: () => halved ? 576 : 1152,
    };
  },
};

/** An ES descriptor (ISO/IEC 14496-1, 7.2.6.5) around a decoder's configuration. */
function esds(type, config) {
  const tag = (number, ...parts) => {
    const body = join(parts);
    return join([Uint8Array.of(number, body.length), body]);
  };
  const specific = config ? tag(5, config) : new Uint8Array(0);
  const decoder = tag(4, Uint8Array.of(type, 0x15, 0, 0, 0), be32(0, 0), specific);
  return box('esds', be32(0), tag(3, Uint8Array.of(0, 1, 0), decoder, tag(6, Uint8Array.of(2))));
}

/** Samples at 48 kHz in an Opus packet (RFC 6716, 3.1). */
function opusSamples(packet) {
  const config = packet[0] >> 3;
  const silk = [480, 960, 1920, 2880][config & 3], hybrid = [480, 960][config & 1], celt = 120 << (config & 3);
  return (config < 12 ? silk : config < 16 ? hybrid : celt) * [1, 2, 2, packet[1] & 63][packet[0] & 3];
}

/** One track on its way from FLV to MP4. */
class Track {
  constructor(kind, codec, config, frame, [width, height]) {
    const make = CODECS[codec];
    if (!make) throw new Error(`This page cannot play ${codec.trim()}; try VLC or ffplay.`);
    Object.assign(this, { kind, codec, config, width, height }, make(config, frame));
    this.sound = kind === 'audio';
    this.scale = this.sound ? this.rate : 1000;
    this.sequence = 0;
    this.last = null; // where the last frame began (pictures) or ended (sound), in units of `scale`
    this.step = 33;   // how long the last picture lasted
    const types = this.names.map(name => `${kind}/mp4; codecs="${name}"`);
    this.type = types.find(type => Source.isTypeSupported(type));
    // Browsers that take MP3 in no MP4 take it as it is, and count its time themselves.
    this.loose = !this.type && !!this.bare && Source.isTypeSupported(this.bare);
    if (this.loose) this.type = this.bare;
  }

  /** The initialisation segment; empty for a loose track. */
  init() {
    if (this.loose) return new Uint8Array(0);
    const track = box('trak', this.tkhd(), box('mdia',
      box('mdhd', be32(0, 0, 0, this.scale, 0), be16(0x55c4, 0)),
      box('hdlr', be32(0, 0), ascii(this.sound ? 'soun' : 'vide'), be32(0, 0, 0), Uint8Array.of(0)),
      box('minf',
        this.sound ? box('smhd', be32(0, 0)) : box('vmhd', be32(1, 0, 0)),
        box('dinf', box('dref', be32(0, 1), box('url ', be32(1)))),
        this.stbl())));
    const next = be32(0, 0, 0, 0, 0, 0, 2);
    const movie = box('mvhd', be32(0, 0, 0, 1000, 0, 0x10000), be16(0x100, 0), be32(0, 0), MATRIX, next);
    const extends_ = box('mvex', box('trex', be32(0, 1, 1, 0, 0, 0)));
    return join([box('ftyp', ascii('iso5'), be32(1), ascii('iso5iso6mp41')), box('moov', movie, track, extends_)]);
  }

  tkhd() {
    const size = this.sound ? be32(0, 0) : be32(this.width << 16, this.height << 16);
    return box('tkhd', be32(7, 0, 0, 1, 0, 0, 0, 0, 0), be16(this.sound ? 0x100 : 0, 0), MATRIX, size);
  }

  stbl() {
    const none = name => box(name, be32(0, 0)), [name, extra] = this.entry;
    const entry = this.sound
      ? box(name, be32(0, 1, 0, 0), be16(this.channels, 16), be32(0, this.rate << 16), extra)
      : box(name, be32(0, 1, 0, 0, 0, 0), be16(this.width, this.height), be32(0x480000, 0x480000, 0), be16(1),
        new Uint8Array(32), be16(24, 0xffff), extra);
    const sizes = box('stsz', be32(0, 0, 0));
    return box('stbl', box('stsd', be32(0, 1), entry), none('stts'), none('stsc'), sizes, none('stco'));
  }

  /** A fragment of frames [{ dts, cts, key, data }], times in milliseconds. */
  fragment(frames) {
    if (this.loose) return join(frames.map(frame => frame.data));
    const samples = this.sound ? this.counted(frames) : this.clocked(frames);
    const { start } = samples[0];
    const rows = samples.map(s => be32(s.len, s.data.length, s.key ? KEY : NOT_KEY, this.sound ? 0 : s.cts));
    const moof = offset => box('moof', box('mfhd', be32(0, this.sequence)), box('traf',
      box('tfhd', be32(0x20000, 1)), // positions count from the fragment
      box('tfdt', be32(0x1000000, Math.floor(start / 2 ** 32), start)),
      box('trun', be32(0x1000f01, samples.length, offset), ...rows)));
    this.sequence++;
    return join([moof(moof(0).length + 8), box('mdat', ...samples.map(s => s.data))]);
  }

  /** Sound is counted in samples, so that rounding to milliseconds leaves no holes; where the count and the
      clock drift apart by more than 100 ms, the clock wins. */
  counted(frames) {
    return frames.map(frame => {
      const at = Math.round(frame.dts * this.scale / 1000);
      if (this.last === null || Math.abs(at - this.last) > this.scale / 10) this.last = at;
      const start = this.last, len = this.samples(frame.data);
      this.last += len;
      return { ...frame, start, len };
    });
  }

  /** A picture lasts until the next; the newest one is taken to last as long as the one before it. */
  clocked(frames) {
    return frames.map((frame, i) => {
      if (this.last !== null) this.step = Math.min(Math.max(frame.dts - this.last, 1), 1000);
      this.last = frame.dts;
      const len = i + 1 < frames.length ? Math.max(frames[i + 1].dts - frame.dts, 1) : this.step;
      return { ...frame, start: frame.dts, len };
    });
  }
}

const MATRIX = be32(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000);
const KEY = 0x2000000, NOT_KEY = 0x1010000; // sample flags (ISO/IEC 14496-12, 8.8.3.1)
