//! Consumers for tests.

pub mod slow;
