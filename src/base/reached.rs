//! Marks at the places that a simulation must have been to.
//!
//! A check that never fails may be a check that never ran. So the rare branches of the core carry a mark, and
//! a campaign in which one of them was never reached is red. Outside a simulation a mark costs one
//! comparison.

/// The log target of marks.
pub const TARGET: &str = "reached";

/// Says that this place was reached. Takes one literal, which names the place.
#[macro_export]
macro_rules! reached {
    ($place:literal) => {
        log::trace!(target: $crate::base::reached::TARGET, $place)
    };
}
