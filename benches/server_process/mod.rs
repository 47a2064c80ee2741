//! The built server as a process of its own, ended with its value.

use load::client::{Protocol, Target};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// The server, ended with this value.
pub struct Server {
    /// Its process.
    pub process: Child,
    rtmp: SocketAddr,
    http: SocketAddr,
}

impl Server {
    /// Starts it without HLS and with these settings by their variables.
    pub fn start(settings: &[(&str, &str)]) -> io::Result<Self> {
        let [rtmp, http] = [free_addr()?, free_addr()?];
        let process = Command::new(env!("CARGO_BIN_EXE_dacapo"))
            .env("DACAPO_RTMP__LISTEN", rtmp.to_string())
            .env("DACAPO_HTTP__LISTEN", http.to_string())
            .env("DACAPO_API__LISTEN", "127.0.0.1:0")
            .env("DACAPO_LOG__LEVEL", "warn")
            .env("DACAPO_STREAM__HLS__ENABLED", "false")
            .envs(settings.iter().copied())
            .stdout(Stdio::null())
            .spawn()?;
        let server = Server { process, rtmp, http };
        for _ in 0..100 {
            if TcpStream::connect(rtmp).is_ok() {
                return Ok(server);
            }
            sleep(Duration::from_millis(50));
        }
        Err(io::Error::other("the server does not listen"))
    }

    /// Where to publish streams whose names begin with `name`, and where to play them.
    pub fn targets(&self, protocol: Protocol, name: String) -> (Target, Target) {
        let publish = Target { protocol: Protocol::Rtmp, addr: self.rtmp, app: "live".to_owned(), name };
        let addr = if protocol == Protocol::Rtmp { self.rtmp } else { self.http };
        let play = Target { protocol, addr, ..publish.clone() };
        (publish, play)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already; then there is nothing left to end.
        let _gone = self.process.kill().and_then(|()| self.process.wait());
    }
}

/// An address that was free a moment ago.
fn free_addr() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}
