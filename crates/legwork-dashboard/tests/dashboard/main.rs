//! The pages over HTTP: what they show, what they do, whom they refuse.
//!
//! Each page has a file of its name; `shop` is what they all stand on. No test opens a socket.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what helps a test fails it by panicking, like the test itself"
)]

mod access;
mod cross_site;
mod headers;
mod hostile;
mod job;
mod jobs;
mod live;
mod overview;
mod prefix;
mod queues;
mod recurring;
mod servers;
mod shop;
