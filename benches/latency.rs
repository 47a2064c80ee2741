//! From the publisher's write to the player's read, through the built server and loopback sockets.
//!
//! Not a criterion bench: what matters is the distribution over all frames and players, not the time of a
//! call. Pictures and sound are told apart, since sound rides along with pictures by default. Publishers and
//! players run on one thread here, beside the server's: on a busy machine the numbers are the machine's.

mod server_process;

use load::client::Protocol;
use load::plan::Plan;
use load::system;
use server_process::Server;
use std::io;

const PLAYERS: [usize; 3] = [1, 100, 500];

fn main() -> io::Result<()> {
    // `cargo test --benches` runs benches too, but does not say so.
    if !std::env::args().any(|arg| arg == "--bench") {
        return Ok(());
    }
    system::raise_descriptors()?;
    let server = Server::start(&[])?;
    print!("protocol  players  complete       picture p50 /   p99 /   max ms");
    println!("       sound p50 /   p99 /   max ms   longest pause   first frame p50 ms");
    for protocol in [Protocol::Rtmp, Protocol::Flv] {
        for players in PLAYERS {
            let report = plan(&server, protocol, players).run()?.remove(0);
            let [p50, p99, max] = report.video_ms;
            let [sound, sound_p99, sound_max] = report.audio_ms;
            let name = protocol.name();
            let complete = report.complete;
            print!("{name:>8} {players:>8} {complete:>9} {p50:>17.2} / {p99:>5.1} / {max:>5.1} ");
            print!("{sound:>18.2} / {sound_p99:>5.1} / {sound_max:>5.1} ");
            println!("{:>16.0} {:>20.2}", report.pause_ms, report.first_ms[0]);
        }
    }
    Ok(())
}

fn plan(server: &Server, protocol: Protocol, players: usize) -> Plan {
    let (publish, play) = server.targets(protocol, format!("latency-{}-{players}-", protocol.name()));
    Plan { prime_seconds: 1, warm_up_seconds: 1, seconds: 3.0, ..Plan::new(Some(publish), play, players) }
}
