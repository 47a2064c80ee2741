//! Aggregate messages: FLV tags sent as one message (RTMP 1.0, section 7.1.6).
//!
//! In: the aggregate. Out: its messages, one by one, since there may be many. Their timestamps are shifted so
//! that the first has the timestamp of the aggregate.

use super::chunk::Message;
use crate::wire::flv::{TAG_HEAD_BYTES, TagHead};
use bytes::Bytes;

/// Bytes after each tag that repeat its length; ignored.
const BACK_POINTER_BYTES: usize = 4;

/// The unread part of an aggregate.
#[derive(Debug)]
pub struct Aggregate {
    message: Message,
    /// Offset of the timestamps of its tags; known from the first one on.
    shift: Option<u32>,
}

impl Aggregate {
    /// All messages of `message`.
    pub fn new(message: Message) -> Self {
        Aggregate { message, shift: None }
    }
}

impl Iterator for Aggregate {
    type Item = Message;

    /// The next message. The last one may lack its back pointer. Bytes that are no tag end the aggregate: the
    /// position is lost.
    fn next(&mut self) -> Option<Message> {
        let rest = &mut self.message.payload;
        let head = TagHead::parse(rest.first_chunk()?).ok()?;
        let end = TAG_HEAD_BYTES + head.len;
        // A copy, so that the message does not keep the whole aggregate in memory.
        let payload = Bytes::copy_from_slice(rest.get(TAG_HEAD_BYTES..end)?);
        *rest = rest.slice((end + BACK_POINTER_BYTES).min(rest.len())..);
        let shift = *self.shift.get_or_insert(self.message.timestamp.wrapping_sub(head.timestamp_ms));
        Some(Message {
            timestamp: head.timestamp_ms.wrapping_add(shift),
            type_id: head.tag,
            stream_id: self.message.stream_id,
            payload,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::flv::put_tag;
    use bytes::BytesMut;

    #[test]
    fn timestamps_start_at_that_of_the_aggregate() {
        let mut tags = BytesMut::new();
        put_tag(&mut tags, 8, 5000, &[&[0xaf, 1]]);
        put_tag(&mut tags, 9, 5040, &[&[0x27]]);
        put_tag(&mut tags, 8, 4990, &[]);
        let message = |timestamp, type_id, payload: &'static [u8]| Message {
            timestamp,
            type_id,
            stream_id: 1,
            payload: Bytes::from_static(payload),
        };
        let expected = [message(100, 8, &[0xaf, 1]), message(140, 9, &[0x27]), message(90, 8, &[])];
        assert_eq!(split(100, &tags), expected);
        assert_eq!(split(100, &tags[..tags.len() - 4]), expected);
    }

    #[test]
    fn what_is_not_a_tag_ends_the_aggregate() {
        let mut tags = BytesMut::new();
        put_tag(&mut tags, 8, 0, &[&[0xaf, 1]]);
        let whole = tags.len();
        put_tag(&mut tags, 9, 0, &[&[0x27; 100]]);
        for len in whole..whole + 11 + 100 {
            assert_eq!(split(0, &tags[..len]).len(), 1);
        }
        assert_eq!(split(0, &[]), []);
        assert_eq!(split(0, &[9, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0]), []);
    }

    fn split(timestamp: u32, payload: &[u8]) -> Vec<Message> {
        let payload = Bytes::copy_from_slice(payload);
        Aggregate::new(Message { timestamp, type_id: 22, stream_id: 1, payload }).collect()
    }
}
