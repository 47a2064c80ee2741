//! Addresses to listen on, in several notations.
//!
//! In: `"0.0.0.0:1935"`, `"[::1]:1935"`, `":1935"`, `"1935"`, `1935`, a list of these, or one string with
//! commas between. Out: socket addresses. A port alone means all IPv4 interfaces. Never: resolves host names,
//! since a configuration must mean the same on every machine.

use crate::config::patch::{Each, OutOfRange, Setting};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::{Serialize, Serializer};
use std::any::Any;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

/// A list of addresses in any of the notations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listen(pub Vec<SocketAddr>);

/// Parses one address.
///
/// # Errors
///
/// If it is no address; tells what to write.
///
/// ```
/// use dacapo::config::parse_addr;
/// assert_eq!(parse_addr(":1935"), Ok("0.0.0.0:1935".parse().unwrap()));
/// assert!(parse_addr("localhost:1935").unwrap_err().starts_with("`localhost` is a name"));
/// ```
pub fn parse_addr(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    let port = text.strip_prefix(':').unwrap_or(text);
    if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) {
        return match port.parse() {
            Ok(port) => Ok(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))),
            Err(_) => Err(format!("`{port}` is not a port: ports are 0 to 65535")),
        };
    }
    text.parse().map_err(|_| complaint(text))
}

fn complaint(text: &str) -> String {
    let example = "write `address:port`, such as `0.0.0.0:1935`, `[::1]:1935`, or a port alone";
    match text.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() && host.chars().any(char::is_alphabetic) => {
            if host.contains(':') {
                format!("`{text}` is not an address: IPv6 addresses stand in brackets, `[{host}]:{port}`")
            } else {
                format!("`{host}` is a name, and names are not looked up here: write its IP address")
            }
        }
        _ => format!("`{text}` is not an address: {example}"),
    }
}

impl Listen {
    fn extend(&mut self, text: &str) -> Result<(), String> {
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            self.0.push(parse_addr(part)?);
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Addresses;

        impl<'de> Visitor<'de> for Addresses {
            type Value = Listen;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("addresses to listen on, such as [\"0.0.0.0:1935\"]")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Listen, E> {
                let mut listen = Listen::default();
                listen.extend(text).map_err(E::custom)?;
                Ok(listen)
            }

            fn visit_u64<E: de::Error>(self, port: u64) -> Result<Listen, E> {
                self.visit_str(&port.to_string())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Listen, A::Error> {
                let mut listen = Listen::default();
                while let Some(item) = items.next_element::<Listen>()? {
                    listen.0.extend(item.0);
                }
                Ok(listen)
            }
        }

        deserializer.deserialize_any(Addresses)
    }
}

impl Serialize for Listen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl Each for Listen {
    fn each(&mut self, visit: &mut dyn FnMut(&mut dyn Any)) {
        self.0.each(visit);
    }
}

impl Each for Vec<SocketAddr> {
    fn each(&mut self, visit: &mut dyn FnMut(&mut dyn Any)) {
        visit(self);
    }
}

impl Setting for Vec<SocketAddr> {
    type Patch = Option<Listen>;

    fn apply(&mut self, patch: &Option<Listen>) {
        if let Some(Listen(addrs)) = patch {
            self.clone_from(addrs);
        }
    }

    fn paths(path: &str, visit: &mut dyn FnMut(String)) {
        visit(path.to_owned());
    }

    fn check_ranges(&self, _: &str, _: &mut dyn FnMut(OutOfRange)) {}
}

#[cfg(test)]
mod tests {
    use super::{Listen, parse_addr};

    fn listen(ron: &str) -> Vec<String> {
        let Listen(addrs) = ron::from_str(ron).expect("valid");
        addrs.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn addresses_are_read_as_people_write_them() {
        assert_eq!(listen(r#"["127.0.0.1:1935", "[::]:1935"]"#), ["127.0.0.1:1935", "[::]:1935"]);
        assert_eq!(listen(r#""0.0.0.0:1, [::1]:2 ,3""#), ["0.0.0.0:1", "[::1]:2", "0.0.0.0:3"]);
        assert_eq!(listen("1935"), ["0.0.0.0:1935"]);
        assert_eq!(listen("[1935, 0]"), ["0.0.0.0:1935", "0.0.0.0:0"]);
        assert_eq!(listen(r#"":1935""#), ["0.0.0.0:1935"]);
        assert_eq!(listen("[]"), [""; 0]);
        assert_eq!(listen(r#""""#), [""; 0]);
    }

    #[test]
    fn what_is_wrong_with_an_address_is_said() {
        let error = |text: &str| parse_addr(text).expect_err("not an address");
        assert_eq!(
            error("localhost:1935"),
            "`localhost` is a name, and names are not looked up here: write its IP address"
        );
        assert_eq!(error("70000"), "`70000` is not a port: ports are 0 to 65535");
        assert_eq!(
            error("fe80::1:1935"),
            "`fe80::1:1935` is not an address: IPv6 addresses stand in brackets, `[fe80::1]:1935`"
        );
        assert_eq!(
            error("1.2.3.4"),
            "`1.2.3.4` is not an address: write `address:port`, such as `0.0.0.0:1935`, `[::1]:1935`, or a \
             port alone"
        );
        assert_eq!(
            error("::"),
            "`::` is not an address: write `address:port`, such as `0.0.0.0:1935`, `[::1]:1935`, or a port \
             alone"
        );
    }
}
