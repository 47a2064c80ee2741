//! Tests of the whole server without sockets. In: a list of inputs. Out: bytes and closed connections.

mod admission;
mod chaos;
mod consumers;
mod harness;
mod overload;
pub mod save;

use crate::base::id::Ticket;
use crate::config::{Config, Second};
use crate::server::{Input, Server};
use crate::status::Vitals;
use harness::{World, bodies};
use std::time::Duration;

fn quick() -> Config {
    let mut config = Config::default();
    config.stream.play.wait_ms = 3_000;
    config.stream.publish.linger_ms = 2_000;
    config
}

#[test]
fn a_frame_of_a_publisher_reaches_players_over_rtmp_and_http() {
    let mut world = World::new(quick());
    let publisher = world.publisher("cam");
    let flv = world.http("GET /live/cam.flv HTTP/1.1\r\nHost: a\r\n\r\n");
    let rtmp = world.rtmp_player("cam");
    world.gop(publisher, 0, 3);
    let bytes = world.sent(flv);
    assert!(bytes.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&bytes[..40]));
    assert_eq!(bodies(&bytes, b"frame-"), ["frame-0", "frame-1", "frame-2"]);
    assert_eq!(bodies(&world.sent(rtmp), b"frame-"), ["frame-0", "frame-1", "frame-2"]);
}

#[test]
fn a_late_player_begins_at_the_newest_keyframe() {
    let mut world = World::new(quick());
    let publisher = world.publisher("cam");
    world.gop(publisher, 0, 3);
    world.gop(publisher, 3, 3);
    let flv = world.http("GET /live/cam.flv HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(bodies(&world.sent(flv), b"frame-"), ["frame-3", "frame-4", "frame-5"]);
}

#[test]
fn players_share_the_turns_of_the_loop_with_everybody_else() {
    let mut config = quick();
    config.limits.pass_writes = 2;
    let mut world = World::new(config);
    let publisher = world.publisher("cam");
    world.gop(publisher, 0, 2);
    let request = "GET /live/cam.flv HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut players = Vec::new();
    for _ in 0..5 {
        players.push(world.http(request));
        world.pass(Duration::from_millis(1));
    }
    let served = |world: &World, frame: &str| {
        players
            .iter()
            .filter(|player| bodies(&world.sent(**player), b"frame-").iter().any(|got| got == frame))
            .count()
    };
    assert_eq!(served(&world, "frame-0"), 5);
    world.pass(Duration::from_millis(100));
    world.gop(publisher, 2, 1);
    assert_eq!(served(&world, "frame-2"), 2, "then the other players are sent it");
    let api = world.api("GET /api/v1/versions HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(world.sent(api).starts_with(b"HTTP/1.1 200 OK"), "a request does not wait for players");
    world.pass(Duration::from_micros(1));
    assert_eq!(served(&world, "frame-2"), 4, "players that waited come first");
    world.pass(Duration::from_micros(1));
    assert_eq!(served(&world, "frame-2"), 5);
}

#[test]
fn players_stay_when_their_publisher_drops_and_returns() {
    let mut world = World::new(quick());
    let publisher = world.publisher("cam");
    let flv = world.http("GET /live/cam.flv HTTP/1.1\r\nHost: a\r\n\r\n");
    world.gop(publisher, 0, 2);
    world.hang_up(publisher);
    world.pass(Duration::from_millis(1_900));
    let publisher = world.publisher("cam");
    world.gop(publisher, 2, 2);
    world.pass(Duration::from_secs(5));
    world.gop(publisher, 4, 2);
    assert!(!world.is_closed(flv));
    let expected = ["frame-0", "frame-1", "frame-2", "frame-3", "frame-4", "frame-5"];
    assert_eq!(bodies(&world.sent(flv), b"frame-"), expected);
}

#[test]
fn players_are_let_go_when_their_publisher_does_not_return() {
    let mut world = World::new(quick());
    let publisher = world.publisher("cam");
    let flv = world.http("GET /live/cam.flv HTTP/1.1\r\nHost: a\r\n\r\n");
    let rtmp = world.rtmp_player("cam");
    world.gop(publisher, 0, 2);
    world.hang_up(publisher);
    world.pass(Duration::from_millis(1_900));
    assert!(!world.is_closed(flv));
    world.pass(Duration::from_millis(200));
    assert!(world.is_closed(flv));
    assert_eq!(bodies(&world.sent(rtmp), b"NetStream.Play.UnpublishNotify").len(), 1);
}

#[test]
fn a_second_publisher_is_refused_and_the_first_goes_on() {
    let mut world = World::new(quick());
    let first = world.publisher("cam");
    let second = world.publisher("cam");
    let flv = world.http("GET /live/cam.flv HTTP/1.1\r\nHost: a\r\n\r\n");
    world.gop(first, 0, 2);
    assert_eq!(bodies(&world.sent(second), b"NetStream.Publish.BadName").len(), 1);
    assert_eq!(bodies(&world.sent(flv), b"frame-"), ["frame-0", "frame-1"]);
}

#[test]
fn a_second_publisher_takes_over_where_that_is_configured() {
    let mut config = quick();
    config.stream.publish.second = Second::Replace;
    let mut world = World::new(config);
    let first = world.publisher("cam");
    let flv = world.http("GET /live/cam.flv HTTP/1.1\r\nHost: a\r\n\r\n");
    world.gop(first, 0, 2);
    let second = world.publisher("cam");
    world.gop(second, 2, 2);
    world.pass(Duration::from_secs(6));
    assert!(world.is_closed(first));
    assert_eq!(bodies(&world.sent(flv), b"frame-"), ["frame-0", "frame-1", "frame-2", "frame-3"]);
}

#[test]
fn a_player_waits_for_a_stream_and_not_for_ever() {
    let mut world = World::new(quick());
    let flv = world.http("GET /live/nobody.flv HTTP/1.1\r\nHost: a\r\n\r\n");
    let hls = world.http("GET /live/nobody.m3u8 HTTP/1.1\r\nHost: a\r\n\r\n");
    world.pass(Duration::from_millis(2_900));
    assert_eq!(world.sent(flv), b"");
    assert_eq!(world.sent(hls), b"");
    world.pass(Duration::from_millis(200));
    assert!(world.sent(flv).starts_with(b"HTTP/1.1 404 "));
    assert!(world.sent(hls).starts_with(b"HTTP/1.1 404 "));
    assert_eq!(world.server().streams.len(), 0, "a stream without waiting peers is removed");
}

#[test]
fn who_waits_for_a_playlist_gets_it_as_soon_as_there_is_one() {
    let mut config = quick();
    config.stream.play.wait_ms = 60_000;
    let mut world = World::new(config);
    let early = world.http("GET /live/cam1/index.m3u8 HTTP/1.1\r\nHost: a\r\n\r\n");
    let publisher = world.stranger();
    let (some, rest) = save::PUBLISHER.split_at(save::PUBLISHER.len() / 2);
    world.receive(publisher, some);
    let late = world.http("GET /live/cam1.m3u8 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((world.sent(early), world.sent(late)), (Vec::new(), Vec::new()));
    world.receive(publisher, rest);
    for conn in [early, late] {
        assert!(String::from_utf8_lossy(&world.sent(conn)).contains("#EXTM3U"));
    }
}

#[test]
fn a_player_that_takes_nothing_is_let_go_and_harms_nobody() {
    let mut config = quick();
    config.stream.play.send_timeout_ms = 4_000;
    config.stream.ring.bytes_max = 1 << 20;
    config.limits.frame_bytes = 1 << 20;
    let mut world = World::new(config);
    let publisher = world.publisher("cam");
    let good = world.http("GET /live/cam.flv HTTP/1.1\r\nHost: a\r\n\r\n");
    let bad = world.http("GET /live/cam.flv HTTP/1.1\r\nHost: a\r\n\r\n");
    world.gop(publisher, 0, 2);
    world.block(bad);
    for gop in 1..50 {
        world.gop(publisher, gop * 2, 2);
        world.pass(Duration::from_millis(100));
    }
    assert!(world.is_closed(bad), "the send timeout has passed");
    assert_eq!(bodies(&world.sent(good), b"frame-").len(), 100);
    assert!(!world.is_closed(good));
}

#[test]
fn everybody_is_told_when_the_server_ends() {
    let mut world = World::new(quick());
    let publisher = world.publisher("cam");
    let flv = world.http("GET /live/cam.flv HTTP/1.1\r\nHost: a\r\n\r\n");
    let rtmp = world.rtmp_player("cam");
    let idle = world.http("");
    world.gop(publisher, 0, 2);
    world.drain_server();
    for conn in [publisher, flv, rtmp, idle] {
        assert!(world.is_closed(conn));
    }
    assert!(world.is_finished());
    assert!(world.refuses_connections());
}

#[test]
fn when_all_have_gone_nothing_is_left() {
    let mut config = quick();
    config.stream.hls.dispose_ms = 1_000;
    let mut world = World::new(config);
    let publisher = world.publisher("cam");
    let flv = world.http("GET /live/cam.flv HTTP/1.1\r\nHost: a\r\n\r\n");
    world.gop(publisher, 0, 2);
    world.hang_up(flv);
    world.hang_up(publisher);
    world.pass(Duration::from_secs(10));
    assert_eq!((world.server().peers.len(), world.server().streams.len()), (0, 0), "I22");
    assert_eq!(world.server().deadline(), None, "L6");
}

#[test]
fn the_same_inputs_give_the_same_outputs() {
    let run = || {
        let mut world = World::new(quick());
        let publisher = world.publisher("cam");
        let _players =
            [world.rtmp_player("cam"), world.http("GET /live/cam.flv HTTP/1.1\r\nHost: a\r\n\r\n")];
        for gop in 0..20 {
            world.gop(publisher, gop * 5, 5);
            world.pass(Duration::from_millis(200));
        }
        world.drain_server();
        world.trace()
    };
    assert_eq!(run(), run());
}

#[test]
fn what_one_peer_does_never_changes_what_another_gets() {
    let run = |with_stranger: bool| {
        let mut world = World::new(quick());
        let publisher = world.publisher("cam");
        let player = world.rtmp_player("cam");
        let flv = world.http("GET /live/cam.flv HTTP/1.1\r\nHost: a\r\n\r\n");
        for gop in 0..10 {
            if with_stranger {
                let stranger = world.stranger();
                world.receive(stranger, &[0xff; 4_000]);
                let slow = world.http("GET /live/cam.flv HTTP/1.1\r\nHost: a\r\n\r\n");
                world.block(slow);
            }
            world.gop(publisher, gop * 5, 5);
            world.pass(Duration::from_millis(200));
        }
        (world.sent(publisher), world.sent(player), world.sent(flv))
    };
    assert!(run(false) == run(true), "I26");
}

#[test]
fn a_kicked_client_is_gone() {
    let mut world = World::new(quick());
    let publisher = world.publisher("cam");
    world.gop(publisher, 0, 2);
    let cid = world.cid(publisher);
    let api = world.api(&format!("DELETE /api/v1/clients/{cid} HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert!(world.sent(api).starts_with(b"HTTP/1.1 200 OK\r\n"));
    world.pass(Duration::from_secs(6));
    assert!(world.is_closed(publisher));
}

#[test]
fn a_peer_that_says_nothing_is_let_go_in_its_time() {
    let mut world = World::new(quick());
    let silent = [world.stranger(), world.http(""), world.api(""), world.http("GET / HTTP/1.1\r\n")];
    world.pass(Duration::from_millis(9_900));
    assert!(silent.iter().all(|conn| !world.is_closed(*conn)));
    world.pass(Duration::from_millis(200));
    assert!(silent.iter().all(|conn| world.is_closed(*conn)), "L3");
    assert_eq!(world.server().deadline(), None, "L6");
}

#[test]
fn a_waiting_player_gets_a_burst_from_its_beginning() {
    let mut world = World::new(quick());
    let flv = world.http("GET /live/cam.flv HTTP/1.1\r\nHost: a\r\n\r\n");
    let publisher = world.publisher("cam");
    // Two groups of pictures in one read: the player begins with the first, not with the newest.
    world.burst(publisher, |world| {
        world.gop(publisher, 0, 2);
        world.gop(publisher, 2, 2);
    });
    assert_eq!(bodies(&world.sent(flv), b"frame-"), ["frame-0", "frame-1", "frame-2", "frame-3"]);
}

#[test]
fn a_server_is_a_value_that_can_be_copied_and_sent() {
    fn is_a_value<T: Clone + Send + 'static>() {}
    is_a_value::<crate::server::Server>();
}

#[test]
fn every_answer_of_the_api_names_the_server_as_it_is_by_then() {
    let mut world = World::new(Config::default());
    let envelope = |world: &mut World| {
        let api = world.api("GET /api/v1/versions HTTP/1.1\r\nHost: a\r\n\r\n");
        let text = String::from_utf8_lossy(&world.sent(api)).into_owned();
        let (_, json) = text.split_once("\r\n\r\n").expect("a head and a body");
        json.split_once(",\"data\"").expect("an envelope and data").0.to_owned()
    };
    let at_birth = envelope(&mut world);
    assert!(at_birth.ends_with("\"pid\":\"0\""), "{at_birth}");
    let vitals = Box::new(Vitals { pid: 4242, ..Vitals::default() });
    world.handle(Input::Measured { ticket: Ticket(0), vitals });
    let measured = at_birth.replace("\"0\"", "\"4242\"");
    assert_eq!(envelope(&mut world), measured);
    world.replace_server(Server::load(&world.server().save()).expect("it was just saved"));
    assert_eq!(envelope(&mut world), measured);
    world.replace_server(world.server().subset(|_| true));
    assert_eq!(envelope(&mut world), measured);
    let mut config = Config::default();
    config.rtmp.listen = vec![([127, 0, 0, 1], 1936).into()];
    world.handle(Input::Reload { config: Box::new(config.clone()) });
    let reloaded = envelope(&mut world);
    assert_ne!(reloaded, measured, "the addresses are other ones");
    let server = |text: &str| text.split("\"server\":").nth(1).map(|rest| rest[..13].to_owned());
    assert_eq!(server(&reloaded), server(&envelope(&mut World::new(config))));
}
