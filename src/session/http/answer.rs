//! From the server's answer to the rest of a response.
//!
//! In: the answer to what the session requested, or news of the stream that it plays. Out: the response, or
//! the head of a stream.

use crate::base::reason::Reason;
use crate::session::Cx;
use crate::session::ask::{Answer, Playing, Refusal};
use crate::session::http::response::{Exchange, Reply};
use crate::session::http::state::{HttpSession, Pending, State};
use crate::session::http::stream_body::StreamBody;
use crate::session::http::{files, page};
use crate::status::Report;
use crate::wire::http1::Status;

impl HttpSession {
    pub(super) fn answered(
        &mut self,
        cx: &mut Cx<'_>,
        exchange: Exchange,
        pending: Box<Pending>,
        answer: Answer,
    ) -> Result<(), Reason> {
        let reply = match (&*pending, answer) {
            (Pending::Play(transport), Answer::Play(Ok(Playing::Live(_))) | Answer::Began(_)) => {
                self.state = State::Streaming(StreamBody::begin(cx, transport));
                return Ok(());
            }
            (Pending::Play(_), Answer::Play(Ok(Playing::Waiting))) => {
                // The head is written when the stream begins: until then a 404 is possible.
                self.state = State::Asked(exchange, pending);
                return Ok(());
            }
            (Pending::Play(_), Answer::Play(Err(refusal)) | Answer::Ended(refusal)) => {
                Reply::refusal(&refusal)
            }
            (Pending::File(wants), Answer::Fetch(Ok(file))) => files::reply(file, wants),
            (Pending::File(_), Answer::Fetch(Err(refusal))) => Reply::refusal(&refusal),
            (Pending::LiveList, Answer::Report(Some(report))) => match &*report {
                Report::Streams { streams, total } => {
                    Reply::json(page::LIVE_LIST_MAX_AGE_SECS, page::live_list(cx.config, streams, *total))
                }
                _ => Reply::unavailable("the list of streams is not available"),
            },
            (Pending::Api(call), Answer::Report(report)) => call.report(cx.identity, report.as_deref()),
            (Pending::Api(call), Answer::Kick(true)) => call.done(cx.identity),
            (Pending::Api(call), Answer::Kick(false)) => call.unknown(),
            (_, Answer::Farewell(reason)) => {
                let exchange = Exchange { keep_alive: false, ..exchange };
                exchange.send(cx, farewell(&reason));
                return Ok(());
            }
            (_, answer) => {
                log::error!(cid:% = cx.cid; "unexpected answer: {answer:?}");
                Reply::sentence(Status::INTERNAL_ERROR, "the server gave an unexpected answer")
            }
        };
        self.reply(cx, exchange, reply);
        Ok(())
    }

    /// Handles news of the stream that plays.
    pub(super) fn news(
        &mut self,
        cx: &mut Cx<'_>,
        mut body: StreamBody,
        answer: Answer,
    ) -> Result<(), Reason> {
        match answer {
            Answer::Ended(_) => {
                body.ended(cx);
                self.state = State::Closing;
            }
            Answer::Farewell(reason) => {
                body.farewell(cx, &reason);
                self.state = State::Closing;
            }
            // The publisher dropped and is back: the response goes on.
            _ => self.state = State::Streaming(body),
        }
        Ok(())
    }
}

/// Final response to a client that waits for one.
fn farewell(reason: &Reason) -> Reply {
    match reason {
        Reason::Drained => Reply::refusal(&Refusal::Draining),
        _ => Reply::unavailable(&reason.to_string()),
    }
}
