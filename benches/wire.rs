//! What reading and laying out cost, without sockets, sessions or streams.
//!
//! One second of the 1 Mbit/s stream that `load` publishes (25 pictures, 43 blocks of sound) is the unit
//! everywhere, so that all numbers can be added up; and AMF0, which is read when a peer connects.

mod harness;

use bytes::{Bytes, BytesMut};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dacapo::base::inbox::Inbox;
use dacapo::media::codec::parse_config;
use dacapo::media::frame::Frame;
use dacapo::media::stream_info::StreamInfo;
use dacapo::media::timestamp::Timestamp;
use dacapo::wire::amf0::{self, Value};
use dacapo::wire::flv;
use dacapo::wire::format::{Container, Format, Framing};
use dacapo::wire::render::Renderer;
use dacapo::wire::rtmp::chunk::write::write_message;
use dacapo::wire::rtmp::chunk::{Item, Limits, Message, Reader, cid};
use dacapo::wire::rtmp::message::type_id;
use load::source::{AUDIO_CONFIG, Source, VIDEO_CONFIG};
use load::stamp::Kind;
use std::hint::black_box;
use std::sync::Arc;

/// Bytes that the shell hands in at once, at most.
const READ_LEN: usize = 64 << 10;

/// The messages of one second.
fn second() -> Vec<Message> {
    let mut source = Source::new(0, 1_000_000);
    let mut messages = Vec::new();
    while source.due() < load::clock::SECOND {
        let frame = source.next(0);
        let type_id = match frame.kind {
            Kind::Audio => type_id::AUDIO,
            Kind::Video => type_id::VIDEO,
        };
        let payload = Bytes::copy_from_slice(frame.body);
        messages.push(Message { timestamp: frame.timestamp, type_id, stream_id: 1, payload });
    }
    messages
}

fn frames(messages: &[Message]) -> Vec<Frame> {
    let mut frames = Vec::new();
    for message in messages {
        let dts = Timestamp::from_millis(message.timestamp.into());
        flv::parse(message.type_id, message.payload.clone(), dts, &mut frames).expect("sound media");
    }
    frames
}

/// What the decoder configurations of the stream say.
fn stream_info() -> Arc<StreamInfo> {
    let mut frames = Vec::new();
    for (tag, body) in [(flv::tag::VIDEO, VIDEO_CONFIG), (flv::tag::AUDIO, AUDIO_CONFIG)] {
        flv::parse(tag, Bytes::from_static(body), Timestamp::ZERO, &mut frames).expect("sound media");
    }
    frames.iter().fold(Arc::new(StreamInfo::default()), |stream_info, frame| {
        let params = parse_config(frame.codec, &frame.payload).expect("a sound configuration");
        stream_info.with(frame, Some(params)).expect("it is new")
    })
}

fn chunks(messages: &[Message], chunk_size: u32) -> BytesMut {
    let mut out = BytesMut::new();
    write_message(&mut out, 128, cid::CONTROL, 0, type_id::SET_CHUNK_SIZE, 0, &chunk_size.to_be_bytes());
    for message in messages {
        let cid = if message.type_id == type_id::AUDIO { cid::AUDIO } else { cid::VIDEO };
        let Message { timestamp, type_id, stream_id, payload } = message;
        write_message(&mut out, chunk_size, cid, *timestamp, *type_id, *stream_id, payload);
    }
    out
}

fn chunk_reading(c: &mut Criterion) {
    let messages = second();
    let mut group = c.benchmark_group("rtmp chunks to messages");
    for chunk_size in [128, 4096, 60_000] {
        let bytes = chunks(&messages, chunk_size);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(chunk_size), &bytes, |b, bytes| {
            b.iter(|| assert_eq!(read(bytes), messages.len()));
        });
    }
    group.finish();
}

/// Number of messages in `bytes`, handed in as a socket would.
fn read(bytes: &[u8]) -> usize {
    let limits = Limits { chunk_size_max: 1 << 20, message_bytes_max: 1 << 20, partial_bytes_max: 1 << 21 };
    let mut reader = Reader::new(limits, 0, u32::MAX);
    let mut inbox = Inbox::new(READ_LEN * 2);
    let mut count = 0;
    for piece in bytes.chunks(READ_LEN) {
        assert!(inbox.receive(piece), "the inbox is emptied each time");
        while let Some(item) = reader.next(&mut inbox).expect("sound chunks") {
            count += usize::from(matches!(item, Item::Message(_)));
            black_box(item);
        }
    }
    count
}

fn chunk_writing(c: &mut Criterion) {
    let messages = second();
    let mut group = c.benchmark_group("messages to rtmp chunks");
    group.throughput(Throughput::Elements(messages.len() as u64));
    for chunk_size in [128, 4096, 60_000] {
        group.bench_function(BenchmarkId::from_parameter(chunk_size), |b| {
            b.iter(|| chunks(black_box(&messages), chunk_size));
        });
    }
    group.finish();
}

fn flv_bodies(c: &mut Criterion) {
    let messages = second();
    let frames = frames(&messages);
    let mut group = c.benchmark_group("flv bodies");
    group.throughput(Throughput::Elements(messages.len() as u64));
    group.bench_function("to frames", |b| b.iter(|| self::frames(black_box(&messages))));
    group.bench_function("from frames", |b| {
        let mut out = BytesMut::with_capacity(1 << 20);
        b.iter(|| {
            out.clear();
            frames.iter().for_each(|frame| flv::emit(black_box(frame), &mut out));
            out.len()
        });
    });
    group.finish();
}

/// What a stream pays per format, whatever the number of players.
fn rendering(c: &mut Criterion) {
    let frames = frames(&second());
    let stream_info = stream_info();
    let mut group = c.benchmark_group("frames to");
    group.throughput(Throughput::Elements(frames.len() as u64));
    for (name, format) in [
        ("rtmp", Format::rtmp(60_000)),
        ("flv", Container::Flv.bare()),
        ("websocket flv", Container::Flv.framed(Framing::WebSocket)),
        ("mpeg-ts", Container::Ts.bare()),
    ] {
        group.bench_function(name, |b| {
            let mut renderer = Renderer::new(format);
            b.iter(|| {
                for frame in &frames {
                    let rendered = renderer.frame(black_box(frame), &stream_info);
                    assert!(rendered.len() > frame.payload.len());
                }
            });
        });
    }
    group.finish();
}

fn amf(c: &mut Criterion) {
    let words = ["app", "type", "flashVer", "swfUrl", "tcUrl", "pageUrl"];
    let texts = words.map(|word| (word, Value::String("rtmp://media.example.com:1935/live".into())));
    let numbers = ["capabilities", "audioCodecs", "videoCodecs", "videoFunction", "objectEncoding"];
    let numbers = numbers.map(|word| (word, Value::Number(3575.0)));
    let connect = [
        Value::String("connect".into()),
        Value::Number(1.0),
        Value::object(texts.into_iter().chain(numbers)),
    ];
    let mut bytes = BytesMut::new();
    amf0::encode_all(&connect, &mut bytes);
    let mut group = c.benchmark_group("amf0 connect");
    group.bench_function("decode", |b| b.iter(|| amf0::decode_all(black_box(&bytes)).expect("sound")));
    group.bench_function("encode", |b| {
        b.iter(|| {
            let mut out = BytesMut::new();
            amf0::encode_all(black_box(&connect), &mut out);
            out
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = harness::short();
    targets = chunk_reading, chunk_writing, flv_bodies, rendering, amf
}
criterion_main!(benches);
