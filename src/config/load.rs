//! Text to a configuration, and back.
//!
//! In: the text of a file and the variables of the environment. Out: the defaults, changed by the file, then
//! by the environment; or all problems that could be found. Never: reads files or the environment itself.

use crate::config::check::check;
use crate::config::env::{self, Override};
use crate::config::error::{ConfigError, Problem, explain};
use crate::config::locate::locate;
use crate::config::patch::Setting;
use crate::config::renamed;
use crate::config::ron::{readable, ron_options};
use crate::config::settings::{Config, ConfigPatch};
use ron::error::{Position, SpannedError};
use ron::ser::PrettyConfig;

/// Loads a configuration: `text` is RON (`()` for the defaults), `file_name` is for errors, and `env` are the
/// variables of the environment (those that do not begin with `DACAPO_` are ignored).
///
/// # Errors
///
/// If a setting is unknown, malformed or out of range, or settings contradict each other; with all problems
/// that could be found.
///
/// ```
/// use dacapo::config::load;
/// let env = [("DACAPO_HTTP__LISTEN".to_owned(), "8081".to_owned())];
/// let config = load("(rtmp: (listen: []))", "my.ron", &env).unwrap();
/// assert!(config.rtmp.listen.is_empty());
/// assert_eq!(config.http.listen, ["0.0.0.0:8081".parse().unwrap()]);
/// ```
pub fn load(text: &str, file_name: &str, env: &[(String, String)]) -> Result<Config, ConfigError> {
    let known = known_paths();
    let mut config = Config::default();
    let mut problems = Vec::new();
    match read(text, file_name, &known) {
        Ok(patch) => config.apply(&patch),
        Err(problem) => problems.push(problem),
    }
    let overrides = env::overrides(env);
    for one in &overrides {
        match one.read(&known, &overrides) {
            Ok(patch) => config.apply(&patch),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        let findings = check(&config).into_iter();
        problems.extend(findings.map(|finding| {
            place(&finding.path, text, file_name, &overrides).saying((finding.message, finding.help))
        }));
    }
    if problems.is_empty() { Ok(config) } else { Err(ConfigError { problems }) }
}

/// The former names of settings that a file's text and the environment use, one line each. Former names are
/// still accepted.
///
/// ```
/// let lines = dacapo::config::former_names("(limits: (attic_bytes: 65536))", "my.ron", &[]);
/// assert_eq!(lines, ["my.ron:1:24: limits.attic_bytes is now called limits.pinned_bytes"]);
/// ```
pub fn former_names(text: &str, file_name: &str, env: &[(String, String)]) -> Vec<String> {
    let in_file = renamed::all().into_iter().filter_map(|one| {
        let place = Problem::in_file(file_name, text, renamed::position(text, &one.former)?).place;
        Some(format!("{place}: {one}"))
    });
    let in_env = env::overrides(env).into_iter().filter_map(|variable| {
        let one = variable.renamed?;
        Some(format!("{}: {one}", variable.variable))
    });
    in_file.chain(in_env).collect()
}

/// The configuration as RON, which [`load`] reads back to the same.
pub fn print(config: &Config) -> String {
    let pretty = PrettyConfig::new().new_line("\n");
    let text = ron_options().to_string_pretty(config, pretty).expect("settings are plain data");
    text + "\n"
}

/// Reads a configuration that [`print()`] wrote, without checks: a server was running with it.
///
/// # Errors
///
/// If it is no configuration.
pub fn reread(text: &str) -> Result<Config, String> {
    ron_options().from_str(text).map_err(|error| error.to_string())
}

/// Paths of all settings, in the order of the table.
pub(super) fn known_paths() -> Vec<String> {
    let mut paths = Vec::new();
    Config::paths("", &mut |path| paths.push(path));
    paths
}

/// The patch that the text of a file is, or its first problem.
pub(super) fn read(text: &str, file_name: &str, known: &[String]) -> Result<ConfigPatch, Problem> {
    let problem = |error: SpannedError, path: &str| {
        let Position { line, col } = error.span.start;
        let twice = match &error.code {
            ron::Error::DuplicateStructField { field, .. } => renamed::given_twice(text, field),
            _ => None,
        };
        let (message, help) = twice.unwrap_or_else(|| explain(&error.code, path, known));
        let help = help.or_else(|| unit_help(text, &error));
        Problem::in_file(file_name, text, (line, col)).saying((message, help))
    };
    let parser = ron::Deserializer::from_str_with_options(text, &ron_options());
    let mut parser = parser.map_err(|error| problem(error, ""))?;
    let patch = serde_path_to_error::deserialize(&mut parser).map_err(|error| {
        let path = readable(error.path());
        problem(parser.span_error(error.into_inner()), &path)
    })?;
    parser.end().map_err(|error| problem(parser.span_error(error), ""))?;
    Ok(patch)
}

/// The message for a number that is followed by something else: `2.5`, `2s`, `16MiB`.
fn unit_help(text: &str, error: &SpannedError) -> Option<String> {
    let Position { line, col } = error.span.start;
    let before = text.lines().nth(line.checked_sub(1)?)?.chars().skip(col.checked_sub(2)?);
    let [digit, next] = before.take(2).collect::<Vec<_>>().try_into().ok()?;
    let number = digit.is_ascii_digit() && (next == '.' || next.is_alphabetic());
    let help = "numbers are whole, without a unit: the setting's name tells the unit";
    (error.code == ron::Error::ExpectedComma && number).then(|| help.to_owned())
}

/// Where the value of a setting came from: a variable, a place in the file, or the file as a whole.
fn place(path: &str, text: &str, file_name: &str, overrides: &[Override]) -> Problem {
    let covers = |set: &str| path == set || path.strip_prefix(set).is_some_and(|rest| rest.starts_with('['));
    if let Some(one) = overrides.iter().find(|one| covers(&one.path)) {
        return Problem::at(&one.variable);
    }
    let former = renamed::all().into_iter().find(|one| one.path == path);
    let former = former.and_then(|one| renamed::position(text, &one.former));
    match former.or_else(|| locate(text, path)) {
        Some(position) => Problem::in_file(file_name, text, position),
        None => Problem::at(file_name),
    }
}
