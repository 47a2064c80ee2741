//! Cuts a stream into HLS segments and answers for its playlists.
