//! Canaries: faults that are planted in the shell to prove that the checkers find them.
//!
//! Some falsify the inputs of the server; others change the bytes for one player (FLV tags, playlists) or an
//! answer of the API. Each does so once, or until a checker reports it. Tests name the invariant that must be
//! reported.

mod answer;
mod playlist;
mod tags;

use dacapo::base::time::Instant;
use dacapo::driver::Limits;
use playlist::Answers;
use std::collections::BTreeMap;
use std::io::IoSlice;
use std::time::Duration;
use tags::{Hand, Tags};

/// A planted fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// A tick that is due is left out once.
    TickLost,
    /// All ticks are left out: silent peers are never closed.
    TimerLost,
    /// The server is told fewer bytes than were written.
    SentMisreported,
    /// The server is told more bytes than it had shown.
    SentPastTheLimit,
    /// The socket of a closed connection stays open.
    SocketKeptOpen,
    /// A frame reaches a player twice.
    FrameTwice,
    /// A keyframe and the picture before it reach a player in the wrong order.
    FramesSwapped,
    /// A keyframe does not reach a player, and what depends on it does.
    BoundarySkipped,
    /// Another configuration than the first does not reach a player.
    HeaderMissing,
    /// A frame reaches a player with an earlier time.
    StepBack,
    /// A frame of what another player plays reaches a player.
    CrossStream,
    /// A byte of a frame is changed.
    PayloadChanged,
    /// A playlist loses its last segments.
    PlaylistShrinks,
    /// A number in an answer of the API is changed.
    NumberChanged,
    /// The server panics when a frame leaves.
    Panics,
    /// A pass of the loop has no budgets: it reads and accepts until there is nothing left.
    BudgetIgnored,
    /// A socket in lingering close is never closed by the loop itself.
    LingerForgotten,
    /// The process is woken up too late.
    WakeLate,
    /// Where the last bytes and the end of a connection arrive together, the end is not reported.
    EndLost,
    /// After the file descriptors ran out, the loop never accepts again.
    AcceptPauseEndless,
}

/// Everything that can go wrong on purpose.
pub const ALL: [Fault; 20] = [
    Fault::TickLost,
    Fault::TimerLost,
    Fault::SentMisreported,
    Fault::SentPastTheLimit,
    Fault::SocketKeptOpen,
    Fault::FrameTwice,
    Fault::FramesSwapped,
    Fault::BoundarySkipped,
    Fault::HeaderMissing,
    Fault::StepBack,
    Fault::CrossStream,
    Fault::PayloadChanged,
    Fault::PlaylistShrinks,
    Fault::NumberChanged,
    Fault::Panics,
    Fault::BudgetIgnored,
    Fault::LingerForgotten,
    Fault::WakeLate,
    Fault::EndLost,
    Fault::AcceptPauseEndless,
];

/// More than any run lasts.
const FOREVER: Duration = Duration::from_secs(100_000);

/// More than the checks forgive.
const OVERSLEEP: Duration = Duration::from_millis(20);

/// Writes that are reported rightly before one is not.
const WRITES_BEFORE: u64 = 60;

/// A canary: by default it does nothing wrong.
#[derive(Debug, Default)]
pub struct Canary {
    fault: Fault,
    /// How often what it waits for has come.
    count: u64,
    /// What was done; once is enough.
    done: bool,
    streams: BTreeMap<u32, Tags>,
    answers: BTreeMap<u32, Answers>,
    hand: Hand,
}

impl Canary {
    /// A canary with this fault.
    pub fn new(fault: Fault) -> Self {
        Canary { fault, hand: Hand::new(fault), ..Canary::default() }
    }

    /// A canary that tampers with the first tag whose content it likes, so that it takes a long run to make
    /// it cry, and little of that run to make it cry again.
    pub fn picky(fault: Fault) -> Self {
        Canary { hand: Hand::picky(fault), ..Canary::new(fault) }
    }

    /// The limits of the loop, instead of those that it should have.
    pub fn loop_limits(&self, limits: Limits) -> Limits {
        match self.fault {
            Fault::BudgetIgnored => Limits { read_budget_bytes: usize::MAX, accepts: usize::MAX, ..limits },
            Fault::LingerForgotten => Limits { linger: FOREVER, ..limits },
            Fault::AcceptPauseEndless => Limits { accept_pause: FOREVER, ..limits },
            _ => limits,
        }
    }

    /// How much later the process is woken up than it wants to be.
    pub fn oversleeps(&self) -> Duration {
        if self.fault == Fault::WakeLate { OVERSLEEP } else { Duration::ZERO }
    }

    /// Whether the loop is not told that a peer has closed its side.
    pub fn hides_the_end(&self) -> bool {
        self.fault == Fault::EndLost
    }

    /// Whether the server gets the tick that is due.
    pub fn lets_tick(&mut self, now: Instant) -> bool {
        match self.fault {
            Fault::TickLost if now.as_micros() > 1_000_000 => self.count_to(500),
            Fault::TimerLost => false,
            _ => true,
        }
    }

    /// False for the first `count` calls.
    fn count_to(&mut self, count: u64) -> bool {
        self.count += 1;
        self.count > count
    }

    /// Whether a socket is closed when the server wants it closed.
    pub fn lets_close(&mut self) -> bool {
        self.fault != Fault::SocketKeptOpen || std::mem::replace(&mut self.done, true)
    }

    /// What the server is told that was written, instead of what was.
    pub fn reports(&mut self, len: usize, room: bool) -> (usize, bool) {
        let wrong = match self.fault {
            Fault::SentMisreported => len.checked_sub(1),
            Fault::SentPastTheLimit => Some(len + 1),
            _ => None,
        };
        match wrong {
            Some(wrong) if len > 100 && !self.done && self.count_to(WRITES_BEFORE) => {
                self.done = true;
                (wrong, room)
            }
            _ => (len, room),
        }
    }

    /// What leaves for the connection with this number, instead of what should.
    pub fn tampers(&mut self, conn_no: u32, slices: &[IoSlice<'_>]) -> Option<Vec<u8>> {
        match self.fault {
            Fault::FrameTwice
            | Fault::FramesSwapped
            | Fault::BoundarySkipped
            | Fault::HeaderMissing
            | Fault::StepBack
            | Fault::CrossStream
            | Fault::PayloadChanged
            | Fault::Panics => {
                let bytes = slices.iter().flat_map(|slice| slice.iter().copied());
                self.streams.entry(conn_no).or_default().pass(conn_no, bytes, &mut self.hand)
            }
            Fault::PlaylistShrinks => {
                let bytes = slices.iter().flat_map(|slice| slice.iter().copied());
                self.answers.entry(conn_no).or_default().pass(bytes, &mut self.done)
            }
            Fault::NumberChanged => {
                let bytes = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
                answer::changed(bytes, &mut self.done)
            }
            _ => None,
        }
    }
}
