//! The flows that the browser tests click through, one file per subject.

mod jobs;
mod keyboard;
mod overview;
mod queues;
mod recurring;
mod safety;
mod scripts_off;
mod theme;
