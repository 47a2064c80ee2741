//! Former names of settings: still accepted, and the user is told the new ones.
//!
//! The table of settings tells former names (`formerly`). In: a path or the text of a file. Out: the setting
//! that a former name means, and the error if both names of one setting are given.

use crate::config::locate::find;
use crate::config::patch::{Renamed, Setting};
use crate::config::settings::Config;
use std::fmt;

/// All renamed settings, in the order of the table.
pub(super) fn all() -> Vec<Renamed> {
    let mut all = Vec::new();
    Config::renamed("", &mut |one| all.push(one));
    all
}

/// Line and column of the value of `path`, if the text has exactly this setting.
pub(super) fn position(text: &str, path: &str) -> Option<(usize, usize)> {
    find(text, &path.split('.').collect::<Vec<_>>())
}

/// The problem of a text that sets `field` twice, once by its former name.
pub(super) fn given_twice(text: &str, field: &str) -> Option<(String, Option<String>)> {
    let is_it = |one: &Renamed| one.path.rsplit('.').next() == Some(field);
    let one = all().into_iter().find(|one| is_it(one) && position(text, &one.former).is_some())?;
    Some(one.given_twice(&one.former))
}

impl Renamed {
    /// The message if both names are given, and what to do about `former`.
    pub(super) fn given_twice(&self, former: &str) -> (String, Option<String>) {
        (format!("{self}, and both are given"), Some(format!("leave out `{former}`")))
    }
}

impl fmt::Display for Renamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is now called {}", self.former, self.path)
    }
}
