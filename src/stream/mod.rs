//! Streams: who publishes under which name, the ring of frames, and the players as cursors on it.
