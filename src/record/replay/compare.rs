//! Compares the outputs of a replay with the recording.
//!
//! In: writes, closed connections and checks. Out: differences, of each connection only the first.
//! Never: changes an input of the server.

use super::played::Played;
use super::{Difference, Observer};
use crate::base::id::ConnId;
use crate::record::event::{ConnNo, Event};
use crate::record::file::Kernel;
use crate::record::rolling_hash::RollingHash;

impl Played {
    /// Compares one write with the recording.
    pub(super) fn compare(
        &mut self,
        conn_no: ConnNo,
        wanted: Option<(usize, u16)>,
        offered: usize,
        observer: &mut dyn Observer,
    ) {
        let Some(place) = self.places.get_mut(&conn_no).filter(|_| self.kernel == Kernel::Recorded) else {
            return;
        };
        let what = match wanted {
            None if !self.goes_on && self.window.is_empty() => return,
            None => format!("{offered} bytes are written now, and none in the recording"),
            Some((len, _)) if len > offered => {
                format!("{len} bytes were written in the recording, and only {offered} can be now")
            }
            Some((_, check)) if check != place.sent.short() => {
                format!("its bytes from {} to {} differ", place.same_bytes, place.sent.len())
            }
            Some(_) => {
                place.same_bytes = place.sent.len();
                return;
            }
        };
        self.differ(Some(conn_no), what, observer);
    }

    pub(super) fn check(&mut self, conn_no: ConnNo, sent: RollingHash, observer: &mut dyn Observer) {
        let Some(place) = self.places.get(&conn_no).filter(|_| self.kernel == Kernel::Recorded) else {
            return;
        };
        observer.checked(self.now, &Event::Checked { conn_no, sent: place.sent });
        if place.sent != sent {
            let what = format!(
                "{} bytes were sent to it in the recording and {} now; they differ from byte {} on",
                sent.len(),
                place.sent.len(),
                place.same_bytes
            );
            self.differ(Some(conn_no), what, observer);
        }
    }

    pub(super) fn close(&mut self, conn: ConnId, linger: bool, observer: &mut dyn Observer) {
        let Some(conn_no) = self.numbers.remove(&conn) else { return };
        let Some(place) = self.places.get_mut(&conn_no) else { return };
        place.open = false;
        if self.kernel == Kernel::Open {
            return;
        }
        let sent = place.sent;
        let then = self.window.iter().find_map(|entry| match &entry.event {
            Event::Closed { conn_no: other, linger, sent } if *other == conn_no => Some((*linger, *sent)),
            _ => None,
        });
        match then {
            Some((then, _)) if then != linger => {
                let how = |linger| if linger { "after its final response" } else { "at once" };
                let what = format!("was closed {} in the recording and is {} now", how(then), how(linger));
                self.differ(Some(conn_no), what, observer);
            }
            Some((_, then)) if then != sent => self.check(conn_no, then, observer),
            Some(_) => {}
            None if self.goes_on || !self.window.is_empty() => {
                self.differ(
                    Some(conn_no),
                    "is closed now and was open in the recording".to_owned(),
                    observer,
                );
            }
            None => {}
        }
    }

    /// Reports a difference. Of each connection only the first: the others follow from it.
    pub(super) fn differ(&mut self, conn_no: Option<ConnNo>, what: String, observer: &mut dyn Observer) {
        if let Some(place) = conn_no.and_then(|conn_no| self.places.get_mut(&conn_no))
            && std::mem::replace(&mut place.differs, true)
        {
            return;
        }
        self.summary.differences += 1;
        observer.differs(&Difference { at: self.now, conn_no, what });
    }
}
