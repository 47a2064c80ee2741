//! Lays frames out in a format, in order, once for all players of that format.
