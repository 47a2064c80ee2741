//! Settings: what they are ([`Config`]), how they are read, and what follows from them.
//!
//! In: the text of a file and the variables of the environment. Out: a [`Config`] that makes sense as a
//! whole, or a [`ConfigError`] that says what is wrong, where, and what to write instead. A file, the
//! environment and a stream rule are the same thing, a [`patch`]: what they do not name, they leave alone.
//! Never: reads files or the environment; that is the shell's affair.

pub mod as_text;
mod banner;
mod check;
mod env;
mod error;
mod levels;
mod listen;
mod listeners;
mod load;
mod locate;
mod memory;
pub mod patch;
mod renamed;
mod ron;
mod rule;
mod secret;
mod settings;
#[cfg(test)]
mod tests;

pub use banner::{banner, summary};
pub use error::{ConfigError, Problem};
pub use levels::{Levels, short_module};
pub use listen::{Listen, parse_addr};
pub use listeners::{LISTENERS_MAX, Service};
pub use load::{former_names, load, print, reread};
pub use memory::{BATCH_BYTES_MAX, Bytes, FORMATS, MemoryMax};
pub use rule::{Pattern, StreamRule};
pub use secret::Secret;
pub use settings::*;
