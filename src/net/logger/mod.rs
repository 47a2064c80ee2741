//! The backend of `log`: what is logged, how it looks, where it goes.
//!
//! In: records of the whole process and the settings of `log`, which may change while it runs. Out: lines in
//! a file or on standard error, written by a thread of their own. Filtering is `env_logger`'s; the
//! environment variable `RUST_LOG` is not looked at.

pub mod line;
pub mod sink;

use crate::config::{Levels, Log, LogFormat};
use crate::net::clock;
use log::{Level, Metadata, Record};
use sink::Sink;
use std::io::{self, Write};
use std::sync::{PoisonError, RwLock};

/// What is installed in `log`, once; its inside changes when the settings do.
static INSTALLED: Switch = Switch(RwLock::new(None));

struct Switch(RwLock<Option<Backend>>);

/// One setting of the backend.
struct Backend {
    filter: env_logger::Logger,
    sink: Sink,
}

/// Logs as `settings` say from now on. May be called again; if it fails, what was before goes on.
pub fn install(settings: &Log) -> io::Result<()> {
    let backend = Backend::new(settings)?;
    let level = backend.filter.filter();
    let before = INSTALLED.0.write().unwrap_or_else(PoisonError::into_inner).replace(backend);
    // The second time `log` refuses, since the switch is installed already.
    let _: Result<(), log::SetLoggerError> = log::set_logger(&INSTALLED);
    log::set_max_level(level);
    if let Some(before) = before {
        before.sink.flush();
    }
    Ok(())
}

/// Opens the log file again by its name, after it was moved away.
pub fn reopen() {
    INSTALLED.with(|backend| backend.sink.reopen());
}

/// Waits until everything logged so far has been written, but not for ever.
pub fn flush() {
    INSTALLED.with(|backend| backend.sink.flush());
}

/// Lets a panic be read in the log too, where standard error may be read by nobody.
pub fn log_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        log::error!("a bug ended a thread: {panic}");
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

/// The line that tells of lost ones.
fn loss(format: LogFormat, lost: u64) -> String {
    let message = format_args!("{lost} lines of the log were lost: the sink is too slow");
    let record = Record::builder().level(Level::Warn).target(module_path!()).args(message).build();
    line::render(format, unix_millis(), &record)
}

fn unix_millis() -> u64 {
    clock::unix_micros() / 1000
}

/// What `env_logger` writes to: it hands over one whole line at a time.
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
        let backend = Backend::new(&Log { level: level.to_owned(), file, format }).expect("writable");
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
