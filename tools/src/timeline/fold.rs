//! What repeats itself is told once, then counted.
//!
//! A line repeats another if it is about the same connection and says the same, but for its numbers. Their
//! range is told with the count, when something more important happens to the connection, or after a while.

use crate::timeline::line::{Line, time};
use dacapo::base::time::Instant;
use dacapo::record::ConnNo;
use std::collections::BTreeMap;
use std::time::Duration;

/// Repetitions are told after so long at the latest.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lines that repeat, by connection and by the text that stays the same.
#[derive(Debug, Default)]
pub struct Folds {
    folds: BTreeMap<(Option<ConnNo>, String), Fold>,
    looked: Instant,
}

#[derive(Debug)]
struct Fold {
    /// When it was last told.
    told: Instant,
    /// The last repetition, and how many there were since it was last told.
    last: Line,
    count: u64,
    /// Of each pair that is a number, the least and the greatest.
    ranges: Vec<Option<(i64, i64)>>,
}

impl Folds {
    /// Takes a line; gives it back if it is to be told now.
    pub fn add(&mut self, line: Line) -> Option<Line> {
        let key = (line.conn_no, shape(&line));
        let numbers: Vec<Option<i64>> = line.pairs.iter().map(|(_, value)| value.parse().ok()).collect();
        let Some(fold) = self.folds.get_mut(&key) else {
            let told = line.at;
            self.folds.insert(key, Fold { told, last: line.clone(), count: 0, ranges: Vec::new() });
            return Some(line);
        };
        if fold.count == 0 {
            fold.ranges = numbers.iter().map(|number| number.map(|number| (number, number))).collect();
        }
        for (range, number) in fold.ranges.iter_mut().zip(numbers) {
            *range = range.zip(number).map(|((least, most), number)| (least.min(number), most.max(number)));
        }
        fold.count += 1;
        fold.last = line;
        None
    }

    /// Tells the repetitions of a connection, and forgets what it said.
    pub fn flush(&mut self, conn_no: Option<ConnNo>) -> Vec<Line> {
        let first = (conn_no, String::new());
        let keys = self.folds.range(first..).map(|(key, _)| key).take_while(|(other, _)| *other == conn_no);
        let keys: Vec<_> = keys.cloned().collect();
        in_order(keys.iter().filter_map(|key| self.folds.remove(key)?.line()).collect())
    }

    /// Tells the repetitions that have waited long enough at `now`.
    pub fn flush_old(&mut self, now: Instant) -> Vec<Line> {
        if now.since(self.looked) < PATIENCE / 10 {
            return Vec::new();
        }
        self.looked = now;
        let old = self.folds.values_mut().filter(|fold| fold.count > 0 && now.since(fold.told) >= PATIENCE);
        in_order(old.filter_map(Fold::line).collect())
    }

    /// Tells everything that is left.
    pub fn flush_all(&mut self) -> Vec<Line> {
        let folds = std::mem::take(&mut self.folds);
        in_order(folds.into_values().filter_map(|mut fold| fold.line()).collect())
    }
}

impl Fold {
    /// The repetitions as one line, if there are any.
    fn line(&mut self) -> Option<Line> {
        if self.count == 0 {
            return None;
        }
        let mut line = self.last.clone();
        if self.count > 1 {
            line.words =
                format!("{} ({} times since {})", line.words, self.count, time(self.told).trim_start());
        }
        for ((_, value), range) in line.pairs.iter_mut().zip(&self.ranges) {
            if let Some((least, most)) = range.filter(|(least, most)| least != most) {
                *value = format!("{least}..{most}");
            }
        }
        self.count = 0;
        self.told = line.at;
        Some(line)
    }
}

fn in_order(mut lines: Vec<Line>) -> Vec<Line> {
    lines.sort_by_key(|line| line.at);
    lines
}

/// What stays the same in lines that repeat one another.
fn shape(line: &Line) -> String {
    let mut shape = format!("{:?} {}", line.mark, without_digits(&line.words));
    for (key, value) in &line.pairs {
        shape.push(' ');
        shape.push_str(key);
        if value.parse::<i64>().is_err() {
            shape.push_str(value);
        }
    }
    shape
}

fn without_digits(words: &str) -> String {
    words.chars().filter(|c| !c.is_ascii_digit()).collect()
}

#[cfg(test)]
mod tests {
    use super::Folds;
    use crate::timeline::line::{Line, Mark};
    use dacapo::base::time::Instant;
    use dacapo::record::ConnNo;
    use log::Level;

    fn line(ms: u64, conn_no: u32, words: &str, frame: u64) -> Line {
        Line {
            at: Instant::from_micros(ms * 1000),
            conn_no: Some(ConnNo(conn_no)),
            mark: Mark::Decided,
            level: Level::Debug,
            words: words.to_owned(),
            pairs: vec![("frame".to_owned(), frame.to_string())],
        }
    }

    fn told(lines: Vec<Line>) -> Vec<String> {
        lines.iter().map(|line| line.text("", None).rsplit(" - ").next().expect("words").to_owned()).collect()
    }

    #[test]
    fn the_first_is_told_at_once_and_the_others_together() {
        let mut folds = Folds::default();
        assert!(folds.add(line(0, 1, "keyframe", 0)).is_some());
        assert!(folds.add(line(10, 2, "keyframe", 0)).is_some(), "another connection");
        assert!(folds.add(line(20, 1, "headers", 0)).is_some(), "other words");
        for second in 1..=3 {
            assert!(folds.add(line(second * 1000, 1, "keyframe", second * 25)).is_none());
        }
        assert_eq!(told(folds.flush(Some(ConnNo(1)))), ["keyframe (3 times since 0.000000) frame=25..75"]);
        assert!(folds.add(line(4000, 1, "keyframe", 100)).is_some(), "it is news again");
    }

    #[test]
    fn repetitions_do_not_wait_for_ever() {
        let mut folds = Folds::default();
        let mut lines = Vec::new();
        for second in 0..25 {
            lines.extend(folds.flush_old(Instant::from_micros(second * 1_000_000)));
            folds.add(line(second * 1000, 1, "keyframe", second));
        }
        lines.extend(folds.flush_all());
        assert_eq!(
            told(lines),
            [
                "keyframe (9 times since 0.000000) frame=1..9",
                "keyframe (9 times since 9.000000) frame=10..18",
                "keyframe (6 times since 18.000000) frame=19..24",
            ]
        );
    }
}
