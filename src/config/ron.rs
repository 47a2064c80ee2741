//! The dialect of RON: options of the parser, and the paths in its errors.

use ron::extensions::Extensions;

/// RON in which `Some(…)` need not be written.
pub(super) fn ron_options() -> ron::Options {
    ron::Options::default().with_default_extension(Extensions::IMPLICIT_SOME)
}

/// The path of an error: empty at the top, and without the mark of a step that was not read.
pub(super) fn readable(path: &serde_path_to_error::Path) -> String {
    path.to_string().trim_end_matches('?').trim_end_matches('.').to_owned()
}
