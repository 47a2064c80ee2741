//! Many measurements (JSON, one a line) joined to a table of medians, with ratios to chosen servers.
//!
//! Ratios are taken within each round, where the servers ran one right after the other, and the median of
//! those is shown: noise that lasts longer than a round cancels out.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The measurements of one server in one case, by round.
type Rounds = BTreeMap<u64, Value>;

/// Players, streams and protocol.
type Case = (u64, u64, String);

const COLUMNS: &[&str] = &[
    "players",
    "streams",
    "protocol",
    "server",
    "runs",
    "delivered",
    "worst",
    "complete",
    "stalls",
    "video ms p50 / p99 / max",
    "audio p50",
    "all p50",
    "first frame ms",
    "core %",
    "CPU s/Gbit",
];

/// Follow the ratios.
const COLUMNS_AFTER: &[&str] = &["RSS KiB/player", "peak MiB", "load %", "others %"];

/// The table of `lines`. `bases` are the servers to which CPU per Gbit is related.
pub fn table(lines: &str, bases: &[String]) -> Result<String, serde_json::Error> {
    let mut order: Vec<String> = Vec::new();
    let mut cases: BTreeMap<Case, BTreeMap<String, Rounds>> = BTreeMap::new();
    for line in lines.lines().filter(|line| !line.trim().is_empty()) {
        let value: Value = serde_json::from_str(line)?;
        let number = |name: &str| value[name].as_u64().unwrap_or_default();
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let (server, round) = (text("server"), number("round"));
        if !order.contains(&server) {
            order.push(server.clone());
        }
        let case = (number("players"), number("streams"), text("protocol"));
        cases.entry(case).or_default().entry(server).or_default().insert(round, value);
    }
    lend_bare_loops(&mut cases);

    let ratios = bases.iter().map(|base| format!("x {base}"));
    let after = COLUMNS_AFTER.iter().map(ToString::to_string);
    let mut rows: Vec<Vec<String>> =
        vec![COLUMNS.iter().map(ToString::to_string).chain(ratios).chain(after).collect()];
    let mut wrongs: Vec<String> = Vec::new();
    for (case, servers) in &cases {
        for server in &order {
            if let Some(rounds) = servers.get(server) {
                let ratios = bases.iter().map(|base| ratio(rounds, servers.get(base)));
                rows.push(row(case, server, rounds, ratios));
                wrongs.extend(wrong(case, server, rounds));
            }
        }
    }
    Ok(aligned(&rows) + &wrongs.concat())
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

/// The bare loop speaks no protocol: it is shown beside each, for as many players and streams.
fn lend_bare_loops(cases: &mut BTreeMap<Case, BTreeMap<String, Rounds>>) {
    let bare: Vec<_> = cases.iter().filter(|((.., protocol), _)| protocol == "bare").collect();
    let bare: Vec<_> = bare.into_iter().map(|(case, servers)| (case.clone(), servers.clone())).collect();
    for (case, lent) in bare {
        let mut used = false;
        for ((players, streams, protocol), servers) in cases.iter_mut() {
            if (*players, *streams) == (case.0, case.1) && protocol != "bare" {
                used = true;
                servers.extend(lent.clone());
            }
        }
        if used {
            cases.remove(&case);
        }
    }
}

fn row(case: &Case, server: &str, rounds: &Rounds, ratios: impl Iterator<Item = Option<f64>>) -> Vec<String> {
    let median = |name: &str| median(rounds.values().filter_map(|value| value[name].as_f64()));
    let show = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
    };
    let worst = rounds.values().filter_map(|value| value["worst"].as_f64()).reduce(f64::min);
    let [p50, p99, max] = ["p50", "p99", "max"].map(|name| median(&format!("video_{name}_ms")));
    let (players, streams, protocol) = case;
    let mut cells = vec![
        players.to_string(),
        streams.to_string(),
        protocol.clone(),
        server.to_owned(),
        rounds.len().to_string(),
        show(median("delivered"), 4),
        show(worst, 4),
        show(median("complete"), 0),
        show(median("stalls"), 0),
        format!("{} / {} / {}", show(p50, 2), show(p99, 1), show(max, 1)),
        show(median("audio_p50_ms"), 2),
        show(median("latency_p50_ms"), 2),
        show(median("first_p50_ms"), 1),
        show(median("core_percent"), 1),
        show(median("cpu_per_gbit"), 4),
    ];
    cells.extend(ratios.map(|ratio| show(ratio, 2)));
    let peak_mib = median("rss_peak_kib").map(|kib| kib / 1024.0);
    cells.extend([
        show(median("rss_per_player_kib"), 1),
        show(peak_mib, 1),
        show(median("load_percent"), 0),
        show(median("others_percent"), 0),
    ]);
    cells
}

/// A line that tells what the players missed in all rounds together; `None` if nothing.
fn wrong(case: &Case, server: &str, rounds: &Rounds) -> Option<String> {
    let sum = |name: &str| rounds.values().filter_map(|value| value[name].as_u64()).sum::<u64>();
    let sums = ["failed", "lost", "torn", "repeated", "corrupt"].map(|name| (name, sum(name)));
    let told: Vec<String> =
        sums.iter().filter(|(_, sum)| *sum > 0).map(|(name, sum)| format!("{sum} {name}")).collect();
    let fault = rounds.values().find_map(|value| value["fault"].as_str()).unwrap_or("no connection failed");
    let (players, streams, protocol) = case;
    let what = format!("{server}, {players} players, {streams} streams, {protocol}");
    (!told.is_empty()).then(|| format!("\n{what}: {} ({fault})\n", told.join(", ")))
}

/// The median over the rounds in which both ran.
fn ratio(rounds: &Rounds, base: Option<&Rounds>) -> Option<f64> {
    let base = base?;
    median(rounds.iter().filter_map(|(round, value)| {
        let theirs = base.get(round)?["cpu_per_gbit"].as_f64()?;
        Some(value["cpu_per_gbit"].as_f64()? / theirs)
    }))
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some((lower + upper) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_medians_of_the_rounds_and_bare_loops_stand_beside_each_protocol() {
        let mut lines = String::new();
        for (server, protocol, costs) in [
            ("bare", "bare", [0.1, 0.2, 0.4]),
            ("ours", "rtmp", [0.2, 0.2, 0.8]),
            ("ours", "flv", [0.3, 0.6, 1.2]),
        ] {
            for (round, cost) in costs.iter().enumerate() {
                let value = serde_json::json!({
                    "server": server, "round": round, "protocol": protocol, "players": 10, "streams": 1,
                    "cpu_per_gbit": cost,
                });
                let _ = writeln!(lines, "{value}");
            }
        }
        let table = table(&lines, &["bare".to_owned()]).expect("JSON");
        let rows: Vec<String> = table.lines().skip(2).map(|row| row.replace(' ', "")).collect();
        assert_eq!(rows.len(), 4);
        assert!(rows[0].starts_with("|10|1|flv|bare|3|") && rows[0].contains("|0.2000|1.00|"));
        assert!(rows[1].starts_with("|10|1|flv|ours|3|") && rows[1].contains("|0.6000|3.00|"));
        assert!(rows[3].starts_with("|10|1|rtmp|ours|3|") && rows[3].contains("|0.2000|2.00|"));
    }
}
