//! What the tables show: for each kind of measurement its columns, and how many rounds become one cell.

use serde_json::Value;
use std::collections::BTreeMap;

/// The measurements of one server in one case, by round.
pub(crate) type Rounds = BTreeMap<u64, Value>;

/// The table of one kind of measurement.
#[derive(Debug)]
pub(crate) struct Sheet {
    /// As the JSON calls it.
    pub(crate) kind: &'static str,
    /// What makes a case; servers are compared within a case. Title and field.
    pub(crate) keys: &'static [(&'static str, &'static str)],
    /// What stands before the ratios, and after.
    pub(crate) before: &'static [Column],
    pub(crate) after: &'static [Column],
}

/// One column: its title, and its cells.
pub(crate) type Column = (&'static str, Cell);

/// How many rounds become one cell; field and digits.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell {
    /// The median.
    Mid(&'static str, usize),
    /// The smallest.
    Min(&'static str, usize),
    /// The largest.
    Max(&'static str, usize),
    /// All together.
    Sum(&'static str),
    /// Medians of `NAME_p50_ms`, `NAME_p99_ms` and `NAME_max_ms`.
    Three(&'static str),
    /// The largest, KiB shown as MiB.
    Mib(&'static str),
    /// The load's own share of its processor: above [`LOAD_MAX`] it had no time left, and that is marked.
    Load,
    /// The numbers of a list, of the first round.
    List(&'static str, f64),
    /// How many rounds there were.
    Runs,
}

/// Percent of a processor above which the load may be what is measured.
pub(crate) const LOAD_MAX: f64 = 90.0;

use Cell::{List, Load, Max, Mib, Mid, Min, Runs, Sum, Three};

/// All kinds, in the order in which their tables come.
pub(crate) const SHEETS: &[Sheet] = &[
    Sheet {
        kind: "run",
        keys: &[("players", "players"), ("streams", "streams"), ("protocol", "protocol")],
        before: &[
            ("runs", Runs),
            ("delivered", Min("delivered", 4)),
            ("worst", Min("worst", 4)),
            ("most/least", Max("spread", 2)),
            ("complete", Min("complete", 0)),
            ("without", Max("empty", 0)),
            ("lost", Sum("lost")),
            ("torn", Sum("torn")),
            ("stalls", Sum("stalls")),
            ("pause ms", Mid("pause_ms", 0)),
            ("video ms p50 / p99 / max", Three("video")),
            ("age ms p50 / p99 / max", Three("age")),
            ("audio p50", Mid("audio_p50_ms", 2)),
            ("all p50", Mid("latency_p50_ms", 2)),
            ("first frame ms", Mid("first_p50_ms", 1)),
            ("API ms p50 / p99 / max", Three("answer")),
            ("unanswered", Sum("unanswered")),
            ("core %", Mid("core_percent", 1)),
            ("user us/frame", Mid("user_us_per_frame", 1)),
            ("CPU s/Gbit", Mid("cpu_per_gbit", 4)),
        ],
        after: &[
            ("RSS KiB/player", Mid("rss_per_player_kib", 1)),
            ("peak MiB", Mib("rss_peak_kib")),
            ("load %", Load),
            ("others %", Mid("others_percent", 0)),
        ],
    },
    Sheet {
        kind: "join",
        keys: &[("watchers", "watchers"), ("newcomers", "newcomers"), ("protocol", "protocol")],
        before: &[
            ("runs", Runs),
            ("within s", Mid("within_seconds", 0)),
            ("without", Max("without", 0)),
            ("first frame ms p50 / p99 / max", Three("first")),
            ("from asking", Three("asked")),
            ("watchers before", Three("calm")),
            ("watchers then", Three("disturbed")),
            ("p99 grows by", Mid("grown_p99_ms", 1)),
            ("core %", Mid("core_percent", 1)),
        ],
        after: &[("load %", Load), ("others %", Mid("others_percent", 0))],
    },
    Sheet {
        kind: "memory",
        keys: &[("what", "what"), ("protocol", "protocol")],
        before: &[
            ("runs", Runs),
            ("how many", List("numbers", 1.0)),
            ("RSS MiB", List("rss_kib", 1024.0)),
            ("KiB each", Mid("each_kib", 2)),
            ("MiB without", Mib("base_kib")),
            ("KiB off the line", Max("off_max_kib", 0)),
            ("failed", Max("failed", 0)),
        ],
        after: &[],
    },
    Sheet {
        kind: "hls",
        keys: &[("viewers", "viewers")],
        before: &[
            ("runs", Runs),
            ("segments", Mid("segments", 0)),
            ("playlists", Mid("playlists", 0)),
            ("of bitrate", Min("of_bitrate", 3)),
            ("errors", Sum("errors")),
            ("differing", Sum("differing")),
            ("missed", Sum("missed")),
            ("segment ms p50 / p99 / max", Three("segment")),
            ("playlist", Three("playlist")),
            ("first segment", Three("first")),
            ("core %", Mid("core_percent", 1)),
            ("CPU s/Gbit", Mid("cpu_per_gbit", 4)),
        ],
        after: &[("RSS MiB", Mib("rss_kib")), ("load %", Load), ("others %", Mid("others_percent", 0))],
    },
];

impl Cell {
    /// What it shows; `-` if nothing is known.
    pub(crate) fn show(self, rounds: &Rounds) -> String {
        let all = |name: &str| rounds.values().filter_map(|value| value[name].as_f64()).collect::<Vec<_>>();
        match self {
            Mid(name, digits) => number(median(all(name)), digits),
            Min(name, digits) => number(all(name).into_iter().reduce(f64::min), digits),
            Max(name, digits) => number(all(name).into_iter().reduce(f64::max), digits),
            Sum(name) => number(all(name).into_iter().reduce(|a, b| a + b), 0),
            Three(name) => three(|part| median(all(&format!("{name}_{part}_ms")))),
            Mib(name) => number(all(name).into_iter().reduce(f64::max).map(|kib| kib / 1024.0), 1),
            Load => number(median(all("load_percent")), 0) + if is_overloaded(rounds) { " !" } else { "" },
            List(name, unit) => list(rounds.values().next().map(|value| &value[name]), unit),
            Runs => rounds.len().to_string(),
        }
    }
}

/// True if the load had no time left.
pub(crate) fn is_overloaded(rounds: &Rounds) -> bool {
    median(rounds.values().filter_map(|value| value["load_percent"].as_f64()).collect())
        .is_some_and(|percent| percent > LOAD_MAX)
}

fn three(part: impl Fn(&str) -> Option<f64>) -> String {
    let [p50, p99, max] = ["p50", "p99", "max"].map(part);
    match p50 {
        None => "-".to_owned(),
        p50 => format!("{} / {} / {}", number(p50, 2), number(p99, 1), number(max, 1)),
    }
}

fn list(value: Option<&Value>, unit: f64) -> String {
    let numbers = value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_f64);
    let digits = usize::from(unit > 1.0);
    let cells: Vec<String> = numbers.map(|value| format!("{:.digits$}", value / unit)).collect();
    if cells.is_empty() { "-".to_owned() } else { cells.join(" / ") }
}

/// A number with so many digits behind the point; `-` for none.
pub(crate) fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

/// The one in the middle, or between the two there.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}
