//! The `connect` command and its answer (RTMP 1.0, section 7.2.1.1).
//!
//! ```text
//! connect  ──▶
//!          ◀──  Window Acknowledgement Size, Set Peer Bandwidth
//!          ◀──  Set Chunk Size     before the result, which is longer than a default chunk: OBS needs it so
//!          ◀──  _result            or _error, and the end
//!          ◀──  onBWDone
//! ```

use super::link::{Link, Status, Trust, call};
use super::url::{self, Place};
use crate::base::reason::Reason;
use crate::session::Cx;
use crate::session::ask::{Ask, Introduction};
use crate::wire::amf0::Value;
use crate::wire::flv::SERVER_NAME;
use crate::wire::rtmp::message::{Command, Control};
use serde::{Deserialize, Serialize};

/// Longest text that is kept of what a peer says about itself, in bytes.
const TEXT_BYTES_MAX: usize = 512;

/// What `connect` told about the peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct App {
    /// Where its streams are.
    pub place: Place,
    /// What the API shows of it; it has no kind yet.
    pub introduction: Introduction,
    /// It supports Reconnect Request (E-RTMP).
    pub reconnects: bool,
}

/// Answers `connect`.
///
/// # Errors
///
/// If the command names no app. The peer has been told, and the connection must end.
pub(super) fn connect(cx: &mut Cx<'_>, link: &mut Link, command: &Command) -> Result<App, Reason> {
    let window = cx.config.rtmp.ack_window;
    link.control(cx, Control::WindowAckSize(window));
    link.control(cx, Control::SetPeerBandwidth { size: window, limit: LIMIT_DYNAMIC });
    let chunk_size = cx.config.rtmp.chunk_size;
    link.announce_chunk_size(cx, chunk_size);

    let Some(app) = App::parse(&command.object) else {
        let status = Status::error("NetConnection.Connect.Rejected", "connect names no app: no tcUrl");
        let error = answer("_error", command, Value::Null, status.info(cx));
        link.command(cx, 0, &error);
        return Err(Reason::Refused("connect without tcUrl".to_owned()));
    };
    link.trust(cx.config, Trust::Connected)?;
    let result = answer("_result", command, properties(), information(cx, &command.object));
    link.command(cx, 0, &result);
    link.command(cx, 0, &call("onBWDone", Vec::new()));
    cx.ask(Ask::Introduce(app.introduction.clone()));
    log::debug!(cid:% = cx.cid, agent:? = app.introduction.agent; "connected");
    Ok(app)
}

impl App {
    /// Parses `tcUrl`; `app` repeats a part of it and counts only where `tcUrl` is missing.
    fn parse(object: &Value) -> Option<App> {
        let text = |key| object.get(key).and_then(Value::as_str).unwrap_or_default();
        let tc_url = [text("tcUrl"), text("app")].into_iter().find(|text| !text.trim().is_empty())?;
        let introduction = Introduction {
            kind: None,
            name: None,
            tc_url: clip(&url::shown(tc_url)).into(),
            page_url: clip(&url::shown(text("pageUrl"))).into(),
            swf_url: clip(&url::shown(text("swfUrl"))).into(),
            agent: clip(text("flashVer")),
        };
        let caps = object.get("capsEx").and_then(Value::as_number).unwrap_or(0.0);
        let reconnects = caps as u32 & CAPS_RECONNECT != 0;
        Some(App { place: Place::parse(tc_url), introduction, reconnects })
    }
}

fn clip(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned()
}

fn answer(name: &str, call: &Command, object: Value, info: Value) -> Command {
    Command { name: name.to_owned(), transaction: call.transaction, object, args: vec![info] }
}

/// The server that we claim to be: a Flash Media Server, which every client knows.
fn properties() -> Value {
    Value::object([
        ("fmsVer", "FMS/3,5,3,888".into()),
        ("capabilities", Value::Number(127.0)),
        ("mode", Value::Number(1.0)),
    ])
}

fn information(cx: &Cx<'_>, asked: &Value) -> Value {
    let encoding = asked.get("objectEncoding").and_then(Value::as_number).unwrap_or(0.0);
    let mut members = vec![
        ("level", "status".into()),
        ("code", "NetConnection.Connect.Success".into()),
        ("description", "Connection succeeded".into()),
        ("objectEncoding", encoding.into()),
        (
            "data",
            Value::ecma_array([
                ("version", "3,5,3,888".into()),
                ("server", SERVER_NAME.into()),
                ("id", cx.cid.as_str().into()),
            ]),
        ),
    ];
    // E-RTMP, "Enhancing NetConnection connect Command": a server states what it supports, to clients that
    // sent the same properties.
    if ["capsEx", "fourCcList", "videoFourCcInfoMap"].iter().any(|key| asked.get(key).is_some()) {
        let any = || Value::object([("*", Value::from(CAN_FORWARD))]);
        members.push(("videoFourCcInfoMap", any()));
        members.push(("audioFourCcInfoMap", any()));
        members.push(("capsEx", (CAPS_MULTITRACK | CAPS_MOD_EX | CAPS_NANO_OFFSET).into()));
    }
    Value::object(members)
}

/// Set Peer Bandwidth: treat as hard if the last one was (section 5.4.5).
const LIMIT_DYNAMIC: u8 = 2;

/// FourCcInfoMask of E-RTMP.
const CAN_FORWARD: u32 = 0x04;

/// CapsExMask of E-RTMP.
const CAPS_RECONNECT: u32 = 0x01;
const CAPS_MULTITRACK: u32 = 0x02;
const CAPS_MOD_EX: u32 = 0x04;
const CAPS_NANO_OFFSET: u32 = 0x08;
