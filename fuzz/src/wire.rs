//! The server's parsers of byte formats: none panics, none holds more than it may, none depends on how the
//! bytes were cut; what is emitted is read again as it was; and where our own readers and the server's both
//! take the bytes, they agree.

use crate::{Source, pieces};
use bytes::{Bytes, BytesMut};
use conformance::reader::chunk::ChunkReader;
use conformance::reader::flv::{self as reader, What};
use conformance::reader::rtmp::kind;
use conformance::reader::{fmp4 as mp4_reader, ts as ts_reader};
use dacapo::base::inbox::Inbox;
use dacapo::base::limit::Limit;
use dacapo::base::outbox::Outbox;
use dacapo::base::rng::Seed;
use dacapo::media::codec;
use dacapo::media::frame::{Codec, Frame, FrameKind, TrackKind};
use dacapo::media::stream_info::StreamInfo;
use dacapo::media::timestamp::Timestamp;
use dacapo::wire::amf0::{self, Value};
use dacapo::wire::fmp4::Movie;
use dacapo::wire::format::{Container, Format, Framing};
use dacapo::wire::http1::{self, BodySkip, HeadLimits, HeadScan};
use dacapo::wire::render::Renderer;
use dacapo::wire::rtmp::aggregate::Aggregate;
use dacapo::wire::rtmp::chunk::{Item, Limits, Message, Reader};
use dacapo::wire::rtmp::handshake::Handshake;
use dacapo::wire::rtmp::message::{Content, Control};
use dacapo::wire::{flv as wire_flv, websocket as ws};
use std::sync::Arc;

/// AMF0, and AMF3 inside it.
pub fn amf(bytes: &[u8]) {
    let encoded = |values: &[Value]| {
        let mut out = BytesMut::new();
        amf0::encode_all(values, &mut out);
        out
    };
    let Ok(values) = amf0::decode_all(bytes) else { return };
    let once = encoded(&values);
    let again = amf0::decode_all(&once).expect("I33: what was emitted is read again");
    assert_eq!(encoded(&again), once, "I33: and is the same");
    let mut one = bytes;
    let _ = amf0::decode(&mut one);
}

/// A handshake in pieces.
pub fn rtmp_handshake(bytes: &[u8]) {
    let mut source = Source(bytes);
    let seed = source.byte();
    let (mut inbox, mut outbox) = (Inbox::new(1 << 20), Outbox::new(1 << 20, Limit::OutboxBytes));
    let mut rng = Seed::from_u64(1).fork(b"handshake");
    let mut handshake = Handshake::First;
    for piece in pieces(source.0, seed) {
        if !inbox.receive(piece) {
            return;
        }
        match handshake.receive(&mut inbox, &mut outbox, &mut rng, 0) {
            Ok(false) => {}
            Ok(true) | Err(_) => break,
        }
    }
    assert!(outbox.len() <= 2 * 1536 + 1, "one answer");
}

const LIMITS: Limits =
    Limits { chunk_size_max: 1 << 20, message_bytes_max: 1 << 20, partial_bytes_max: 4 << 20 };

/// Chunks: the same messages however they are cut, and those that our own reader sees.
pub fn rtmp_chunks(bytes: &[u8]) {
    let mut source = Source(bytes);
    let seed = source.byte();
    let whole = chunks(std::iter::once(source.0));
    let cut = chunks(pieces(source.0, seed));
    assert_eq!(whole, cut, "I31: the same however it is cut");
    let mut judge = ChunkReader::new();
    let judged = judge.push(source.0);
    if let (Ok(judged), (messages, None), None) = (judged, &whole, judge.wrong()) {
        let own =
            messages.iter().map(|said| (said.type_id, said.stream_id, said.timestamp, &said.payload[..]));
        // These the server's chunk layer obeys by itself.
        let inner = [kind::SET_CHUNK_SIZE, kind::ABORT, kind::WINDOW_SIZE];
        let judged: Vec<_> = judged.into_iter().filter(|said| !inner.contains(&said.kind)).collect();
        let theirs = judged.iter().map(|said| (said.kind, said.stream, said.timestamp, &said.body[..]));
        assert!(own.eq(theirs), "both readers see the same: {messages:?} and {judged:?}");
    }
}

/// The messages in the pieces, and the error that ended them.
fn chunks<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Message>, Option<String>) {
    let (mut reader, mut inbox) = (Reader::new(LIMITS, 0, 100_000), Inbox::new(4 << 20));
    let mut messages = Vec::new();
    for piece in pieces {
        if !inbox.receive(piece) {
            return (messages, Some("the inbox is full".to_owned()));
        }
        loop {
            match reader.next(&mut inbox) {
                Ok(Some(Item::Message(message))) => messages.push(message),
                Ok(Some(Item::Acknowledge(_))) => {}
                Ok(None) => break,
                Err(error) => return (messages, Some(error.to_string())),
            }
            assert!(reader.partial_bytes() <= LIMITS.partial_bytes_max, "I16: unfinished messages");
        }
    }
    (messages, None)
}

/// What messages say.
pub fn rtmp_message(bytes: &[u8]) {
    let mut source = Source(bytes);
    let (type_id, timestamp) = (source.byte(), source.long());
    let payload = Bytes::copy_from_slice(source.0);
    let message = Message { timestamp, type_id, stream_id: 1, payload };
    match Content::parse(&message) {
        Ok(Content::Command(command)) => {
            let mut out = BytesMut::new();
            command.encode(&mut out);
            let again = Content::parse(&Message { type_id: 20, payload: out.clone().freeze(), ..message });
            let Ok(Content::Command(again)) = again else { panic!("I33: a command is read again") };
            let mut twice = BytesMut::new();
            again.encode(&mut twice);
            assert_eq!(out, twice, "I33: and is the same");
            let _ = (command.text(0), command.number(1), command.flag(2));
        }
        Ok(Content::Control(control)) => {
            let mut out = BytesMut::new();
            control.encode(&mut out);
            assert_eq!(Control::parse(control.type_id(), &out), Ok(control), "I33");
        }
        Ok(Content::Aggregate) => {
            let length = message.payload.len();
            let parts: usize = Aggregate::new(message).map(|part| part.payload.len() + 11).sum();
            assert!(parts <= length, "an aggregate holds what it holds");
        }
        Ok(Content::Media { .. } | Content::Other(_)) | Err(_) => {}
    }
}

/// A media body: what it holds, emitted and read again, is the same; our own reader agrees.
pub fn flv(bytes: &[u8]) {
    let Some((selector, body)) = bytes.split_first() else { return };
    let tag = [8, 9, 18][usize::from(selector % 3)];
    let mut frames = Vec::new();
    let parsed = wire_flv::parse(tag, Bytes::copy_from_slice(body), Timestamp::ZERO, &mut frames);
    assert!(parsed.is_ok() || frames.is_empty(), "nothing comes out of what is wrong");
    if let (Ok(()), Ok(theirs)) = (&parsed, reader::packets(tag, body)) {
        let media = |frame: &&Frame| frame.is_media();
        let known: Vec<&[u8]> = frames.iter().filter(media).map(|frame| &frame.payload[..]).collect();
        let coded = theirs.iter().filter(|packet| packet.what == What::Coded && !packet.payload.is_empty());
        let theirs: Vec<&[u8]> = coded.map(|packet| &body[packet.payload.clone()]).collect();
        // The server leaves out tracks of codecs that it does not know.
        assert!(known.iter().all(|payload| theirs.contains(payload)), "I6: {frames:?} and {theirs:?}");
    }
    for frame in frames.iter().filter(|frame| frame.track.kind != TrackKind::Data) {
        let mut out = BytesMut::new();
        wire_flv::emit(frame, &mut out);
        if out.is_empty() {
            continue;
        }
        let mut again = Vec::new();
        let dts = Timestamp::from_millis(frame.dts.as_millis());
        wire_flv::parse(wire_flv::tag_type(frame.track.kind), out.freeze(), dts, &mut again)
            .expect("I33: what was emitted is read again");
        let same = again.len() == 1
            && again[0].payload == frame.payload
            && (again[0].track, again[0].codec, again[0].kind) == (frame.track, frame.codec, frame.kind)
            && again[0].cts / 1000 == frame.cts / 1000;
        assert!(same || frame.payload.is_empty(), "I33: {frame:?} became {again:?}");
    }
}

/// Frames in every format; strict readers take what comes out.
pub fn render(bytes: &[u8]) {
    let mut source = Source(bytes);
    let format = source.byte();
    let mut stream_info = Arc::new(StreamInfo::default());
    let (mut frames, mut dts) = (Vec::new(), Timestamp::ZERO);
    for _ in 0..64 {
        if source.is_empty() {
            break;
        }
        let (selector, step) = (source.byte(), source.byte());
        dts = dts + i64::from(step) * 1000 + 1000;
        let tag = [8, 9][usize::from(selector % 2)];
        let _ = wire_flv::parse(tag, Bytes::copy_from_slice(source.bytes()), dts, &mut frames);
    }
    // No stream holds frames that are shown before they are decoded: the clock straightens them.
    frames.iter_mut().for_each(|frame| frame.cts = frame.cts.max(0));
    let formats = [Container::Flv.bare(), Format::rtmp(1 << 20), Container::Ts.bare(), Container::Aac.bare()];
    let format = formats[usize::from(format) % formats.len()];
    let mut renderer = Renderer::new(format);
    let mut out = Vec::new();
    for frame in &frames {
        let params = match frame.kind {
            FrameKind::Config => codec::parse_config(frame.codec, &frame.payload).ok(),
            _ => codec::parse_frame(frame.codec, &frame.payload),
        };
        stream_info = stream_info.with(frame, params).unwrap_or(stream_info);
        if out.is_empty() {
            out.extend_from_slice(&renderer.file_head(&stream_info));
        }
        out.extend_from_slice(&renderer.frame(frame, &stream_info));
    }
    match (format.container, format.framing) {
        (Container::Flv, Framing::Bare) if !out.is_empty() => {
            let tags = reader::TagReader::new().push(&out).expect("it is FLV");
            let read = tags.iter().all(|tag| tag.packets().is_ok());
            assert!(read, "each body is read by another reader");
        }
        (Container::Ts, Framing::Bare) => {
            let mut judge = ts_reader::TsReader::new();
            judge.push(&out).and_then(|_| judge.finish()).expect("it is a transport stream");
        }
        (_, Framing::Rtmp { .. }) => {
            let mut judge = ChunkReader::new();
            let size = [&[2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0][..], &(1_u32 << 20).to_be_bytes()].concat();
            judge.push(&size).expect("a chunk size");
            judge.push(&out).expect("it is chunks");
        }
        _ => {}
    }
    movie(&stream_info, &frames);
}

/// The frames as fragmented MP4.
fn movie(stream_info: &StreamInfo, frames: &[Frame]) {
    let media: Vec<Frame> = frames.iter().filter(|frame| frame.is_media()).cloned().collect();
    let movie = Movie::new(stream_info, &media);
    let fragment = movie.fragment(1, &media, None);
    if movie.is_empty() {
        assert!(fragment.is_none(), "no track, no fragment");
        return;
    }
    let init = movie.init();
    let read = mp4_reader::Movie::parse(&init).expect("it is an initialisation section");
    if let Some(pieces) = fragment {
        let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.iter().copied()).collect();
        let samples = read.samples(&bytes).expect("it is a media segment");
        assert!(samples.len() <= media.len() && !samples.is_empty(), "a sample for each frame");
    }
}

/// Requests on a connection: heads, bodies; the same however they are cut.
pub fn http(bytes: &[u8]) {
    let mut source = Source(bytes);
    let seed = source.byte();
    let whole = requests(std::iter::once(source.0));
    let cut = requests(pieces(source.0, seed));
    assert_eq!(whole, cut, "I31: the same however it is cut");
}

fn requests<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let limits = HeadLimits { head_bytes_max: 4096, headers_max: 32 };
    let (mut held, mut said) = (Vec::new(), Vec::new());
    let (mut scan, mut body): (HeadScan, Option<BodySkip>) = (HeadScan::default(), None);
    for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            if let Some(skip) = &mut body {
                match skip.consume(&held) {
                    Ok(taken) => drop(held.drain(..taken)),
                    Err(error) => {
                        said.push(format!("{error:?}"));
                        return said;
                    }
                }
                if !skip.is_done() {
                    break;
                }
                body = None;
            }
            match scan.parse(&held, &limits) {
                Ok(None) => break,
                Ok(Some((request, length))) => {
                    assert!((1..=held.len()).contains(&length), "a head is as long as it is");
                    held.drain(..length);
                    scan = HeadScan::default();
                    let _ =
                        (request.keep_alive(), request.expects_continue(), request.upgrades_to("websocket"));
                    let _ = (request.target.param("token"), http1::accepts_gzip(&request.headers));
                    let range = http1::byte_range(request.headers.get("range"), 1000);
                    if let http1::ByteRange::Part(part) = &range {
                        assert!(part.start < part.end && part.end <= 1000, "a range is inside the file");
                    }
                    said.push(format!("{request:?}"));
                    match BodySkip::new(request.body) {
                        Ok(skip) => body = Some(skip),
                        Err(error) => {
                            said.push(format!("{error:?}"));
                            return said;
                        }
                    }
                }
                Err(error) => {
                    said.push(format!("{error:?}"));
                    return said;
                }
            }
        }
    }
    said
}

/// Frames of a WebSocket client; the same however they are cut.
pub fn websocket(bytes: &[u8]) {
    let mut source = Source(bytes);
    let seed = source.byte();
    let _ = std::str::from_utf8(source.0).map(ws::accept_key);
    assert_eq!(events(std::iter::once(source.0)), events(pieces(source.0, seed)), "I31");
}

fn events<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<ws::Event>, Option<ws::WebSocketError>) {
    let (mut reader, mut inbox) = (ws::Reader::new(1 << 16), Inbox::new(1 << 20));
    let mut events = Vec::new();
    for piece in pieces {
        if !inbox.receive(piece) {
            break;
        }
        loop {
            match reader.next(&mut inbox) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => {
                    let _ = error.close_code();
                    return (events, Some(error));
                }
            }
        }
    }
    (events, None)
}

/// Every codec there is, the old ones by one of their numbers.
pub const CODECS: [Codec; 13] = [
    Codec::H264,
    Codec::H265,
    Codec::Av1,
    Codec::Vp8,
    Codec::Vp9,
    Codec::Aac,
    Codec::Mp3,
    Codec::Opus,
    Codec::Flac,
    Codec::Ac3,
    Codec::Eac3,
    Codec::FlvVideo(2),
    Codec::FlvAudio(7),
];
