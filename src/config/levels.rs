//! Log levels by module: `info,rtmp=debug`.
//!
//! In: the setting `log.level`. Out: a default level, and exceptions for some modules. A module is given by
//! its name in the log (`rtmp`, `hls`, `stream`) or by its full path (`dacapo::session::rtmp::publish`).
//! Never: filters; that is for the logger.

use crate::config::error::nearest;
use log::LevelFilter;
use std::str::FromStr;

/// Names of modules in the log: the layers, and the rooms of `session` and `package`.
pub const MODULES: [&str; 12] =
    ["base", "config", "hls", "http", "main", "media", "net", "rtmp", "server", "status", "stream", "wire"];

/// A parsed `log.level`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels {
    /// Level of all other modules.
    pub default: LevelFilter,
    /// Modules and their levels, in the order of the setting.
    pub modules: Vec<(String, LevelFilter)>,
}

impl FromStr for Levels {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut levels = Levels { default: LevelFilter::Info, modules: Vec::new() };
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                None => levels.default = level(part)?,
                Some((name, value)) => levels.modules.push((module(name.trim())?, level(value.trim())?)),
            }
        }
        Ok(levels)
    }
}

impl Levels {
    /// Path prefixes of Rust modules and their levels: short names are expanded.
    pub fn prefixes(&self) -> impl Iterator<Item = (String, LevelFilter)> {
        self.modules.iter().flat_map(|(name, level)| {
            let places: &[&str] = match name.as_str() {
                full if full.contains("::") => &[""],
                "main" => &["dacapo::"],
                _ => &["dacapo::", "dacapo::session::", "dacapo::package::"],
            };
            places.iter().map(move |place| (format!("{place}{name}"), *level))
        })
    }
}

fn level(word: &str) -> Result<LevelFilter, String> {
    word.parse().map_err(|_| format!("`{word}` is not a level: write off, error, warn, info, debug or trace"))
}

fn module(name: &str) -> Result<String, String> {
    if name.contains("::") || MODULES.contains(&name) {
        return Ok(name.to_owned());
    }
    let hint = nearest(name, MODULES).map_or(String::new(), |near| format!(", did you mean `{near}`?"));
    Err(format!("`{name}` is not a module{hint} There are {}, and full paths", MODULES.join(", ")))
}

/// The name of a Rust module in the log: `dacapo::session::rtmp::publish` is `rtmp`.
///
/// ```
/// use dacapo::config::short_module;
/// assert_eq!(short_module("dacapo::session::rtmp::publish"), "rtmp");
/// assert_eq!(short_module("dacapo::stream::ring"), "stream");
/// assert_eq!(short_module("dacapo"), "main");
/// assert_eq!(short_module("mio::poll"), "mio::poll");
/// ```
pub fn short_module(path: &str) -> &str {
    let mut steps = path.split("::");
    if steps.next() != Some("dacapo") {
        return path;
    }
    match (steps.next(), steps.next()) {
        (None, _) => "main",
        (Some("session" | "package"), Some(room)) => room,
        (Some(layer), _) => layer,
    }
}

#[cfg(test)]
mod tests {
    use super::{Levels, MODULES};
    use log::LevelFilter::{Debug, Info, Off, Trace, Warn};
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn a_level_for_all_and_exceptions_are_read() {
        let levels: Levels = "WARN, rtmp=debug,dacapo::stream::ring=trace".parse().expect("valid");
        assert_eq!(levels.default, Warn);
        let modules = [("rtmp".to_owned(), Debug), ("dacapo::stream::ring".to_owned(), Trace)];
        assert_eq!(levels.modules, modules);
        assert_eq!("".parse(), Ok(Levels { default: Info, modules: Vec::new() }));
        assert_eq!("off".parse(), Ok(Levels { default: Off, modules: Vec::new() }));
    }

    #[test]
    fn a_short_name_stands_for_every_place_where_the_module_may_be() {
        let levels: Levels = "rtmp=debug".parse().expect("valid");
        let prefixes: Vec<_> = levels.prefixes().map(|(prefix, _)| prefix).collect();
        assert_eq!(prefixes, ["dacapo::rtmp", "dacapo::session::rtmp", "dacapo::package::rtmp"]);
    }

    #[test]
    fn wrong_words_are_answered_with_right_ones() {
        let error = |text: &str| text.parse::<Levels>().expect_err("wrong");
        assert_eq!(
            error("verbose"),
            "`verbose` is not a level: write off, error, warn, info, debug or trace"
        );
        assert_eq!(
            error("info,rmtp=debug"),
            "`rmtp` is not a module, did you mean `rtmp`? There are base, config, hls, http, main, media, \
             net, rtmp, server, status, stream, wire, and full paths"
        );
    }

    /// Files and rooms of the tree that log nothing under their own name.
    const SILENT: [&str; 8] = ["lib", "mod", "session", "package", "ask", "tests", "record", "driver"];

    #[test]
    fn the_list_of_modules_is_the_tree_of_sources() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut modules = BTreeSet::new();
        for room in ["", "session", "package"] {
            for entry in source.join(room).read_dir().expect("a directory") {
                let path = entry.expect("readable").path();
                let name = path.file_stem().and_then(|name| name.to_str()).expect("UTF-8").to_owned();
                if (path.is_dir() || path.extension().is_some_and(|ext| ext == "rs"))
                    && !SILENT.contains(&name.as_str())
                {
                    modules.insert(name);
                }
            }
        }
        assert_eq!(modules.into_iter().collect::<Vec<_>>(), MODULES);
    }
}
