//! From the publisher's write to the player's read, through the built server and loopback sockets.
//!
//! Not a criterion bench: what matters is the distribution over all frames and players, not the time of a
//! call. Pictures and sound are told apart, since sound rides along with pictures by default. Publishers and
//! players run on one thread here, beside the server's: on a busy machine the numbers are the machine's.

use load::client::{Protocol, Target};
use load::run::Plan;
use load::system;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

const PLAYERS: [usize; 3] = [1, 100, 500];

fn main() -> io::Result<()> {
    // `cargo test --benches` runs benches too, but does not say so.
    if !std::env::args().any(|arg| arg == "--bench") {
        return Ok(());
    }
    system::raise_descriptors()?;
    let server = Server::start()?;
    println!(
        "protocol  players  complete       picture p50 /   p99 /   max ms   sound p50   first frame p50 ms"
    );
    for protocol in [Protocol::Rtmp, Protocol::Flv] {
        for players in PLAYERS {
            let report = server.plan(protocol, players).run()?;
            let [p50, p99, max] = report.video_ms;
            let [sound, first] = [report.audio_ms[0], report.first_ms[0]];
            let name = protocol.name();
            let complete = report.complete;
            print!("{name:>8} {players:>8} {complete:>9} {p50:>17.2} / {p99:>5.1} / {max:>5.1} ");
            println!("{sound:>14.2} {first:>20.2}");
        }
    }
    Ok(())
}

/// The server, ended with this value.
struct Server {
    process: Child,
    rtmp: SocketAddr,
    http: SocketAddr,
}

impl Server {
    fn start() -> io::Result<Self> {
        let [rtmp, http] = [free_addr()?, free_addr()?];
        let process = Command::new(env!("CARGO_BIN_EXE_dacapo"))
            .env("DACAPO_RTMP__LISTEN", rtmp.to_string())
            .env("DACAPO_HTTP__LISTEN", http.to_string())
            .env("DACAPO_API__LISTEN", "127.0.0.1:0")
            .env("DACAPO_LOG__LEVEL", "warn")
            .env("DACAPO_STREAM__HLS__ENABLED", "false")
            .stdout(Stdio::null())
            .spawn()?;
        let server = Server { process, rtmp, http };
        for _ in 0..100 {
            if TcpStream::connect(rtmp).is_ok() {
                return Ok(server);
            }
            sleep(Duration::from_millis(50));
        }
        Err(io::Error::other("the server does not listen"))
    }

    fn plan(&self, protocol: Protocol, players: usize) -> Plan {
        let name = format!("latency-{}-{players}-", protocol.name());
        let publish = Target { protocol: Protocol::Rtmp, addr: self.rtmp, app: "live".to_owned(), name };
        let addr = if protocol == Protocol::Rtmp { self.rtmp } else { self.http };
        let play = Target { protocol, addr, ..publish.clone() };
        Plan { prime_seconds: 1, warm_up_seconds: 1, seconds: 3, ..Plan::new(Some(publish), play, players) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already; then there is nothing left to end.
        let _gone = self.process.kill().and_then(|()| self.process.wait());
    }
}

/// An address that was free a moment ago.
fn free_addr() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}
