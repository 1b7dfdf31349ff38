//! What rustc says about the types around a derived job.

extern crate legwork_core as legwork;

use legwork_macros::Job;
use serde::{Deserialize, Serialize};

#[derive(Job)]
#[job(name = "no.serde")]
struct NoSerde;

fn up(args: u8) -> Result<Upgraded, String> {
    Err(args.to_string())
}

#[derive(Serialize, Deserialize, Job)]
#[job(name = "upgraded", version = 2, upgrade = up)]
struct Upgraded;

fn main() {}
