//! Owning the process: a runtime for the services, a thread for the host, and a sure exit.
//!
//! A task that blocks its thread can neither be aborted nor waited for, and dropping its runtime
//! hangs. So the host's own loop runs on a runtime of its own, the services' runtime is left behind
//! after a second, and a watchdog thread ends the process when even that fails.

use std::error::Error;
use std::io::Write;
use std::process::{ExitCode, Termination};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use legwork_core::BoxError;
use legwork_core::outcome::describe;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::exit::{FAILED, HostExit, TIMED_OUT};
use crate::host::Host;

/// How long after the host's deadline the watchdog ends the process.
const WATCHDOG_SLACK: Duration = Duration::from_secs(2);

/// How long the services' runtime may take to end after the host has.
const RUNTIME_GRACE: Duration = Duration::from_secs(1);

/// How deep a [`HostExit`] may be wrapped in other errors and still give the exit code.
const CAUSES_MAX: usize = 64;

/// Whether Legwork owns the process, so that it may start threads that end it.
static OWNED: AtomicBool = AtomicBool::new(false);

pub(crate) fn is_owned() -> bool {
    OWNED.load(Ordering::Acquire)
}

/// What `main` may return: `()`, [`HostExit`], `ExitCode`, or a `Result` of one of them.
///
/// An error is printed with its causes; its exit code is that of a [`HostExit`], and 1 otherwise.
pub trait MainOutput {
    /// Prints what is to be said, and returns the exit code.
    fn into_exit_code(self) -> ExitCode;
}

impl MainOutput for () {
    fn into_exit_code(self) -> ExitCode {
        ExitCode::SUCCESS
    }
}

impl MainOutput for ExitCode {
    fn into_exit_code(self) -> ExitCode {
        self
    }
}

impl MainOutput for HostExit {
    fn into_exit_code(self) -> ExitCode {
        self.report()
    }
}

impl<T: MainOutput, E: Into<BoxError>> MainOutput for Result<T, E> {
    fn into_exit_code(self) -> ExitCode {
        let error: BoxError = match self {
            Ok(value) => return value.into_exit_code(),
            Err(error) => error.into(),
        };
        if let Some(exit) = exit_behind(&*error) {
            return exit.clone().report();
        }
        // A closed stderr is no reason to fail.
        let _harmless = writeln!(std::io::stderr().lock(), "error: {}", describe(&*error));
        ExitCode::from(FAILED)
    }
}

/// Finds the [`HostExit`] that `error` is, or was caused by.
fn exit_behind<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a HostExit> {
    let mut causes = std::iter::successors(Some(error), |&error| error.source()).take(CAUSES_MAX);
    causes.find_map(|cause| cause.downcast_ref())
}

/// Runs the `main` of an application on a multi-thread runtime that cannot hold the exit.
///
/// `#[legwork::main]` calls it. A [`Host`] that runs inside always ends within its shutdown
/// timeout, also when tasks block their threads: it is driven by a thread of its own. What
/// still blocks a second after `work` has ended is left behind.
///
/// # Examples
/// ```
/// use std::process::ExitCode;
/// use legwork_host::{Host, StopReason};
///
/// fn main() -> ExitCode {
///     legwork_host::block_on(async {
///         let host = Host::builder(()).build()?;
///         host.handle().stop(StopReason::requested("nothing to do"));
///         Ok::<_, legwork_core::Error>(host.run().await)
///     })
/// }
/// ```
pub fn block_on<T: MainOutput>(work: impl Future<Output = T>) -> ExitCode {
    OWNED.store(true, Ordering::Release);
    let runtime = match services_runtime() {
        Ok(runtime) => runtime,
        Err(error) => return no_runtime(&error).report(),
    };
    let code = runtime.block_on(work).into_exit_code();
    runtime.shutdown_timeout(RUNTIME_GRACE);
    code
}

/// Runs `host` on a runtime of its own and ends the process.
#[expect(clippy::exit, reason = "only this ends a process whose threads are blocked")]
pub(crate) fn run_blocking(host: Host) -> ! {
    OWNED.store(true, Ordering::Release);
    let exit = match (services_runtime(), control_runtime()) {
        (Ok(services), Ok(control)) => {
            let host = host.on(services.handle().clone());
            let exit = control.block_on(host.drive());
            exit.print();
            services.shutdown_timeout(RUNTIME_GRACE);
            exit
        }
        (Err(error), _) | (_, Err(error)) => {
            let exit = no_runtime(&error);
            exit.print();
            exit
        }
    };
    std::process::exit(i32::from(exit.code()))
}

/// Drives `host` on a thread of its own, apart from the runtime of its services.
pub(crate) async fn drive_apart(host: Host) -> HostExit {
    let host = host.on(tokio::runtime::Handle::current());
    let (done, exit) = oneshot::channel();
    let thread = std::thread::Builder::new().name("legwork-host".to_owned()).spawn(move || {
        let exit = match control_runtime() {
            Ok(control) => control.block_on(host.drive()),
            Err(error) => no_runtime(&error),
        };
        // Nobody waits when the application dropped `run`; the host has stopped all the same.
        drop(done.send(exit));
    });
    if let Err(error) = thread {
        return no_runtime(&error);
    }
    match exit.await {
        Ok(exit) => exit,
        Err(_) => HostExit::broken("the host panicked".to_owned()),
    }
}

/// Ends the process now, as a third signal demands.
#[expect(clippy::exit, reason = "a third signal means that nothing else has helped")]
pub(crate) fn exit_now(code: u8) -> ! {
    std::process::exit(i32::from(code))
}

fn services_runtime() -> std::io::Result<Runtime> {
    // One thread that blocks must not stop the timers and sockets of all others.
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    Builder::new_multi_thread().worker_threads(std::cmp::max(cores, 2)).enable_all().build()
}

fn control_runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

fn no_runtime(error: &std::io::Error) -> HostExit {
    HostExit::broken(format!("cannot start a thread or runtime: {error}"))
}

/// Ends a process that Legwork owns when the host does not end it in time.
#[derive(Debug, Default)]
pub(crate) struct Watchdog {
    disarmed: Arc<(Mutex<bool>, Condvar)>,
}

impl Watchdog {
    /// Ends the process with the code of a missed deadline `after` plus two seconds from now.
    pub(crate) fn arm(&self, after: Duration) {
        self.arm_with(after, TIMED_OUT);
    }

    /// Ends the process with `code` `after` plus two seconds from now. Several may be armed; the
    /// first to fire wins.
    pub(crate) fn arm_with(&self, after: Duration, code: u8) {
        if !is_owned() {
            return;
        }
        let disarmed = Arc::clone(&self.disarmed);
        let limit = after.saturating_add(WATCHDOG_SLACK);
        let watch = move || {
            let (disarmed, changed) = &*disarmed;
            let guard = disarmed.lock().unwrap_or_else(PoisonError::into_inner);
            let waited = changed.wait_timeout_while(guard, limit, |disarmed| !*disarmed);
            let (guard, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if !*guard {
                exit_now(code);
            }
        };
        let thread = std::thread::Builder::new().name("legwork-watchdog".to_owned()).spawn(watch);
        if let Err(error) = thread {
            tracing::error!(%error, "cannot start the watchdog: a blocked stop will not be ended");
        }
    }

    /// Lets the process live on.
    pub(crate) fn disarm(&self) {
        let (disarmed, changed) = &*self.disarmed;
        *disarmed.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }
}
