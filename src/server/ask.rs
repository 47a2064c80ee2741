//! Performs the requests of sessions. In: one [`Ask`]. Out: changes of the server, and mostly an [`Answer`].

use crate::base::id::ConnId;
use crate::base::reason::Reason;
use crate::server::Server;
use crate::server::admission::{self, Decision, Request};
use crate::server::peer::Role;
use crate::session::ask::{Answer, Ask, Refusal};

impl Server {
    pub(super) fn perform(&mut self, id: ConnId, ask: Ask) {
        // Requests that were queued when their connection ended are dropped.
        let Some(peer) = self.peers.get_mut(id).filter(|peer| !peer.is_ending()) else { return };
        match ask {
            Ask::Frame(frame) => self.frame(id, frame),
            Ask::Introduce(introduction) => {
                peer.name = introduction.name.clone();
                peer.introduction = introduction;
            }
            Ask::Publish { name, query } => self.admit(id, Request::Publish { name, query }),
            Ask::Unpublish => self.unpublish(id),
            Ask::Play { name, query, format } => self.admit(id, Request::Play { name, query, format }),
            Ask::SelectTracks { audio, video } => self.select_tracks(id, audio, video),
            Ask::Stop => self.leave_stream(id, &Reason::PeerLeft),
            Ask::Fetch { name, file, query } => self.admit(id, Request::Fetch { name, query, file }),
            Ask::Query(query) => self.query(id, query),
            Ask::Kick { id: cid } => {
                let kicked = self.kick(&cid);
                self.answer(id, Answer::Kick(kicked));
            }
            Ask::Bye(reason) => self.finish(id, reason),
        }
    }

    /// Decides whether `id` may publish, play or fetch, and performs the request if so.
    fn admit(&mut self, id: ConnId, request: Request) {
        if let Some(peer) = self.peers.get(id) {
            log::debug!(cid:% = peer.cid; "asks {request}");
        }
        match self.admission.decide(&request) {
            Decision::Now(Ok(())) => self.perform_request(id, request),
            Decision::Now(Err(refusal)) => self.refuse(id, &request, refusal),
            Decision::Later => {
                // A peer has one role: waiting for admission ends what it did before.
                self.leave_stream(id, &Reason::PeerLeft);
                let until = self.cx.now + admission::TIMEOUT;
                if let Some(mut peer) = self.peer(id) {
                    peer.peer.role = Role::Admitting { request: Box::new(request), until };
                    peer.arm();
                }
            }
        }
    }

    /// Handles a later decision about the request of `id`.
    pub(super) fn admitted(&mut self, id: ConnId, result: Result<(), Refusal>) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        // Withdrawn in the meantime.
        if !matches!(peer.role, Role::Admitting { .. }) {
            return;
        }
        let Role::Admitting { request, .. } = std::mem::replace(&mut peer.role, Role::None) else { return };
        match result {
            Ok(()) => self.perform_request(id, *request),
            Err(refusal) => self.refuse(id, &request, refusal),
        }
    }

    fn perform_request(&mut self, id: ConnId, request: Request) {
        match &request {
            Request::Publish { name, .. } => match self.publish(id, name) {
                Ok(()) => self.answer(id, Answer::Publish(Ok(()))),
                Err(refusal) => self.refuse(id, &request, refusal),
            },
            Request::Play { name, format, .. } => match self.play(id, name, *format) {
                Ok(playing) => self.answer(id, Answer::Play(Ok(playing))),
                Err(refusal) => self.refuse(id, &request, refusal),
            },
            Request::Fetch { name, file, .. } => self.fetch(id, name, *file),
        }
    }

    fn refuse(&mut self, id: ConnId, request: &Request, refusal: Refusal) {
        let (what, answer) = match request {
            Request::Publish { .. } => ("publish", Answer::Publish(Err(refusal.clone()))),
            Request::Play { .. } => ("play", Answer::Play(Err(refusal.clone()))),
            Request::Fetch { .. } => ("fetch", Answer::Fetch(Err(refusal.clone()))),
        };
        if let Some(peer) = self.peers.get(id) {
            log::warn!(cid:% = peer.cid; "{what} refused for {}: {refusal}", peer.addr);
        }
        self.answer(id, answer);
    }

    /// Ends the connection that has this id in the API. False if there is none.
    fn kick(&mut self, cid: &str) -> bool {
        let Some(id) = self.peers.iter().find(|peer| peer.cid.as_str() == cid).map(|peer| peer.id) else {
            return false;
        };
        self.farewell(id, Reason::Kicked);
        true
    }

    /// Lets a session write a final response in its protocol, then ends the connection.
    pub(super) fn farewell(&mut self, id: ConnId, reason: Reason) {
        self.answer(id, Answer::Farewell(reason.clone()));
        self.finish(id, reason);
    }
}
