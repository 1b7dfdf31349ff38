//! What `#[debug_handler]` refuses by itself.

extern crate legwork_core as legwork;

use legwork_core::State;
use legwork_macros::{Job, debug_handler};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(name = "mail.welcome")]
struct SendWelcome;

#[debug_handler]
fn not_async(_job: SendWelcome) {}

#[debug_handler]
async fn no_arguments() {}

#[debug_handler]
async fn generic<T>(_job: SendWelcome, _: State<T>) {}

#[debug_handler]
async fn which_state(_job: SendWelcome, _: State<u8>, _: State<u16>) {}

#[debug_handler(stat = App)]
async fn misspelt(_job: SendWelcome) {}

fn main() {}
