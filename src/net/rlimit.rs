//! The limit of open files (`RLIMIT_NOFILE`); each connection is one.
//!
//! The soft limit is low for the sake of old programs that use `select`. Others may raise it to the hard
//! limit.

use crate::config::Config;
use crate::net::sendfile;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Most open files beside connections: listeners, the poll, pipes, the log, segments that are being written,
/// and segments in memory for `sendfile`.
const OTHERS: u64 = 128 + sendfile::FILES_MAX as u64;

/// Raises the soft limit to the hard limit. Returns the limit in force; `None` if there is none.
pub fn raise() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(_) => current,
    }
}

/// A warning if `limit` is too low for `limits.connections`.
pub fn shortage(config: &Config, limit: Option<u64>) -> Option<String> {
    let connections = u64::try_from(config.limits.connections).unwrap_or(u64::MAX);
    let limit = limit.filter(|limit| *limit < connections.saturating_add(OTHERS))?;
    let room = limit.saturating_sub(OTHERS);
    Some(format!(
        "the system allows {limit} open files: room for about {room} connections, while limits.connections \
         is {connections}; raise the hard limit (ulimit -Hn, LimitNOFILE) or lower limits.connections"
    ))
}

#[cfg(test)]
mod tests {
    use super::{raise, shortage};
    use crate::config::Config;

    #[test]
    fn the_limit_is_raised_as_far_as_it_may() {
        let raised = raise();
        assert_eq!(raise(), raised);
        assert!(raised.is_none_or(|limit| limit >= 256));
    }

    #[test]
    fn a_shortage_is_told_with_its_remedy() {
        let config = Config::default();
        assert_eq!(shortage(&config, None), None);
        assert_eq!(shortage(&config, Some(20_000)), None);
        assert_eq!(
            shortage(&config, Some(1024)).as_deref(),
            Some(
                "the system allows 1024 open files: room for about 384 connections, while \
                 limits.connections is 16384; raise the hard limit (ulimit -Hn, LimitNOFILE) or lower \
                 limits.connections"
            )
        );
    }
}
