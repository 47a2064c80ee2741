//! Gaps: the frames between two frames that a player got, and whether they may be missing.

use super::model::{Position, Stream};
use super::rules::Rules;
use super::session::{Accepted, Session};

/// For how long before its end what a publisher sent may have been left unread: the server writes its final
/// response to it.
const FINAL_RESPONSE_US: u64 = 6_000_000;

/// Frames that a player did not get.
#[derive(Debug)]
pub(super) struct Gap {
    /// How many.
    pub missed: u64,
    /// The first.
    pub first: Position,
    /// All of them are such as the server may not have taken.
    pub excused: bool,
}

/// The frames between two positions that the player wants; `None` if there are none.
pub(super) fn between(
    stream: &Stream,
    before: Position,
    position: Position,
    wanted: impl Fn(&Accepted) -> bool,
) -> Option<Gap> {
    let next = Position { frame: before.frame + 1, ..before };
    if next == position {
        return None;
    }
    let mut gap: Option<Gap> = None;
    for (at, frame) in stream.behind(before).take_while(|(at, _)| *at < position) {
        if !wanted(frame) {
            continue;
        }
        let excused = may_be_lost(&stream.sessions[&at.session], frame);
        if excused && at.session < position.session {
            continue;
        }
        let gap = gap.get_or_insert(Gap { missed: 0, first: at, excused: true });
        gap.missed += 1;
        gap.excused &= excused;
    }
    gap
}

/// Whether the server may not have taken a frame.
fn may_be_lost(session: &Session, frame: &Accepted) -> bool {
    let late = session.over_us.is_some_and(|over_us| frame.at_us + FINAL_RESPONSE_US >= over_us);
    // A publisher that ended without an answer may not have been accepted.
    let stranger = session.presumed && session.over_us.is_some();
    session.doubtful || stranger || (late && !session.by_itself)
}

/// Whether the ring was through with the frame at `first` before the server could write it: within the time
/// that frames wait for company and a pass takes.
pub(super) fn overtaken(stream: &Stream, rules: &Rules, first: Position) -> bool {
    let Some(frame) = stream.frame(first) else { return true };
    // Headers and data before a frame belong to the GOP before it in the ring: a player that still lacks them
    // is overtaken when that GOP is removed.
    let mut sync = frame.sync.then_some(frame.place.dts_us);
    let mut behind = (0, 0);
    for (at, later) in stream.behind(first) {
        if later.at_us > frame.at_us + rules.patience_us {
            return false;
        }
        let fresh = at.session != first.session;
        if !fresh {
            behind = (later.ring.0 - frame.ring.0, later.ring.1 - frame.ring.1);
        } else if at.frame == 0 {
            let end = &stream.sessions[&first.session];
            let last = end.get(end.end().wrapping_sub(1)).map_or(frame.ring, |last| last.ring);
            behind = (last.0 - frame.ring.0, last.1 - frame.ring.1);
        }
        let own = if fresh { later.ring } else { (0, 0) };
        let (entries, bytes) = (behind.0 + own.0, behind.1 + own.1);
        if entries >= rules.ring_frames_max as u64 || bytes + frame.len > rules.ring_bytes_max as u64 {
            return true;
        }
        if later.sync {
            sync.get_or_insert(later.place.dts_us);
        }
        let keep_us = i64::try_from(rules.ring_keep_us).unwrap_or(i64::MAX);
        if sync.is_some_and(|sync| later.place.dts_us - sync >= keep_us) {
            return true;
        }
    }
    false
}
