//! Looks names up, as the system does: its hosts file, then its name servers. Runs on a helper thread, since
//! an answer can take half a minute.

use std::net::{IpAddr, ToSocketAddrs};

/// Most addresses of one name that are handed on.
const ADDRS_MAX: usize = 16;

/// The addresses of `host`, in the resolver's order, each once.
pub fn resolve(host: &str) -> Result<Vec<IpAddr>, String> {
    let fail = |error: &dyn std::fmt::Display| format!("cannot look {host} up: {error}");
    let mut found = Vec::new();
    for addr in (host, 0).to_socket_addrs().map_err(|error| fail(&error))?.map(|addr| addr.ip()) {
        if found.len() < ADDRS_MAX && !found.contains(&addr) {
            found.push(addr);
        }
    }
    if found.is_empty() { Err(fail(&"it has no address")) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::resolve;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    #[test]
    fn addresses_and_this_machine_need_no_name_server() {
        assert_eq!(resolve("192.0.2.7"), Ok(vec![IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))]));
        assert_eq!(resolve("::1"), Ok(vec![IpAddr::V6(Ipv6Addr::LOCALHOST)]));
        assert!(resolve("localhost").expect("every machine knows itself").iter().all(IpAddr::is_loopback));
    }

    #[test]
    fn a_name_that_cannot_be_is_refused_by_name() {
        let error = resolve("no such name").expect_err("blanks are in no name");
        assert!(error.starts_with("cannot look no such name up: "), "{error}");
    }
}
