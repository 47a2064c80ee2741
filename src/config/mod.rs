//! Settings: what there is ([`Config`]), how it is read, and what follows from it.
//!
//! In: the text of a file and the variables of the environment. Out: a valid [`Config`], or a [`ConfigError`]
//! that tells what is wrong, where, and what to write instead. A file, the environment and a stream rule are
//! all a [`patch`]: settings that they do not name stay as they are. Never: reads files or the environment;
//! that is for the shell.

pub mod as_text;
mod banner;
mod bearer_token;
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
mod settings;
#[cfg(test)]
mod tests;

pub use banner::{banner, summary};
pub use bearer_token::BearerToken;
pub use error::{ConfigError, Problem};
pub use levels::{Levels, short_module};
pub use listen::{Listen, parse_addr};
pub use listeners::{LISTENERS_MAX, Service};
pub use load::{former_names, load, print, reread};
pub use memory::{BATCH_BYTES_MAX, Bytes, FORMATS, MemoryMax};
pub use rule::{Pattern, StreamRule};
pub use settings::*;
