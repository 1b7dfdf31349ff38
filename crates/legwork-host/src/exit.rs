//! How a host ended, why, and the exit code that says so.
//!
//! [`crate::Host::run`] returns it. The codes: 0 graceful stop · 1 a service failed, or a start or
//! stop hook · 78 the host cannot be built · 124 work was aborted at its deadline · 128 + n a
//! repeated signal forced the stop · any other, as given to [`StopReason::exit_code`].

use std::fmt;
use std::io::Write;
use std::process::{ExitCode, Termination};
use std::time::Duration;

use legwork_core::ErrorKind;

use crate::signal::Signal;
use crate::status::ServiceState;

/// The exit code after a service, a start or a stop hook failed.
pub(crate) const FAILED: u8 = 1;
/// The exit code of a host that cannot be built (`EX_CONFIG`): do not restart it.
pub(crate) const MISCONFIGURED: u8 = 78;
/// The exit code when the deadline ended the stop, as of `timeout(1)`.
pub(crate) const TIMED_OUT: u8 = 124;

/// Tells why a host stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopReason {
    /// The application asked for it.
    #[non_exhaustive]
    Requested {
        /// Why, in the application's words.
        why: String,
        /// The exit code that it wants instead of 0.
        exit_code: Option<u8>,
    },
    /// A signal arrived.
    Signal(Signal),
    /// A service failed, and its policy is to stop the host.
    #[non_exhaustive]
    ServiceFailed {
        /// The service.
        service: String,
        /// The error with its causes.
        error: String,
    },
    /// A service could not start, or failed before it was ready.
    #[non_exhaustive]
    StartFailed {
        /// The service.
        service: String,
        /// The error with its causes.
        error: String,
    },
    /// Every background service returned by itself.
    Completed,
    /// The host could not be built.
    #[non_exhaustive]
    Invalid {
        /// All problems.
        error: String,
    },
}

impl StopReason {
    /// Makes the reason of an application that asks for the stop.
    pub fn requested(why: impl Into<String>) -> Self {
        Self::Requested { why: why.into(), exit_code: None }
    }

    /// Makes the reason of an application that asks for the stop and wants this exit code.
    ///
    /// The code counts only if everything stops well.
    pub fn exit_code(code: u8, why: impl Into<String>) -> Self {
        Self::Requested { why: why.into(), exit_code: Some(code) }
    }

    fn is_failure(&self) -> bool {
        matches!(self, Self::ServiceFailed { .. } | Self::StartFailed { .. })
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requested { why, .. } => write!(f, "{why}"),
            Self::Signal(signal) => write!(f, "{signal}"),
            Self::ServiceFailed { service, error } => {
                write!(f, "service \"{service}\" failed: {error}")
            }
            Self::StartFailed { service, error } => {
                write!(f, "service \"{service}\" did not start: {error}")
            }
            Self::Completed => write!(f, "all services have completed"),
            Self::Invalid { error } => write!(f, "{error}"),
        }
    }
}

/// Tells how a host ended.
///
/// As the return value of `main` it prints itself to stderr and sets the exit code.
#[derive(Debug, Clone)]
#[must_use = "the exit code is lost unless `main` returns it"]
pub struct HostExit {
    pub(crate) inner: Box<Facts>,
}

/// What is known of an exit.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) reason: StopReason,
    pub(crate) forced_by: Option<Signal>,
    pub(crate) services: Vec<ServiceExit>,
    pub(crate) dropped: Vec<DroppedItem>,
    pub(crate) took: Duration,
}

/// Tells how one service ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceExit {
    /// Its name.
    pub name: String,
    /// Its last state.
    pub state: ServiceState,
    /// The error that made it fail while it was stopping, or for good, with its causes.
    pub error: Option<String>,
    /// Whether the error came while it was stopping, which makes the exit code 1.
    pub failed_to_stop: bool,
    /// How long its stop took.
    pub took: Duration,
}

/// Names an item of a task queue that was accepted and did not run to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DroppedItem {
    /// The queue's name.
    pub queue: String,
    /// The item's name.
    pub name: String,
    /// Whether it had started.
    pub started: bool,
}

impl HostExit {
    pub(crate) fn invalid(error: &legwork_core::Error) -> Self {
        Self::before_start(StopReason::Invalid { error: error.to_string() })
    }

    /// The exit of a host that the operating system or a defect kept from running.
    pub(crate) fn broken(error: String) -> Self {
        Self::before_start(StopReason::StartFailed { service: "host".to_owned(), error })
    }

    fn before_start(reason: StopReason) -> Self {
        Self::of(Facts {
            reason,
            forced_by: None,
            services: Vec::new(),
            dropped: Vec::new(),
            took: Duration::ZERO,
        })
    }

    pub(crate) fn of(facts: Facts) -> Self {
        Self { inner: Box::new(facts) }
    }

    /// Returns why the host stopped.
    pub fn reason(&self) -> &StopReason {
        &self.inner.reason
    }

    /// Returns the exit code of the process.
    pub fn code(&self) -> u8 {
        let facts = &*self.inner;
        let any = |state| facts.services.iter().any(|service| service.state == state);
        match (&facts.reason, facts.forced_by) {
            (_, Some(signal)) => signal.exit_code(),
            (StopReason::Invalid { .. }, None) => MISCONFIGURED,
            (reason, None) if reason.is_failure() => FAILED,
            (_, None) if any(ServiceState::TimedOut) => TIMED_OUT,
            (_, None) if facts.services.iter().any(|service| service.failed_to_stop) => FAILED,
            (StopReason::Requested { exit_code: Some(code), .. }, None) => *code,
            (_, None) => 0,
        }
    }

    /// Tells whether the exit code is 0.
    pub fn is_success(&self) -> bool {
        self.code() == 0
    }

    /// Returns `Ok` after an exit with code 0, for `main` functions that return a `Result`.
    ///
    /// # Errors
    /// The exit itself, when its code is another.
    pub fn into_result(self) -> Result<(), Self> {
        if self.is_success() { Ok(()) } else { Err(self) }
    }

    /// Returns how each service ended, in the order in which they start.
    pub fn services(&self) -> &[ServiceExit] {
        &self.inner.services
    }

    /// Returns the items of task queues that did not run to their end.
    pub fn dropped(&self) -> &[DroppedItem] {
        &self.inner.dropped
    }

    /// Returns how long the stop took.
    pub fn took(&self) -> Duration {
        self.inner.took
    }

    /// Writes the exit to stderr. A closed stderr is no reason to fail.
    pub(crate) fn print(&self) {
        let _harmless = writeln!(std::io::stderr().lock(), "{self}");
    }
}

impl fmt::Display for HostExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = &*self.inner;
        write!(f, "host exit {}: {}", self.code(), facts.reason)?;
        if let Some(signal) = facts.forced_by {
            write!(f, " (forced by a second {signal})")?;
        }
        for ServiceExit { name, state, error, took, .. } in &facts.services {
            write!(f, "\n  {name:<20} {state:<12} {:>7.3} s", took.as_secs_f64())?;
            if let Some(error) = error {
                write!(f, "  {error}")?;
            }
        }
        for DroppedItem { queue, name, started } in &facts.dropped {
            let how = if *started { "was aborted" } else { "never ran" };
            write!(f, "\n  dropped: {name} of task queue {queue} {how}")?;
        }
        Ok(())
    }
}

impl std::error::Error for HostExit {}

impl From<HostExit> for legwork_core::Error {
    /// Lets a `main` that returns `legwork::Result` end with `host.run().await.into_result()?`.
    fn from(exit: HostExit) -> Self {
        let kind = match exit.reason() {
            StopReason::Invalid { .. } => ErrorKind::Invalid,
            StopReason::Requested { .. }
            | StopReason::Signal(_)
            | StopReason::ServiceFailed { .. }
            | StopReason::StartFailed { .. }
            | StopReason::Completed => ErrorKind::Closed,
        };
        Self::with_source(kind, "the host has stopped", exit)
    }
}

impl Termination for HostExit {
    fn report(self) -> ExitCode {
        self.print();
        ExitCode::from(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(reason: StopReason, forced_by: Option<Signal>, services: Vec<ServiceExit>) -> HostExit {
        let (dropped, took) = (Vec::new(), Duration::ZERO);
        HostExit::of(Facts { reason, forced_by, services, dropped, took })
    }

    fn service(state: ServiceState, failed_to_stop: bool) -> ServiceExit {
        let (name, took) = ("a".to_owned(), Duration::ZERO);
        ServiceExit { name, state, error: None, failed_to_stop, took }
    }

    #[test]
    fn the_code_names_the_worst_that_happened() {
        let requested = |exit_code| StopReason::Requested { why: "done".into(), exit_code };
        let failed = StopReason::ServiceFailed { service: "a".into(), error: "no".into() };
        let invalid = StopReason::Invalid { error: "no".into() };
        let (well, sore, late) = (
            service(ServiceState::Stopped, false),
            service(ServiceState::Failed, true),
            service(ServiceState::TimedOut, false),
        );
        let check = |code, exit: HostExit| assert_eq!(exit.code(), code, "{exit}");
        check(0, exit(requested(None), None, vec![well.clone()]));
        check(0, exit(StopReason::Signal(Signal::Terminate), None, vec![well.clone()]));
        check(0, exit(StopReason::Completed, None, vec![well.clone()]));
        check(7, exit(requested(Some(7)), None, vec![well]));
        check(1, exit(requested(Some(7)), None, vec![sore.clone()]));
        check(124, exit(requested(Some(7)), None, vec![sore.clone(), late.clone()]));
        check(1, exit(failed, None, vec![late.clone()]));
        check(78, exit(invalid, None, vec![]));
        for (signal, code) in
            [(Signal::Interrupt, 130), (Signal::Quit, 131), (Signal::Terminate, 143)]
        {
            check(code, exit(requested(None), Some(signal), vec![late.clone(), sore.clone()]));
        }
    }

    #[test]
    fn the_report_is_one_block_that_people_can_read() {
        let mut late = service(ServiceState::TimedOut, false);
        late.error = Some("did not stop in time: it was aborted".into());
        late.took = Duration::from_millis(1_500);
        let item = DroppedItem { queue: "mail".into(), name: "notify".into(), started: false };
        let mut exit = exit(StopReason::Signal(Signal::Interrupt), None, vec![late]);
        exit.inner.dropped.push(item);
        let report = "host exit 124: SIGINT\n  \
            a                    timed out      1.500 s  did not stop in time: it was aborted\n  \
            dropped: notify of task queue mail never ran";
        assert_eq!(exit.to_string(), report);
    }

    #[test]
    fn an_exit_survives_being_wrapped_in_an_error() {
        let exit = exit(StopReason::Invalid { error: "no".into() }, None, vec![]);
        let error = legwork_core::Error::from(exit);
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let source = std::error::Error::source(&error).and_then(|error| error.downcast_ref());
        assert_eq!(source.map(HostExit::code), Some(78));
    }
}
