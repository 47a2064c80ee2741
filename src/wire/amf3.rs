//! AMF3 values (Action Message Format 3).
