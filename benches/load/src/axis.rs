//! One axis of a diagram: where a value stands, and where lines are drawn.

/// An axis with its name.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    name: String,
    from: f64,
    to: f64,
    log: bool,
}

/// Most lines of a linear axis.
const TICKS_MAX: f64 = 6.0;

impl Axis {
    /// Ratios are distances. Reaches a little beyond `ends`.
    pub(crate) fn log(name: &str, [least, most]: [f64; 2]) -> Self {
        Axis { name: name.to_owned(), from: least / 1.5, to: most * 1.5, log: true }
    }

    /// From zero to a little beyond the higher end.
    pub(crate) fn linear(name: &str, [_, most]: [f64; 2]) -> Self {
        Axis { name: name.to_owned(), from: 0.0, to: (most * 1.1).max(1.0), log: false }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Where a value stands: 0 at the beginning, 1 at the end.
    pub(crate) fn place(&self, value: f64) -> f64 {
        match self.log {
            true => (value / self.from).ln() / (self.to / self.from).ln(),
            false => (value - self.from) / (self.to - self.from),
        }
    }

    /// Round values on the axis: 1, 2 and 5 of each power of ten, or multiples of one of those.
    pub(crate) fn ticks(&self) -> Vec<f64> {
        let round = || (-4..7).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| rounded(digit, power)));
        if self.log {
            return round().filter(|tick| (self.from..=self.to).contains(tick)).collect();
        }
        let step = round().find(|step| self.to / step <= TICKS_MAX).unwrap_or(self.to);
        (0..=TICKS_MAX as u32).map(|n| f64::from(n) * step).filter(|tick| *tick <= self.to).collect()
    }
}

/// Exactly what its digits say, so that it is written with as few.
fn rounded(digit: f64, power: i32) -> f64 {
    if power < 0 { digit / 10_f64.powi(-power) } else { digit * 10_f64.powi(power) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_by_their_ratio_or_by_their_distance() {
        let log = Axis::log("ms", [1.5, 6.0 / 1.5]);
        assert!((log.place(1.0)).abs() < 1e-9 && (log.place(6.0) - 1.0).abs() < 1e-9);
        assert_eq!(log.ticks(), [1.0, 2.0, 5.0]);
        let linear = Axis::linear("players", [100.0, 4000.0]);
        assert!((linear.place(2200.0) - 0.5).abs() < 1e-9);
        assert_eq!(linear.ticks(), [0.0, 1000.0, 2000.0, 3000.0, 4000.0]);
        assert_eq!(Axis::log("s", [0.03, 0.4]).ticks(), [0.02, 0.05, 0.1, 0.2, 0.5]);
    }
}
