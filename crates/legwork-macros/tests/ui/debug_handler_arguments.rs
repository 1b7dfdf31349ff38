//! The argument that keeps a function from being a handler is named.

extern crate legwork_core as legwork;

use std::rc::Rc;

use legwork_core::{JobContext, Scoped, State};
use legwork_macros::{FromRef, Job, debug_handler};
use serde::{Deserialize, Serialize};

#[derive(Clone)]
struct Mailer;

#[derive(Clone)]
struct Printer;

struct Database;

#[derive(Clone, FromRef)]
struct App {
    mailer: Mailer,
}

#[derive(Serialize, Deserialize, Job)]
#[job(name = "mail.welcome")]
struct SendWelcome;

#[debug_handler(state = App)]
async fn wrong_argument(_job: SendWelcome, _context: JobContext, _user_id: i64) {}

#[debug_handler(state = App)]
async fn missing_part(_job: SendWelcome, State(_printer): State<Printer>) {}

#[debug_handler(state = App)]
async fn not_a_scoped_service(_job: SendWelcome, _database: Scoped<Database>) {}

#[debug_handler(state = App)]
async fn first_is_no_job(State(_mailer): State<Mailer>, _job: SendWelcome) {}

#[debug_handler(state = App)]
async fn no_outcome(_job: SendWelcome) -> i64 {
    7
}

#[debug_handler(state = App)]
async fn holds_what_cannot_be_sent(_job: SendWelcome) {
    let held = Rc::new(7);
    std::future::ready(()).await;
    drop(held);
}

fn main() {}
