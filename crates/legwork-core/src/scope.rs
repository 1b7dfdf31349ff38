//! One run's view of the application: its state, its context, and what was opened for it.
//!
//! The engine makes a scope per run, hands a clone to the handler, and closes it with the outcome.
//! [`crate::extract`] reads from it.

use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{BoxError, Error, ErrorKind};
use crate::extract::FromScope;
use crate::future::BoxFuture;

/// What belongs to one run of a handler.
pub struct Scope<S, C> {
    inner: Arc<Inner<S, C>>,
}

struct Inner<S, C> {
    state: S,
    context: C,
    /// What [`Scoped`] opened, in order. Closed in reverse.
    opened: Mutex<Vec<Box<dyn Close>>>,
}

/// How the run of a scope ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// The handler ended well: keep its effects.
    Succeeded,
    /// The handler ended in any other way, or was stopped: undo its effects.
    Failed,
}

impl<S, C> Scope<S, C> {
    /// Makes the scope of one run.
    pub fn new(state: S, context: C) -> Self {
        Self { inner: Arc::new(Inner { state, context, opened: Mutex::default() }) }
    }

    /// Returns the application's state.
    pub fn state(&self) -> &S {
        &self.inner.state
    }

    /// Returns the context of the run.
    pub fn context(&self) -> &C {
        &self.inner.context
    }

    /// Closes what was opened for the run, in reverse order, with how the run ended.
    ///
    /// All of it is closed, also after an error.
    ///
    /// # Errors
    /// The first error; [`ErrorKind::Conflict`] for a scoped service that the handler kept, for
    /// example in a task that it spawned.
    pub async fn close(&self, end: RunEnd) -> Result<(), BoxError> {
        let opened = {
            let mut opened = self.inner.opened.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *opened)
        };
        let mut result = Ok(());
        for service in opened.into_iter().rev() {
            let closed = service.close(end).await;
            result = result.and(closed);
        }
        result
    }
}

impl<S, C> Clone for Scope<S, C> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<S, C: fmt::Debug> fmt::Debug for Scope<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("context", self.context()).finish_non_exhaustive()
    }
}

/// A service that lives as long as one run.
///
/// It is opened from the state when a handler asks for [`Scoped<Self>`](Scoped), and closed with
/// how the run ended before the outcome is recorded: commit on success, roll back otherwise.
///
/// # Examples
/// ```
/// use legwork_core::{BoxError, RunEnd, Scoped, ScopedService};
/// # #[derive(Clone)] struct App; struct Connection;
/// # impl App { async fn connect(&self) -> Result<Connection, BoxError> { Ok(Connection) } }
/// # impl Connection {
/// #     async fn commit(self) -> Result<(), BoxError> { Ok(()) }
/// #     async fn roll_back(self) -> Result<(), BoxError> { Ok(()) }
/// # }
///
/// struct Orders(Connection);
///
/// impl ScopedService<App> for Orders {
///     async fn open(app: &App) -> Result<Self, BoxError> {
///         Ok(Self(app.connect().await?))
///     }
///     async fn close(self, end: RunEnd) -> Result<(), BoxError> {
///         match end {
///             RunEnd::Succeeded => self.0.commit().await,
///             RunEnd::Failed => self.0.roll_back().await,
///         }
///     }
/// }
///
/// async fn publish(mut orders: Scoped<Orders>) { /* … */ }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be opened for a run from the state `{S}`",
    label = "not a scoped service of `{S}`",
    note = "implement `ScopedService<{S}>` for it"
)]
pub trait ScopedService<S>: Send + Sized + 'static {
    /// Opens it for one run.
    ///
    /// # Errors
    /// Any error: the run fails with it before the handler is called.
    fn open(state: &S) -> impl Future<Output = Result<Self, BoxError>> + Send;

    /// Closes it when the run has ended.
    ///
    /// # Errors
    /// Any error: a run that had ended well fails with it.
    fn close(self, end: RunEnd) -> impl Future<Output = Result<(), BoxError>> + Send;
}

/// Extracts a service that was opened for this run and is closed with its outcome.
///
/// Dropping it gives it back to the scope; keeping it beyond the handler (in a spawned task) makes
/// the run fail, because it cannot be closed.
pub struct Scoped<T> {
    /// `Some` until dropped.
    service: Option<T>,
    slot: Arc<Mutex<Option<T>>>,
}

impl<S, C, T> FromScope<S, C> for Scoped<T>
where
    S: Send + Sync + 'static,
    C: Send + Sync + 'static,
    T: ScopedService<S>,
{
    async fn from_scope(scope: &Scope<S, C>) -> Result<Self, BoxError> {
        let service = T::open(scope.state()).await?;
        let slot = Arc::new(Mutex::new(None));
        let returned =
            Returned::<S, T> { slot: Arc::clone(&slot), state: std::marker::PhantomData };
        let mut opened = scope.inner.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.push(Box::new(returned));
        Ok(Self { service: Some(service), slot })
    }
}

impl<T> Deref for Scoped<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.service.as_ref().expect("the service is taken only by drop")
    }
}

impl<T> DerefMut for Scoped<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.service.as_mut().expect("the service is taken only by drop")
    }
}

impl<T> Drop for Scoped<T> {
    fn drop(&mut self) {
        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = self.service.take();
    }
}

impl<T: fmt::Debug> fmt::Debug for Scoped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scoped").field(&self.service).finish()
    }
}

/// Closes one opened service, of any type.
trait Close: Send {
    fn close(self: Box<Self>, end: RunEnd) -> BoxFuture<'static, Result<(), BoxError>>;
}

struct Returned<S, T> {
    slot: Arc<Mutex<Option<T>>>,
    state: std::marker::PhantomData<fn() -> S>,
}

impl<S: 'static, T: ScopedService<S>> Close for Returned<S, T> {
    fn close(self: Box<Self>, end: RunEnd) -> BoxFuture<'static, Result<(), BoxError>> {
        Box::pin(async move {
            let service = self.slot.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(service) = service else {
                let name = std::any::type_name::<T>();
                let message = format!("Scoped<{name}> is still in use after its run ended");
                return Err(Error::new(ErrorKind::Conflict, message).into());
            };
            service.close(end).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::{Handler, NoArgs};

    #[derive(Clone, Default)]
    struct App(Arc<Mutex<Vec<String>>>);

    struct First(App);
    struct Second(App);

    macro_rules! logged {
        ($type:ident, $name:literal) => {
            impl ScopedService<App> for $type {
                async fn open(app: &App) -> Result<Self, BoxError> {
                    app.0.lock().unwrap().push(concat!("open ", $name).to_owned());
                    Ok(Self(app.clone()))
                }
                async fn close(self, end: RunEnd) -> Result<(), BoxError> {
                    let line = format!("close {} {end:?}", $name);
                    self.0.0.lock().unwrap().push(line);
                    if end == RunEnd::Failed { Err($name.into()) } else { Ok(()) }
                }
            }
        };
    }
    logged!(First, "first");
    logged!(Second, "second");

    async fn handler(first: Scoped<First>, second: Scoped<Second>) -> usize {
        first.0.0.lock().unwrap().push("run".to_owned());
        second.0.0.lock().unwrap().len()
    }

    async fn run_and_close<M>(
        handler: impl Handler<NoArgs, App, (), M>,
        end: RunEnd,
    ) -> (Vec<String>, Result<(), String>) {
        let app = App::default();
        let scope = Scope::new(app.clone(), ());
        handler.call(NoArgs, scope.clone()).await.unwrap();
        let closed = scope.close(end).await.map_err(|error| error.to_string());
        let log = app.0.lock().unwrap().clone();
        (log, closed)
    }

    #[tokio::test]
    async fn services_open_in_order_and_close_in_reverse_with_the_end() {
        let (log, closed) = run_and_close(handler, RunEnd::Succeeded).await;
        let expected =
            ["open first", "open second", "run", "close second Succeeded", "close first Succeeded"];
        assert_eq!(log, expected);
        assert_eq!(closed, Ok(()));
    }

    #[tokio::test]
    async fn every_service_is_closed_and_the_first_error_is_returned() {
        let (log, closed) = run_and_close(handler, RunEnd::Failed).await;
        assert_eq!(log[3..], ["close second Failed", "close first Failed"]);
        assert_eq!(closed, Err("second".to_owned()));
    }

    #[tokio::test]
    async fn a_service_that_outlives_its_run_is_an_error() {
        let kept = Arc::new(Mutex::new(None));
        let keep = Arc::clone(&kept);
        let keeping = move |first: Scoped<First>| {
            *keep.lock().unwrap() = Some(first);
            async {}
        };
        let (_, closed) = run_and_close(keeping, RunEnd::Succeeded).await;
        let error = closed.unwrap_err();
        assert!(error.ends_with("First> is still in use after its run ended"), "{error}");
    }
}
