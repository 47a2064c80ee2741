//! What the flight recorder costs: processor time of the built server with 1 000 players, over loopback
//! sockets, with everything recorded and with nothing.
//!
//! Not a criterion bench: two servers take turns, so that what else the machine does is shared by both. What
//! disturbs a round only adds to it, so the least of all rounds counts. All threads of a process are counted,
//! the recorder's too.

mod server_process;

use load::client::Protocol;
use load::plan::Plan;
use load::system;
use server_process::Server;
use std::io;

const PLAYERS: usize = 1_000;
const ROUNDS: usize = 6;

fn main() -> io::Result<()> {
    // `cargo test --benches` runs benches too, but does not say so.
    if !std::env::args().any(|arg| arg == "--bench") {
        return Ok(());
    }
    system::raise_descriptors()?;
    let folder = std::env::temp_dir().join(format!("dacapo-bench-recorder-{}", std::process::id()));
    let place = folder.to_str().ok_or_else(|| io::Error::other("the temporary directory is not UTF-8"))?;
    println!("protocol  players  CPU s/Gbit without   with   ratio   complete without   with   recorded MB");
    for protocol in [Protocol::Rtmp, Protocol::Flv] {
        let records = [("DACAPO_RECORDER__ENABLED", "true"), ("DACAPO_RECORDER__DIRECTORY", place)];
        let servers = [Server::start(&[])?, Server::start(&records)?];
        let mut costs = [Vec::new(), Vec::new()];
        let mut complete = [usize::MAX; 2];
        for round in 0..ROUNDS {
            for (which, server) in servers.iter().enumerate() {
                let (publish, play) = server.targets(protocol, format!("recorder-{round}-"));
                let plan = Plan {
                    prime_seconds: 1,
                    warm_up_seconds: 1,
                    seconds: 6.0,
                    pid: Some(server.process.id()),
                    ..Plan::new(Some(publish), play, PLAYERS)
                };
                let report = plan.run()?.remove(0);
                costs[which].push(report.cpu_per_gbit().unwrap_or_default());
                complete[which] = complete[which].min(report.complete);
            }
        }
        let [without, with] = costs.map(|costs| costs.into_iter().fold(f64::INFINITY, f64::min));
        let (name, ratio) = (protocol.name(), with / without);
        let recorded = recorded(&folder)? as f64 / 1e6;
        println!(
            "{name:>8} {PLAYERS:>8} {without:>19.4} {with:>6.4} {ratio:>7.3} {:>18} {:>6} {recorded:>13.1}",
            complete[0], complete[1]
        );
        drop(servers);
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(())
}

fn recorded(folder: &std::path::Path) -> io::Result<u64> {
    folder.read_dir()?.map(|entry| Ok(entry?.metadata()?.len())).sum()
}
