//! The one shape of handlers: a plain `async fn` whose arguments are extracted from a scope.
//!
//! Jobs, background services, timers and task-queue items all run handlers. The engine calls
//! [`Handler::call`]; the arguments come from [`crate::extract`].

#![expect(non_snake_case, reason = "the macro names an argument after its type parameter")]

use std::future::Future;

use crate::error::BoxError;
use crate::extract::FromScope;
use crate::scope::Scope;

/// The input of a job's handler: its first argument, `J`.
#[derive(Debug, Clone, Copy)]
pub struct Args<J>(pub J);

/// The input of a handler that has extractors only: services, timers, task-queue items.
#[derive(Debug, Clone, Copy)]
pub struct NoArgs;

/// An `async fn` that can do background work.
///
/// It is implemented for every `async fn` (and closure) whose first argument is the input (for
/// jobs: the arguments struct) and whose other arguments, at most twelve, can be extracted from a
/// scope of state `S` and context `C`. `M` only keeps the implementations apart.
///
/// # Examples
/// ```
/// use legwork_core::{CancellationToken, Job, JobContext, State};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Clone)] struct Mailer;
/// # #[derive(Serialize, Deserialize)] struct SendWelcome { user_id: i64 }
/// # impl Job for SendWelcome { const NAME: &'static str = "mail.welcome"; }
///
/// async fn send_welcome(
///     job: SendWelcome,
///     State(mailer): State<Mailer>,
///     context: JobContext,
///     token: CancellationToken,
/// ) -> Result<(), std::io::Error> {
///     Ok(())
/// }
/// # use legwork_core::{Handler, handler::Args};
/// # fn is_handler<J: Job, M>(_: impl Handler<Args<J>, Mailer, JobContext, M>) {}
/// # is_handler(send_welcome);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler of `{In}` for the state `{S}`",
    label = "not a handler",
    note = "a handler of a job is `async fn(job: MyJob, …) -> Result<(), E>`; of a service, timer or task `async fn(…) -> Result<(), E>`",
    note = "the other arguments are extractors: `State<T>` (with `T: FromRef<S>`), `Scoped<T>`, `CancellationToken`, and the context of its kind",
    note = "`#[legwork::debug_handler]` on the function names the argument that does not fit"
)]
pub trait Handler<In, S, C, M>: Clone + Send + Sync + 'static {
    /// What it returns.
    type Output: Send;

    /// Extracts the arguments in their order, then runs the function.
    ///
    /// # Errors
    /// The error of the extractor that failed; the function was not called.
    fn call(
        self,
        input: In,
        scope: Scope<S, C>,
    ) -> impl Future<Output = Result<Self::Output, BoxError>> + Send;
}

macro_rules! handler {
    ($($extract:ident),*) => {
        impl<F, Fut, J, S, C, $($extract,)*> Handler<Args<J>, S, C, ($($extract,)*)> for F
        where
            F: Fn(J, $($extract),*) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future<Output: Send> + Send,
            J: Send + 'static,
            S: Send + Sync + 'static,
            C: Send + Sync + 'static,
            $($extract: FromScope<S, C>,)*
        {
            type Output = Fut::Output;

            async fn call(
                self,
                Args(job): Args<J>,
                scope: Scope<S, C>,
            ) -> Result<Fut::Output, BoxError> {
                $(let $extract = $extract::from_scope(&scope).await?;)*
                drop(scope);
                Ok(self(job, $($extract),*).await)
            }
        }

        impl<F, Fut, S, C, $($extract,)*> Handler<NoArgs, S, C, ($($extract,)*)> for F
        where
            F: Fn($($extract),*) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future<Output: Send> + Send,
            S: Send + Sync + 'static,
            C: Send + Sync + 'static,
            $($extract: FromScope<S, C>,)*
        {
            type Output = Fut::Output;

            async fn call(self, _: NoArgs, scope: Scope<S, C>) -> Result<Fut::Output, BoxError> {
                $(let $extract = $extract::from_scope(&scope).await?;)*
                drop(scope);
                Ok(self($($extract),*).await)
            }
        }
    };
}

handler!();
handler!(T1);
handler!(T1, T2);
handler!(T1, T2, T3);
handler!(T1, T2, T3, T4);
handler!(T1, T2, T3, T4, T5);
handler!(T1, T2, T3, T4, T5, T6);
handler!(T1, T2, T3, T4, T5, T6, T7);
handler!(T1, T2, T3, T4, T5, T6, T7, T8);
handler!(T1, T2, T3, T4, T5, T6, T7, T8, T9);
handler!(T1, T2, T3, T4, T5, T6, T7, T8, T9, T10);
handler!(T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11);
handler!(T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12);
