//! The arguments of handlers: state, scoped services, the token, the context.
//!
//! [`crate::handler`] calls [`FromScope`] once per argument and run. A crate with a context of its
//! own implements it for that context.

use std::future::Future;

use tokio_util::sync::CancellationToken;

use crate::error::BoxError;
use crate::scope::Scope;

/// What a handler can take as an argument.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of this handler",
    label = "not an extractor for the state `{S}` and the context `{C}`",
    note = "extractors are `State<T>` (with `T: FromRef<{S}>`), `Scoped<T>`, `CancellationToken` and `{C}`"
)]
pub trait FromScope<S, C>: Sized + Send + 'static {
    /// Extracts it for this run.
    ///
    /// # Errors
    /// Any error: the run fails with it before the handler is called.
    fn from_scope(scope: &Scope<S, C>) -> impl Future<Output = Result<Self, BoxError>> + Send;
}

/// The context of one kind of work: jobs, services and tasks each have theirs.
pub trait RunContext: Clone + Send + Sync + 'static {
    /// Returns the token that is cancelled when the run should end.
    fn token(&self) -> &CancellationToken;
}

/// Extracts a part of the application's state.
///
/// A part that the state does not have is a compile error.
///
/// # Examples
/// ```
/// use legwork_core::{FromRef, State};
///
/// #[derive(Clone)] struct Mailer;
/// #[derive(Clone)] struct App { mailer: Mailer }
///
/// impl FromRef<App> for Mailer {
///     fn from_ref(app: &App) -> Self { app.mailer.clone() }
/// }
///
/// async fn sweep(State(mailer): State<Mailer>) {}
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct State<T>(pub T);

/// Makes a part of a state of type `S`. Every `Clone` type is a part of itself.
#[diagnostic::on_unimplemented(
    message = "the state `{S}` has no part of type `{Self}`",
    label = "no `{Self}` in `{S}`",
    note = "add a field of that type and `#[derive(FromRef)]` to `{S}`, or implement `FromRef<{S}>` for it"
)]
pub trait FromRef<S> {
    /// Makes it, usually by cloning a field.
    fn from_ref(state: &S) -> Self;
}

impl<T: Clone> FromRef<T> for T {
    fn from_ref(state: &T) -> Self {
        state.clone()
    }
}

impl<S, C, T> FromScope<S, C> for State<T>
where
    S: Send + Sync + 'static,
    C: Send + Sync + 'static,
    T: FromRef<S> + Send + 'static,
{
    async fn from_scope(scope: &Scope<S, C>) -> Result<Self, BoxError> {
        Ok(Self(T::from_ref(scope.state())))
    }
}

impl<S, C> FromScope<S, C> for CancellationToken
where
    S: Send + Sync + 'static,
    C: RunContext,
{
    async fn from_scope(scope: &Scope<S, C>) -> Result<Self, BoxError> {
        Ok(scope.context().token().clone())
    }
}

impl<S, C, T> FromScope<S, C> for Option<T>
where
    S: Send + Sync + 'static,
    C: Send + Sync + 'static,
    T: FromScope<S, C>,
{
    /// Extracts `None` where `T` fails.
    async fn from_scope(scope: &Scope<S, C>) -> Result<Self, BoxError> {
        Ok(T::from_scope(scope).await.ok())
    }
}
