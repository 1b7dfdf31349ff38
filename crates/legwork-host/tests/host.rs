//! The host from outside: lifecycle, supervision, stop, timers, task queue, HTTP.
//!
//! Time is paused wherever no socket is involved. What only a process can show is in `process.rs`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[cfg(feature = "http")]
#[path = "host/http.rs"]
mod http;
#[path = "host/journal.rs"]
mod journal;
#[path = "host/lifecycle.rs"]
mod lifecycle;
#[path = "host/shutdown.rs"]
mod shutdown;
#[path = "host/supervision.rs"]
mod supervision;
#[path = "host/task_queue.rs"]
mod task_queue;
#[path = "host/timers.rs"]
mod timers;
