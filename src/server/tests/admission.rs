//! Admission that is decided later: what waits, what each protocol is answered, and how the wait ends.

use super::harness::{World, bodies};
use super::quick;
use super::save::PUBLISHER;
use crate::base::id::ConnId;
use crate::config::Config;
use crate::server::admission::{Admission, TIMEOUT};
use crate::server::peer::Role;
use crate::server::usage::Activity;
use crate::server::{Input, Server};
use crate::session::ask::Refusal;
use std::time::Duration;

const FLV: &str = "GET /live/cam.flv HTTP/1.1\r\nHost: a\r\n\r\n";
const PLAYLIST: &str = "GET /live/cam.m3u8 HTTP/1.1\r\nHost: a\r\n\r\n";

/// A server whose decision about each request comes later.
fn asking(config: Config) -> World {
    let mut world = World::new(config);
    world.change(|server| server.admission = Admission::Asks);
    world
}

impl World {
    /// Decides about the request of `conn`.
    pub fn decide(&mut self, conn: ConnId, result: Result<(), Refusal>) {
        self.change(|server| server.admitted(conn, result));
        self.handle(Input::Tick);
    }

    fn is_admitting(&self, conn: ConnId) -> bool {
        let role = self.server().peers.get(conn).map(|peer| &peer.role);
        matches!(role, Some(Role::Admitting { .. }))
    }

    /// How often an RTMP peer was sent this status.
    fn statuses(&self, conn: ConnId, code: &str) -> usize {
        bodies(&self.sent(conn), code.as_bytes()).iter().filter(|found| *found == code).count()
    }

    /// The status line of an HTTP peer's last response; empty if there is none.
    fn status_line(&self, conn: ConnId) -> String {
        let sent = self.sent(conn);
        String::from_utf8_lossy(sent.split(|byte| *byte == b'\r').next().unwrap_or_default()).into_owned()
    }
}

/// A publisher, players by RTMP and HTTP, and a peer that fetches; all of the same stream.
fn all_kinds(world: &mut World) -> [ConnId; 4] {
    [world.publisher("cam"), world.rtmp_player("cam"), world.http(FLV), world.http(PLAYLIST)]
}

#[test]
fn a_yes_that_comes_later_lets_each_kind_go_on_with_what_came_meanwhile() {
    let mut world = asking(quick());
    let [publisher, rtmp, flv, playlist] = all_kinds(&mut world);
    // The pictures stay in the inbox: what is not admitted is not read.
    world.gop(publisher, 0, 3);
    world.pass(Duration::from_secs(9));
    for conn in [publisher, rtmp, flv, playlist] {
        assert!(world.is_admitting(conn));
        assert_eq!(world.server().activity(conn), Some(Activity::Waiting));
        assert_eq!(bodies(&world.sent(conn), b"NetStream."), Vec::<String>::new());
    }
    assert_eq!((world.sent(flv), world.sent(playlist)), (Vec::new(), Vec::new()));
    assert_eq!(world.server().streams.len(), 0, "a request that is not decided makes no stream");

    world.decide(publisher, Ok(()));
    assert_eq!(world.statuses(publisher, "NetStream.Publish.Start"), 1);
    assert_eq!(world.server().activity(publisher), Some(Activity::Publishing));
    for conn in [rtmp, flv] {
        assert_eq!(bodies(&world.sent(conn), b"frame-"), Vec::<String>::new(), "it is not admitted yet");
        world.decide(conn, Ok(()));
        assert_eq!(bodies(&world.sent(conn), b"frame-"), ["frame-0", "frame-1", "frame-2"]);
    }
    assert_eq!(world.statuses(rtmp, "NetStream.Play.Start"), 1);
    assert_eq!(world.status_line(flv), "HTTP/1.1 200 OK");
    world.decide(playlist, Ok(()));
    assert_eq!(world.sent(playlist), b"", "there is no playlist yet, and it is waited for");
    world.gop(publisher, 3, 1);
    assert_eq!(bodies(&world.sent(flv), b"frame-").len(), 4);
    world.pass(Duration::from_secs(3));
    assert_eq!(world.status_line(playlist), "HTTP/1.1 404 Not Found", "for as long as the settings say");

    let before = [publisher, rtmp, flv, playlist].map(|conn| world.sent(conn));
    for conn in [publisher, rtmp, flv, playlist] {
        world.decide(conn, Err(Refusal::NotAdmitted));
        world.decide(conn, Ok(()));
    }
    assert!(before == [publisher, rtmp, flv, playlist].map(|conn| world.sent(conn)), "decided once");
}

#[test]
fn a_yes_that_comes_later_fetches_what_there_is_by_then() {
    let mut world = asking(quick());
    let publisher = world.stranger();
    for piece in PUBLISHER.chunks(4096) {
        world.receive(publisher, piece);
        world.decide(publisher, Ok(()));
    }
    let playlist = world.http("GET /live/cam1.m3u8 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(world.sent(playlist), b"");
    world.decide(playlist, Ok(()));
    assert!(String::from_utf8_lossy(&world.sent(playlist)).contains("#EXTM3U"));
}

#[test]
fn a_no_that_comes_later_is_said_in_each_protocol() {
    let cases = [
        (Refusal::NotAdmitted, "NetStream.Publish.BadName", "HTTP/1.1 503 Service Unavailable"),
        (Refusal::Disabled("streams"), "NetStream.Publish.Denied", "HTTP/1.1 403 Forbidden"),
    ];
    for (refusal, publish, http) in cases {
        let mut world = asking(quick());
        let conns @ [publisher, rtmp, flv, playlist] = all_kinds(&mut world);
        world.gop(publisher, 0, 3);
        conns.iter().for_each(|conn| world.decide(*conn, Err(refusal.clone())));
        assert_eq!(world.statuses(publisher, publish), 1, "{refusal}");
        assert_eq!(world.statuses(publisher, "NetStream.Publish.Start"), 0, "{refusal}");
        assert_eq!(world.statuses(rtmp, "NetStream.Play.Failed"), 1, "{refusal}");
        assert_eq!([world.status_line(flv), world.status_line(playlist)], [http, http]);
        assert!(world.is_closed(publisher) && world.is_closed(rtmp));
        assert_eq!(world.server().streams.len(), 0, "what a refused publisher sent makes no stream");
    }
}

#[test]
fn a_refused_request_over_http_leaves_the_connection_to_the_next_one() {
    let mut world = asking(quick());
    let conn = world.http(&format!("{PLAYLIST}{PLAYLIST}"));
    for count in 1..=2 {
        assert!(world.is_admitting(conn));
        world.decide(conn, Err(Refusal::NotAdmitted));
        assert_eq!(bodies(&world.sent(conn), b"HTTP").len(), count, "one response to each request");
    }
    assert!(!world.is_admitting(conn) && !world.is_closed(conn));
}

#[test]
fn what_is_not_decided_in_time_is_refused() {
    let mut world = asking(quick());
    let conns @ [publisher, rtmp, flv, playlist] = all_kinds(&mut world);
    world.pass(TIMEOUT - Duration::from_millis(1));
    assert!(conns.iter().all(|conn| world.is_admitting(*conn)));
    world.pass(Duration::from_millis(1));
    assert!(conns.iter().all(|conn| !world.is_admitting(*conn)));
    assert_eq!(world.statuses(publisher, "NetStream.Publish.BadName"), 1);
    assert_eq!(world.statuses(rtmp, "NetStream.Play.Failed"), 1);
    assert!(world.is_closed(publisher) && world.is_closed(rtmp));
    for conn in [flv, playlist] {
        assert_eq!(world.status_line(conn), "HTTP/1.1 503 Service Unavailable");
    }
    let before = conns.map(|conn| world.sent(conn));
    conns.iter().for_each(|conn| world.decide(*conn, Ok(())));
    assert!(before == conns.map(|conn| world.sent(conn)), "an answer that comes too late changes nothing");
    assert_eq!(world.server().streams.len(), 0);
}

#[test]
fn a_peer_that_hangs_up_while_it_waits_is_forgotten() {
    for leave in [World::hang_up as fn(&mut World, ConnId), World::end] {
        let mut world = asking(quick());
        let conns = all_kinds(&mut world);
        for conn in conns {
            leave(&mut world, conn);
            assert!(world.is_closed(conn));
            world.decide(conn, Ok(()));
        }
        assert_eq!((world.server().peers.len(), world.server().streams.len()), (0, 0), "I22");
        assert_eq!(world.server().deadline(), None, "L6");
    }
}

#[test]
fn a_peer_that_sends_more_than_its_inbox_holds_while_it_waits_is_closed() {
    let mut world = asking(quick());
    let [publisher, rtmp, flv, playlist] = all_kinds(&mut world);
    let held = world.server().peers.get(publisher).expect("it waits").bytes();
    let room = world.server().cx.config.limits.unproven_bytes - held;
    world.receive(publisher, &vec![0; room]);
    assert!(world.is_admitting(publisher), "so much may wait");
    world.receive(publisher, &[0]);
    assert!(world.is_closed(publisher), "I16");
    assert!([rtmp, flv, playlist].iter().all(|conn| world.is_admitting(*conn)), "others wait on");
}

#[test]
fn peers_that_wait_are_told_when_the_server_ends() {
    let mut world = asking(quick());
    let conns @ [_, _, flv, playlist] = all_kinds(&mut world);
    world.drain_server();
    assert!(conns.iter().all(|conn| world.is_closed(*conn)));
    for conn in [flv, playlist] {
        assert_eq!(world.status_line(conn), "HTTP/1.1 503 Service Unavailable");
    }
    assert!(world.is_finished());
}

#[test]
fn a_peer_that_is_kicked_while_it_waits_is_gone() {
    let mut world = asking(quick());
    let publisher = world.publisher("cam");
    let cid = world.cid(publisher);
    world.api(&format!("DELETE /api/v1/clients/{cid} HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert!(world.is_closed(publisher));
    world.decide(publisher, Ok(()));
    assert_eq!(world.server().streams.len(), 0);
}

#[test]
fn a_server_that_was_saved_while_peers_wait_goes_on() {
    let mut world = asking(quick());
    let [publisher, _, flv, _] = all_kinds(&mut world);
    world.gop(publisher, 0, 3);
    world.pass(Duration::from_secs(5));
    world.replace_server(Server::load(&world.server().save()).expect("it was just saved"));
    world.decide(publisher, Ok(()));
    world.decide(flv, Ok(()));
    assert_eq!(bodies(&world.sent(flv), b"frame-"), ["frame-0", "frame-1", "frame-2"]);
}
