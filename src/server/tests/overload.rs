//! Overload: more players than a processor has time for are served evenly.

use super::harness::World;
use super::quick;
use std::time::Duration;

const PLAYERS: usize = 40;

/// 16 Mbit/s, with a keyframe every two seconds.
const PICTURE_BYTES: usize = 80_000;
const GOP: u32 = 50;

const PICTURE_TIME: Duration = Duration::from_millis(40);

/// Publishes for so long while the server does what it can.
fn publish(world: &mut World, publisher: crate::base::id::ConnId, pictures: std::ops::Range<u32>) {
    let mut due = world.now();
    for number in pictures {
        world.picture(publisher, number, number.is_multiple_of(GOP), PICTURE_BYTES);
        due = due + PICTURE_TIME;
        world.toil(due);
    }
}

/// With capacity for nearly all down to a third of the bytes, players get about the same number of bytes,
/// none waits long, and no capacity is unused. Measured with real sockets by `benches/compare/all.sh
/// overload`.
#[test]
fn players_that_want_more_than_there_is_get_equal_shares() {
    for percent in [95, 80, 50, 33] {
        let mut config = quick();
        // A turn lasts for about 16 ms, as it does with real sockets.
        config.limits.pass_writes = 32;
        let mut world = World::new(config);
        let publisher = world.publisher("cam");
        let bytes_per_second = PLAYERS * PICTURE_BYTES * 25 * percent / 100;
        world.load(bytes_per_second as u64);
        publish(&mut world, publisher, 0..GOP);
        let request = "GET /live/cam.flv HTTP/1.1\r\nHost: a\r\n\r\n";
        let players: Vec<_> = (0..PLAYERS).map(|_| world.http(request)).collect();
        publish(&mut world, publisher, GOP..4 * GOP);
        world.seen();
        publish(&mut world, publisher, 4 * GOP..8 * GOP);
        let seen = world.seen();
        let bytes = || players.iter().map(|player| seen[player].bytes);
        let (most, least, all): (u64, u64, u64) =
            (bytes().max().expect("players"), bytes().min().expect("players"), bytes().sum());
        let pause = players.iter().map(|player| seen[player].pause).max().expect("players");
        println!("{percent} %: {most} bytes at most and {least} at least, {all} in all, {pause:?}");
        assert!(most * 10 < least * 13, "{percent} % of what is wanted: {most} bytes and {least}");
        let could = bytes_per_second as u64 * 8;
        assert!(all > could * 9 / 10, "{percent} %: {all} of {could} bytes that could be moved");
        assert!(pause < Duration::from_secs(1), "{percent} %: a player got nothing for {pause:?}");
    }
}
