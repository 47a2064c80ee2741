//! What sessions ask of the server, and what it answers. The only words between the two.

pub use crate::base::fetched::Fetched;
use crate::base::limit::Limit;
use crate::base::name::StreamName;
use crate::base::reason::Reason;
use crate::media::frame::Frame;
use crate::media::stream_info::StreamInfo;
use crate::status::{ClientKind, Query, Report};
use crate::wire::format::Format;
use crate::wire::m3u8::HlsFile;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use thiserror::Error;

/// A wish of a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Ask {
    /// Who the peer says it is, for the API: asked as soon as it is known, and again when it changes.
    Introduce(Introduction),
    /// To publish. Answered by [`Answer::Publish`]; no frames before that.
    Publish {
        /// Under this name.
        name: StreamName,
        /// The query of the peer's URL, without `?`. May hold tokens: never logged.
        query: String,
    },
    /// A frame of the stream that this session publishes, with the publisher's own timestamps: unwrapped
    /// to 64 bits, not straightened (`stream` does that).
    Frame(Frame),
    /// To stop publishing; the connection may stay. Not answered.
    Unpublish,
    /// To play. Answered by [`Answer::Play`]; the stream's bytes follow the session's own without its doing.
    Play {
        /// This stream.
        name: StreamName,
        /// The query of the peer's URL, without `?`. May hold tokens: never logged.
        query: String,
        /// Laid out so.
        format: Format,
    },
    /// To change what is delivered while playing (RTMP `receiveAudio`, `receiveVideo`, `pause`).
    /// Delivery of video resumes at a keyframe.
    SelectTracks {
        /// Sound, and data with it.
        audio: bool,
        /// Pictures.
        video: bool,
    },
    /// To stop playing; the connection may stay. Not answered.
    Stop,
    /// To get a file of a packaged stream (an HLS playlist, segment, init or key). Answered by
    /// [`Answer::Fetch`], later if the stream is expected and waiting is allowed.
    Fetch {
        /// Of this stream.
        name: StreamName,
        /// This one.
        file: HlsFile,
        /// The query of the peer's URL, without `?`.
        query: String,
    },
    /// To know the state of the server. Answered by [`Answer::Report`].
    Query(Query),
    /// To end the connection with this id. Answered by [`Answer::Kick`].
    Kick {
        /// As in the API: the connection's [`crate::base::id::Cid`].
        id: String,
    },
    /// To say goodbye: the connection is closed when the outbox is empty.
    Bye(Reason),
}

/// Who a peer says it is. Only what it told; shown by the API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introduction {
    /// What it does; `None` before it has said so, and again when it has stopped.
    pub kind: Option<ClientKind>,
    /// The stream that it is about.
    pub name: Option<StreamName>,
    /// RTMP's tcUrl or the HTTP URL, without query.
    pub tc_url: String,
    /// The page that embeds the player (RTMP `pageUrl`, HTTP `Referer` without query).
    pub page_url: String,
    /// RTMP `swfUrl`.
    pub swf_url: String,
    /// RTMP `flashVer` or HTTP `User-Agent`.
    pub agent: String,
}

/// What the server tells a session.
#[derive(Debug)]
pub enum Answer {
    /// To [`Ask::Publish`]: frames may come now, or why not.
    Publish(Result<(), Refusal>),
    /// To [`Ask::Play`].
    Play(Result<Playing, Refusal>),
    /// To a player: the stream that it waits for (or whose publisher had left) is live (again).
    /// A player that was told [`Playing::Waiting`] gets its frames from here on.
    Began(Arc<StreamInfo>),
    /// To a player: the stream has ended for good, or waiting for it took too long. Nothing follows.
    Ended(Refusal),
    /// To [`Ask::Fetch`].
    Fetch(Result<Fetched, Refusal>),
    /// To [`Ask::Query`]; `None` if there is no such thing.
    Report(Option<Box<Report>>),
    /// To [`Ask::Kick`]: whether there was such a connection.
    Kick(bool),
    /// The server is about to end this connection for `Reason`; last words, in the protocol's own way.
    Farewell(Reason),
}

/// How an [`Ask::Play`] was granted.
#[derive(Debug)]
pub enum Playing {
    /// Frames follow at once. Carries the headers in force, so that an FLV head can tell its tracks.
    Live(Arc<StreamInfo>),
    /// Nobody publishes yet, or its tracks are not known yet; [`Answer::Began`] or [`Answer::Ended`] follows.
    Waiting,
}

/// Why a wish was not granted. Each protocol has its own words for each.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// No such stream, and waiting is not allowed or took too long.
    #[error("no such stream")]
    NotFound,
    /// Somebody else publishes under this name.
    #[error("the stream is already being published")]
    Busy,
    /// The name is empty, too long or holds characters that a name may not have.
    #[error("not a valid stream name")]
    BadName,
    /// A limit is reached.
    #[error("limit reached: {0}")]
    Limit(Limit),
    /// The configuration does not offer this for this stream.
    #[error("not enabled for this stream: {0}")]
    Disabled(&'static str),
    /// The stream cannot be laid out in the wanted format (its codec has no place there).
    #[error("the stream's codec has no place in this format")]
    Unsuitable,
    /// The stream ended.
    #[error("the stream ended")]
    Ended,
    /// The server is shutting down.
    #[error("the server is shutting down")]
    Draining,
}
