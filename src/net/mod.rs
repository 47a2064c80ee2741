//! The shell for production: mio, sockets, files, DNS, processes, signals, the real clock.
