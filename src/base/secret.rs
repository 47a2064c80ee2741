//! What must not leave a recording, as types: such values mark themselves when they are serialised.
//!
//! In: values that must not be disclosed. Out: the bytes that the value has without its type, inside a struct
//! whose name is a mark. Saved servers hold no names, so a mark adds no bytes there; human-readable formats
//! omit it. Redaction replaces what is marked, whatever the name of the field. Never: shows a secret in
//! `Debug`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::ops::Deref;

/// The marks: names of structs that no type has by accident. A type outside of this file takes a mark as its
/// name (`#[serde(rename = "$…")]`).
pub mod mark {
    /// [`Secret`](super::Secret): bytes that are drawn anew.
    pub const SECRET: &str = "$secret";
    /// [`PeerText`](super::PeerText).
    pub const TEXT: &str = "$text";
    /// [`Query`](super::Query).
    pub const QUERY: &str = "$query";
    /// [`StreamUrl`](super::StreamUrl).
    pub const STREAM_URL: &str = "$stream_url";
    /// [`PageUrl`](super::PageUrl).
    pub const PAGE_URL: &str = "$page_url";
    /// [`LocalPath`](super::LocalPath).
    pub const LOCAL_PATH: &str = "$local_path";
    /// The steps of an application's path: a list of texts, of which the first stays.
    pub const APP_PATH: &str = "$app_path";
    /// [`StreamName`](crate::base::name::StreamName).
    pub const STREAM_NAME: &str = "$stream_name";
    /// The target of an HTTP request, as a struct.
    pub const TARGET: &str = "$target";
    /// The fields of an HTTP request: a list of names and values.
    pub const FIELDS: &str = "$fields";
    /// [`Cid`](crate::base::id::Cid): a word that follows from the seed and the peer's address.
    pub const CID: &str = "$cid";
    /// A connection, with what is unread of its peer.
    pub const CONNECTION: &str = "$connection";
    /// Bytes of a connection's peer that its session has not read.
    pub const UNREAD: &str = "$unread";
    /// Bytes of a connection's peer that its session holds: the beginning of a message.
    pub const PARTIAL: &str = "$partial";
    /// Bytes that wait for a connection's peer.
    pub const OUTBOX: &str = "$outbox";
    /// [`Frame`](crate::media::frame::Frame): what it holds of pictures and sound stays.
    pub const FRAME: &str = "$frame";
    /// Packaged media and codec parameters: stay.
    pub const MEDIA: &str = "$media";
    /// A text that quotes names of streams.
    pub const QUOTES: &str = "$quotes";
    /// A configuration as text.
    pub const CONFIG: &str = "$config";
    /// Addresses: the names that `serde` gives them in binary formats.
    pub const ADDRESSES: [&str; 2] = ["SocketAddr", "IpAddr"];
}

/// Serialises `value` inside a mark, unless the format is human-readable.
///
/// # Errors
/// Those of `to`.
pub fn marked<S: Serializer>(
    mark: &'static str,
    value: &(impl Serialize + ?Sized),
    to: S,
) -> Result<S::Ok, S::Error> {
    if to.is_human_readable() { value.serialize(to) } else { to.serialize_newtype_struct(mark, value) }
}

/// A value that only the server may know: seeds, keys, states of generators. A redacted recording holds other
/// bytes, the same ones for the same value.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Keeps `value`.
    pub const fn new(value: T) -> Self {
        Secret(value)
    }

    /// The value itself.
    pub const fn reveal(&self) -> &T {
        &self.0
    }

    /// The value itself, to be changed.
    pub const fn reveal_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl<T: Serialize> Serialize for Secret<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        marked(mark::SECRET, &self.0, to)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Secret<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        T::deserialize(from).map(Secret)
    }
}

/// Declares types of texts that mark themselves. Each is used as `str`.
macro_rules! texts {
    ($($(#[$doc:meta])* $Name:ident: $mark:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $Name(String);

        impl Deref for $Name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $Name {
            fn eq(&self, other: &str) -> bool {
                self.0 == other
            }
        }

        impl PartialEq<&str> for $Name {
            fn eq(&self, other: &&str) -> bool {
                self.0 == *other
            }
        }

        impl From<String> for $Name {
            fn from(text: String) -> Self {
                $Name(text)
            }
        }

        impl From<&str> for $Name {
            fn from(text: &str) -> Self {
                $Name(text.to_owned())
            }
        }

        impl Serialize for $Name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                marked($mark, self.0.as_str(), to)
            }
        }

        impl<'de> Deserialize<'de> for $Name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from).map($Name)
            }
        }
    )*};
}

texts!(
    /// A text of a peer in an unknown format. May be a secret: `Debug` shows its length only.
    PeerText: mark::TEXT;
    /// A query, `k=v&k=v`, without `?`. May hold tokens: `Debug` shows its length only.
    Query: mark::QUERY;
    /// A URL of a stream, or its path: the first step is the application.
    StreamUrl: mark::STREAM_URL;
    /// Any other URL.
    PageUrl: mark::PAGE_URL;
    /// A path on the server's disk, or a command line with such paths. May end with the path of a stream.
    LocalPath: mark::LOCAL_PATH;
);

macro_rules! hidden {
    ($($Name:ident),*) => {$(
        impl fmt::Debug for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({} bytes)", stringify!($Name), self.0.len())
            }
        }
    )*};
}

hidden!(PeerText, Query);

macro_rules! shown {
    ($($Name:ident),*) => {$(
        impl fmt::Debug for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl fmt::Display for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    )*};
}

shown!(StreamUrl, PageUrl, LocalPath);

#[cfg(test)]
mod tests {
    use super::{LocalPath, PeerText, Query, Secret};

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new(*b"correct-horse-battery");
        assert_eq!(format!("{secret:?} {:?}", Some(secret)), "Secret Some(Secret)");
        assert_eq!(secret.reveal(), b"correct-horse-battery");
        let (text, query) = (PeerText::from("hunter2"), Query::from("token=hunter2"));
        assert_eq!(format!("{text:?} {query:?}"), "PeerText(7 bytes) Query(13 bytes)");
    }

    #[test]
    fn a_mark_changes_neither_binary_nor_readable_formats() {
        let marked = (Secret::new([7u8; 4]), Query::from("a=b"), LocalPath::from("/srv"));
        let plain = ([7u8; 4], "a=b", "/srv");
        let bytes = postcard::to_allocvec(&marked).expect("plain data");
        assert_eq!(bytes, postcard::to_allocvec(&plain).expect("plain data"));
        assert_eq!(postcard::from_bytes::<(Secret<[u8; 4]>, Query, LocalPath)>(&bytes), Ok(marked.clone()));
        assert_eq!(ron::to_string(&marked).expect("text"), ron::to_string(&plain).expect("text"));
    }
}
