//! Compares answers of Dacapo with those of the captured server, message by message.
//!
//! In: the bytes of both servers to the same client. Out: a text with `-` before messages of the captured
//! server alone and `+` before messages of Dacapo alone. Media is left out: it is compared elsewhere, and
//! depends on when the player came.

use crate::capture::Capture;
use crate::reader::chunk::ChunkReader;
use crate::reader::flv;
use crate::reader::http::{HttpEvent, ResponseReader};
use crate::replaying::{Company, message_lines, play};
use crate::text::difference_in_context;
use dacapo::base::time::Instant;
use dacapo::config::Service;
use dacapo::record::{ConnNo, Event};
use std::fmt::Write;
use std::time::Duration;

/// The whole report; empty if nothing was kept of what that server said.
pub fn report(capture: &Capture) -> String {
    // Until the last word of that server, and no longer: what ours says later has nothing to stand beside it.
    let last = |entries: &[dacapo::record::Entry]| entries.last().map_or(Instant::ZERO, |entry| entry.at);
    let after = last(&capture.reference).since(last(&capture.entries)) + Duration::from_millis(500);
    let run = play(capture, &capture.entries, Company::Alone, after, &mut ());
    let mut text = String::new();
    for (conn_no, talk) in &run.talks {
        let then = said_then(capture, *conn_no);
        if then.is_empty() {
            continue;
        }
        let [then, now] = [then, talk.bytes()].map(|bytes| answers(talk.service, &bytes));
        let title = format!("{conn_no} {:?}", talk.service);
        if then == now {
            let _ = writeln!(text, "{title}: the same {} answers", then.len());
        } else {
            let [then, now] = [then, now].map(|lines| lines.join("\n"));
            let _ = writeln!(text, "{title}: - {}, + Dacapo", capture.about.server);
            let _ = writeln!(text, "{}", difference_in_context(&then, &now, 1, 200));
        }
    }
    text
}

fn said_then(capture: &Capture, wanted: ConnNo) -> Vec<u8> {
    let words = capture.reference.iter().filter_map(|entry| match &entry.event {
        Event::Received { conn_no, bytes } if *conn_no == wanted => Some(bytes.to_vec()),
        _ => None,
    });
    words.flatten().collect()
}

/// What a server said, a line for each message or head.
fn answers(service: Service, bytes: &[u8]) -> Vec<String> {
    match service {
        Service::Rtmp => {
            let mut reader = ChunkReader::with_handshake().lenient();
            let mut found = Vec::new();
            let mut media = [0usize; 2];
            match reader.push(bytes) {
                Ok(messages) => {
                    for message in messages {
                        match message.kind {
                            flv::VIDEO => media[0] += 1,
                            flv::AUDIO => media[1] += 1,
                            // How often one acknowledges depends on how much came; that one does is enough.
                            3 if found.iter().any(|line| line == "Acknowledgement") => {}
                            3 => found.push("Acknowledgement".to_owned()),
                            _ => found.push(message_lines::message(&message)),
                        }
                    }
                }
                Err(wrong) => found.push(format!("malformed: {wrong}")),
            }
            let present = |count: usize, what: &str| (count > 0).then(|| format!("({what})"));
            found.extend(present(media[0], "pictures"));
            found.extend(present(media[1], "sound"));
            found
        }
        Service::Http | Service::Api => {
            let mut reader = ResponseReader::new();
            let mut found = Vec::new();
            for event in reader.push(bytes).unwrap_or_default() {
                if let HttpEvent::Head { status, headers } = event {
                    found.push(format!("HTTP {status}"));
                    found.extend(headers.iter().map(|(name, value)| format!("  {name}: {value}")));
                }
            }
            found.extend(reader.wrong().map(|wrong| format!("malformed: {wrong}")));
            found
        }
    }
}

#[cfg(test)]
mod tests {
    use super::report;
    use crate::capture::{Capture, shelf};

    #[test]
    fn what_nginx_says_otherwise_is_told_message_by_message() {
        let capture = Capture::load(&shelf(), "rtmp/ffmpeg-5.1-publish-nginx").expect("it is there");
        let text = report(&capture);
        assert!(text.starts_with("#0 Rtmp: - nginx-rtmp 1.2.2, + Dacapo\n"), "{text}");
        assert!(text.contains("\n- Set Chunk Size 4096\n"), "{text}");
        assert!(text.contains("\n+ Set Chunk Size 60000\n"), "{text}");
    }

    #[test]
    fn the_server_of_that_day_was_ours_and_says_the_same_but_for_names() {
        let capture = Capture::load(&shelf(), "rtmp/ffmpeg-5.1-publish").expect("it is there");
        let names = |line: &&str| line.contains("clientid") || line.contains(" id: ");
        let text = report(&capture);
        let other: Vec<&str> = text.lines().filter(|line| line.starts_with(['-', '+'])).collect();
        assert!(!other.is_empty() && other.iter().all(names), "{text}");
    }
}
