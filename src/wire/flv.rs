//! FLV files and tags, with the enhanced-RTMP extensions.
