//! The reader against a sender that makes use of everything that the chunk layer allows.

use super::message::TIMESTAMP_EXTENDED;
use super::*;
use crate::base::inbox::Inbox;
use bytes::Bytes;
use proptest::prelude::*;

#[test]
fn the_first_audio_of_a_session_is_read_in_place() {
    #[rustfmt::skip]
    let bytes = [
        0x04,                   // format 0, chunk stream 4
        0x00, 0x00, 0x17,       // timestamp 23
        0x00, 0x00, 0x04,       // length
        0x08,                   // audio
        0x01, 0x00, 0x00, 0x00, // message stream 1
        0xaf, 0x00, 0x12, 0x10,
    ];
    assert_eq!(read(&bytes), Ok(vec![message(23, 8, 1, &[0xaf, 0x00, 0x12, 0x10])]));
}

#[test]
fn a_message_without_header_repeats_the_last_delta() {
    let bytes = [
        &[0x04, 0, 0, 100, 0, 0, 1, 8, 1, 0, 0, 0, 0xa0][..],
        &[0x44, 0, 0, 23, 0, 0, 1, 8, 0xa1],
        &[0xc4, 0xa2],
        &[0x84, 0, 0, 20, 0xa3],
        &[0xc4, 0xa4],
    ];
    let read = read(&bytes.concat()).unwrap();
    let times: Vec<u32> = read.iter().map(|message| message.timestamp).collect();
    assert_eq!(times, [100, 123, 146, 166, 186]);
    assert!(read.iter().all(|message| message.type_id == 8 && message.stream_id == 1));
}

#[test]
fn a_message_without_header_after_a_full_one_takes_its_timestamp_as_delta() {
    let bytes = [&[0x04, 0, 0, 40, 0, 0, 1, 8, 1, 0, 0, 0, 0xa0][..], &[0xc4, 0xa1]];
    assert_eq!(read(&bytes.concat()).unwrap()[1].timestamp, 80);
}

#[test]
fn a_fresh_chunk_stream_may_begin_without_message_stream() {
    assert_eq!(read(&[0x42, 0, 0, 5, 0, 0, 1, 8, 9]), Ok(vec![message(5, 8, 0, &[9])]));
}

#[test]
fn a_fresh_chunk_stream_may_not_begin_without_length() {
    assert_eq!(read(&[0x85, 0, 0, 5]), Err(ChunkError::NoHeaderYet(5)));
    assert_eq!(read(&[0xc5, 0, 0, 5]), Err(ChunkError::NoHeaderYet(5)));
}

/// Video at 0x01020304 ms in two chunks, the second with and without the timestamp.
fn extended(repeated: bool) -> Vec<u8> {
    let mut bytes = vec![0x06, 0xff, 0xff, 0xff, 0, 0, 130, 9, 1, 0, 0, 0, 1, 2, 3, 4];
    bytes.extend([0x17; 128]);
    bytes.push(0xc6);
    if repeated {
        bytes.extend([1, 2, 3, 4]);
    }
    bytes.extend([0x18; 2]);
    bytes
}

#[test]
fn an_extended_timestamp_may_be_repeated_or_not() {
    let mut payload = vec![0x17; 128];
    payload.extend([0x18; 2]);
    let expected = vec![message(0x0102_0304, 9, 1, &payload)];
    assert_eq!(read(&extended(true)), Ok(expected.clone()));
    assert_eq!(read(&extended(false)), Ok(expected));
}

#[test]
fn an_extended_delta_is_added() {
    let bytes = [
        &[0x06, 0, 0, 10, 0, 0, 1, 9, 1, 0, 0, 0, 7][..],
        &[0x46, 0xff, 0xff, 0xff, 0, 0, 1, 9, 0x01, 0, 0, 0, 8],
        &[0x86, 0xff, 0xff, 0xff, 0x02, 0, 0, 0, 9],
    ];
    let times: Vec<u32> = read(&bytes.concat()).unwrap().iter().map(|message| message.timestamp).collect();
    assert_eq!(times, [10, 0x0100_000a, 0x0300_000a]);
}

#[test]
fn a_message_without_header_after_an_extended_timestamp_does_not_double_it() {
    let bytes =
        [&[0x06, 0xff, 0xff, 0xff, 0, 0, 1, 9, 1, 0, 0, 0, 1, 2, 3, 4, 7][..], &[0xc6, 1, 2, 3, 4, 8]];
    let expected = vec![message(0x0102_0304, 9, 1, &[7]), message(0x0102_0304, 9, 1, &[8])];
    assert_eq!(read(&bytes.concat()), Ok(expected));
}

#[test]
fn abort_drops_what_came_of_a_message() {
    let mut bytes = vec![0x06, 0, 0, 0, 0, 0, 200, 9, 1, 0, 0, 0];
    bytes.extend([0x17; 128]);
    write_message(&mut bytes, 128, cid::CONTROL, 0, 2, 0, &[0, 0, 0, 6]);
    write_message(&mut bytes, 128, 6, 40, 9, 1, &[1, 2, 3]);
    assert_eq!(read(&bytes), Ok(vec![message(40, 9, 1, &[1, 2, 3])]));
}

#[test]
fn a_header_inside_a_message_must_say_the_same() {
    let start = [&[0x06, 0, 0, 7, 0, 0, 130, 9, 1, 0, 0, 0][..], &[0x17; 128]].concat();
    let with = |rest: &[u8]| read(&[&start, rest].concat());
    let whole = message(7, 9, 1, &[&[0x17; 128][..], &[1, 2]].concat());
    assert_eq!(with(&[0x46, 0, 0, 5, 0, 0, 130, 9, 1, 2]), Ok(vec![whole]));
    assert_eq!(with(&[0x46, 0, 0, 5, 0, 0, 131, 9, 1, 2]), Err(ChunkError::MessageInsideMessage(6)));
    assert_eq!(with(&[0x46, 0, 0, 5, 0, 0, 130, 8, 1, 2]), Err(ChunkError::MessageInsideMessage(6)));
    assert_eq!(with(&[0x06, 0, 0, 5, 0, 0, 130, 9, 1, 0, 0, 0, 1]), Err(ChunkError::MessageInsideMessage(6)));
}

#[test]
fn chunk_sizes_from_one_byte_to_the_longest_message_are_obeyed() {
    let set = |size: u32| {
        let mut bytes = Vec::new();
        write_message(&mut bytes, 128, cid::CONTROL, 0, 1, 0, &size.to_be_bytes());
        write_message(&mut bytes, size.clamp(1, 0xff_ffff), 6, 0, 9, 1, &[7; 300]);
        read(&bytes)
    };
    let expected = Ok(vec![message(0, 9, 1, &[7; 300])]);
    assert_eq!(set(1), expected);
    assert_eq!(set(127), expected);
    assert_eq!(set(16 << 20), expected);
    assert_eq!(set(0x7fff_ffff), expected);
    assert_eq!(set(0), Err(ChunkError::ChunkSize(0)));
    assert_eq!(set(0x8000_0000), Err(ChunkError::ChunkSize(0x8000_0000)));
}

#[test]
fn a_chunk_size_beyond_the_configured_one_is_refused() {
    let mut bytes = Vec::new();
    write_message(&mut bytes, 128, cid::CONTROL, 0, 1, 0, &65_537u32.to_be_bytes());
    let limits = Limits { chunk_size_max: 65_536, ..LIMITS };
    assert_eq!(read_within(limits, &bytes), Err(ChunkError::ChunkSize(65_537)));
}

#[test]
fn control_messages_that_say_nothing_are_refused() {
    let mut bytes = Vec::new();
    write_message(&mut bytes, 128, cid::CONTROL, 0, 1, 0, &[0, 0]);
    assert_eq!(read(&bytes), Err(ChunkError::ShortControl(1)));
}

#[test]
fn an_announced_length_allocates_nothing() {
    let mut reader = Reader::new(LIMITS, 0, u32::MAX);
    let mut inbox = Inbox::new(1 << 20);
    assert!(inbox.receive(&[0x06, 0, 0, 0, 0xff, 0xff, 0xff, 9, 1, 0, 0, 0]));
    assert_eq!(reader.next(&mut inbox), Ok(None));
    assert_eq!(reader.partial_bytes(), 0);
    assert!(inbox.receive(&[0x17]));
    assert_eq!(reader.next(&mut inbox), Ok(None));
    assert_eq!(reader.partial_bytes(), 64 << 10);
}

#[test]
fn a_copy_in_the_middle_of_a_message_counts_like_the_original() {
    let mut reader = Reader::new(LIMITS, 0, u32::MAX);
    let mut inbox = Inbox::new(1 << 20);
    assert!(inbox.receive(&[0x06, 0, 0, 0, 0, 0, 100, 9, 1, 0, 0, 0, 0x17]));
    assert_eq!(reader.next(&mut inbox), Ok(None));
    let (mut copy, mut its_inbox) = (reader.clone(), inbox.clone());
    for (reader, inbox) in [(&mut reader, &mut inbox), (&mut copy, &mut its_inbox)] {
        assert_eq!(reader.partial_bytes(), 100);
        assert!(inbox.receive(&[0; 99]));
        assert!(matches!(reader.next(inbox), Ok(Some(Item::Message(_)))));
        assert_eq!(reader.partial_bytes(), 0);
    }
}

#[test]
fn a_message_beyond_the_limit_is_refused_at_its_header() {
    let limits = Limits { message_bytes_max: 1000, ..LIMITS };
    let bytes = [0x06, 0, 0, 0, 0, 0x03, 0xe9, 9, 1, 0, 0, 0];
    assert_eq!(read_within(limits, &bytes), Err(ChunkError::MessageTooLong(1001)));
}

#[test]
fn unfinished_messages_have_a_common_limit() {
    let limits = Limits { message_bytes_max: 1000, partial_bytes_max: 2500, ..LIMITS };
    let mut bytes = Vec::new();
    for cid in 3..6 {
        bytes.extend([cid, 0, 0, 0, 0, 0x03, 0xe8, 9, 1, 0, 0, 0]);
        bytes.extend([0; 128]);
    }
    assert_eq!(read_within(limits, &bytes), Err(ChunkError::TooMuchUnfinished));
}

#[test]
fn less_trust_ends_who_holds_more() {
    let mut reader = Reader::new(LIMITS, 0, u32::MAX);
    let mut inbox = Inbox::new(1 << 20);
    assert!(inbox.receive(&[0x06, 0, 0, 0, 0, 0x03, 0xe8, 9, 1, 0, 0, 0, 0x17]));
    assert_eq!(reader.next(&mut inbox), Ok(None));
    let limits = |bytes| Limits { message_bytes_max: bytes, partial_bytes_max: bytes, ..LIMITS };
    assert_eq!(reader.set_limits(limits(1000)), Ok(()));
    assert_eq!(reader.set_limits(limits(999)), Err(ChunkError::TooMuchUnfinished));
}

#[test]
fn a_last_byte_that_may_begin_a_timestamp_waits_for_what_follows() {
    let mut bytes = vec![0x06, 0xff, 0xff, 0xff, 0, 0, 129, 9, 1, 0, 0, 0, 1, 0, 0, 0];
    bytes.extend([7; 128]);
    bytes.extend([0xc6, 1]);
    assert_eq!(read(&bytes), Ok(vec![]));
    write_message(&mut bytes, 128, cid::CONTROL, 0, 4, 0, &[0, 6, 0, 0, 0, 1]);
    let payload = [&[7; 128][..], &[1]].concat();
    let ping = message(0, 4, 0, &[0, 6, 0, 0, 0, 1]);
    assert_eq!(read(&bytes), Ok(vec![message(0x0100_0000, 9, 1, &payload), ping]));
}

#[test]
fn the_number_of_chunk_streams_is_limited() {
    let mut bytes = Vec::new();
    for cid in 2..2 + 65 {
        write_message(&mut bytes, 128, cid, 0, 9, 1, &[]);
    }
    assert_eq!(read(&bytes), Err(ChunkError::TooManyChunkStreams));
}

#[test]
fn acknowledgements_stand_at_the_same_places_however_the_bytes_are_split() {
    let mut bytes = Vec::new();
    write_message(&mut bytes, 128, cid::CONTROL, 0, 5, 0, &10_000u32.to_be_bytes());
    for _ in 0..4 {
        write_message(&mut bytes, 128, 6, 0, 9, 1, &[7; 3000]);
    }
    let whole = items(LIMITS, &[&bytes]).unwrap();
    let acks: Vec<_> = whole.iter().map(|item| matches!(item, Item::Acknowledge(_))).collect();
    assert_eq!(acks, [false, true, false, false, true, false]);
    assert!(whole.contains(&Item::Acknowledge(5_000)) && whole.contains(&Item::Acknowledge(10_000)));
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(items(LIMITS, &single).unwrap(), whole);
}

proptest! {
    #[test]
    fn whatever_is_sent_comes_out(
        session in session(),
        splits in proptest::collection::vec(1usize..400, 1..40),
    ) {
        let (bytes, expected) = session.send();
        let mut pieces = Vec::new();
        let mut rest = &bytes[..];
        for len in splits.iter().cycle() {
            let (piece, later) = rest.split_at(rest.len().min(*len));
            pieces.push(piece);
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        let read = items(LIMITS, &pieces).unwrap();
        prop_assert_eq!(read, items(LIMITS, &[&bytes]).unwrap());
        prop_assert_eq!(messages(items(LIMITS, &pieces).unwrap()), expected);
    }

    #[test]
    fn random_bytes_are_refused_or_wait_for_more(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let limits = Limits { chunk_size_max: 1 << 20, message_bytes_max: 4096, partial_bytes_max: 8192 };
        let whole = items(limits, &[&bytes]);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(items(limits, &single), whole);
    }
}

const LIMITS: Limits =
    Limits { chunk_size_max: 16 << 20, message_bytes_max: 16 << 20, partial_bytes_max: 32 << 20 };

fn message(timestamp: u32, type_id: u8, stream_id: u32, payload: &[u8]) -> Message {
    Message { timestamp, type_id, stream_id, payload: Bytes::copy_from_slice(payload) }
}

fn messages(items: Vec<Item>) -> Vec<Message> {
    let message = |item| if let Item::Message(message) = item { Some(message) } else { None };
    items.into_iter().filter_map(message).collect()
}

fn read(bytes: &[u8]) -> Result<Vec<Message>, ChunkError> {
    read_within(LIMITS, bytes)
}

fn read_within(limits: Limits, bytes: &[u8]) -> Result<Vec<Message>, ChunkError> {
    items(limits, &[bytes]).map(messages)
}

/// Everything that comes out of the pieces, received one after the other.
fn items(limits: Limits, pieces: &[&[u8]]) -> Result<Vec<Item>, ChunkError> {
    let mut reader = Reader::new(limits, 0, 2_500_000);
    let mut inbox = Inbox::new(1 << 20);
    let mut items = Vec::new();
    for piece in pieces {
        assert!(inbox.receive(piece));
        while let Some(item) = reader.next(&mut inbox)? {
            items.push(item);
        }
    }
    Ok(items)
}

/// What a sender wants to say, and how.
#[derive(Clone, Debug)]
struct Session {
    chunk_size: u32,
    repeats_extended: bool,
    /// One queue of messages for each chunk stream.
    queues: Vec<Vec<Wish>>,
    /// Which chunk stream sends its next chunk, modulo those that have one.
    turns: Vec<usize>,
}

/// A message, and the format that is used for it if that is possible.
#[derive(Clone, Debug)]
struct Wish {
    format: u8,
    delta: u32,
    type_id: u8,
    stream_id: u32,
    payload: Vec<u8>,
}

const CIDS: [u32; 4] = [3, 63, 64, 65_599];

fn session() -> impl Strategy<Value = Session> {
    // Few values, so that formats 2 and 3 have their chance.
    let delta = prop_oneof![Just(0u32), Just(23), Just(23), 0xff_fffeu32..0x100_0001, any::<u32>()];
    let len = prop_oneof![Just(0usize), Just(128), Just(300), Just(300), 0usize..400];
    let payload = len.prop_flat_map(|len| proptest::collection::vec(any::<u8>(), len));
    let wish = (0u8..4, delta, 8u8..10, 0u32..3, payload).prop_map(
        |(format, delta, type_id, stream_id, payload)| Wish { format, delta, type_id, stream_id, payload },
    );
    let queues = proptest::collection::vec(proptest::collection::vec(wish, 0..6), CIDS.len());
    let turns = proptest::collection::vec(any::<usize>(), 1..50);
    (1u32..400, any::<bool>(), queues, turns).prop_map(|(chunk_size, repeats_extended, queues, turns)| {
        Session { chunk_size, repeats_extended, queues, turns }
    })
}

/// A chunk stream as its sender sees it.
#[derive(Default)]
struct Lane {
    wishes: std::collections::VecDeque<Wish>,
    /// The message that is being sent: what it is and how much has gone.
    sending: Option<(Message, usize)>,
    /// The last header: what it said about time, whether that was extended, and the shape.
    last: Option<(u32, bool, Message)>,
}

impl Session {
    /// The bytes on the wire, and the messages in the order in which they are complete.
    fn send(self) -> (Vec<u8>, Vec<Message>) {
        let mut bytes = Vec::new();
        write_message(&mut bytes, 128, cid::CONTROL, 0, 1, 0, &self.chunk_size.to_be_bytes());
        let mut complete = Vec::new();
        let mut lanes: Vec<Lane> = self
            .queues
            .iter()
            .map(|wishes| Lane { wishes: wishes.iter().cloned().collect(), ..Lane::default() })
            .collect();
        for turn in self.turns.iter().cycle() {
            let busy: Vec<usize> = (0..lanes.len())
                .filter(|lane| lanes[*lane].sending.is_some() || !lanes[*lane].wishes.is_empty())
                .collect();
            let Some(lane) = busy.get(turn % busy.len().max(1)) else { break };
            complete.extend(self.send_chunk(&mut bytes, CIDS[*lane], &mut lanes[*lane]));
        }
        // Up to three bytes at the very end may be the beginning of a timestamp: only what follows tells.
        let ping = [0, 6, 0, 0, 0, 1];
        write_message(&mut bytes, self.chunk_size, cid::CONTROL, 0, 4, 0, &ping);
        complete.push(message(0, 4, 0, &ping));
        (bytes, complete)
    }

    fn send_chunk(&self, bytes: &mut Vec<u8>, cid: u32, lane: &mut Lane) -> Option<Message> {
        let (message, sent) = match lane.sending.take() {
            Some((message, sent)) => {
                put_basic(bytes, 3, cid);
                let (time, extended, _) = lane.last.as_ref().expect("a message that was begun");
                if *extended && self.repeats_extended {
                    bytes.extend(time.to_be_bytes());
                }
                (message, sent)
            }
            None => {
                let wish = lane.wishes.pop_front().expect("a lane that has something to send");
                (self.begin(bytes, cid, lane, wish), 0)
            }
        };
        let len = (message.payload.len() - sent).min(self.chunk_size as usize);
        let mut chunk = message.payload[sent..sent + len].to_vec();
        // Payload that looks like the timestamp cannot be told from it; not in one session of 2^32.
        if !self.repeats_extended && lane.last.as_ref().is_some_and(|(_, extended, _)| *extended) {
            assert_ne!(chunk.get(..4), Some(&message.timestamp.to_be_bytes()[..]));
        }
        bytes.append(&mut chunk);
        if sent + len == message.payload.len() {
            return Some(message);
        }
        lane.sending = Some((message, sent + len));
        None
    }

    /// Writes the header of a new message, in the wished format or the next that can say it.
    fn begin(&self, bytes: &mut Vec<u8>, cid: u32, lane: &mut Lane, wish: Wish) -> Message {
        let payload = Bytes::from(wish.payload);
        let mut message =
            Message { timestamp: wish.delta, type_id: wish.type_id, stream_id: wish.stream_id, payload };
        let mut format = 0;
        if let Some((time, extended, last)) = &lane.last {
            message.timestamp = last.timestamp.wrapping_add(wish.delta);
            let same_shape = (last.type_id, last.payload.len()) == (message.type_id, message.payload.len());
            // Without a header the delta is the last one, and an extended one would be ambiguous.
            format = match wish.format {
                3 if same_shape && *time == wish.delta && !extended => 3,
                2.. if same_shape => 2,
                1.. => 1,
                _ => 0,
            };
            if format > 0 {
                message.stream_id = last.stream_id;
            }
        }
        put_basic(bytes, format, cid);
        let time = if format == 0 { message.timestamp } else { wish.delta };
        let extended = time >= TIMESTAMP_EXTENDED;
        if format < 3 {
            bytes.extend(&time.min(TIMESTAMP_EXTENDED).to_be_bytes()[1..]);
        }
        if format < 2 {
            bytes.extend(&(message.payload.len() as u32).to_be_bytes()[1..]);
            bytes.push(message.type_id);
        }
        if format < 1 {
            bytes.extend(message.stream_id.to_le_bytes());
        }
        if extended {
            bytes.extend(time.to_be_bytes());
        }
        lane.last = Some((time, extended, message.clone()));
        message
    }
}

fn put_basic(bytes: &mut Vec<u8>, format: u8, cid: u32) {
    match cid {
        ..64 => bytes.push(format << 6 | cid as u8),
        64..320 => bytes.extend([format << 6, (cid - 64) as u8]),
        _ => {
            bytes.push(format << 6 | 1);
            bytes.extend(((cid - 64) as u16).to_le_bytes());
        }
    }
}
