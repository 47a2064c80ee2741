//! Fragmented MP4 (CMAF): initialisation segments and media fragments.
