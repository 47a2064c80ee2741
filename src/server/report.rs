//! What the server tells about itself: the numbers behind the HTTP API (I38).

use crate::base::id::{ConnId, Ticket};
use crate::base::name::{DEFAULT_VHOST, StreamName};
use crate::media::codec::Params;
use crate::media::frame::Track;
use crate::media::headers::Headers;
use crate::server::Server;
use crate::server::conn::{Conn, Role};
use crate::server::hosted::Live;
use crate::server::output::Output;
use crate::session::ask::Answer;
use crate::status::{
    AudioStatus, ClientStatus, HlsStatus, Identity, Kbps, Page, PublishStatus, Query, RecorderAnswer,
    RecorderRefusal, RecorderWish, Report, ReportBody, StreamStatus, Summaries, VhostStatus, VideoStatus,
    Vitals,
};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Most peers that wait for a measurement; the next one is told that there is none.
const MEASURES_MAX: usize = 256;

/// The id of a vhost or stream in the API: stable for a name, and tells nothing about it.
pub fn vid(name: &str) -> String {
    let digest = Sha256::digest(name.as_bytes());
    let hex: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("vid-{}", &hex[..7])
}

/// The id of a stream in the API.
pub fn stream_vid(name: &StreamName) -> String {
    vid(&format!("{}/{}/{}", name.vhost, name.app, name.stream))
}

fn add(sum: Kbps, more: Kbps) -> Kbps {
    Kbps { recv_30s: sum.recv_30s + more.recv_30s, send_30s: sum.send_30s + more.send_30s }
}

impl Server {
    pub(super) fn query(&mut self, id: ConnId, query: Query) {
        if query == Query::Summaries {
            self.measure(id);
            return;
        }
        let body = match query {
            Query::Summaries => None,
            Query::Identity => Some(ReportBody::Identity),
            Query::Vhosts => Some(ReportBody::Vhosts(self.vhosts())),
            Query::Vhost(vid) => {
                self.vhosts().into_iter().find(|vhost| vhost.id == vid).map(ReportBody::Vhost)
            }
            Query::Streams(page) => Some(self.streams_page(page, Live::is_published)),
            Query::Live(page) => Some(self.streams_page(page, |live| live.stream.publication().is_some())),
            Query::Stream(vid) => self.stream_by_vid(&vid),
            Query::Clients(page) => Some(self.clients_page(page)),
            Query::Client(cid) => {
                let conn = self.clients().find(|conn| conn.cid.as_str() == cid);
                conn.map(|conn| ReportBody::Client(Box::new(self.client_status(conn))))
            }
        };
        let report = body.map(|body| Box::new(Report { identity: self.identity(), body }));
        self.answer(id, Answer::Report(report));
    }

    /// The server is known by where it listens, this run of it by its dice.
    fn identity(&self) -> Identity {
        let listeners = self.config.listeners();
        let service: [u8; 8] = self.seed.fork(b"service").word();
        Identity {
            server: vid(&format!("{listeners:?}")),
            service: String::from_utf8_lossy(&service).into_owned(),
            pid: self.pid,
        }
    }

    /// Only the shell can look at the process; the answer comes with `Input::Measured`.
    fn measure(&mut self, id: ConnId) {
        if self.measures.len() >= MEASURES_MAX {
            self.answer(id, Answer::Report(None));
            return;
        }
        let ticket = self.ticket();
        self.measures.insert(ticket, id);
        self.outputs.push_back(Output::Measure { ticket });
    }

    /// A measurement came; the shell may also send one that nobody asked for, to introduce the process.
    pub(super) fn measured(&mut self, ticket: Ticket, vitals: Vitals) {
        self.pid = vitals.pid;
        let Some(id) = self.measures.remove(&ticket) else { return };
        let summaries = Summaries {
            now_ms: self.epoch.unix_millis(self.now),
            uptime_secs: self.now.as_micros() / 1_000_000,
            recv_bytes: self.traffic.received_bytes(),
            send_bytes: self.traffic.sent_bytes(),
            conns: self.conns.len() as u64,
            kbps: self.traffic.kbps(self.now),
            vitals,
        };
        let body = ReportBody::Summaries(Box::new(summaries));
        let report = Report { identity: self.identity(), body };
        self.answer(id, Answer::Report(Some(Box::new(report))));
    }

    /// Only the shell can record; the answer comes with `Input::Recorder`.
    pub(super) fn wish_of_recorder(&mut self, id: ConnId, wish: RecorderWish) {
        if self.measures.len() >= MEASURES_MAX {
            let answer = Answer::Recorder(self.identity(), Err(RecorderRefusal::Busy));
            self.answer(id, answer);
            return;
        }
        let ticket = self.ticket();
        self.measures.insert(ticket, id);
        self.outputs.push_back(Output::Recorder { ticket, wish });
    }

    /// The recorder has done what was wanted, or not.
    pub(super) fn recorder_answered(
        &mut self,
        ticket: Ticket,
        result: Result<RecorderAnswer, RecorderRefusal>,
    ) {
        let Some(id) = self.measures.remove(&ticket) else { return };
        let answer = Answer::Recorder(self.identity(), result);
        self.answer(id, answer);
    }

    fn vhosts(&self) -> Vec<VhostStatus> {
        let empty = |name: &str| VhostStatus {
            id: vid(name),
            name: name.to_owned(),
            enabled: true,
            clients: 0,
            streams: 0,
            send_bytes: 0,
            recv_bytes: 0,
            kbps: Kbps::default(),
            hls: HlsStatus {
                enabled: self.config.stream.hls.enabled,
                fragment: self.config.stream.hls.segment_ms as f64 / 1000.0,
            },
        };
        let mut vhosts = BTreeMap::from([(DEFAULT_VHOST, empty(DEFAULT_VHOST))]);
        for (name, _, live) in self.streams.iter() {
            let vhost = vhosts.entry(&name.vhost).or_insert_with(|| empty(&name.vhost));
            vhost.clients += self.clients_of(name, live);
            vhost.streams += u64::from(live.is_published());
            vhost.send_bytes += live.traffic.sent_bytes();
            vhost.recv_bytes += live.traffic.received_bytes();
            vhost.kbps = add(vhost.kbps, live.traffic.kbps(self.now));
        }
        vhosts.into_values().collect()
    }

    fn streams_page(&self, page: Page, of: impl Fn(&Live) -> bool) -> ReportBody {
        let all = || self.streams.iter().filter(|(_, _, live)| of(live));
        let streams = all().skip(page.start).take(page.count);
        let streams = streams.map(|(name, _, live)| self.stream_status(name, live)).collect();
        ReportBody::Streams(streams, all().count())
    }

    fn stream_by_vid(&self, vid: &str) -> Option<ReportBody> {
        let (name, _, live) = self.streams.iter().find(|(name, _, _)| stream_vid(name) == vid)?;
        Some(ReportBody::Stream(Box::new(self.stream_status(name, live))))
    }

    fn stream_status(&self, name: &StreamName, live: &Live) -> StreamStatus {
        let counters = live.stream.counters();
        let publisher = live.stream.publication().and_then(|by| self.conns.get(by.conn));
        StreamStatus {
            id: stream_vid(name),
            name: name.stream.clone(),
            vhost: vid(&name.vhost),
            vhost_name: name.vhost.clone(),
            app: name.app.clone(),
            tc_url: live.tc_url.clone(),
            url: format!("/{}/{}", name.app, name.stream),
            live_ms: live.live_ms,
            clients: self.clients_of(name, live),
            frames: counters.audio_frames + counters.video_frames,
            audio_frames: counters.audio_frames,
            video_frames: counters.video_frames,
            send_bytes: live.traffic.sent_bytes(),
            recv_bytes: live.traffic.received_bytes(),
            kbps: live.traffic.kbps(self.now),
            hold_ms: live.stream.pace().hold().as_millis() as u64,
            publish: PublishStatus {
                active: publisher.is_some(),
                cid: publisher.map(|conn| conn.cid.as_str().to_owned()),
            },
            video: video_status(live.stream.headers()),
            audio: audio_status(live.stream.headers()),
        }
    }

    /// Connections that are about a stream, in the order of their places.
    fn clients(&self) -> impl Iterator<Item = &Conn> {
        self.conns.iter().filter(|conn| {
            conn.ending.is_none() && (conn.role.stream().is_some() || conn.fetches_from().is_some())
        })
    }

    /// Publisher, players and those who fetch.
    fn clients_of(&self, name: &StreamName, live: &Live) -> u64 {
        let fetching = self.conns.iter().filter(|conn| conn.fetches_from() == Some(name)).count();
        let around = live.players.len() + live.waiting.len() + fetching;
        around as u64 + u64::from(live.stream.publication().is_some())
    }

    fn clients_page(&self, page: Page) -> ReportBody {
        let clients = self.clients().skip(page.start).take(page.count);
        ReportBody::Clients(clients.map(|conn| self.client_status(conn)).collect(), self.clients().count())
    }

    fn client_status(&self, conn: &Conn) -> ClientStatus {
        let about = conn.role.stream().and_then(|key| self.streams.name(key)).or(conn.name.as_ref());
        let introduction = &conn.introduction;
        ClientStatus {
            id: conn.cid.as_str().to_owned(),
            vhost: about.map(|name| vid(&name.vhost)).unwrap_or_default(),
            stream: about.map(stream_vid).unwrap_or_default(),
            ip: conn.peer.ip().to_string(),
            page_url: introduction.page_url.clone(),
            swf_url: introduction.swf_url.clone(),
            tc_url: introduction.tc_url.clone(),
            url: about.map(|name| format!("/{}/{}", name.app, name.stream)).unwrap_or_default(),
            name: about.map(|name| name.stream.clone()).unwrap_or_default(),
            kind: introduction.role.to_string(),
            publish: matches!(conn.role, Role::Publishing(_)),
            alive: self.now.since(conn.since).as_secs_f64(),
            send_bytes: conn.traffic.sent_bytes(),
            recv_bytes: conn.traffic.received_bytes(),
            dropped_frames: match &conn.role {
                Role::Playing { cursor, .. } => cursor.dropped,
                _ => 0,
            },
            kbps: conn.traffic.kbps(self.now),
        }
    }
}

fn video_status(headers: &Headers) -> Option<VideoStatus> {
    let info = headers.track(Track::VIDEO)?;
    let Some(Params::Video(params)) = &info.params else { return None };
    Some(VideoStatus {
        codec: info.codec.name().to_owned(),
        profile: params.profile.clone(),
        level: params.level.clone(),
        width: params.width,
        height: params.height,
    })
}

fn audio_status(headers: &Headers) -> Option<AudioStatus> {
    let info = headers.track(Track::AUDIO)?;
    let Some(Params::Audio(params)) = &info.params else { return None };
    Some(AudioStatus {
        codec: info.codec.name().to_owned(),
        sample_rate: params.sample_rate,
        channel: params.channels,
        profile: params.profile.clone(),
    })
}
