//! What sessions ask for, performed: the one place where a session's word becomes a deed.

use crate::base::id::ConnId;
use crate::base::name::StreamName;
use crate::base::reason::Reason;
use crate::server::Server;
use crate::session::ask::{Answer, Ask};
use std::fmt;

impl Server {
    pub(super) fn perform(&mut self, id: ConnId, ask: Ask) {
        if self.conns.get(id).is_none_or(|conn| conn.ending.is_some()) {
            return;
        }
        match ask {
            Ask::Introduce(introduction) => {
                if let Some(conn) = self.conns.get_mut(id) {
                    conn.name = introduction.name.clone();
                    conn.introduction = introduction;
                }
            }
            Ask::Publish { name, query: _ } => {
                self.log_request(id, format_args!("to publish"), &name);
                let result = self.publish(id, name);
                if let Err(refusal) = &result {
                    self.log_refusal(id, "publish", refusal);
                }
                self.answer(id, Answer::Publish(result));
            }
            Ask::Frame(frame) => self.frame(id, frame),
            Ask::Unpublish => self.unpublish(id),
            Ask::Play { name, query: _, format } => {
                self.log_request(id, format_args!("to play"), &name);
                let result = self.play(id, name, format);
                if let Err(refusal) = &result {
                    self.log_refusal(id, "play", refusal);
                }
                self.answer(id, Answer::Play(result));
            }
            Ask::SelectTracks { audio, video } => self.select_tracks(id, audio, video),
            Ask::Stop => self.leave_stream(id, &Reason::PeerLeft),
            Ask::Fetch { name, file, query: _ } => {
                self.log_request(id, format_args!("for {file} of"), &name);
                self.fetch(id, name, file);
            }
            Ask::Query(query) => self.query(id, query),
            Ask::Kick { id: cid } => {
                let kicked = self.kick(&cid);
                self.answer(id, Answer::Kick(kicked));
            }
            Ask::Bye(reason) => self.finish(id, reason),
        }
    }

    fn log_request(&self, id: ConnId, what: fmt::Arguments<'_>, name: &StreamName) {
        if let Some(conn) = self.conns.get(id) {
            log::debug!(cid:% = conn.cid; "asks {what} {name}");
        }
    }

    fn log_refusal(&self, id: ConnId, what: &str, refusal: &crate::session::ask::Refusal) {
        if let Some(conn) = self.conns.get(id) {
            log::warn!(cid:% = conn.cid; "{what} refused for {}: {refusal}", conn.peer);
        }
    }

    /// Ends the connection with this id in the API. False if there is none.
    fn kick(&mut self, cid: &str) -> bool {
        let Some(id) = self.conns.iter().find(|conn| conn.cid.as_str() == cid).map(|conn| conn.id) else {
            return false;
        };
        self.farewell(id, Reason::Kicked);
        true
    }

    /// Lets a session write its final response in its own protocol, then ends it.
    pub(super) fn farewell(&mut self, id: ConnId, reason: Reason) {
        self.answer(id, Answer::Farewell(reason.clone()));
        self.finish(id, reason);
    }
}
