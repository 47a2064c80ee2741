//! Requests and responses of the recorder's control endpoint.
//!
//! In: heads of requests. Out: an order, or a response. Pure. Never: shows the token.
//!
//! A recording holds every secret that the server has received. So each request needs a token (setting
//! `recorder.api_token`), and the endpoint is closed unless one is set.
//!
//! | method, path | does |
//! | --- | --- |
//! | GET `/api/v1/recorder` | `recorder`: the recording in progress, dropped recordings, the list of parts |
//! | POST `/api/v1/recorder?action=start&streams=live/*` | begins a recording; `streams` may be left out |
//! | POST `/api/v1/recorder?action=stop` | ends the recording |
//! | GET `/api/v1/recorder/{name}` | downloads a finished part |
//!
//! | answer | when |
//! | --- | --- |
//! | 401 | no `Authorization: Bearer …`, or a wrong token |
//! | 403 | the token was removed from the configuration |
//! | code 9001 to 9006 | see [`Refusal`] |

use crate::config::BearerToken;
use crate::net::recorder::status::{RecorderStatus, Refusal};
use crate::status::{Envelope, Identity};
use crate::wire::http1::{Method, Request, ResponseHead, Status, Target};
use serde::Serialize;

/// A request of an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The state of the recorder.
    Look,
    /// Begin a recording of the streams that match one of these patterns; with none, of everything.
    Start(Vec<String>),
    /// End the recording.
    Stop,
    /// Download the finished part with this name.
    Part(String),
    /// Not understood. Holds the reason.
    Unclear(String),
}

impl Wanted {
    /// Parses a request.
    ///
    /// # Errors
    /// The response, if the path, the method or the token is wrong, or the method is OPTIONS.
    pub fn of(request: &Request, token: &BearerToken) -> Result<Wanted, Response> {
        let mut segments: Vec<&str> = request.target.segments.iter().map(String::as_str).collect();
        segments.pop_if(|last| last.is_empty());
        let name = match segments[..] {
            ["api", "v1", "recorder"] => None,
            ["api", "v1", "recorder", name] => Some(name),
            _ => return Err(Response::sentence(Status::NOT_FOUND, "the only path is /api/v1/recorder")),
        };
        let allowed = match name {
            Some(_) => "GET, HEAD, OPTIONS",
            None => "GET, HEAD, POST, OPTIONS",
        };
        match (request.method, name) {
            (Method::Options, _) => {
                return Err(Response::empty(Status::NO_CONTENT).header("Allow", allowed));
            }
            (Method::Get | Method::Head, _) | (Method::Post, None) => {}
            _ => {
                let sentence = "this path does not take this method";
                return Err(Response::sentence(Status::METHOD_NOT_ALLOWED, sentence).header("Allow", allowed));
            }
        }
        authorize(request, token)?;
        Ok(match (request.method, name) {
            (_, Some(name)) => Wanted::Part(name.to_owned()),
            (Method::Post, None) => Wanted::of_action(&request.target),
            (_, None) => Wanted::Look,
        })
    }

    fn of_action(target: &Target) -> Wanted {
        match target.param("action").as_deref() {
            Some("start") => Wanted::Start(patterns(&target.param("streams").unwrap_or_default())),
            Some("stop") => Wanted::Stop,
            Some(_) => Wanted::Unclear("`action` is `start` or `stop`".to_owned()),
            None => Wanted::Unclear("say `?action=start` or `?action=stop`".to_owned()),
        }
    }
}

/// Checks the token. The error is the response.
fn authorize(request: &Request, token: &BearerToken) -> Result<(), Response> {
    if !token.is_set() {
        let sentence = "the control endpoint is closed: set recorder.api_token";
        return Err(Response::sentence(Status::FORBIDDEN, sentence));
    }
    let said = request.headers.get("authorization").unwrap_or_default();
    let (scheme, word) = said.split_once(' ').unwrap_or_default();
    if scheme.eq_ignore_ascii_case("bearer") && token.is(word.trim()) {
        return Ok(());
    }
    let sentence = "send `Authorization: Bearer` with the token in recorder.api_token";
    let response = Response::sentence(Status::UNAUTHORIZED, sentence);
    Err(response.header("WWW-Authenticate", "Bearer realm=\"recorder\""))
}

/// Splits patterns at commas, except inside `{a,b}`.
fn patterns(text: &str) -> Vec<String> {
    let mut depth = 0;
    let parts = text.split(|letter| {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        letter == ',' && depth == 0
    });
    parts.map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// A response with its content. Every response is the last on its connection.
#[derive(Debug)]
pub struct Response {
    status: Status,
    headers: Vec<(&'static str, String)>,
    content: Vec<u8>,
}

impl Response {
    /// A response without content.
    pub fn empty(status: Status) -> Response {
        Response { status, headers: Vec::new(), content: Vec::new() }
    }

    /// A response that says in a sentence what is wrong.
    pub fn sentence(status: Status, sentence: &str) -> Response {
        let content = format!("{}: {sentence}.\n", status.reason()).into_bytes();
        let response = Response { content, ..Response::empty(status) };
        response.header("Content-Type", "text/plain; charset=utf-8").header("Cache-Control", "no-store")
    }

    /// The state of the recorder, as JSON.
    pub fn state(identity: &Identity, recorder: &RecorderStatus) -> Response {
        #[derive(Serialize)]
        struct State<'a> {
            recorder: &'a RecorderStatus,
        }
        Response::json(&Envelope::new(identity, 0, State { recorder }))
    }

    /// A refusal, as JSON: a code for scripts and a message.
    pub fn refusal(identity: &Identity, refusal: &Refusal) -> Response {
        #[derive(Serialize)]
        struct Message<'a> {
            message: &'a str,
        }
        let message = Message { message: refusal.message() };
        Response::json(&Envelope::new(identity, refusal.code(), message))
    }

    fn json(value: &impl Serialize) -> Response {
        let content = serde_json::to_vec(value).expect("keys are strings and a vector takes every byte");
        let response = Response { content, ..Response::empty(Status::OK) };
        response.header("Content-Type", "application/json").header("Cache-Control", "no-store")
    }

    /// Appends a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Response {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The response as bytes, with this wall time in the head. With `head_only` the content is left out, and
    /// the head still gives its length.
    pub fn bytes(&self, unix_secs: u64, head_only: bool) -> Vec<u8> {
        let mut head = head(self.status, unix_secs);
        for (name, value) in &self.headers {
            head = head.header(name, value);
        }
        if self.status.is_bodiless() {
            return head.finish();
        }
        let mut bytes = head.number("Content-Length", self.content.len()).finish();
        if !head_only {
            bytes.extend_from_slice(&self.content);
        }
        bytes
    }
}

/// The response head of a download of `bytes` bytes.
pub fn part_head(name: &str, bytes: u64, unix_secs: u64) -> Vec<u8> {
    head(Status::OK, unix_secs)
        .header("Content-Type", "application/octet-stream")
        .header("Cache-Control", "no-store")
        .header("Content-Disposition", &format!("attachment; filename=\"{name}\""))
        .header("Content-Length", &bytes.to_string())
        .finish()
}

fn head(status: Status, unix_secs: u64) -> ResponseHead {
    ResponseHead::new(status, unix_secs)
        .header("Connection", "close")
        .header("X-Content-Type-Options", "nosniff")
}

#[cfg(test)]
mod tests {
    use super::{Response, Wanted, part_head, patterns};
    use crate::config::BearerToken;
    use crate::net::recorder::status::{RecorderStatus, Refusal};
    use crate::status::Identity;
    use crate::wire::http1::{HeadLimits, parse_head};

    const TOKEN: &str = "correct-horse-battery";
    const OPERATOR: &str = "Authorization: Bearer correct-horse-battery";

    fn wanted(method: &str, target: &str, line: &str, token: &str) -> Result<Wanted, String> {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n");
        let limits = HeadLimits { head_bytes_max: 4096, headers_max: 16 };
        let (request, _) = parse_head(head.as_bytes(), &limits).expect("sound").expect("whole");
        let token = BearerToken::new(token).expect("long enough or empty");
        Wanted::of(&request, &token).map_err(|response| text(&response))
    }

    fn text(response: &Response) -> String {
        String::from_utf8(response.bytes(0, false)).expect("text")
    }

    #[test]
    fn without_a_token_nothing_can_be_done() {
        let refused = wanted("GET", "/api/v1/recorder", OPERATOR, "").expect_err("it is closed");
        assert!(refused.starts_with("HTTP/1.1 403 ") && refused.contains("recorder.api_token"), "{refused}");
    }

    #[test]
    fn a_request_without_the_token_is_asked_for_it() {
        for line in [
            "X: y",
            "Authorization: Bearer correct-horse-batterz",
            "Authorization: Basic correct-horse-battery",
            "Authorization: correct-horse-battery",
        ] {
            for (method, target) in [
                ("GET", "/api/v1/recorder"),
                ("POST", "/api/v1/recorder?action=start"),
                ("GET", "/api/v1/recorder/x"),
            ] {
                let refused = wanted(method, target, line, TOKEN).expect_err("not the token");
                assert!(refused.starts_with("HTTP/1.1 401 "), "{line}: {refused}");
                assert!(refused.contains("WWW-Authenticate: Bearer realm=\"recorder\"\r\n"));
                assert!(!refused.contains(TOKEN));
            }
        }
    }

    #[test]
    fn each_request_is_one_order() {
        let wanted = |method, target| wanted(method, target, OPERATOR, TOKEN).expect("an operator");
        let start = |streams: &[&str]| Wanted::Start(streams.iter().map(|text| (*text).to_owned()).collect());
        assert_eq!(wanted("GET", "/api/v1/recorder"), Wanted::Look);
        assert_eq!(wanted("HEAD", "/api/v1/recorder/"), Wanted::Look);
        assert_eq!(wanted("POST", "/api/v1/recorder?action=start"), start(&[]));
        assert_eq!(
            wanted("POST", "/api/v1/recorder?action=start&streams=live/*,vod/%7Ba,b%7D"),
            start(&["live/*", "vod/{a,b}"])
        );
        assert_eq!(wanted("POST", "/api/v1/recorder?action=stop"), Wanted::Stop);
        let name = "20261125T165229.123456Z-000007.dacapo".to_owned();
        let target = format!("/api/v1/recorder/{name}");
        assert_eq!(wanted("GET", &target), Wanted::Part(name));
        let Wanted::Unclear(why) = wanted("POST", "/api/v1/recorder") else { panic!("no action") };
        assert!(why.contains("action=start"), "{why}");
    }

    #[test]
    fn other_paths_and_methods_are_told_so() {
        let refused = |method, target| wanted(method, target, OPERATOR, TOKEN).expect_err("nothing");
        assert!(refused("GET", "/api/v1/streams").starts_with("HTTP/1.1 404 "));
        assert!(refused("GET", "/api/v1/recorder/a/b").starts_with("HTTP/1.1 404 "));
        let text = refused("DELETE", "/api/v1/recorder");
        assert!(text.starts_with("HTTP/1.1 405 ") && text.contains("Allow: GET, HEAD, POST, OPTIONS\r\n"));
        let text = refused("POST", "/api/v1/recorder/x");
        assert!(text.starts_with("HTTP/1.1 405 ") && text.contains("Allow: GET, HEAD, OPTIONS\r\n"));
        let text = refused("OPTIONS", "/api/v1/recorder");
        assert!(text.starts_with("HTTP/1.1 204 ") && text.contains("Allow: GET, HEAD, POST, OPTIONS\r\n"));
    }

    fn identity() -> Identity {
        Identity { server: "vid-0a1b2c3".into(), service: "s5v7x9z1".into(), pid: 4242 }
    }

    #[test]
    fn an_order_is_answered_by_how_the_recorder_stands() {
        let status = RecorderStatus { directory: "/flights".into(), drops: 2, ..RecorderStatus::default() };
        let text = text(&Response::state(&identity(), &status));
        let envelope = r#""code":0,"server":"vid-0a1b2c3","service":"s5v7x9z1","pid":"4242""#;
        let recorder = r#"{"directory":"/flights","recording":null,"drops":2,"last_drop":"","parts":[]}"#;
        assert!(text.ends_with(&format!("\r\n\r\n{{{envelope},\"recorder\":{recorder}}}")), "{text}");
    }

    #[test]
    fn a_refusal_has_a_code_and_words() {
        for (refusal, code, words) in [
            (Refusal::Running, 9001, "stop it first"),
            (Refusal::Idle, 9002, "does not record"),
            (Refusal::NoPart, 9003, "no such part"),
            (Refusal::Unclear("`live/[` is not a pattern".into()), 9004, "is not a pattern"),
            (Refusal::Disk("no space".into()), 9005, "no space"),
            (Refusal::Busy, 9006, "later"),
        ] {
            let text = text(&Response::refusal(&identity(), &refusal));
            assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
            assert!(text.contains(&format!("{{\"code\":{code},")) && text.contains(words), "{text}");
        }
    }

    #[test]
    fn a_head_alone_tells_the_length_of_what_it_belongs_to() {
        let response = Response::refusal(&identity(), &Refusal::Idle);
        let (whole, head) = (text(&response), response.bytes(0, true));
        let (before, content) = whole.split_once("\r\n\r\n").expect("a head");
        assert_eq!(format!("{before}\r\n\r\n").into_bytes(), head);
        assert!(before.contains(&format!("Content-Length: {}", content.len())));
        let part = String::from_utf8(part_head("a.dacapo", 1 << 33, 0)).expect("text");
        assert!(part.contains("Content-Length: 8589934592\r\n") && part.ends_with("\r\n\r\n"), "{part}");
        assert!(part.contains("Connection: close\r\n"), "{part}");
    }

    #[test]
    fn patterns_are_split_where_no_braces_are() {
        assert_eq!(patterns("live/*, show/{a,b}"), ["live/*", "show/{a,b}"]);
        assert_eq!(patterns(" ,"), Vec::<String>::new());
    }
}
