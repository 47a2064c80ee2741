//! Marks at rare branches of the core, for the simulator.
//!
//! A check that never fails may be a check that never ran. So each rare branch has a mark, and a campaign of
//! the simulator fails if it did not reach all of them. Outside of the simulator a mark costs one comparison.

/// The log target of marks.
pub const TARGET: &str = "reached";

/// Marks this place as reached. Takes one literal, the name of the place.
#[macro_export]
macro_rules! reached {
    ($place:literal) => {
        log::trace!(target: $crate::base::reached::TARGET, $place)
    };
}
