//! RTMP messages: control, commands, data, audio, video, aggregates.
