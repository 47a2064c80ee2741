//! The judges' own program: makes captures of what tcpdump recorded, says how their expectations stand, makes
//! failing recordings small.

use clap::{Parser, Subcommand};
use conformance::capture::{self, About, Capture};
use conformance::import;
use conformance::replaying::{self, Company, play, told, vary};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

/// Captures that must stay true.
#[derive(Parser)]
#[command(name = "conformance", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a capture of a pcap or pcapng file (tcpdump, tshark, Wireshark).
    ///
    /// What clients said becomes `inputs`, what the server of that day answered becomes `reference`.
    Import {
        /// The file.
        file: PathBuf,
        /// Ports on which the server listened; what is spoken there is told from the first bytes.
        #[arg(long = "port", default_values_t = [1935, 8080])]
        ports: Vec<u16>,
        /// The name of the capture: `<protocol>/<peer>-<version>-<what>`.
        #[arg(long = "as")]
        name: String,
        /// What the peer did, in a sentence.
        #[arg(long, default_value = "")]
        what: String,
        /// Which server answered.
        #[arg(long, default_value = "dacapo")]
        server: String,
        /// The command that made it.
        #[arg(long, default_value = "")]
        made: String,
        /// Settings of the server that is to answer now, where they are not the defaults, as RON.
        #[arg(long, default_value = "()")]
        config: String,
        /// Where captures are kept.
        #[arg(long, default_value_os_t = capture::shelf())]
        shelf: PathBuf,
    },
    /// Play a capture and print what everybody is sent.
    Tell {
        /// Its name.
        name: String,
        /// How fast time goes, in thousandths: 3000 takes three times as long.
        #[arg(long, default_value_t = 1000)]
        time: u64,
        /// Where captures are kept.
        #[arg(long, default_value_os_t = capture::shelf())]
        shelf: PathBuf,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("conformance: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), String> {
    match command {
        Command::Import { file, ports, name, what, server, made, config, shelf } => {
            let (peer, version) = named(&name)?;
            let about = About { peer, version, what, server, made, config, ..About::default() };
            let bytes = std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
            let ports = BTreeSet::from_iter(ports);
            let in_file = |error: String| format!("{}: {error}", file.display());
            let traffic = import::read(&bytes, &ports).map_err(|fault| in_file(fault.to_string()))?;
            let capture = import::capture(&name, about, &traffic).map_err(in_file)?;
            for note in &traffic.notes {
                println!("note: {note}");
            }
            capture.save(&shelf).map_err(|error| error.to_string())?;
            println!("{} packets, {} conversations", traffic.packets, traffic.conversations.len());
            println!("written: {}", shelf.join(&name).display());
            Ok(())
        }
        Command::Tell { name, time, shelf } => {
            let capture = Capture::load(&shelf, &name).map_err(|error| error.to_string())?;
            let entries = vary::stretched(&capture.entries, time);
            let run = play(&capture, &entries, Company::Guests, replaying::REST, &mut ());
            print!("{}", told::tell(&capture, &run));
            Ok(())
        }
    }
}

/// Peer and version of a name.
fn named(name: &str) -> Result<(String, String), String> {
    let (_, rest) = name.split_once('/').unwrap_or_default();
    match rest.splitn(3, '-').collect::<Vec<_>>()[..] {
        [peer, version, _] => Ok((peer.to_owned(), version.to_owned())),
        _ => Err(format!("`{name}` is no name for a capture: write <protocol>/<peer>-<version>-<what>")),
    }
}
