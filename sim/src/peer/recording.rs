//! A peer that repeats the bytes of a real program at their pace, and ignores answers.
//!
//! In: the captures under `fixtures/captures`, and the time. Out: the bytes of a real client.

use super::{HangUp, Peer, PeerCx};
use conformance::rng::Rng;
use dacapo::base::time::Instant;
use dacapo::config::Service;
use dacapo::record::{self, ConnNo, Entry, Event};
use dacapo::server::End;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// What one connection's client said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Where it stands: "rtmp/obs-29.0-publish #0".
    pub name: String,
    /// Where the program connected to.
    pub service: Service,
    /// What it said, by the time from the connection's beginning, in microseconds.
    pub words: Vec<(u64, Vec<u8>)>,
    /// How and when it ended the connection, if it did.
    pub end: Option<(u64, HangUp)>,
}

/// A peer that repeats a capture.
pub struct Recording {
    said: &'static Said,
    /// How much faster than then; 1: as then.
    squeeze: u64,
    since_us: u64,
    next: usize,
    dials: u32,
}

impl Recording {
    /// Says `said` again, so many times faster.
    pub fn new(said: &'static Said, squeeze: u64) -> Self {
        Recording { said, squeeze, since_us: 0, next: 0, dials: 0 }
    }

    /// Draws one of what is on the shelf, if there is anything.
    pub fn draw(rng: &mut Rng) -> Option<Self> {
        let all = shelf();
        (!all.is_empty()).then(|| {
            let at = rng.below(all.len());
            Recording::new(&all[at], rng.pick(&[1, 1, 4, 1_000_000]))
        })
    }

    fn at_us(&self, us: u64) -> u64 {
        self.since_us + us / self.squeeze
    }
}

impl Peer for Recording {
    fn name(&self) -> String {
        format!("recording {}", self.said.name)
    }

    fn service(&self) -> Service {
        self.said.service
    }

    fn connected(&mut self, cx: &mut PeerCx<'_>) {
        self.since_us = cx.now_us;
        self.next = 0;
        self.woken(cx);
    }

    fn received(&mut self, _cx: &mut PeerCx<'_>, _bytes: &[u8]) {}

    fn woken(&mut self, cx: &mut PeerCx<'_>) {
        while let Some((us, words)) = self.said.words.get(self.next) {
            if self.at_us(*us) > cx.now_us {
                cx.wake_at_us = Some(self.at_us(*us));
                return;
            }
            cx.out.extend(words);
            self.next += 1;
        }
        if let Some((us, how)) = self.said.end {
            if self.at_us(us) <= cx.now_us {
                cx.hang_up = Some(how);
            } else {
                cx.wake_at_us = Some(self.at_us(us));
            }
        }
    }

    fn ended(&mut self, cx: &mut PeerCx<'_>, _broken: bool) {
        self.dials += 1;
        if self.dials < DIALS_MAX {
            cx.dial_at_us = Some(cx.now_us + 1_000_000);
        }
    }

    fn pending(&self, _since_us: u64) -> Option<String> {
        None
    }
}

/// Everything that was ever said, read once, in the order of its names.
pub fn shelf() -> &'static [Said] {
    static SHELF: OnceLock<Vec<Said>> = OnceLock::new();
    SHELF.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/captures");
        let mut folders: Vec<PathBuf> =
            folders(&root).iter().flat_map(|protocol| folders(protocol)).collect();
        folders.sort();
        folders.iter().flat_map(|folder| read(folder)).collect()
    })
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(of).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// What a capture's clients said: `client.bin`, one connection at once, or `inputs`, a recording.
fn read(folder: &Path) -> Vec<Said> {
    let names = folder.components().rev().take(2).map(|part| part.as_os_str().to_string_lossy());
    let name = names.collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("/");
    if let Ok(bytes) = std::fs::read(folder.join("client.bin")) {
        return vec![Said { name, service: Service::Rtmp, words: vec![(0, bytes)], end: None }];
    }
    let Ok(bytes) = std::fs::read(folder.join("inputs")) else { return Vec::new() };
    let Ok(contents) = record::read(bytes.into()) else { return Vec::new() };
    let Ok(config) = contents.header.config() else { return Vec::new() };
    let services: Vec<Service> = config.listeners().into_iter().map(|(_, service, _)| service).collect();
    said(&name, &services, &contents.entries)
}

/// Takes a recording apart by its connections.
fn said(name: &str, services: &[Service], entries: &[Entry]) -> Vec<Said> {
    let mut all: Vec<(ConnNo, Instant, Said)> = Vec::new();
    for entry in entries {
        if let Event::Accepted { listener, conn_no: Some(conn_no), .. } = &entry.event {
            let Some(service) = services.get(usize::from(listener.0)) else { continue };
            let name = format!("{name} {conn_no}");
            all.push((*conn_no, entry.at, Said { name, service: *service, words: Vec::new(), end: None }));
            continue;
        }
        let conn_no = entry.event.conn_no();
        let Some((_, since, said)) = all.iter_mut().rev().find(|(other, ..)| Some(*other) == conn_no) else {
            continue;
        };
        let us = entry.at.as_micros().saturating_sub(since.as_micros());
        match &entry.event {
            Event::Received { bytes, .. } => said.words.push((us, bytes.to_vec())),
            Event::Ended { end: End::Eof, .. } => said.end = Some((us, HangUp::Fin)),
            Event::Ended { end: End::Broken(_), .. } => said.end = Some((us, HangUp::Reset)),
            _ => {}
        }
    }
    all.into_iter().map(|(_, _, said)| said).filter(|said| !said.words.is_empty()).collect()
}

/// How often it comes.
const DIALS_MAX: u32 = 3;

#[cfg(test)]
mod tests {
    use super::{said, shelf};
    use crate::peer::HangUp;
    use dacapo::base::id::ListenerId;
    use dacapo::base::time::Instant;
    use dacapo::config::Service;
    use dacapo::record::{ConnNo, Entry, Event};
    use dacapo::server::End;
    use std::time::Duration;

    #[test]
    fn the_shelf_holds_what_real_programs_said() {
        let rtmp = shelf().iter().filter(|said| said.service == Service::Rtmp);
        assert!(rtmp.clone().count() >= 8, "the captures of this repository");
        assert!(rtmp.clone().all(|said| said.words[0].1[0] == 3), "RTMP begins with its version");
    }

    #[test]
    fn a_recording_is_taken_apart_by_connections() {
        let at = |ms| Instant::ZERO + Duration::from_millis(ms);
        let peer = ([192, 0, 2, 1], 1).into();
        let (listener, conn_no) = (ListenerId(0), ConnNo(0));
        let entries = [
            Entry { at: at(5), event: Event::Accepted { listener, peer, conn_no: Some(conn_no) } },
            Entry { at: at(7), event: Event::Received { conn_no, bytes: b"hello".as_slice().into() } },
            Entry { at: at(9), event: Event::Ended { conn_no, end: End::Eof } },
        ];
        let all = said("rtmp/x", &[Service::Rtmp], &entries);
        assert_eq!(all[0].words, [(2_000, b"hello".to_vec())]);
        assert_eq!(all[0].end, Some((4_000, HangUp::Fin)));
    }
}
