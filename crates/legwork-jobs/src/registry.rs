//! The handlers of a server, by kind.
//!
//! The builder fills it; the executor asks it for the run of a job. It knows nothing of storages.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use legwork_core::handler::Args;
use legwork_core::storage::Kinds;
use legwork_core::{
    BoxError, BoxFuture, Error, ErrorKind, Handler, IntoOutcome, Job, JobContext, Kind, Outcome,
    RawArgs, Result, RetryPolicy, RunEnd, Scope, Undecodable,
};

/// What is fixed for every job of a kind, unless the job says otherwise.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Defaults {
    pub(crate) max_attempts: u32,
    pub(crate) timeout: Option<Duration>,
    pub(crate) retry: RetryPolicy,
}

impl Defaults {
    fn of<J: Job>() -> Self {
        Self { max_attempts: J::MAX_ATTEMPTS, timeout: J::TIMEOUT, retry: J::retry_policy() }
    }
}

/// A run that is ready to be polled, and how to close its scope whatever became of it.
pub(crate) struct Prepared {
    pub(crate) run: BoxFuture<'static, Outcome>,
    pub(crate) scope: Arc<dyn CloseScope>,
}

/// Closes the scope of a run.
pub(crate) trait CloseScope: Send + Sync {
    fn close(&self, end: RunEnd) -> BoxFuture<'_, Result<(), BoxError>>;
}

impl<S: Send + Sync> CloseScope for Scope<S, JobContext> {
    fn close(&self, end: RunEnd) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(Scope::close(self, end))
    }
}

/// A handler whose type has been forgotten.
pub(crate) trait Work<S>: Send + Sync {
    fn defaults(&self) -> Defaults;

    fn prepare(
        &self,
        state: S,
        args: RawArgs<'_>,
        context: JobContext,
    ) -> Result<Prepared, Undecodable>;
}

struct AsyncWork<J, H, M> {
    handler: H,
    types: PhantomData<fn() -> (J, M)>,
}

impl<S, J, H, M> Work<S> for AsyncWork<J, H, M>
where
    S: Clone + Send + Sync + 'static,
    J: Job,
    H: Handler<Args<J>, S, JobContext, M, Output: IntoOutcome>,
    M: 'static,
{
    fn defaults(&self) -> Defaults {
        Defaults::of::<J>()
    }

    fn prepare(
        &self,
        state: S,
        args: RawArgs<'_>,
        context: JobContext,
    ) -> Result<Prepared, Undecodable> {
        let job = J::decode(args)?;
        let scope = Scope::new(state, context);
        let run = self.handler.clone().call(Args(job), scope.clone());
        let run = Box::pin(async move {
            match run.await {
                Ok(output) => output.into_outcome(),
                Err(error) => Outcome::Error(error),
            }
        });
        Ok(Prepared { run, scope: Arc::new(scope) })
    }
}

struct BlockingWork<J, F> {
    function: Arc<F>,
    types: PhantomData<fn() -> J>,
}

impl<S, J, F, R> Work<S> for BlockingWork<J, F>
where
    S: Clone + Send + Sync + 'static,
    J: Job,
    F: Fn(J, S, JobContext) -> R + Send + Sync + 'static,
    R: IntoOutcome,
{
    fn defaults(&self) -> Defaults {
        Defaults::of::<J>()
    }

    fn prepare(
        &self,
        state: S,
        args: RawArgs<'_>,
        context: JobContext,
    ) -> Result<Prepared, Undecodable> {
        let job = J::decode(args)?;
        let scope = Scope::new(state.clone(), context.clone());
        let function = Arc::clone(&self.function);
        let run = Box::pin(async move {
            let running =
                tokio::task::spawn_blocking(move || function(job, state, context).into_outcome());
            match running.await {
                Ok(outcome) => outcome,
                // The panic is passed on to the task of the run, where all panics are recorded.
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(error) => Outcome::Error(error.into()),
            }
        });
        Ok(Prepared { run, scope: Arc::new(scope) })
    }
}

/// The handlers of a server.
pub(crate) struct Registry<S> {
    works: HashMap<Kind, Arc<dyn Work<S>>>,
}

impl<S: Clone + Send + Sync + 'static> Registry<S> {
    pub(crate) fn new() -> Self {
        Self { works: HashMap::new() }
    }

    pub(crate) fn add<J, H, M>(&mut self, handler: H) -> Result<()>
    where
        J: Job,
        H: Handler<Args<J>, S, JobContext, M, Output: IntoOutcome>,
        M: 'static,
    {
        self.insert::<J>(
            &(Arc::new(AsyncWork { handler, types: PhantomData::<fn() -> (J, M)> }) as _),
        )
    }

    pub(crate) fn add_blocking<J, F, R>(&mut self, function: F) -> Result<()>
    where
        J: Job,
        F: Fn(J, S, JobContext) -> R + Send + Sync + 'static,
        R: IntoOutcome + 'static,
    {
        let function = Arc::new(function);
        self.insert::<J>(
            &(Arc::new(BlockingWork { function, types: PhantomData::<fn() -> J> }) as _),
        )
    }

    fn insert<J: Job>(&mut self, work: &Arc<dyn Work<S>>) -> Result<()> {
        if J::MAX_ATTEMPTS == 0 {
            let message = format!("max attempts of {:?} is 0: a job runs at least once", J::NAME);
            return Err(Error::invalid(message));
        }
        for name in std::iter::once(&J::NAME).chain(J::ALIASES) {
            let kind = Kind::new(name)?;
            if self.works.insert(kind, Arc::clone(work)).is_some() {
                let message = format!("the kind {name:?} has two handlers");
                return Err(Error::new(ErrorKind::Invalid, message));
            }
        }
        Ok(())
    }

    pub(crate) fn get(&self, kind: &Kind) -> Option<&Arc<dyn Work<S>>> {
        self.works.get(kind)
    }

    /// Returns the kinds, sorted.
    pub(crate) fn kinds(&self) -> Kinds {
        let mut kinds: Vec<Kind> = self.works.keys().cloned().collect();
        kinds.sort();
        kinds.into()
    }
}

impl<S> fmt::Debug for Registry<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.works.keys()).finish()
    }
}
