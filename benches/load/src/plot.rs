//! The tables as pictures (SVG): what servers cost against the delay that they make, and memory over players.
//!
//! In: the same lines as [`crate::table`]. Out: a file that any browser shows. Colours stand for servers,
//! letters beside the marks for when they flush; both axes of the first are logarithmic, since what matters
//! are ratios.

use crate::axis::Axis;
use crate::sheet::median;
use crate::table::rule;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 340.0;

/// Around the area in which marks stand.
const LEFT: f64 = 62.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 36.0;
const BOTTOM: f64 = 46.0;

/// Height of the line that names the colours.
const LEGEND: f64 = 34.0;

/// Of servers, in the order in which they are named (Okabe and Ito: also for colour-blind readers).
const COLOURS: [&str; 7] = ["#0072b2", "#7f7f7f", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/// Marks of one colour, joined in the order of `x`.
#[derive(Clone, Debug, Default)]
struct Series {
    marks: Vec<(f64, f64, String)>,
}

/// What was measured of one server: its delays, and what they cost.
type Points = [Vec<f64>; 2];

/// One diagram.
#[derive(Clone, Debug)]
struct Panel {
    title: String,
    x: Axis,
    y: Axis,
    series: BTreeMap<String, Series>,
}

/// Processor time per gigabit over the median delay of pictures: a diagram for each protocol and number of
/// players. `None` if no line tells that.
pub fn cost(lines: &str) -> Result<Option<String>, serde_json::Error> {
    let mut found: BTreeMap<(bool, String, u64), BTreeMap<String, Points>> = BTreeMap::new();
    for value in values(lines, "run")? {
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let (delay, cost) = (value["video_p50_ms"].as_f64(), value["cpu_per_gbit"].as_f64());
        let (Some(delay), Some(cost)) = (delay, cost) else { continue };
        if delay <= 0.0 || cost <= 0.0 || value["streams"].as_u64() != Some(1) {
            continue;
        }
        // RTMP first; the bare loop speaks no protocol and is drawn beside each.
        let protocol = text("protocol");
        let case = (protocol != "rtmp", protocol, value["players"].as_u64().unwrap_or_default());
        let server = found.entry(case).or_default().entry(text("server")).or_default();
        server[0].push(delay);
        server[1].push(cost);
    }
    let bare: BTreeMap<u64, _> = found
        .iter()
        .filter(|((_, protocol, _), _)| protocol == "bare")
        .map(|((.., players), servers)| (*players, servers.clone()))
        .collect();
    found.retain(|(_, protocol, _), _| protocol != "bare");
    let mut panels = Vec::new();
    for ((_, protocol, players), mut servers) in found {
        servers.extend(bare.get(&players).cloned().unwrap_or_default());
        let mut series: BTreeMap<String, Series> = BTreeMap::new();
        for (server, [delays, costs]) in servers {
            let (Some(delay), Some(cost)) = (median(delays), median(costs)) else { continue };
            let letters = rule(&server).map_or_else(String::new, label);
            series.entry(family(&server)).or_default().marks.push((delay, cost, letters));
        }
        let (x, y) = extents(&series);
        let title = format!("{} players, {}", players, protocol.to_uppercase());
        let (x, y) = (Axis::log("median delay of pictures, ms", x), Axis::log("CPU s per Gbit", y));
        panels.push(Panel { title, x, y, series });
    }
    let across = panels.iter().filter(|panel| panel.title.ends_with("RTMP")).count().max(1);
    Ok((!panels.is_empty()).then(|| page(&panels, across)))
}

/// Resident memory over the number of players. `None` if no line tells that.
pub fn memory(lines: &str) -> Result<Option<String>, serde_json::Error> {
    let mut panels: BTreeMap<String, BTreeMap<String, Series>> = BTreeMap::new();
    for value in values(lines, "memory")? {
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let list = |name: &str| value[name].as_array().into_iter().flatten().filter_map(Value::as_f64);
        let marks = list("numbers").zip(list("rss_kib")).map(|(x, kib)| (x, kib / 1024.0, String::new()));
        let name = format!("{} {}", text("server"), text("protocol"));
        panels.entry(text("what")).or_default().insert(name, Series { marks: marks.collect() });
    }
    let panels: Vec<Panel> = panels
        .into_iter()
        .map(|(what, series)| {
            let (x, y) = extents(&series);
            let title = format!("resident memory, {what}");
            Panel { title, x: Axis::linear(&what, x), y: Axis::linear("MiB", y), series }
        })
        .collect();
    Ok((!panels.is_empty()).then(|| page(&panels, panels.len())))
}

fn values(lines: &str, kind: &str) -> Result<Vec<Value>, serde_json::Error> {
    let all: Vec<Value> = lines
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    Ok(all.into_iter().filter(|value| value["kind"] == kind).collect())
}

/// A server's name without its rule.
fn family(server: &str) -> String {
    match (rule(server), server.rsplit_once('-')) {
        (Some(rule), Some((family, last))) if rule == last => family,
        _ => server,
    }
    .replace("bare", "bare loop")
}

fn label(rule: &str) -> String {
    if rule.parse::<u64>().is_ok() { format!("{rule} ms") } else { rule.to_owned() }
}

/// The smallest and largest `x` and `y`.
fn extents(series: &BTreeMap<String, Series>) -> ([f64; 2], [f64; 2]) {
    let marks = || series.values().flat_map(|series| &series.marks);
    let ends = |of: &dyn Fn(&(f64, f64, String)) -> f64| {
        [marks().map(of).fold(f64::INFINITY, f64::min), marks().map(of).fold(0.0, f64::max)]
    };
    (ends(&|mark| mark.0), ends(&|mark| mark.1))
}

fn page(panels: &[Panel], across: usize) -> String {
    let mut names: Vec<&String> = panels.iter().flat_map(|panel| panel.series.keys()).collect();
    names.sort();
    names.dedup();
    // Ours first, whatever it is called beside the others.
    names.sort_by_key(|name| !name.starts_with("dacapo"));
    let colour = |name: &str| {
        let place = names.iter().position(|other| *other == name).unwrap_or_default();
        COLOURS[place % COLOURS.len()]
    };
    let down = panels.len().div_ceil(across);
    let (width, height) = (WIDTH * across as f64, HEIGHT * down as f64 + LEGEND);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"system-ui, sans-serif\" font-size=\"12\" fill=\"#222\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    let mut at = LEFT;
    for name in &names {
        let _ = writeln!(out, "<circle cx=\"{at}\" cy=\"18\" r=\"5\" fill=\"{}\"/>", colour(name));
        let _ = writeln!(out, "<text x=\"{}\" y=\"22\">{}</text>", at + 11.0, escaped(name));
        at += 36.0 + 7.0 * name.len() as f64;
    }
    for (index, panel) in panels.iter().enumerate() {
        let (x, y) = ((index % across) as f64 * WIDTH, (index / across) as f64 * HEIGHT + LEGEND);
        let _ = writeln!(out, "<g transform=\"translate({x} {y})\">");
        panel.draw(&mut out, &colour);
        out.push_str("</g>\n");
    }
    out.push_str("</svg>\n");
    out
}

impl Panel {
    fn draw(&self, out: &mut String, colour: &dyn Fn(&str) -> &'static str) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        let x = |value: f64| LEFT + self.x.place(value) * (right - LEFT);
        let y = |value: f64| bottom - self.y.place(value) * (bottom - TOP);
        let _ =
            writeln!(out, "<text x=\"{LEFT}\" y=\"24\" font-weight=\"600\">{}</text>", escaped(&self.title));
        for tick in self.x.ticks() {
            let at = x(tick);
            let _ = writeln!(out, "<path d=\"M{at:.1} {TOP}V{bottom}\" stroke=\"#e4e4e4\"/>");
            let words = format!("x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\"", bottom + 16.0);
            let _ = writeln!(out, "<text {words}>{tick}</text>");
        }
        for tick in self.y.ticks() {
            let at = y(tick);
            let _ = writeln!(out, "<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"#e4e4e4\"/>");
            let words = format!("x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\"", LEFT - 6.0, at + 4.0);
            let _ = writeln!(out, "<text {words}>{tick}</text>");
        }
        let middle = f64::midpoint(LEFT, right);
        let words = format!("x=\"{middle}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555\"", bottom + 36.0);
        let _ = writeln!(out, "<text {words}>{}</text>", escaped(self.x.name()));
        let turn = format!("transform=\"translate(14 {}) rotate(-90)\"", f64::midpoint(TOP, bottom));
        let name = escaped(self.y.name());
        let _ = writeln!(out, "<text {turn} text-anchor=\"middle\" fill=\"#555\">{name}</text>");
        for (name, series) in &self.series {
            let mut marks = series.marks.clone();
            marks.sort_by(|a, b| a.0.total_cmp(&b.0));
            let points: Vec<String> =
                marks.iter().map(|mark| format!("{:.1},{:.1}", x(mark.0), y(mark.1))).collect();
            let colour = colour(name);
            let _ = writeln!(
                out,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-opacity=\".45\"/>",
                points.join(" ")
            );
            for (mark, words) in marks.iter().map(|mark| ((x(mark.0), y(mark.1)), &mark.2)) {
                let (cx, cy) = mark;
                let _ = writeln!(out, "<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"4.5\" fill=\"{colour}\"/>");
                // The bare loop is the lowest line: its label stands below it.
                let down = if name.starts_with("bare") { 17.0 } else { -8.0 };
                let place = format!("x=\"{cx:.1}\" y=\"{:.1}\" text-anchor=\"middle\"", cy + down);
                let _ = writeln!(out, "<text {place} font-size=\"10\" fill=\"{colour}\">{words}</text>");
            }
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_protocol_has_its_diagram_and_the_bare_loop_stands_in_both() {
        let mut lines = String::new();
        for (server, protocol, delay, cost) in [
            ("bare-frame", "bare", 1.5, 0.36),
            ("bare-350", "bare", 170.0, 0.04),
            ("dacapo-frame", "rtmp", 2.0, 0.4),
            ("dacapo", "flv", 2.5, 0.25),
        ] {
            let value = json!({
                "kind": "run", "server": server, "protocol": protocol, "players": 500, "streams": 1,
                "video_p50_ms": delay, "cpu_per_gbit": cost,
            });
            let _ = writeln!(lines, "{value}");
        }
        let svg = cost(&lines).expect("JSON").expect("something to show");
        assert_eq!(svg.matches("<g ").count(), 2);
        assert_eq!(svg.matches("<circle").count(), 2 + 2 * 3, "{svg}");
        assert!(svg.contains("500 players, RTMP") && svg.contains("350 ms") && svg.contains("bare loop"));
        assert_eq!(memory(&lines).expect("JSON"), None);
    }

    #[test]
    fn memory_is_drawn_for_whatever_grows() {
        let value = json!({
            "kind": "memory", "server": "dacapo", "protocol": "rtmp", "what": "players",
            "numbers": [100, 1000, 4000], "rss_kib": [8000, 11000, 21000],
        });
        let svg = memory(&value.to_string()).expect("JSON").expect("something to show");
        assert!(svg.contains("resident memory, players") && svg.matches("<circle").count() == 4);
    }
}
