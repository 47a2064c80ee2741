//! The endpoint of the flight recorder: who may use it, what its requests mean, and its answers.
//!
//! A recording holds every secret that the server was told, so that this endpoint asks for a word of its own
//! (setting `recorder.api_token`), and there is none unless an operator sets one.
//!
//! | method, path | does |
//! | --- | --- |
//! | GET `/api/v1/recorder` | `recorder`: what is recorded, what was dropped, which parts there are |
//! | POST `/api/v1/recorder?action=start&streams=live/*` | records from now on; `streams` may be left out |
//! | POST `/api/v1/recorder?action=stop` | ends the recording |
//! | GET `/api/v1/recorder/{name}` | a finished part |
//!
//! | answer | when |
//! | --- | --- |
//! | 401 | no `Authorization: Bearer …`, or another word |
//! | 403 | the endpoint is off |
//! | code 9001 | it records already |
//! | code 9002 | it does not record |
//! | code 9003 | there is no such finished part |
//! | code 9004 | the request is not understood |
//! | code 9005 | the file cannot be made |
//! | code 9006 | too many wait |
//!
//! SRS leaves the codes from 9000 on to others. A part follows the head without passing through the server:
//! its bytes would else stand in the next recording.

use crate::config::Config;
use crate::session::Cx;
use crate::session::ask::Ask;
use crate::session::http::json;
use crate::session::http::response::{Exchange, Reply};
use crate::status::{Identity, RecorderAnswer, RecorderRefusal, RecorderWish};
use crate::wire::http1::{Method, Request, Status, Target};
use serde::{Deserialize, Serialize};

/// What a request wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Something that the recorder may do.
    Wish(RecorderWish),
    /// Something that is not understood: why.
    Unclear(String),
}

/// What such a part is called in the head.
const MEDIA_TYPE: &str = "application/octet-stream";

impl Command {
    /// What `method` means here; `name`: what stands behind the last slash.
    pub fn of(method: Method, name: Option<&str>, target: &Target) -> Command {
        if let Some(name) = name {
            return Command::Wish(RecorderWish::Fetch { name: name.to_owned() });
        }
        if method != Method::Post {
            return Command::Wish(RecorderWish::Look);
        }
        match target.param("action").as_deref() {
            Some("start") => {
                let streams = target.param("streams").unwrap_or_default();
                Command::Wish(RecorderWish::Start { streams: patterns(&streams) })
            }
            Some("stop") => Command::Wish(RecorderWish::Stop),
            Some(_) => Command::Unclear("`action` is `start` or `stop`".to_owned()),
            None => Command::Unclear("say `?action=start` or `?action=stop`".to_owned()),
        }
    }

    /// The methods that make sense here.
    pub fn allowed(&self) -> &'static [Method] {
        match self {
            Command::Wish(RecorderWish::Fetch { .. }) => &[Method::Get, Method::Head, Method::Options],
            _ => &[Method::Get, Method::Head, Method::Post, Method::Options],
        }
    }
}

/// Patterns with commas in between, but for commas inside of `{a,b}`.
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

/// Nothing if who asks is an operator, else what to tell.
pub fn denied(config: &Config, request: &Request) -> Option<Reply> {
    let token = &config.recorder.api_token;
    if !token.is_set() {
        let sentence = "the recorder cannot be used from here: set recorder.api_token";
        return Some(Reply::sentence(Status::FORBIDDEN, sentence));
    }
    let said = request.headers.get("authorization").unwrap_or_default();
    let (scheme, word) = said.split_once(' ').unwrap_or_default();
    if scheme.eq_ignore_ascii_case("bearer") && token.is(word.trim()) {
        return None;
    }
    let sentence = "send `Authorization: Bearer` and the word that recorder.api_token holds";
    let reply = Reply::sentence(Status::UNAUTHORIZED, sentence);
    Some(reply.header("WWW-Authenticate", "Bearer realm=\"recorder\""))
}

/// Answers. A part follows its head; the caller ends the connection behind it.
pub fn answer(
    cx: &mut Cx<'_>,
    exchange: &Exchange,
    command: &Command,
    result: Result<RecorderAnswer, RecorderRefusal>,
) {
    let who = cx.identity;
    let reply = match (command, result) {
        (Command::Wish(RecorderWish::Fetch { name }), Ok(RecorderAnswer::Part { bytes })) => {
            let head = exchange
                .head(cx, Status::OK)
                .header("Content-Type", MEDIA_TYPE)
                .header("Cache-Control", "no-store")
                .header("Content-Disposition", &format!("attachment; filename=\"{name}\""))
                .header("Content-Length", &bytes.to_string());
            cx.out.write(&head.finish());
            if !exchange.head_only {
                cx.ask(Ask::Append { name: name.clone(), bytes });
            }
            return;
        }
        (_, Ok(RecorderAnswer::State(status))) => Reply::json(0, json::recorder(who, &status)),
        (_, Ok(RecorderAnswer::Part { .. })) => refusal(who, 9004, "the recorder answered something else"),
        (_, Err(why)) => refused(who, &why),
    };
    exchange.send(cx, reply);
}

fn refused(who: &Identity, why: &RecorderRefusal) -> Reply {
    match why {
        RecorderRefusal::Running => refusal(who, 9001, "it records already: stop it first"),
        RecorderRefusal::Idle => refusal(who, 9002, "it does not record"),
        RecorderRefusal::NoPart => refusal(
            who,
            9003,
            "there is no such part, or it is being written; GET /api/v1/recorder lists them",
        ),
        RecorderRefusal::Pattern(why) => refusal(who, 9004, why),
        RecorderRefusal::Disk(why) => refusal(who, 9005, why),
        RecorderRefusal::Busy => refusal(who, 9006, "too many wait for the recorder: ask again later"),
    }
}

/// To a request that is not understood.
pub fn unclear(who: &Identity, why: &str) -> Reply {
    refusal(who, 9004, why)
}

fn refusal(who: &Identity, code: u32, message: &str) -> Reply {
    Reply::json(0, json::refusal(who, code, message))
}

#[cfg(test)]
mod tests {
    use super::patterns;

    #[test]
    fn patterns_are_split_where_no_braces_are() {
        assert_eq!(patterns("live/*, show/{a,b}"), ["live/*", "show/{a,b}"]);
        assert_eq!(patterns(" ,"), Vec::<String>::new());
    }
}
