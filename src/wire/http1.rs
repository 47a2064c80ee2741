//! HTTP/1.1 requests in, response heads out.
