//! One item of a task queue, and what it is given while it runs.
//!
//! [`super::worker`] runs items; [`super::TaskQueue`] makes them.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use legwork_core::{BoxError, BoxFuture, CancellationToken, RunContext};

use super::Inner;
use crate::service::ServiceOutput;

tokio::task_local! {
    /// The queue whose item the current task runs, so that the item does not wait for itself.
    pub(super) static CURRENT: Arc<Inner>;
}

/// An accepted item.
pub(super) struct Item {
    pub(super) id: u64,
    pub(super) name: Cow<'static, str>,
    work: Box<dyn FnOnce(TaskContext) -> BoxFuture<'static, Result<(), BoxError>> + Send>,
}

impl Item {
    pub(super) fn new<F, Fut>(id: u64, name: Cow<'static, str>, item: F) -> Self
    where
        F: FnOnce(TaskContext) -> Fut + Send + 'static,
        Fut: Future<Output: ServiceOutput> + Send + 'static,
    {
        let work = |cx| -> BoxFuture<'static, Result<(), BoxError>> {
            let work = item(cx);
            Box::pin(async move { work.await.into_result() })
        };
        Self { id, name, work: Box::new(work) }
    }

    /// Runs the closure, then its future, both within the returned one.
    pub(super) async fn run(self, token: CancellationToken) -> Result<(), BoxError> {
        let cx = TaskContext { id: self.id, name: self.name, token };
        (self.work)(cx).await
    }
}

/// What a running item of a task queue knows.
#[derive(Debug, Clone)]
pub struct TaskContext {
    id: u64,
    name: Cow<'static, str>,
    token: CancellationToken,
}

impl TaskContext {
    /// Returns the number of the item: 1, 2, 3, … in the order in which its queue accepted them.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Returns the name that it was enqueued with.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the token that is cancelled when the item should end.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Sleeps for `d`; tells whether the item should go on.
    ///
    /// It returns `false` at once when the item should end.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn sleep(&self, d: Duration) -> bool {
        self.token.run_until_cancelled(tokio::time::sleep(d)).await.is_some()
    }
}

impl RunContext for TaskContext {
    fn token(&self) -> &CancellationToken {
        &self.token
    }
}
