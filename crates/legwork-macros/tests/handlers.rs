//! Handlers that fit are not touched, and the derived parts of a state are found.

extern crate legwork_core as legwork;

use std::sync::Arc;

use legwork_core::handler::Args;
use legwork_core::{
    BoxError, CancellationToken, FromRef, Handler, Job, JobContext, RunEnd, Scoped, ScopedService,
    State,
};
use legwork_macros::{FromRef, Job, debug_handler};
use serde::{Deserialize, Serialize};

#[derive(Clone)]
struct Mailer;

#[derive(Clone, FromRef)]
struct App {
    mailer: Mailer,
    shared: Arc<str>,
    #[from_ref(skip)]
    other: Arc<str>,
}

#[derive(Clone, FromRef)]
struct Tuple(u8, #[from_ref(skip)] u8, u16);

struct Orders;

impl ScopedService<App> for Orders {
    async fn open(_app: &App) -> Result<Self, BoxError> {
        Ok(Self)
    }
    async fn close(self, _end: RunEnd) -> Result<(), BoxError> {
        Ok(())
    }
}

#[derive(Serialize, Deserialize, Job)]
#[job(name = "mail.welcome")]
struct SendWelcome;

#[debug_handler(state = App)]
async fn full(
    SendWelcome: SendWelcome,
    State(Mailer): State<Mailer>,
    _orders: Scoped<Orders>,
    _context: JobContext,
    _token: CancellationToken,
) -> Result<(), std::io::Error> {
    Ok(())
}

#[debug_handler(state = App)]
async fn optional(_job: SendWelcome, _orders: Option<Scoped<Orders>>, State(_app): State<App>) {}

#[debug_handler]
async fn state_is_inferred(_job: SendWelcome, State(_a): State<Mailer>, State(_b): State<Mailer>) {}

#[debug_handler]
async fn no_state(_job: SendWelcome) {}

/// Takes what is a handler of a job for a state.
fn handler<S, J: Job, M>(_: impl Handler<Args<J>, S, JobContext, M>) {}

#[test]
fn checked_handlers_stay_handlers() {
    handler::<App, _, _>(full);
    handler::<App, _, _>(optional);
    handler::<Mailer, _, _>(state_is_inferred);
    handler::<(), _, _>(no_state);
}

#[test]
fn the_parts_of_a_state_are_its_fields() {
    let app = App { mailer: Mailer, shared: "a".into(), other: "b".into() };
    assert_eq!(&*<Arc<str>>::from_ref(&app), "a");
    assert_eq!(&*app.other, "b");
    let tuple = Tuple(1, 2, 3);
    assert_eq!((u8::from_ref(&tuple), u16::from_ref(&tuple), tuple.1), (1, 3, 2));
}
