//! Byte counts of connections and streams, for checks of the API (I38).
//!
//! Bytes count for a stream if the connection used it at that time. Where that is not known, the counts have
//! a lower and an upper bound. The server may remove a stream that no connection holds; then its counters
//! begin anew. So the counts are kept in stretches, of which an unknown number of the last ones count.

use super::expected_role::{Deed, ExpectedRole};
use std::collections::BTreeMap;
use std::fmt;

/// At least, and at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    /// At least.
    pub min: u64,
    /// At most.
    pub max: u64,
}

impl Span {
    /// True if it may be this number.
    pub fn holds(self, number: u64) -> bool {
        (self.min..=self.max).contains(&number)
    }

    /// So much more; `sure` if there is no doubt.
    pub fn add(&mut self, number: u64, sure: bool) {
        self.min += if sure { number } else { 0 };
        self.max = self.max.saturating_add(number);
    }

    /// Both together.
    pub fn plus(self, other: Span) -> Span {
        Span { min: self.min + other.min, max: self.max.saturating_add(other.max) }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.min, self.max) {
            (min, max) if min == max => write!(f, "{min}"),
            (min, u64::MAX) => write!(f, "{min} or more"),
            (min, max) => write!(f, "{min} to {max}"),
        }
    }
}

/// A stretch of a stream's life in which the server cannot have forgotten it.
#[derive(Clone, Debug, Default)]
pub(super) struct Stretch {
    /// The first publishing session that may belong to it.
    pub session: u32,
    /// Bytes of its peers.
    pub recv: Span,
    /// Bytes that were sent to its players and clients.
    pub sent: Span,
}

/// One connection's page.
#[derive(Clone, Debug, Default)]
pub(super) struct Page {
    /// Bytes that the server was given of it.
    pub recv: u64,
    /// Bytes of the server that the kernel took for it.
    pub sent: u64,
    /// Its socket has no room: the server may know more of it than was said.
    pub blocked: bool,
    /// What it was about after the last thing that was said.
    pub role: ExpectedRole,
    /// Bytes that left for it and count for the stream that it gets, unless the server has stopped meanwhile
    /// and could not say so yet; and in which stretch.
    pending: u64,
    stretch: Option<usize>,
    moment: u64,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct ByteCounts {
    /// Bytes of all peers.
    pub recv: u64,
    /// Bytes to all peers.
    pub sent: u64,
    /// Connections that were let in, and that are over.
    pub conns: (u64, u64),
    /// Stretches by stream.
    pub streams: BTreeMap<String, Vec<Stretch>>,
    /// Counts the moments at which the server has done all that it wants.
    moment: u64,
}

impl ByteCounts {
    /// The server is about to be told something by a peer: all that it wanted before is done.
    pub fn quiet(&mut self) {
        self.moment += 1;
    }

    /// Peers that had room at the last quiet moment, and were sent nothing since, had the role that was seen.
    pub fn confirm(&mut self, page: &mut Page) {
        if page.blocked || page.moment == self.moment || page.pending == 0 {
            return;
        }
        let pending = std::mem::take(&mut page.pending);
        if let Ok(Some(stream)) = page.role.target()
            && let Some(place) = page.stretch
            && let Some(stretch) = self.streams.get_mut(stream).and_then(|all| all.get_mut(place))
        {
            stretch.sent.min += pending;
        }
    }

    /// The server is given `len` bytes of a peer.
    pub fn received(&mut self, page: &mut Page, len: u64) {
        self.confirm(page);
        self.recv += len;
        page.recv += len;
        let sure = !page.blocked && page.role.sure().is_some();
        for about in page.role.abouts.iter().filter(|about| about.holds()) {
            if let Some(stretch) = self.streams.get_mut(&about.stream).and_then(|all| all.last_mut()) {
                stretch.recv.add(len, sure);
            }
        }
    }

    /// The kernel took `len` bytes for a peer; with them it has come to stand like this.
    pub fn sent(&mut self, page: &mut Page, len: u64, now: &ExpectedRole) {
        self.confirm(page);
        self.sent += len;
        page.sent += len;
        page.moment = self.moment;
        let before = page.role.target();
        let settled = now.target().is_ok() && (before.is_err() || before == now.target());
        let both = page.role.abouts.iter().chain(&now.abouts).filter(|about| about.gets() != Some(false));
        let mut streams: Vec<&str> = both.map(|about| about.stream.as_str()).collect();
        streams.sort_unstable();
        streams.dedup();
        for stream in streams {
            if let Some(stretch) = self.streams.get_mut(stream).and_then(|all| all.last_mut()) {
                stretch.sent.max += len;
            }
        }
        let stretches = now.target().ok().flatten().and_then(|stream| self.streams.get(stream));
        let stretch = stretches.and_then(|all| all.len().checked_sub(1));
        let before = if settled && page.stretch == stretch { page.pending } else { 0 };
        (page.pending, page.stretch) = (if settled { before + len } else { 0 }, stretch);
    }

    /// A peer has come to stand otherwise: by its own word (then it may have let go of what it held), or by
    /// the server's. `held` says whether another one surely holds a stream; publishing sessions from
    /// `sessions` on have not begun before, the last of which is the other number.
    pub fn stands(
        &mut self,
        page: &mut Page,
        (now, by_itself): (ExpectedRole, bool),
        sessions: (u32, u32),
        held: impl Fn(&str) -> bool,
    ) {
        let holds = |role: &ExpectedRole, stream: &str| {
            role.abouts.iter().any(|about| about.holds() && about.stream == stream)
        };
        let publishes = |role: &ExpectedRole| {
            role.abouts.iter().filter(|about| about.deed == Deed::Publishes).count() as u32
        };
        // A publisher that ends its stream ends its players too, and may publish again at once.
        let begun = (sessions.1 + 1).saturating_sub(sessions.0);
        let ended = by_itself && (publishes(&page.role) > 0 || begun > 1 || begun > publishes(&now));
        for about in now.abouts.iter().filter(|about| about.holds()) {
            let stream = &about.stream;
            let joins = by_itself || !holds(&page.role, stream);
            if ended || (joins && !held(stream)) {
                let stretches = self.streams.entry(stream.clone()).or_default();
                stretches.push(Stretch { session: sessions.0, ..Stretch::default() });
                if begun > 1 {
                    stretches.push(Stretch { session: sessions.1, ..Stretch::default() });
                }
            }
        }
        if page.blocked && page.role.target() != now.target() {
            page.pending = 0;
        }
        page.role = now;
    }
}
