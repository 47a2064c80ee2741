//! Straightens what publishers call time.
