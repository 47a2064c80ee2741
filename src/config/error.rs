//! Errors of configurations: where, what is wrong, and what to write instead.
//!
//! In: errors of the parser and findings of the checks. Out: text for a terminal.

use std::fmt;

/// Why a configuration was refused. Lists all problems that could be found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The problems; at least one.
    pub problems: Vec<Problem>,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: `dacapo.ron:12:9`, `DACAPO_RTMP__LISTEN`, or the name of the file alone.
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// The line of the file, if the problem is in a file.
    pub excerpt: Option<Excerpt>,
    /// What to do about it.
    pub help: Option<String>,
}

/// A line of a file and a column in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// Line number, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The line.
    pub text: String,
}

/// Longer lines are not shown.
const EXCERPT_CHARS_MAX: usize = 120;

impl Problem {
    /// A problem at a line and column of a file, or at the next word in that line.
    pub(super) fn in_file(file_name: &str, text: &str, (line, column): (usize, usize)) -> Self {
        let found = text.lines().nth(line.saturating_sub(1)).unwrap_or("");
        let blanks = found.chars().skip(column.saturating_sub(1)).take_while(|c| c.is_whitespace()).count();
        let column = column + blanks;
        // A line with a secret is not shown.
        let secret = found.contains("_token");
        let shown = found.chars().count() <= EXCERPT_CHARS_MAX && !found.trim().is_empty() && !secret;
        let excerpt = Excerpt { line, column, text: found.replace('\t', " ") };
        Problem {
            place: format!("{file_name}:{line}:{column}"),
            message: String::new(),
            excerpt: shown.then_some(excerpt),
            help: None,
        }
    }

    /// A problem that is in no line of a file.
    pub(super) fn at(place: &str) -> Self {
        Problem { place: place.to_owned(), message: String::new(), excerpt: None, help: None }
    }

    /// The same place, with a message.
    pub(super) fn saying(self, (message, help): (String, Option<String>)) -> Self {
        Problem { message, help, ..self }
    }
}

impl ConfigError {
    /// The problems in one line, without excerpts: for the log.
    pub fn in_one_line(&self) -> String {
        let problem = |problem: &Problem| {
            let help = problem.help.as_ref().map_or(String::new(), |help| format!(" ({help})"));
            format!("{}: {}{help}", problem.place, problem.message)
        };
        self.problems.iter().map(problem).collect::<Vec<_>>().join("; ")
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)?;
        if let Some(Excerpt { line, column, text }) = &self.excerpt {
            write!(f, "\n{line:5} | {text}\n      | {:>column$}", "^")?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n      = {help}")?;
        }
        Ok(())
    }
}

/// Explains an error of the parser at setting `path` (empty: at the top): what is wrong, and what to do.
pub(super) fn explain(code: &ron::Error, path: &str, known: &[String]) -> (String, Option<String>) {
    use ron::Error as E;
    let subject = if path.is_empty() { "the configuration".to_owned() } else { format!("`{path}`") };
    let wanted = |what: &str| (format!("{subject} should be {what}"), None);
    match code {
        E::NoSuchStructField { expected, found, .. } => {
            let expected = current(path, expected, known);
            (format!("there is no setting `{path}`"), Some(suggest(found, &expected, known)))
        }
        E::NoSuchEnumVariant { expected, found, .. } => {
            let near = nearest(found, expected.iter().copied());
            let near = near.map_or(String::new(), |near| format!("did you mean `{near}`? "));
            let message = format!("{subject} cannot be `{found}`");
            (message, Some(format!("{near}It may be {}", expected.join(", "))))
        }
        E::DuplicateStructField { field, .. } => (format!("`{field}` is set twice"), None),
        E::MissingStructField { field, .. } => (format!("{subject} lacks `{field}`"), None),
        E::InvalidValueForType { expected, found } => {
            (format!("{subject} should be {expected}, not {found}"), None)
        }
        E::Message(message) => (format!("{subject}: {message}"), None),
        E::ExpectedInteger => wanted("a whole number"),
        E::IntegerOutOfBounds => wanted("a whole number that is not negative and not that large"),
        E::ExpectedBoolean => wanted("`true` or `false`"),
        E::ExpectedString => wanted("text in double quotes"),
        E::ExpectedIdentifier => wanted("a word without quotes"),
        E::ExpectedArray => wanted("a list in brackets, `[ … ]`"),
        E::ExpectedNamedStructLike(_) | E::ExpectedStructLike | E::ExpectedDifferentStructName { .. } => {
            let (message, _) = wanted("in parentheses, `( name: value, … )`");
            (message, path.is_empty().then(|| "`()` alone stands for all defaults".to_owned()))
        }
        syntax => (explain_syntax(syntax), None),
    }
}

fn explain_syntax(code: &ron::Error) -> String {
    use ron::Error as E;
    match code {
        E::ExpectedComma => "expected a comma".to_owned(),
        E::ExpectedMapColon => "expected a colon between a setting and its value".to_owned(),
        E::ExpectedStructLikeEnd => "expected a comma or `)`".to_owned(),
        E::ExpectedArrayEnd => "expected a comma or `]`".to_owned(),
        E::Eof => "the file ends too early: something is not closed".to_owned(),
        E::TrailingCharacters => "nothing may follow the closing parenthesis".to_owned(),
        other => other.to_string(),
    }
}

/// The names of the section that the setting `path` was searched in, without former ones.
fn current<'a>(path: &str, names: &[&'a str], known: &[String]) -> Vec<&'a str> {
    let section = path.rsplit_once('.').map_or("", |(section, _)| section);
    let is_known = |name: &str| {
        let path = if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
        known
            .iter()
            .any(|one| *one == path || one.strip_prefix(&path).is_some_and(|rest| rest.starts_with('.')))
    };
    let current: Vec<&str> = names.iter().copied().filter(|name| is_known(name)).collect();
    // The sections of a stream rule have no paths of their own.
    if current.is_empty() { names.to_vec() } else { current }
}

fn suggest(found: &str, expected: &[&str], known: &[String]) -> String {
    let elsewhere = || known.iter().find_map(|path| up_to(path, found));
    let near = nearest(found, expected.iter().copied()).or_else(elsewhere);
    let near = near.map_or(String::new(), |near| format!("did you mean `{near}`? "));
    format!("{near}Known here: {}", expected.join(", "))
}

/// `path` up to its step `name`: that setting or section is elsewhere.
fn up_to<'a>(path: &'a str, name: &str) -> Option<&'a str> {
    let steps = path.split('.');
    let end = steps.scan(0, |end, step| {
        *end += step.len() + 1;
        Some((*end - 1, step))
    });
    end.into_iter().find(|(_, step)| *step == name).map(|(end, _)| &path[..end])
}

/// The one of `names` that is most similar to `found`, if any is similar.
pub(super) fn nearest<'a>(found: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let found = found.to_lowercase();
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&found, &name.to_lowercase()), name))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, name)| *distance <= name.len().div_ceil(3))
        .map(|(_, name)| name)
}
