//! Patches: one mechanism for files, the environment and stream rules. A *patch* names some settings and
//! leaves the others unchanged.
//!
//! `settings!` takes a table of settings and generates two structs for each section: the section itself, with
//! every setting, and its patch, where each setting is optional. In: a patch, as serde read it. Out: the
//! section with the named settings replaced. Never: reads files or the environment.

use serde::de::DeserializeOwned;
use std::any::Any;
use std::fmt::{self, Display};
use std::ops::RangeInclusive;

/// Single settings, one after the other, whatever section they are in: a tool knows by the type of a value
/// what it may tell.
pub trait Each {
    /// Calls `visit` for every single setting.
    fn each(&mut self, visit: &mut dyn FnMut(&mut dyn Any));
}

impl<T: Each> Each for Option<T> {
    fn each(&mut self, visit: &mut dyn FnMut(&mut dyn Any)) {
        if let Some(setting) = self {
            setting.each(visit);
        }
    }
}

/// A setting, or a section of settings.
pub trait Setting: Each {
    /// Its patch: `None` or an empty patch changes nothing.
    type Patch: Clone + Default + PartialEq + DeserializeOwned + Each;

    /// Replaces the settings that `patch` names.
    fn apply(&mut self, patch: &Self::Patch);

    /// Calls `visit` for the path of every single setting below `path`, in the order of the table.
    fn paths(path: &str, visit: &mut dyn FnMut(String));

    /// Calls `visit` for every former name of a setting below `path`.
    fn renamed(_path: &str, _visit: &mut dyn FnMut(Renamed)) {}

    /// Reports every setting below `path` that is out of its range.
    fn check_ranges(&self, path: &str, report: &mut dyn FnMut(OutOfRange));
}

/// A setting that was renamed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renamed {
    /// Its former path: `limits.attic_bytes`.
    pub former: String,
    /// Its path: `limits.pinned_bytes`.
    pub path: String,
}

/// A number out of the range of its setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutOfRange {
    /// Path of the setting: `stream.hls.window`.
    pub path: String,
    /// The number.
    pub value: String,
    /// Least allowed number.
    pub min: String,
    /// Greatest allowed number.
    pub max: String,
}

/// Reports `value` if it is outside `range`.
pub(super) fn check_range<T: PartialOrd + Display>(
    path: &str,
    value: &T,
    range: &RangeInclusive<T>,
    report: &mut dyn FnMut(OutOfRange),
) {
    if !range.contains(value) {
        let [value, min, max] = [value, range.start(), range.end()].map(T::to_string);
        report(OutOfRange { path: path.to_owned(), value, min, max });
    }
}

/// `path.name`, or `name` alone at the top.
pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// True if a patch changes nothing; such patches are not serialised.
pub(super) fn is_empty<P: Default + PartialEq>(patch: &P) -> bool {
    *patch == P::default()
}

/// Declares sections. Each line is a setting: name, type, default, for numbers the allowed range, and the
/// former name if it was renamed.
///
/// ```text
/// /// What the section is about.
/// Section, SectionPatch {
///     /// What the setting does, and its unit.
///     name: Type = default, in min..=max, formerly "old_name";
/// }
/// ```
macro_rules! settings {
    ($(
        $(#[$about:meta])*
        $Section:ident, $Patch:ident {
            $($(#[$doc:meta])* $name:ident: $Type:ty = $default:expr
                $(, in $range:expr)? $(, formerly $former:literal)?;)*
        }
    )*) => {$(
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        pub struct $Section {
            $($(#[$doc])* $(#[serde(alias = $former)])? pub $name: $Type,)*
        }

        #[doc = concat!("Some settings of [`", stringify!($Section), "`]; the others are left alone.")]
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $Patch {
            $(
                #[doc = concat!("[`", stringify!($Section), "::", stringify!($name), "`], if named.")]
                #[serde(skip_serializing_if = "crate::config::patch::is_empty" $(, alias = $former)?)]
                pub $name: <$Type as crate::config::patch::Setting>::Patch,
            )*
        }

        impl Default for $Section {
            fn default() -> Self {
                $Section { $($name: $default,)* }
            }
        }

        impl crate::config::patch::Each for $Section {
            fn each(&mut self, visit: &mut dyn FnMut(&mut dyn std::any::Any)) {
                $(crate::config::patch::Each::each(&mut self.$name, visit);)*
            }
        }

        impl crate::config::patch::Each for $Patch {
            fn each(&mut self, visit: &mut dyn FnMut(&mut dyn std::any::Any)) {
                $(crate::config::patch::Each::each(&mut self.$name, visit);)*
            }
        }

        impl crate::config::patch::Setting for $Section {
            type Patch = $Patch;

            fn apply(&mut self, patch: &$Patch) {
                $(crate::config::patch::Setting::apply(&mut self.$name, &patch.$name);)*
            }

            fn paths(path: &str, visit: &mut dyn FnMut(String)) {
                $(<$Type as crate::config::patch::Setting>::paths(
                    &crate::config::patch::join(path, stringify!($name)),
                    visit,
                );)*
            }

            fn renamed(path: &str, visit: &mut dyn FnMut(crate::config::patch::Renamed)) {
                $(
                    let path_here = crate::config::patch::join(path, stringify!($name));
                    <$Type as crate::config::patch::Setting>::renamed(&path_here, visit);
                    $(visit(crate::config::patch::Renamed {
                        former: crate::config::patch::join(path, $former),
                        path: path_here,
                    });)?
                )*
            }

            fn check_ranges(&self, path: &str, report: &mut dyn FnMut(crate::config::patch::OutOfRange)) {
                $(
                    let path_here = crate::config::patch::join(path, stringify!($name));
                    crate::config::patch::Setting::check_ranges(&self.$name, &path_here, report);
                    $(crate::config::patch::check_range(&path_here, &self.$name, &$range, report);)?
                )*
            }
        }
    )*};
}

/// Declares types of single settings: a patch replaces the whole value.
macro_rules! single {
    ($($Type:ty),* $(,)?) => {$(
        impl crate::config::patch::Each for $Type {
            fn each(&mut self, visit: &mut dyn FnMut(&mut dyn std::any::Any)) {
                visit(self);
            }
        }

        impl crate::config::patch::Setting for $Type {
            type Patch = Option<$Type>;

            fn apply(&mut self, patch: &Option<$Type>) {
                if let Some(value) = patch {
                    self.clone_from(value);
                }
            }

            fn paths(path: &str, visit: &mut dyn FnMut(String)) {
                visit(path.to_owned());
            }

            fn check_ranges(&self, _: &str, _: &mut dyn FnMut(crate::config::patch::OutOfRange)) {}
        }
    )*};
}

pub(super) use {settings, single};

single!(bool, u32, u64, usize, String);

impl Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is {}: it must be from {} to {}", self.path, self.value, self.min, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::Setting;
    use crate::config::{Config, HlsPatch, StreamSettings, StreamSettingsPatch};

    #[test]
    fn a_patch_replaces_what_it_names_and_nothing_else() {
        let hls = HlsPatch { window: Some(9), ..HlsPatch::default() };
        let mut settings = StreamSettings::default();
        settings.apply(&StreamSettingsPatch { hls, ..StreamSettingsPatch::default() });
        let mut expected = StreamSettings::default();
        expected.hls.window = 9;
        assert_eq!(settings, expected);
    }

    #[test]
    fn every_setting_has_a_path() {
        let mut paths = Vec::new();
        Config::paths("", &mut |path| paths.push(path));
        assert_eq!(paths.first().map(String::as_str), Some("rtmp.listen"));
        assert!(paths.iter().any(|path| path == "stream.hls.segment_ms"));
        assert!(paths.iter().any(|path| path == "streams"));
        assert_eq!(paths.last().map(String::as_str), Some("drain_timeout_ms"));
    }
}
