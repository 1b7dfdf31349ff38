//! A call on its way to the writer thread and back.
//!
//! [`crate::storage`] makes one per method call, [`crate::writer`] applies it in a transaction,
//! perhaps twice, and answers after the commit.

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use legwork_core::Error;

use crate::error::Result;
use crate::write::Write;

/// What a call does; it may be applied again after a rollback.
pub(crate) type Body<I, O> = fn(&mut Write<'_>, &I) -> Result<O>;

/// How a call wants to be treated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    /// How many jobs it is about, so that one transaction does not grow without bound.
    pub(crate) weight: usize,
    /// Whether it may be lost with the power: nothing that was acknowledged as durable.
    pub(crate) relaxed: bool,
}

/// A call of any method.
pub(crate) trait Operation: Send {
    /// Does it, in the transaction.
    fn apply(&mut self, w: &mut Write<'_>) -> Result<()>;
    /// Makes `error` the answer.
    fn refuse(&mut self, error: Error);
    /// Tells the caller.
    fn answer(self: Box<Self>);
    /// Returns how it wants to be treated.
    fn wish(&self) -> Wish;
}

/// A call of one method.
pub(crate) struct Call<I, O> {
    pub(crate) input: I,
    pub(crate) body: Body<I, O>,
    pub(crate) wish: Wish,
    pub(crate) output: Option<legwork_core::Result<O>>,
    pub(crate) reply: oneshot::Sender<legwork_core::Result<O>>,
    /// Its place among the calls that may wait; given back when it is answered.
    pub(crate) permit: OwnedSemaphorePermit,
}

impl<I: Send, O: Send> Operation for Call<I, O> {
    fn apply(&mut self, w: &mut Write<'_>) -> Result<()> {
        self.output = Some(Ok((self.body)(w, &self.input)?));
        Ok(())
    }

    fn refuse(&mut self, error: Error) {
        self.output = Some(Err(error));
    }

    fn answer(self: Box<Self>) {
        let Self { output, reply, permit, .. } = *self;
        drop(permit);
        if let Some(output) = output
            && reply.send(output).is_err()
        {
            tracing::trace!("a caller did not wait for its answer");
        }
    }

    fn wish(&self) -> Wish {
        self.wish
    }
}
