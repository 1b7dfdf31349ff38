//! What `#[legwork::job]` refuses.

extern crate legwork_core as legwork;

use legwork_macros::job;

#[job(name = "not.async")]
fn not_async() {}

#[job(name = "pattern")]
async fn pattern((a, b): (u8, u8)) {}

#[job(name = "borrowed")]
async fn borrowed(name: &str) {}

#[job]
async fn no_name() {}

#[job(name = "generic")]
async fn generic<T>(value: T) {}

fn main() {}
