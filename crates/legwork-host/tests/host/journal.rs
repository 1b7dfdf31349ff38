//! What happened, in order: services of the tests write it, the tests compare it.

use std::sync::{Arc, Mutex};

use legwork_core::BoxError;
use legwork_host::{HostedService, ServiceContext, StopContext};

/// The lines that the services of one test wrote.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal(Arc<Mutex<Vec<String>>>);

impl Journal {
    pub(crate) fn note(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// Makes a service that notes its hooks.
    pub(crate) fn service(&self) -> Noting {
        Noting { journal: self.clone(), failing: None }
    }

    /// Makes a service that notes its hooks and fails at one of them.
    pub(crate) fn failing(&self, hook: &'static str) -> Noting {
        Noting { journal: self.clone(), failing: Some(hook) }
    }
}

pub(crate) struct Noting {
    journal: Journal,
    failing: Option<&'static str>,
}

impl Noting {
    fn hook(&self, hook: &str, name: &str) -> Result<(), BoxError> {
        self.journal.note(format!("{hook} {name}"));
        if self.failing == Some(hook) { Err(format!("{hook} is broken").into()) } else { Ok(()) }
    }
}

impl HostedService for Noting {
    async fn starting(&self, cx: &ServiceContext) -> Result<(), BoxError> {
        self.hook("starting", cx.name())
    }
    async fn start(&self, cx: &ServiceContext) -> Result<(), BoxError> {
        self.hook("start", cx.name())
    }
    async fn started(&self, cx: &ServiceContext) -> Result<(), BoxError> {
        self.hook("started", cx.name())
    }
    async fn stopping(&self, cx: &StopContext) -> Result<(), BoxError> {
        self.hook("stopping", cx.name())
    }
    async fn stop(&self, cx: &StopContext) -> Result<(), BoxError> {
        self.hook("stop", cx.name())
    }
    async fn stopped(&self, cx: &StopContext) -> Result<(), BoxError> {
        self.hook("stopped", cx.name())
    }
}
