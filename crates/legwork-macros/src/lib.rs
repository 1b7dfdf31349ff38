//! Derive and attribute macros of Legwork.
//!
//! Applications use them through the `legwork` crate. A macro writes code that calls
//! `legwork-core` and decides nothing at run time: what can be checked is checked when it expands,
//! and every mistake is an error at the word that is wrong.
//!
//! The code that is written names its items `::legwork::…`. A crate that depends on `legwork-core`
//! alone says `crate = legwork_core` in the attribute.
//!
//! # Layout
//! - `job_derive`: `#[derive(Job)]`
//! - `job_attribute`: `#[job(…)]`, read for the derive and for the attribute macro
//! - `job_function`: `#[legwork::job]` on an `async fn`
//! - `from_ref`: `#[derive(FromRef)]`
//! - `debug_handler`: `#[legwork::debug_handler]`
//! - `main_function`: `#[legwork::main]`
//! - `options`, `spelling`: reading `key = value` lists, and what a misspelt key was meant to be

mod debug_handler;
mod from_ref;
mod job_attribute;
mod job_derive;
mod job_function;
mod main_function;
mod options;
mod spelling;

use proc_macro::TokenStream;
use syn::parse_macro_input;

/// Implements `Job` for the arguments of a job.
///
/// `name` is required: the kind's name on the wire, 1–128 characters of `A–Z a–z 0–9 _ . -`. It is
/// never taken from the type, because it must stay the same when the type is renamed. Optional are
///
/// | key | meaning | default |
/// | --- | --- | --- |
/// | `version = 2` | version of the arguments' encoding, from 1 | 1 |
/// | `upgrade = path` | reads earlier versions: `fn(RawArgs<'_>) -> Result<Self, E>` | refuse |
/// | `aliases("old.name")` | former names, which servers still run | none |
/// | `queue = "mail"` | the queue | `default` |
/// | `priority = -5` | the priority; a lower number runs first | 0 |
/// | `max_attempts = 10` | how many runs may fail, at least 1 | 20 |
/// | `timeout = "30s"` | how long one run may take; units `ms s m h d` | no limit |
/// | `retry(base = "5s", cap = "1h")` | when a failed run is tried again | 5 s, 10 s, … 24 h |
/// | `retry = policy()` | the same as an expression of type `RetryPolicy` | |
/// | `crate = legwork_core` | where the items of Legwork are | `::legwork` |
///
/// `retry` also has `factor = 2.0`, 1 to 100, and `jitter = 0.2`, 0 to 1. What is given when a job
/// is enqueued wins.
///
/// # Examples
/// ```
/// use legwork_core::Job as _;
/// use legwork_macros::Job;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Job)]
/// #[job(name = "mail.welcome", queue = "mail", max_attempts = 10, timeout = "30s")]
/// # #[job(crate = legwork_core)]
/// struct SendWelcome { user_id: i64 }
///
/// assert_eq!(SendWelcome::NAME, "mail.welcome");
/// assert_eq!(SendWelcome::QUEUE, "mail");
/// ```
#[proc_macro_derive(Job, attributes(job))]
pub fn derive_job(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as syn::DeriveInput);
    job_derive::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes each field of an application's state a part that handlers can ask for.
///
/// It implements `FromRef<App> for Field` by cloning the field. A field with `#[from_ref(skip)]` is
/// left out; so must be all but one of the fields that have the same type.
///
/// # Examples
/// ```
/// use legwork_core::State;
/// use legwork_macros::FromRef;
///
/// #[derive(Clone)] struct Mailer;
///
/// #[derive(Clone, FromRef)]
/// # #[from_ref(crate = legwork_core)]
/// struct App {
///     mailer: Mailer,
///     #[from_ref(skip)]
///     secret: String,
/// }
///
/// async fn sweep(State(mailer): State<Mailer>) {}
/// ```
#[proc_macro_derive(FromRef, attributes(from_ref))]
pub fn derive_from_ref(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as syn::DeriveInput);
    from_ref::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a job of an `async fn`: its arguments struct, its contract and its handler.
///
/// The function stays, with the arguments struct as its first argument. The struct is named like
/// the function in camel case, unless `args = Name` is given; the other keys are those of
/// `#[derive(Job)]`.
///
/// An argument is part of the job unless its type is `State<…>`, `Scoped<…>`, `JobContext`,
/// `CancellationToken` or an `Option` of one; mark other extractors with `#[extract]`. Attributes
/// of serde on an argument go to the field.
///
/// This is short to write. For a job that other programs enqueue, or that will live long, write the
/// struct yourself and derive `Job`: then the contract does not move when the function does.
#[proc_macro_attribute]
pub fn job(attribute: TokenStream, item: TokenStream) -> TokenStream {
    job_function::expand(attribute.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Names the argument that keeps a function from being a handler.
///
/// Without it a mistake is reported where the function is registered, as one that is not a handler.
/// With it the error points at the argument, the return type or the value that is held across an
/// `.await`. It changes nothing about the function.
///
/// - `state = App` is the application's state. It may be left out when all `State` arguments have
///   one type.
/// - `service` or `task` says that the function is not the handler of a job, but of a background
///   service or timer, or of a task.
///
/// # Examples
/// ```
/// # use legwork_core::{Job, JobContext, State};
/// # use legwork_macros::{FromRef, Job, debug_handler};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Clone)] struct Mailer;
/// # #[derive(Clone, FromRef)] #[from_ref(crate = legwork_core)] struct App { mailer: Mailer }
/// # #[derive(Serialize, Deserialize, Job)]
/// # #[job(name = "mail.welcome", crate = legwork_core)] struct SendWelcome { user_id: i64 }
/// #[debug_handler(state = App, crate = legwork_core)]
/// async fn send_welcome(job: SendWelcome, State(mailer): State<Mailer>, context: JobContext) {}
/// ```
#[proc_macro_attribute]
pub fn debug_handler(attribute: TokenStream, item: TokenStream) -> TokenStream {
    debug_handler::expand(attribute.into(), &item.into()).into()
}

/// Runs an `async fn main` on a runtime that Legwork owns.
///
/// When `main` returns, the process exits: tasks that block their thread are given a moment, then
/// left behind. A runtime that is dropped, as with other such macros, waits for them for ever.
///
/// `main` may return `()`, an exit code, a `HostExit`, or a `Result` of one of them; an error is
/// printed with its causes. `crate = path` in the attribute says where the items of Legwork are.
#[proc_macro_attribute]
pub fn main(attribute: TokenStream, item: TokenStream) -> TokenStream {
    main_function::expand(attribute.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
