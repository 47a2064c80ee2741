//! Counts numbers in buckets about 3 % wide, without keeping them.

/// Numbers that have a bucket of their own; twice the buckets per power of two.
const STEPS: u64 = 64;

/// How often which number came.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { counts: vec![0; bucket(u64::MAX) + 1], total: 0, max: 0 }
    }
}

impl Histogram {
    /// One more `value`.
    pub fn add(&mut self, value: u64) {
        self.counts[bucket(value)] += 1;
        self.total += 1;
        self.max = self.max.max(value);
    }

    /// The numbers of both.
    pub fn merge(&self, other: &Histogram) -> Histogram {
        let counts = self.counts.iter().zip(&other.counts).map(|(a, b)| a + b).collect();
        Histogram { counts, total: self.total + other.total, max: self.max.max(other.max) }
    }

    /// The smallest value that at least this share of all values does not exceed; 0 if there are none.
    pub fn quantile(&self, share: f64) -> u64 {
        let wanted = (self.total as f64 * share).ceil().max(1.0) as u64;
        let mut sum = 0;
        for (index, count) in self.counts.iter().enumerate() {
            sum += count;
            if sum >= wanted {
                return highest(index).min(self.max);
            }
        }
        0
    }

    /// The largest value.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// How many values.
    pub fn total(&self) -> u64 {
        self.total
    }
}

/// Values below `STEPS` have a bucket each; above, each power of two is cut into `STEPS / 2`.
fn bucket(value: u64) -> usize {
    let shift = (u64::BITS - (value | (STEPS - 1)).leading_zeros()) - STEPS.ilog2();
    usize::try_from(u64::from(shift) * (STEPS / 2) + (value >> shift)).expect("a few thousand buckets")
}

/// The highest value of a bucket.
fn highest(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < STEPS {
        return bucket;
    }
    let shift = bucket / (STEPS / 2) - 1;
    let step = bucket - shift * (STEPS / 2);
    (step << shift) | ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bucket_holds_its_values() {
        let mut last = 0;
        for value in (0..10_000).chain([1 << 40, u64::MAX]) {
            let index = bucket(value);
            assert!(index >= last);
            last = index;
            assert!(highest(index) >= value);
            assert!(highest(index) as f64 <= value as f64 * 1.04 + 1.0, "{value} in {index}");
            assert_eq!(bucket(highest(index)), index);
        }
    }

    #[test]
    fn quantiles_are_near_the_truth() {
        let mut histogram = Histogram::default();
        (1..=1000).for_each(|value| histogram.add(value * 1000));
        assert!((500_000..520_000).contains(&histogram.quantile(0.5)));
        assert!((990_000..1_000_001).contains(&histogram.quantile(0.99)));
        assert_eq!(histogram.max(), 1_000_000);
        assert_eq!(Histogram::default().quantile(0.5), 0);
    }
}
