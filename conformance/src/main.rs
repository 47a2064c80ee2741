//! The program `conformance`: imports captures from packet files, compares them with their expectations,
//! shrinks recordings that fail.

use clap::{Parser, Subcommand};
use conformance::capture::{self, About, Capture};
use conformance::import::{self, differ};
use conformance::replaying::fault::fault;
use conformance::replaying::{Company, REST, play, transcript, vary};
use conformance::shrink;
use dacapo::record::{self, Entry};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
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
    /// Replay a capture and print what each connection is sent.
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
    /// Say how our answers differ from those of the server that was captured.
    Differ {
        /// Names of captures.
        names: Vec<String>,
        /// Where captures are kept.
        #[arg(long, default_value_os_t = capture::shelf())]
        shelf: PathBuf,
    },
    /// Write down what our server answers now as what is expected; the diff is for you to read.
    Update {
        /// Names of captures; all if there is none.
        names: Vec<String>,
        /// Where captures are kept.
        #[arg(long, default_value_os_t = capture::shelf())]
        shelf: PathBuf,
    },
    /// Make a failing recording small: as little of it as still panics, or breaks the same law.
    Shrink {
        /// The recording.
        file: PathBuf,
        /// Where to write the small one; FILE.small if not given.
        #[arg(long)]
        to: Option<PathBuf>,
        /// How often to try at most.
        #[arg(long, default_value_t = 20_000)]
        budget: usize,
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
            import_file(&file, BTreeSet::from_iter(ports), &name, about, &shelf)
        }
        Command::Tell { name, time, shelf } => {
            let capture = load(&shelf, &name)?;
            let entries = vary::stretched(&capture.entries, time);
            let run = play(&capture, &entries, Company::Viewers, REST, &mut ());
            print!("{}", transcript::tell(&capture, &run));
            Ok(())
        }
        Command::Differ { names, shelf } => {
            for name in names {
                print!("{name}\n{}", differ::report(&load(&shelf, &name)?));
            }
            Ok(())
        }
        Command::Update { names, shelf } => {
            let names = if names.is_empty() { capture::names(&shelf) } else { names };
            names.iter().try_for_each(|name| update(&load(&shelf, name)?, &shelf))
        }
        Command::Shrink { file, to, budget } => make_small(&file, to, budget),
    }
}

fn load(shelf: &Path, name: &str) -> Result<Capture, String> {
    Capture::load(shelf, name).map_err(|error| error.to_string())
}

/// Peer and version of a name.
fn named(name: &str) -> Result<(String, String), String> {
    let (_, rest) = name.split_once('/').unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || ['.', '-', '_'].contains(&c);
    match rest.splitn(3, '-').collect::<Vec<_>>()[..] {
        [peer, version, _] if rest.chars().all(plain) && !name.starts_with('.') => {
            Ok((peer.to_owned(), version.to_owned()))
        }
        _ => Err(format!("`{name}` is no name for a capture: write <protocol>/<peer>-<version>-<what>")),
    }
}

fn import_file(
    file: &Path,
    ports: BTreeSet<u16>,
    name: &str,
    about: About,
    shelf: &Path,
) -> Result<(), String> {
    let in_file = |error: String| format!("{}: {error}", file.display());
    let bytes = std::fs::read(file).map_err(|error| in_file(error.to_string()))?;
    let traffic = import::read(&bytes, &ports).map_err(|fault| in_file(fault.to_string()))?;
    for note in &traffic.notes {
        println!("note: {note}");
    }
    let capture = import::capture(name, about, &traffic).map_err(in_file)?;
    if let Err(fault) = capture.header().config() {
        return Err(format!("--config: {fault}"));
    }
    capture.save(shelf).map_err(|error| error.to_string())?;
    let talks = vary::conns(&capture.entries).len();
    println!("{} packets, {talks} connections in {}", traffic.packets, shelf.join(name).display());
    if capture.about.server != "dacapo" {
        print!("How Dacapo answers otherwise:\n{}", differ::report(&capture));
    }
    Ok(())
}

fn update(capture: &Capture, shelf: &Path) -> Result<(), String> {
    let run = play(capture, &capture.entries, Company::Viewers, REST, &mut ());
    let (text, file) = (transcript::tell(capture, &run), capture.expectation(shelf));
    let state = match std::fs::read_to_string(&file) {
        Ok(old) if old == text => return Ok(()),
        Ok(_) => "changed",
        Err(_) => "new",
    };
    std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    println!("{state}: {}", file.display());
    Ok(())
}

fn make_small(file: &Path, to: Option<PathBuf>, budget: usize) -> Result<(), String> {
    let contents = capture::recording(file).map_err(|error| error.to_string())?;
    let header = contents.header;
    // A panic is an outcome here, told once and not each time.
    std::panic::set_hook(Box::new(|_| {}));
    let first = fault(&header, &contents.entries)?;
    let first = first.ok_or("this recording plays without a fault: there is nothing to make small")?;
    println!("{}: {}", first.kind, first.words);
    let before = (contents.entries.len(), shrink::payload(&contents.entries));
    let fails = |entries: &[Entry]| {
        fault(&header, entries).is_ok_and(|found| found.is_some_and(|found| found.kind == first.kind))
    };
    let small = shrink::shrink_telling(&header, contents.entries, fails, budget, |progress| {
        eprint!("\r\x1b[K{progress}");
    });
    eprintln!();
    let to = to.unwrap_or_else(|| {
        let mut name = file.as_os_str().to_owned();
        name.push(".small");
        name.into()
    });
    std::fs::write(&to, record::write(&header, &small))
        .map_err(|error| format!("{}: {error}", to.display()))?;
    println!(
        "{} entries with {} bytes became {} with {}: {}",
        before.0,
        before.1,
        small.len(),
        shrink::payload(&small),
        to.display()
    );
    Ok(())
}
