//! Many measurements (JSON, one a line) joined to tables of medians, with ratios to chosen servers.
//!
//! Ratios are taken within each round, where the servers ran one right after the other, and the median of
//! those is shown: noise that lasts longer than a round cancels out.

use crate::sheet::{LOAD_MAX, Rounds, SHEETS, Sheet, is_overloaded, median, number};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The name that stands, among those to which others are related, for the bare loop with the same rule.
pub const SAME_RULE: &str = "rule";

/// What is compared within: the fields of a sheet's keys.
type Case = Vec<Key>;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Number(u64),
    Text(String),
}

type Cases = BTreeMap<Case, BTreeMap<String, Rounds>>;

/// The tables of `lines`, one for each kind of measurement. `bases` are the servers to which CPU per Gbit is
/// related; [`SAME_RULE`] among them is the bare loop that flushes as the server does. Where a base was
/// measured with several rules, as `NAME-RULE`, each server is related to the one with its own.
pub fn table(lines: &str, bases: &[String]) -> Result<String, serde_json::Error> {
    let mut tables = Vec::new();
    let lines: Vec<Value> = lines
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    for sheet in SHEETS {
        let chosen: Vec<&Value> = lines.iter().filter(|value| value["kind"] == sheet.kind).collect();
        if !chosen.is_empty() {
            tables.push(one(sheet, &chosen, bases));
        }
    }
    Ok(tables.join("\n"))
}

fn one(sheet: &Sheet, values: &[&Value], bases: &[String]) -> String {
    let mut order: Vec<String> = Vec::new();
    let mut cases = Cases::new();
    for value in values {
        let server = value["server"].as_str().unwrap_or_default().to_owned();
        let round = value["round"].as_u64().unwrap_or_default();
        if !order.contains(&server) {
            order.push(server.clone());
        }
        let case = sheet.keys.iter().map(|(_, field)| key(&value[*field])).collect();
        cases.entry(case).or_default().entry(server).or_default().insert(round, (*value).clone());
    }
    lend_bare_loops(&mut cases);

    let mut head: Vec<String> = sheet.keys.iter().map(|(title, _)| (*title).to_owned()).collect();
    head.push("server".to_owned());
    head.extend(sheet.before.iter().map(|(title, _)| (*title).to_owned()));
    head.extend(bases.iter().map(|base| match base.as_str() {
        SAME_RULE => "x same rule".to_owned(),
        base => format!("x {base}"),
    }));
    head.extend(sheet.after.iter().map(|(title, _)| (*title).to_owned()));
    let mut rows = vec![head];
    let mut notes: Vec<String> = Vec::new();
    for (case, servers) in &cases {
        for server in &order {
            let Some(rounds) = servers.get(server) else { continue };
            let mut row: Vec<String> = case.iter().map(Key::to_string).collect();
            row.push(server.clone());
            row.extend(sheet.before.iter().map(|(_, cell)| cell.show(rounds)));
            row.extend(bases.iter().map(|base| number(ratio(rounds, base_of(base, server, servers)), 2)));
            row.extend(sheet.after.iter().map(|(_, cell)| cell.show(rounds)));
            rows.push(row);
            notes.extend(note(case, server, rounds));
        }
    }
    aligned(&without_empty(rows)) + &notes.concat()
}

fn key(value: &Value) -> Key {
    value.as_u64().map_or_else(|| Key::Text(value.as_str().unwrap_or("-").to_owned()), Key::Number)
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Key::Number(number) => write!(f, "{number}"),
            Key::Text(text) => f.write_str(text),
        }
    }
}

/// The same without columns that hold nothing.
fn without_empty(rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let says = |column: usize| rows[1..].iter().any(|row| row[column] != "-");
    let said: Vec<bool> = (0..rows[0].len()).map(says).collect();
    let keep = |row: Vec<String>| row.into_iter().zip(&said).filter(|(_, says)| **says).map(|(cell, _)| cell);
    rows.into_iter().map(|row| keep(row).collect()).collect()
}

/// A Markdown table that can be read as it is.
fn aligned(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let mut out = String::new();
    for (number, row) in rows.iter().enumerate() {
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(out, "| {cell:>width$} ");
        }
        out.push_str("|\n");
        if number == 0 {
            widths.iter().for_each(|width| _ = write!(out, "|{:->1$}:", "", width + 1));
            out.push_str("|\n");
        }
    }
    out
}

/// The bare loop speaks no protocol: it is shown beside each, in the same case otherwise.
fn lend_bare_loops(cases: &mut Cases) {
    let bare = Key::Text("bare".to_owned());
    let is_bare = |case: &Case| case.last() == Some(&bare);
    let lent: Vec<_> = cases.iter().filter(|(case, _)| is_bare(case)).collect();
    let lent: Vec<_> = lent.into_iter().map(|(case, servers)| (case.clone(), servers.clone())).collect();
    for (case, servers) in lent {
        let mut used = false;
        for (other, theirs) in cases.iter_mut() {
            if other[..other.len() - 1] == case[..case.len() - 1] && !is_bare(other) {
                used = true;
                theirs.extend(servers.clone());
            }
        }
        if used {
            cases.remove(&case);
        }
    }
}

/// What the load could not do, and what the players missed in all rounds together; `None` if nothing.
fn note(case: &Case, server: &str, rounds: &Rounds) -> Option<String> {
    let mut told: Vec<String> = Vec::new();
    if is_overloaded(rounds) {
        told.push(format!("says nothing, the load itself used more than {LOAD_MAX} % of its processor"));
    }
    let sum = |name: &str| rounds.values().filter_map(|value| value[name].as_u64()).sum::<u64>();
    let missed =
        ["failed", "lost", "torn", "repeated", "corrupt", "without", "errors", "differing", "missed"];
    let sums = missed.map(|name| (sum(name), name));
    told.extend(sums.iter().filter(|(sum, _)| *sum > 0).map(|(sum, name)| format!("{sum} {name}")));
    let fault = rounds.values().find_map(|value| value["fault"].as_str());
    told.extend(fault.map(|fault| format!("the first fault was: {fault}")));
    let case: Vec<String> = case.iter().map(Key::to_string).collect();
    (!told.is_empty()).then(|| format!("\n{server}, {}: {}\n", case.join(", "), told.join(", ")))
}

/// The rounds of the server to which `server` is related.
fn base_of<'a>(base: &str, server: &str, servers: &'a BTreeMap<String, Rounds>) -> Option<&'a Rounds> {
    let with_its_rule = |base: &str| servers.get(&format!("{base}-{}", rule(server)?));
    match base {
        SAME_RULE => with_its_rule("bare"),
        base => with_its_rule(base).or_else(|| servers.get(base)),
    }
}

/// When a server flushes, by its name: `dacapo-350` every 350 ms; Dacapo itself at pictures.
pub fn rule(server: &str) -> Option<&str> {
    match server.rsplit_once('-') {
        Some((_, rule @ ("frame" | "video"))) => Some(rule),
        Some((_, ms)) if ms.parse::<u64>().is_ok() => Some(ms),
        _ => (server == "dacapo").then_some("video"),
    }
}

/// The median over the rounds in which both ran.
fn ratio(rounds: &Rounds, base: Option<&Rounds>) -> Option<f64> {
    let base = base?;
    let ratio = |(round, value): (&u64, &Value)| {
        let theirs = base.get(round)?["cpu_per_gbit"].as_f64()?;
        Some(value["cpu_per_gbit"].as_f64()? / theirs)
    };
    median(rounds.iter().filter_map(ratio).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(server: &str, protocol: &str, round: usize, cost: f64, load: f64) -> String {
        let value = serde_json::json!({
            "kind": "run", "server": server, "round": round, "protocol": protocol, "players": 10,
            "streams": 1, "cpu_per_gbit": cost, "load_percent": load,
        });
        format!("{value}\n")
    }

    #[test]
    fn ratios_are_medians_of_the_rounds_and_bare_loops_stand_beside_each_protocol() {
        let mut lines = String::new();
        for (server, protocol, costs) in [
            ("bare-video", "bare", [0.1, 0.2, 0.4]),
            ("bare-350", "bare", [0.2, 0.1, 0.1]),
            ("dacapo", "rtmp", [0.2, 0.2, 0.8]),
            ("dacapo-350", "flv", [0.3, 0.6, 1.2]),
        ] {
            for (round, cost) in costs.iter().enumerate() {
                lines += &line(server, protocol, round, *cost, 50.0);
            }
        }
        let table = table(&lines, &["bare-video".to_owned(), SAME_RULE.to_owned()]).expect("JSON");
        let rows: Vec<String> = table.lines().skip(2).map(|row| row.replace(' ', "")).collect();
        assert_eq!(rows.len(), 6, "{table}");
        assert_eq!(rows[0], "|10|1|flv|bare-video|3|0.2000|1.00|1.00|50|");
        assert_eq!(rows[2], "|10|1|flv|dacapo-350|3|0.6000|3.00|6.00|50|");
        assert_eq!(rows[5], "|10|1|rtmp|dacapo|3|0.2000|2.00|2.00|50|");
    }

    #[test]
    fn a_server_is_related_to_the_base_with_its_own_rule() {
        let mut lines = String::new();
        for (server, cost) in [
            ("before-video", 0.1),
            ("before-frame", 0.4),
            ("dacapo", 0.2),
            ("dacapo-frame", 0.2),
            ("nginx", 0.8),
        ] {
            lines += &line(server, "rtmp", 0, cost, 50.0);
        }
        let table = table(&lines, &["before".to_owned(), "nginx".to_owned()]).expect("JSON");
        let rows: Vec<String> = table.lines().skip(2).map(|row| row.replace(' ', "")).collect();
        assert_eq!(rows[2], "|10|1|rtmp|dacapo|1|0.2000|2.00|0.25|50|");
        assert_eq!(rows[3], "|10|1|rtmp|dacapo-frame|1|0.2000|0.50|0.25|50|");
        assert_eq!(rows[4], "|10|1|rtmp|nginx|1|0.8000|-|1.00|50|");
    }

    #[test]
    fn a_load_without_time_is_told() {
        let table = table(&line("dacapo", "rtmp", 0, 0.1, 97.0), &[]).expect("JSON");
        assert!(table.contains(" 97 ! |") && table.contains("dacapo, 10, 1, rtmp: says nothing"), "{table}");
    }

    #[test]
    fn a_rule_is_found_in_the_name() {
        let rules = ["dacapo", "dacapo-frame", "bare-100", "nginx", "srs-ll"].map(rule);
        assert_eq!(rules, [Some("video"), Some("frame"), Some("100"), None, None]);
    }
}
