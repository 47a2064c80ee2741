//! The backend of the crate `log`: filter, format and target.
//!
//! In: records of the whole process, and the settings `log`, which may change while it runs. Out: lines in a
//! file or on standard error, written by a thread. `env_logger` filters; the environment variable `RUST_LOG`
//! has no effect.

pub mod line;
pub mod sink;

use crate::config::{Levels, Log, LogFormat};
use crate::net::clock;
use log::{Level, Metadata, Record};
use sink::Sink;
use std::io::{self, Write};
use std::sync::{PoisonError, RwLock};

/// Installed in `log` once. Its content is replaced when the settings change.
static INSTALLED: Switch = Switch(RwLock::new(None));

struct Switch(RwLock<Option<Backend>>);

/// A backend for one value of the settings.
struct Backend {
    filter: env_logger::Logger,
    sink: Sink,
}

/// Applies `settings`. May be called again; after an error the old settings stay in force.
///
/// # Errors
/// If the log file cannot be opened, the levels cannot be parsed, or the system refuses a thread.
pub fn install(settings: &Log) -> io::Result<()> {
    let backend = Backend::new(settings)?;
    let level = backend.filter.filter();
    let before = INSTALLED.0.write().unwrap_or_else(PoisonError::into_inner).replace(backend);
    // Fails after the first time, since the switch is installed already.
    let _: Result<(), log::SetLoggerError> = log::set_logger(&INSTALLED);
    log::set_max_level(level);
    if let Some(before) = before {
        before.sink.flush();
    }
    Ok(())
}

/// Opens the log file again after it was renamed.
pub fn reopen() {
    INSTALLED.with(|backend| backend.sink.reopen());
}

/// Waits until all queued lines are written, up to a time limit.
pub fn flush() {
    INSTALLED.with(|backend| backend.sink.flush());
}

/// Writes panics to the log as well: standard error of a service is often discarded.
pub fn log_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        log::error!("a thread panicked, which is a bug: {panic}");
        flush();
        before(panic);
    }));
}

impl Switch {
    fn with(&self, act: impl FnOnce(&Backend)) {
        if let Some(backend) = &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            act(backend);
        }
    }
}

impl log::Log for Switch {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let mut enabled = false;
        self.with(|backend| enabled = backend.filter.enabled(metadata));
        enabled
    }

    fn log(&self, record: &Record<'_>) {
        self.with(|backend| backend.filter.log(record));
    }

    fn flush(&self) {
        self.with(|backend| backend.sink.flush());
    }
}

impl Backend {
    fn new(settings: &Log) -> io::Result<Backend> {
        let levels = settings.level.parse::<Levels>().map_err(io::Error::other)?;
        let format = settings.format;
        let sink = Sink::open(&settings.file, Box::new(move |lost| loss(format, lost)))?;
        Ok(Backend { filter: filter(&levels, format, sink.clone()), sink })
    }
}

fn filter(levels: &Levels, format: LogFormat, sink: Sink) -> env_logger::Logger {
    let mut builder = env_logger::Builder::new();
    builder.filter_level(levels.default);
    for (prefix, level) in levels.prefixes() {
        builder.filter_module(&prefix, level);
    }
    builder.format(move |out, record| writeln!(out, "{}", line::render(format, unix_millis(), record)));
    builder.target(env_logger::Target::Pipe(Box::new(Pipe(sink))));
    builder.build()
}

/// The line that reports lost lines.
fn loss(format: LogFormat, lost: u64) -> String {
    let message = format_args!("{lost} log lines were lost: the sink is too slow");
    let record = Record::builder().level(Level::Warn).target(module_path!()).args(message).build();
    line::render(format, unix_millis(), &record)
}

fn unix_millis() -> u64 {
    clock::unix_micros() / 1000
}

/// The target of `env_logger`, which writes one whole line per call.
struct Pipe(Sink);

impl Write for Pipe {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Backend;
    use crate::config::{Log, LogFormat};
    use log::{Level, Log as _, Record};
    use std::fs;

    fn logged(level: &str, format: LogFormat, records: &[(Level, &str, &str)]) -> String {
        let name = format!("dacapo-log-{}-{:?}", std::process::id(), std::thread::current().id());
        let path = std::env::temp_dir().join(name);
        let file = path.to_str().expect("UTF-8").to_owned();
        let backend =
            Backend::new(&Log { level: level.to_owned(), file: file.into(), format }).expect("writable");
        for (level, target, message) in records {
            let mut record = Record::builder();
            record.level(*level).target(target);
            backend.filter.log(&record.args(format_args!("{message}")).build());
        }
        backend.sink.flush();
        let text = fs::read_to_string(&path).expect("written");
        fs::remove_file(&path).expect("it was made here");
        text
    }

    #[test]
    fn levels_hold_for_modules_by_their_short_and_full_names() {
        let text = logged(
            "warn,rtmp=debug,dacapo::stream::ring=trace",
            LogFormat::Text,
            &[
                (Level::Debug, "dacapo::session::rtmp::publish", "one"),
                (Level::Trace, "dacapo::session::rtmp::publish", "two"),
                (Level::Info, "dacapo::session::http", "three"),
                (Level::Warn, "dacapo::session::http", "four"),
                (Level::Trace, "dacapo::stream::ring", "five"),
                (Level::Info, "dacapo::stream::registry", "six"),
            ],
        );
        let messages: Vec<_> = text.lines().map(|line| line.rsplit(' ').next().expect("words")).collect();
        assert_eq!(messages, ["one", "four", "five"]);
    }

    #[test]
    fn every_line_of_json_is_an_object() {
        let text = logged("info", LogFormat::Json, &[(Level::Error, "dacapo", "a \"bug\"")]);
        let line: serde_json::Value = serde_json::from_str(text.trim_end()).expect("JSON");
        assert_eq!(line["level"], "ERROR");
        assert_eq!(line["module"], "main");
        assert_eq!(line["msg"], "a \"bug\"");
    }
}
