//! Checks answers of the HTTP API against the judge's own counts (I38).
//!
//! In: the counts at the time when the server had the whole request, and the JSON of its answer. Out: what is
//! wrong, in words. Numbers that follow from bytes on connections must be exact. Where a peer's socket had no
//! room, the server may know more than was seen, and the numbers must lie within bounds.

use super::byte_counts::Span;
use super::expected_role::{Deed, ExpectedRole};
use serde_json::Value;

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    /// `/api/v1/clients/`
    Clients,
    /// `/api/v1/streams/`
    Streams,
    /// `/api/v1/vhosts/`
    Vhosts,
    /// `/api/v1/summaries`
    Summaries,
}

impl Topic {
    /// What a request asks for, if it is something that is judged: whole lists, and numbers.
    pub fn of(method: &str, target: &str) -> Option<Topic> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let topic = match path.trim_end_matches('/') {
            "/api/v1/clients" => Topic::Clients,
            "/api/v1/streams" => Topic::Streams,
            "/api/v1/vhosts" => Topic::Vhosts,
            "/api/v1/summaries" => Topic::Summaries,
            _ => return None,
        };
        let whole = matches!(topic, Topic::Vhosts | Topic::Summaries) || query == "count=1000";
        (method == "GET" && whole).then_some(topic)
    }
}

/// Bytes of all peers and to all, connections that came and that are over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Totals {
    /// Bytes of all peers.
    pub recv: u64,
    /// Bytes to all peers.
    pub sent: u64,
    /// Connections that came, and that are over.
    pub conns: (u64, u64),
}

/// A connection.
#[derive(Debug)]
pub(super) struct Client {
    /// Its number.
    pub conn_no: u32,
    /// What it is about.
    pub role: ExpectedRole,
    /// The server may have ended it, and could not say so yet.
    pub blocked: bool,
    /// Bytes that came from it.
    pub recv: u64,
    /// Bytes that left for it.
    pub sent: u64,
    /// Frames that it was denied, if it plays.
    pub dropped: Option<Span>,
}

/// The numbers of a stream, if it began with a certain stretch.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    /// Bytes that came from its peers.
    pub recv: Span,
    /// Bytes that were sent to its players and clients.
    pub sent: Span,
    /// Frames of sound.
    pub audio: Span,
    /// Pictures.
    pub video: Span,
}

/// A stream.
#[derive(Debug)]
pub(super) struct Stream {
    /// Its name.
    pub name: String,
    /// What its numbers may be, by how long the server has known it.
    pub sums: Vec<Sums>,
}

/// How everything stood when something was asked.
#[derive(Debug)]
pub(super) struct Question {
    /// What was asked.
    pub topic: Topic,
    /// What had gone by then.
    pub asked: Totals,
    /// What had gone by when the answer began to leave.
    pub answered: Option<Totals>,
    /// Connections that publish, play or fetch.
    pub clients: Vec<Client>,
    /// Streams that a connection published, played or fetched.
    pub streams: Vec<Stream>,
}

/// A client as the API tells it.
struct Told<'a> {
    url: &'a str,
    kind: &'a str,
    publish: bool,
    recv: u64,
    sent: u64,
    dropped: u64,
}

impl Client {
    fn surely(&self) -> bool {
        !self.blocked && self.role.sure().is_some()
    }

    fn fits(&self, told: &Told<'_>) -> bool {
        let fits = self.role.abouts.iter().any(|about| {
            let publish = about.deed == Deed::Publishes;
            is_called(&about.stream, told.url) && about.kind == told.kind && publish == told.publish
        });
        (fits || self.role.dark) && (self.recv, self.sent) == (told.recv, told.sent)
    }

    fn words(&self) -> String {
        let about = self.role.abouts.first();
        let (kind, stream) = about.map_or(("", ""), |about| (about.kind, about.stream.as_str()));
        format!(
            "connection {} ({kind} of {stream}, {} bytes in, {} bytes out)",
            self.conn_no, self.recv, self.sent
        )
    }
}

impl Told<'_> {
    fn words(&self) -> String {
        format!("{} of {}, {} bytes in, {} bytes out", self.kind, self.url, self.recv, self.sent)
    }
}

/// Whether the API calls a stream so: it leaves the vhost out.
fn is_called(name: &str, url: &str) -> bool {
    name.strip_suffix(url.trim_start_matches('/')).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
}

impl Question {
    /// What is wrong in the answer.
    pub fn judged(&self, status: u16, body: &[u8]) -> Result<(), String> {
        let answer: Value = match serde_json::from_slice(body) {
            Ok(answer) if status == 200 => answer,
            _ => return Err(format!("{:?} are answered by {status} and no JSON", self.topic)),
        };
        match self.topic {
            Topic::Clients => self.clients(&answer),
            Topic::Streams => self.streams(&answer),
            Topic::Vhosts => self.vhosts(&answer),
            Topic::Summaries => self.summaries(&answer),
        }
    }

    fn clients(&self, answer: &Value) -> Result<(), String> {
        let entries = page(answer, "clients")?.iter();
        let mut told = entries.map(told).collect::<Result<Vec<_>, _>>()?;
        for client in self.clients.iter().filter(|client| client.surely()) {
            let Some(place) = told.iter().position(|told| client.fits(told)) else {
                let told: Vec<String> = told.iter().map(Told::words).collect();
                return Err(format!("{} is not among the clients [{}]", client.words(), told.join("; ")));
            };
            let dropped = told.swap_remove(place).dropped;
            let span = client.dropped.unwrap_or(Span { min: 0, max: u64::MAX });
            if !span.holds(dropped) {
                let words = client.words();
                return Err(format!("{words} was denied {dropped} frames, and it must be {span}"));
            }
        }
        let mut others: Vec<&Client> = self.clients.iter().filter(|client| !client.surely()).collect();
        for told in told {
            let place = others.iter().position(|client| client.fits(&told));
            let place = place.ok_or_else(|| format!("no connection is {}", told.words()))?;
            others.swap_remove(place);
        }
        Ok(())
    }

    /// Connections that are about a stream, publishers alone or all.
    fn around(&self, name: &str, publishers: bool) -> Span {
        let mut span = Span::default();
        for client in &self.clients {
            let fits = client
                .role
                .abouts
                .iter()
                .any(|about| about.stream == name && (!publishers || about.deed == Deed::Publishes));
            if fits || client.role.dark {
                span.add(1, client.surely());
            }
        }
        if publishers { Span { max: span.max.min(1), ..span } } else { span }
    }

    fn streams(&self, answer: &Value) -> Result<(), String> {
        let told = page(answer, "streams")?;
        let url = |entry: &Value| entry["url"].as_str().unwrap_or_default().to_owned();
        for stream in self.streams.iter().filter(|stream| self.around(&stream.name, true).min > 0) {
            let many = told.iter().filter(|entry| is_called(&stream.name, &url(entry))).count();
            if many != 1 {
                return Err(format!("{} is published and stands {many} times in the list", stream.name));
            }
        }
        for entry in told {
            let url = url(entry);
            let mut fitting = self.streams.iter().filter(|stream| is_called(&stream.name, &url));
            let Some(stream) = fitting.next() else {
                return Err(format!("{url} was not published"));
            };
            // Streams of several vhosts, which the answer does not tell apart.
            if fitting.next().is_none() {
                self.stream(stream, entry)?;
            }
        }
        Ok(())
    }

    fn stream(&self, stream: &Stream, entry: &Value) -> Result<(), String> {
        let name = &stream.name;
        let (audio, video) = (number(entry, "audio_frames")?, number(entry, "video_frames")?);
        let frames = number(entry, "frames")?;
        if frames != audio + video {
            return Err(format!("{name} has {frames} frames, {audio} of sound and {video} pictures"));
        }
        let active = entry["publish"]["active"].as_bool().ok_or("no word about the publisher")?;
        if !self.around(name, true).holds(active.into()) {
            return Err(format!("{name} has a publisher to one side only, the API says {active}"));
        }
        held(name, "clients", number(entry, "clients")?, self.around(name, false))?;
        let (recv, sent) = (number(entry, "recv_bytes")?, number(entry, "send_bytes")?);
        let fits = |sums: &Sums| {
            let bytes = sums.recv.holds(recv) && sums.sent.holds(sent);
            bytes && sums.audio.holds(audio) && sums.video.holds(video)
        };
        if stream.sums.iter().any(fits) {
            return Ok(());
        }
        let told = format!("{recv} bytes in, {sent} out, {audio} frames of sound, {video} pictures");
        let possible = stream.sums.iter().map(|sums| {
            format!("{} in, {} out, {} of sound, {} pictures", sums.recv, sums.sent, sums.audio, sums.video)
        });
        let possible: Vec<String> = possible.collect();
        Err(format!("{name} has {told}, and it must be {}", possible.join(" or ")))
    }

    fn vhosts(&self, answer: &Value) -> Result<(), String> {
        let told = answer["vhosts"].as_array().ok_or("no list of vhosts")?;
        let sum = |key| told.iter().map(|vhost| number(vhost, key)).sum::<Result<u64, String>>();
        let (mut clients, mut streams) = (Span::default(), Span::default());
        let (mut recv, mut sent) = (Span::default(), Span::default());
        for stream in &self.streams {
            let (around, held) = (self.around(&stream.name, false), self.is_held(&stream.name));
            clients = clients.plus(Span { min: if held { around.min } else { 0 }, ..around });
            streams.add(1, self.around(&stream.name, true).min > 0);
            let spans = |of: fn(&Sums) -> Span| {
                let all = || stream.sums.iter().map(of);
                let min = all().map(|span| span.min).min().filter(|_| held);
                Span { min: min.unwrap_or(0), max: all().map(|span| span.max).max().unwrap_or(0) }
            };
            (recv, sent) = (recv.plus(spans(|sums| sums.recv)), sent.plus(spans(|sums| sums.sent)));
        }
        held("all vhosts", "clients", sum("clients")?, clients)?;
        held("all vhosts", "streams", sum("streams")?, streams)?;
        held("all vhosts", "recv_bytes", sum("recv_bytes")?, recv)?;
        held("all vhosts", "send_bytes", sum("send_bytes")?, sent)
    }

    /// True if a connection certainly uses a stream, so that the server cannot have removed it.
    fn is_held(&self, name: &str) -> bool {
        let about =
            |client: &Client| client.role.sure().is_some_and(|about| about.holds() && about.stream == name);
        self.clients.iter().any(|client| client.surely() && about(client))
    }

    fn summaries(&self, answer: &Value) -> Result<(), String> {
        let told = &answer["data"]["system"];
        let (from, to) = (self.asked, self.answered.unwrap_or(self.asked));
        let conns = Span { min: from.conns.0 - to.conns.1, max: to.conns.0 - from.conns.1 };
        held("the server", "conn_srs", number(told, "conn_srs")?, conns)?;
        let (recv, sent) = (number(told, "srs_recv_bytes")?, number(told, "srs_send_bytes")?);
        held("the server", "srs_recv_bytes", recv, Span { min: from.recv, max: to.recv })?;
        held("the server", "srs_send_bytes", sent, Span { min: from.sent, max: to.sent })
    }
}

fn held(what: &str, key: &str, number: u64, span: Span) -> Result<(), String> {
    if span.holds(number) { Ok(()) } else { Err(format!("{key} of {what}: {number}, and it must be {span}")) }
}

fn number(entry: &Value, key: &str) -> Result<u64, String> {
    entry[key].as_u64().ok_or_else(|| format!("{key} is no number but {}", entry[key]))
}

/// A list that is told whole.
fn page<'a>(answer: &'a Value, key: &str) -> Result<&'a [Value], String> {
    let list = answer[key].as_array().ok_or_else(|| format!("no list of {key}"))?;
    let total = number(answer, "total")?;
    if total == list.len() as u64 {
        return Ok(list);
    }
    Err(format!("{total} {key}, and {} are told", list.len()))
}

fn told(entry: &Value) -> Result<Told<'_>, String> {
    let text = |key| entry[key].as_str().ok_or_else(|| format!("{key} of a client is no text"));
    Ok(Told {
        url: text("url")?,
        kind: text("type")?,
        publish: entry["publish"].as_bool().ok_or("publish of a client is neither true nor false")?,
        recv: number(entry, "recv_bytes")?,
        sent: number(entry, "send_bytes")?,
        dropped: number(entry, "dropped_frames")?,
    })
}
