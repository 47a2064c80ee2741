//! Holds what comes out now against what the recording says came out then.
//!
//! In: writes, closed connections and checks. Out: differences, of each connection only the first. Never:
//! changes what the server is told.

use super::{Difference, Replay, Witness};
use crate::base::id::ConnId;
use crate::record::file::Kernel;
use crate::record::list::{Event, Seat};
use crate::record::rolling_hash::RollingHash;

impl Replay {
    /// Holds one write against the recording.
    pub(super) fn compare(
        &mut self,
        seat: Seat,
        wanted: Option<(usize, u16)>,
        offered: usize,
        witness: &mut dyn Witness,
    ) {
        let Some(place) = self.places.get_mut(&seat).filter(|_| self.kernel == Kernel::Recorded) else {
            return;
        };
        let what = match wanted {
            None if !self.goes_on && self.window.is_empty() => return,
            None => format!("{offered} bytes are written now, and were not then"),
            Some((len, _)) if len > offered => {
                format!("{len} bytes were written then, and only {offered} are there now")
            }
            Some((_, check)) if check != place.sent.short() => {
                format!("its bytes from {} to {} are others now", place.same_bytes, place.sent.len())
            }
            Some(_) => {
                place.same_bytes = place.sent.len();
                return;
            }
        };
        self.differ(Some(seat), what, witness);
    }

    pub(super) fn check(&mut self, seat: Seat, sent: RollingHash, witness: &mut dyn Witness) {
        let Some(place) = self.places.get(&seat).filter(|_| self.kernel == Kernel::Recorded) else { return };
        witness.checked(self.now, &Event::Checked { seat, sent: place.sent });
        if place.sent != sent {
            let what = format!(
                "{} bytes were sent to it then and {} now, not the same ones from byte {} on",
                sent.len(),
                place.sent.len(),
                place.same_bytes
            );
            self.differ(Some(seat), what, witness);
        }
    }

    pub(super) fn close(&mut self, conn: ConnId, linger: bool, witness: &mut dyn Witness) {
        let Some(seat) = self.seats.remove(&conn) else { return };
        let Some(place) = self.places.get_mut(&seat) else { return };
        place.open = false;
        if self.kernel == Kernel::Open {
            return;
        }
        let sent = place.sent;
        let then = self.window.iter().find_map(|entry| match &entry.event {
            Event::Closed { seat: other, linger, sent } if *other == seat => Some((*linger, *sent)),
            _ => None,
        });
        match then {
            Some((then, _)) if then != linger => {
                let how = |linger| if linger { "after its final response" } else { "at once" };
                let what = format!("was closed {} then and is closed {} now", how(then), how(linger));
                self.differ(Some(seat), what, witness);
            }
            Some((_, then)) if then != sent => self.check(seat, then, witness),
            Some(_) => {}
            None if self.goes_on || !self.window.is_empty() => {
                self.differ(Some(seat), "is closed now and was not then".to_owned(), witness);
            }
            None => {}
        }
    }

    /// Of each connection only the first difference is told: the others follow from it.
    pub(super) fn differ(&mut self, seat: Option<Seat>, what: String, witness: &mut dyn Witness) {
        if let Some(place) = seat.and_then(|seat| self.places.get_mut(&seat))
            && std::mem::replace(&mut place.differs, true)
        {
            return;
        }
        self.summary.differences += 1;
        witness.differs(&Difference { at: self.now, seat, what });
    }
}
