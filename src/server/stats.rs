//! Numbers of vhosts, streams and clients for the HTTP API (I38). Reads the server and never changes it.

use crate::base::name::{DEFAULT_VHOST, StreamName};
use crate::base::vid::{stream_vid, vid};
use crate::media::codec::Params;
use crate::media::frame::Track;
use crate::media::stream_info::StreamInfo;
use crate::server::Server;
use crate::server::hosted::Hosted;
use crate::server::peer::{Peer, Role};
use crate::status::{
    AudioStatus, ClientKind, ClientStatus, HlsStatus, Kbps, Page, PublishStatus, Report, StreamStatus,
    VhostStatus, VideoStatus,
};
use std::collections::BTreeMap;

impl Server {
    pub(super) fn vhosts(&self) -> Vec<VhostStatus> {
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
                enabled: self.cx.config.stream.hls.enabled,
                fragment: self.cx.config.stream.hls.segment_ms as f64 / 1000.0,
            },
        };
        // As in SRS, the default vhost is listed even without streams.
        let mut vhosts = BTreeMap::from([(DEFAULT_VHOST, empty(DEFAULT_VHOST))]);
        for (name, _, hosted) in self.streams.iter() {
            let vhost = vhosts.entry(&name.vhost).or_insert_with(|| empty(&name.vhost));
            vhost.clients += self.clients_of(name, hosted);
            vhost.streams += u64::from(hosted.is_published());
            vhost.send_bytes += hosted.traffic.sent_bytes();
            vhost.recv_bytes += hosted.traffic.received_bytes();
            vhost.kbps = add(vhost.kbps, hosted.traffic.kbps(self.cx.now));
        }
        vhosts.into_values().collect()
    }

    pub(super) fn streams_page(&self, page: Page, of: impl Fn(&Hosted) -> bool) -> Report {
        let all = || self.streams.iter().filter(|(_, _, hosted)| of(hosted));
        let streams = all().skip(page.start).take(page.count);
        let streams = streams.map(|(name, _, hosted)| self.stream_status(name, hosted)).collect();
        Report::Streams { total: all().count(), streams }
    }

    pub(super) fn stream_by_vid(&self, vid: &str) -> Option<Report> {
        let (name, _, hosted) = self.streams.iter().find(|(name, _, _)| stream_vid(name) == vid)?;
        Some(Report::Stream { stream: Box::new(self.stream_status(name, hosted)) })
    }

    fn stream_status(&self, name: &StreamName, hosted: &Hosted) -> StreamStatus {
        let counters = hosted.stream.counters();
        let publisher = hosted.stream.publication().and_then(|by| self.peers.get(by.conn));
        StreamStatus {
            id: stream_vid(name),
            name: name.stream.clone(),
            vhost: vid(&name.vhost),
            vhost_name: name.vhost.clone(),
            app: name.app.clone(),
            tc_url: hosted.tc_url.to_string(),
            url: format!("/{}/{}", name.app, name.stream),
            live_ms: hosted.live_ms,
            clients: self.clients_of(name, hosted),
            frames: counters.audio_frames + counters.video_frames,
            audio_frames: counters.audio_frames,
            video_frames: counters.video_frames,
            send_bytes: hosted.traffic.sent_bytes(),
            recv_bytes: hosted.traffic.received_bytes(),
            kbps: hosted.traffic.kbps(self.cx.now),
            hold_ms: hosted.stream.flusher().hold().as_millis() as u64,
            publish: PublishStatus {
                active: publisher.is_some(),
                cid: publisher.map(|peer| peer.cid.as_str().to_owned()),
            },
            video: video_status(hosted.stream.info()),
            audio: audio_status(hosted.stream.info()),
        }
    }

    /// Connections that publish, play, wait or fetch, in the order of their indices.
    pub(super) fn clients(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter().filter(|peer| {
            !peer.is_ending() && (peer.role.stream().is_some() || peer.fetches_from().is_some())
        })
    }

    /// Number of clients of a stream: publisher, players, and peers that wait or fetch.
    fn clients_of(&self, name: &StreamName, hosted: &Hosted) -> u64 {
        let fetching = self.peers.iter().filter(|peer| peer.fetches_from() == Some(name)).count();
        let around = hosted.players.len() + hosted.waiting.len() + fetching;
        around as u64 + u64::from(hosted.stream.publication().is_some())
    }

    pub(super) fn clients_page(&self, page: Page) -> Report {
        let clients = self.clients().skip(page.start).take(page.count);
        let clients = clients.map(|peer| self.client_status(peer)).collect();
        Report::Clients { total: self.clients().count(), clients }
    }

    pub(super) fn client_status(&self, peer: &Peer) -> ClientStatus {
        let about = peer.role.stream().and_then(|key| self.streams.name(key)).or(peer.name.as_ref());
        let introduction = &peer.introduction;
        ClientStatus {
            id: peer.cid.as_str().to_owned(),
            vhost: about.map(|name| vid(&name.vhost)).unwrap_or_default(),
            stream: about.map(stream_vid).unwrap_or_default(),
            ip: peer.addr.ip().to_string(),
            page_url: introduction.page_url.to_string(),
            swf_url: introduction.swf_url.to_string(),
            tc_url: introduction.tc_url.to_string(),
            url: about.map(|name| format!("/{}/{}", name.app, name.stream)).unwrap_or_default(),
            name: about.map(|name| name.stream.clone()).unwrap_or_default(),
            kind: introduction.kind.map_or("", ClientKind::name),
            publish: matches!(peer.role, Role::Publishing(_)),
            alive: self.cx.now.since(peer.since).as_secs_f64(),
            send_bytes: peer.traffic.sent_bytes(),
            recv_bytes: peer.traffic.received_bytes(),
            dropped_frames: match &peer.role {
                Role::Playing { cursor, .. } => cursor.dropped,
                _ => 0,
            },
            kbps: peer.traffic.kbps(self.cx.now),
        }
    }
}

fn video_status(stream_info: &StreamInfo) -> Option<VideoStatus> {
    let info = stream_info.track(Track::VIDEO)?;
    let Some(Params::Video(params)) = &info.params else { return None };
    Some(VideoStatus {
        codec: info.codec.name().to_owned(),
        profile: params.profile.clone(),
        level: params.level.clone(),
        width: params.width,
        height: params.height,
    })
}

fn audio_status(stream_info: &StreamInfo) -> Option<AudioStatus> {
    let info = stream_info.track(Track::AUDIO)?;
    let Some(Params::Audio(params)) = &info.params else { return None };
    Some(AudioStatus {
        codec: info.codec.name().to_owned(),
        sample_rate: params.sample_rate,
        channel: params.channels,
        profile: params.profile.clone(),
    })
}

fn add(sum: Kbps, more: Kbps) -> Kbps {
    Kbps { recv_30s: sum.recv_30s + more.recv_30s, send_30s: sum.send_30s + more.send_30s }
}
