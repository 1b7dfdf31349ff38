//! What rustc says of a wrong handler where it is registered: the trait's own diagnostics.

extern crate legwork_core as legwork;

use legwork_core::handler::Args;
use legwork_core::{Handler, Job, JobContext};
use legwork_macros::Job;
use serde::{Deserialize, Serialize};

#[derive(Clone)]
struct App;

#[derive(Serialize, Deserialize, Job)]
#[job(name = "mail.welcome")]
struct SendWelcome;

fn handle<J: Job, M, H: Handler<Args<J>, App, JobContext, M>>(_: H) {}

async fn wrong_argument(_job: SendWelcome, _user_id: i64) {}

fn not_async(_job: SendWelcome) {}

fn main() {
    handle::<SendWelcome, _, _>(wrong_argument);
    handle::<SendWelcome, _, _>(not_async);
}
