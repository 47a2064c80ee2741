//! Requests of sessions to the server, and its answers: the only interface between the two.

pub use crate::base::fetched::Fetched;
use crate::base::limit::Limit;
use crate::base::name::StreamName;
use crate::base::reason::Reason;
use crate::base::secret::{PageUrl, Query, StreamUrl};
use crate::media::frame::Frame;
use crate::media::stream_info::StreamInfo;
use crate::status::{self, ClientKind, Report};
use crate::wire::format::Format;
use crate::wire::m3u8::HlsFile;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use thiserror::Error;

/// A request of a session to the server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Ask {
    /// Tells what the peer says about itself, for the API. Sent as soon as it is known and when it changes.
    /// Not answered.
    Introduce(Introduction),
    /// Requests to publish. Answered by [`Answer::Publish`]; no frames may be sent before that.
    Publish {
        /// Name of the stream.
        name: StreamName,
        /// Query of the peer's URL, without `?`. May hold tokens: never logged.
        query: Query,
    },
    /// A frame of the stream that this session publishes. Timestamps are the publisher's, unwrapped to 64
    /// bits and not normalised. Not answered.
    Frame(Frame),
    /// Stops publishing; the connection may stay. Not answered.
    Unpublish,
    /// Requests to play. Answered by [`Answer::Play`]. The server sends the stream's bytes after the
    /// session's own; the session does not see them.
    Play {
        /// Name of the stream.
        name: StreamName,
        /// Query of the peer's URL, without `?`. May hold tokens: never logged.
        query: Query,
        /// Format to render the stream in.
        format: Format,
    },
    /// Selects which kinds of tracks are sent while playing (RTMP `receiveAudio`, `receiveVideo`, `pause`).
    /// Video resumes at a keyframe. Not answered.
    SelectTracks {
        /// Audio, and data with it.
        audio: bool,
        /// Video.
        video: bool,
    },
    /// Stops playing; the connection may stay. Not answered.
    Stop,
    /// Requests a file of a packaged stream. Answered by [`Answer::Fetch`]; a playlist that does not exist
    /// yet is waited for if `stream.play.wait_ms` allows it.
    Fetch {
        /// Name of the stream.
        name: StreamName,
        /// The file.
        file: HlsFile,
        /// Query of the peer's URL, without `?`. May hold tokens: never logged.
        query: Query,
    },
    /// Requests a report on the state of the server. Answered by [`Answer::Report`].
    Query(status::Query),
    /// Requests to end a connection. Answered by [`Answer::Kick`].
    Kick {
        /// Connection id as in the API: [`crate::base::id::Cid`].
        id: String,
    },
    /// Closes the connection when the outbox is empty. Not answered.
    Bye(Reason),
}

/// What a peer says about itself, unverified. Shown by the API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introduction {
    /// What the peer does; `None` before it has begun and after it has stopped.
    pub kind: Option<ClientKind>,
    /// The stream that it publishes, plays or fetches.
    pub name: Option<StreamName>,
    /// RTMP `tcUrl` or HTTP URL, without query.
    pub tc_url: StreamUrl,
    /// Page that embeds the player: RTMP `pageUrl`, or HTTP `Referer` without query.
    pub page_url: PageUrl,
    /// RTMP `swfUrl`.
    pub swf_url: PageUrl,
    /// RTMP `flashVer` or HTTP `User-Agent`.
    pub agent: String,
}

/// What the server tells a session: answers to its requests, and news of its stream.
#[derive(Debug)]
pub enum Answer {
    /// Answers [`Ask::Publish`]: frames may be sent now, or why not.
    Publish(Result<(), Refusal>),
    /// Answers [`Ask::Play`].
    Play(Result<Playing, Refusal>),
    /// News for a player: the stream is live, for the first time or again after its publisher had left. A
    /// player that was told [`Playing::Waiting`] gets frames from here on.
    Began(Arc<StreamInfo>),
    /// News for a player: the stream has ended for good, or waiting for it took too long. No frames follow.
    Ended(Refusal),
    /// Answers [`Ask::Fetch`].
    Fetch(Result<Fetched, Refusal>),
    /// Answers [`Ask::Query`]; `None` if the id is unknown or too many requests wait for the same.
    Report(Option<Box<Report>>),
    /// Answers [`Ask::Kick`]: true if the connection existed.
    Kick(bool),
    /// The server is about to end this connection; the session may write a final response.
    Farewell(Reason),
}

/// How an [`Ask::Play`] was granted.
#[derive(Debug)]
pub enum Playing {
    /// Frames follow at once. Carries the stream info in force, so that an FLV head can name its tracks.
    Live(Arc<StreamInfo>),
    /// The stream is not published yet, or its tracks are not known yet; [`Answer::Began`] or
    /// [`Answer::Ended`] follows.
    Waiting,
}

/// Why a request was refused. Each protocol has its own code for each.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// No such stream, and waiting is not allowed or took too long.
    #[error("no such stream")]
    NotFound,
    /// Another connection publishes under this name.
    #[error("the stream is already being published")]
    Busy,
    /// The name is empty, too long or holds characters that a name may not have.
    #[error("not a valid stream name")]
    BadName,
    /// A limit is reached.
    #[error("limit reached: {0}")]
    Limit(Limit),
    /// A setting turns it off for this stream; holds the setting's path.
    #[error("not enabled for this stream: {0}")]
    Disabled(&'static str),
    /// The stream cannot be rendered in the requested format: its codec has no place there.
    #[error("the stream's codec has no place in this format")]
    Unsuitable,
    /// The stream ended.
    #[error("the stream ended")]
    Ended,
    /// The server is shutting down.
    #[error("the server is shutting down")]
    Draining,
    /// It was not decided in time whether the peer is admitted.
    #[error("it was not decided in time whether this is allowed")]
    NotAdmitted,
}
