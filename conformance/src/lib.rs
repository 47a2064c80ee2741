//! Judges the server by programs that are not ours: FFmpeg, GStreamer, OBS, VLC, Chromium, tshark.
