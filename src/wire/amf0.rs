//! AMF0 values (Action Message Format 0).
