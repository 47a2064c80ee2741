//! The program `dacapo`: reads the command line, the configuration file and the environment, then serves, or
//! runs a command.
//!
//! Exit codes: 0, success; 1, the operating system refused a call; 2, the command line, the configuration or
//! a recording is not valid; 3, a replay differs from its recording.

use clap::{Parser, Subcommand};
use dacapo::config::{self, Config, ConfigError, Service};
use dacapo::net::clock::Clock;
use dacapo::net::world::Hooks;
use dacapo::net::{self, entropy, logger, rlimit};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tools::command::replay::{self, Played};
use tools::command::{Failure, redact, settings, system};

/// Frames come and go in all sizes. What allocates and frees them is a third of the server's own time with
/// many streams; this allocator takes half of what the C library's takes. It runs without huge pages: to
/// clear them costs the kernel more than they save (benches/README.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A live-media server: RTMP in; RTMP, HTTP-FLV, WebSocket-FLV, HTTP-TS and HLS out.
#[derive(Debug, Parser)]
#[command(
    name = "dacapo",
    version = dacapo::record::BUILD,
    after_help = "Without a command the server runs. Environment variables override settings: \
    DACAPO_RTMP__LISTEN=1935 sets rtmp.listen."
)]
struct Cli {
    /// Configuration file; without one all settings have their defaults. DACAPO_CONFIG can name it too.
    #[arg(short, long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Checks a configuration file and prints a summary.
    Check {
        /// The file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Prints the configuration in force: defaults, file and environment combined.
    Config,
    /// Replays a recording without waiting, prints what happened and whether the output is the same.
    Replay(replay::Args),
    /// Works on recordings.
    #[command(subcommand)]
    Record(redact::Record),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Some(Command::Replay(args)) => play_again(&args),
        Some(Command::Record(record)) => redact_copy(&record),
        command => Source::new(cli.config).and_then(|source| match command {
            Some(Command::Check { file }) => check(&Source { file: Some(file), ..source }),
            Some(Command::Config) => print(&config::print(&source.load().map_err(settings)?.0)),
            _ => serve(source),
        }),
    };
    logger::flush();
    let (code, message) = match result {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::System(message)) => (1, message),
        Err(Failure::Settings(message)) => (2, message),
        Err(Failure::Differs) => return ExitCode::from(3),
    };
    eprintln!("{message}");
    ExitCode::from(code)
}

fn serve(source: Source) -> Result<(), Failure> {
    let (config, notes) = source.load().map_err(settings)?;
    logger::install(&config.log).map_err(system)?;
    logger::log_panics();
    notes.iter().for_each(|note| log::warn!("{note}"));
    let shortage = rlimit::shortage(&config, rlimit::raise());
    let hooks = Hooks {
        reload: Box::new({
            let addrs = |config: &Config| (config.listeners(), config.control_addrs().to_vec());
            let (source, before) = (source.clone(), addrs(&config));
            move || {
                let config = source.reload()?;
                if addrs(&config) != before {
                    log::warn!("changed listen addresses take effect after a restart");
                }
                Ok(config)
            }
        }),
        reopen_log: Box::new(logger::reopen),
    };
    let started = |config: &Config, bound: &[(Service, SocketAddr)]| {
        log::info!("Dacapo {} started with {}", env!("CARGO_PKG_VERSION"), source.name());
        config::banner(config, bound).lines().for_each(|line| log::info!("{line}"));
        if let Some(shortage) = shortage {
            log::warn!("{shortage}");
        }
    };
    net::serve(config, hooks, started).map_err(system)
}

fn check(source: &Source) -> Result<(), Failure> {
    let (config, notes) = source.load().map_err(settings)?;
    let notes: String = notes.iter().map(|note| format!("{note}\n")).collect();
    print(&format!("ok\n{notes}{}\n", config::summary(&config)))
}

fn play_again(args: &replay::Args) -> Result<(), Failure> {
    let clock = Clock::start();
    match replay::run(args, || clock.now())? {
        Played::Same => Ok(()),
        Played::Differs => Err(Failure::Differs),
    }
}

fn redact_copy(record: &redact::Record) -> Result<(), Failure> {
    let key = entropy::seed().map_err(system)?;
    redact::run(record, key).and_then(|told| print(&told))
}

fn print(text: &str) -> Result<(), Failure> {
    std::io::stdout().write_all(text.as_bytes()).map_err(system)
}

/// The source of the configuration, which is read at start and at each reload.
#[derive(Clone, Debug)]
struct Source {
    file: Option<PathBuf>,
    /// The variables that begin with `DACAPO_`.
    env: Vec<(String, String)>,
}

impl Source {
    fn new(file: Option<PathBuf>) -> Result<Self, Failure> {
        let mut env = Vec::new();
        for (name, value) in std::env::vars_os() {
            let Some(name) = name.to_str().filter(|name| name.starts_with("DACAPO_")) else { continue };
            let value =
                value.into_string().map_err(|_| settings(format!("{name}: the value is not UTF-8")))?;
            env.push((name.to_owned(), value));
        }
        let named = env.iter().find(|(name, value)| name == "DACAPO_CONFIG" && !value.is_empty());
        let file = file.or_else(|| named.map(|(_, file)| PathBuf::from(file)));
        Ok(Source { file, env })
    }

    fn name(&self) -> String {
        self.file.as_deref().map_or("default settings".to_owned(), |file| file.display().to_string())
    }

    /// Loads the configuration. Also returns a line for each former name of a setting in it.
    fn load(&self) -> Result<(Config, Vec<String>), LoadError> {
        let text = self.file.as_deref().map_or(Ok("()".to_owned()), read)?;
        let config = config::load(&text, &self.name(), &self.env)?;
        Ok((config, config::former_names(&text, &self.name(), &self.env)))
    }

    /// Loads the configuration of a running server and applies the log settings. An error has one line.
    fn reload(&self) -> Result<Config, String> {
        let (config, notes) = self.load().map_err(|error| match error {
            LoadError::Config(error) => error.in_one_line(),
            other => other.to_string(),
        })?;
        logger::install(&config.log).map_err(|error| error.to_string())?;
        notes.iter().for_each(|note| log::warn!("{note}"));
        Ok(config)
    }
}

#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error("{0}")]
    Config(#[from] ConfigError),
    #[error("cannot read {0}: {1}")]
    File(String, std::io::Error),
}

fn read(file: &Path) -> Result<String, LoadError> {
    std::fs::read_to_string(file).map_err(|error| LoadError::File(file.display().to_string(), error))
}

#[cfg(test)]
mod tests {
    use super::{Cli, Command, Failure, Source, check};
    use clap::{CommandFactory, Parser};
    use std::path::PathBuf;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_a_command_it_serves() {
        let cli = Cli::parse_from(["dacapo", "-c", "my.ron"]);
        assert_eq!(cli.config, Some(PathBuf::from("my.ron")));
        assert!(cli.command.is_none());
    }

    #[test]
    fn the_file_may_be_named_before_and_after_the_command() {
        for words in [["dacapo", "-c", "my.ron", "config"], ["dacapo", "config", "--config", "my.ron"]] {
            let cli = Cli::parse_from(words);
            assert_eq!(cli.config, Some(PathBuf::from("my.ron")));
            assert!(matches!(cli.command, Some(Command::Config)));
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_a_matter_of_settings() {
        let source = Source { file: Some(PathBuf::from("/no/such/file")), env: Vec::new() };
        let Err(Failure::Settings(told)) = check(&source) else { panic!("there is none") };
        assert_eq!(told, "cannot read /no/such/file: No such file or directory (os error 2)");
    }

    #[test]
    fn what_is_wrong_when_reloading_is_told_in_one_line() {
        let env = vec![("DACAPO_RTMP__LISTN".to_owned(), "1".to_owned())];
        let told = Source { file: None, env }.reload().expect_err("not right");
        assert_eq!(
            told,
            "DACAPO_RTMP__LISTN: there is no setting `rtmp.listn` (did you mean `DACAPO_RTMP__LISTEN`?)"
        );
    }
}
