//! Waits for a state to come, with a deadline. Nothing here measures time or sleeps for luck.

use std::sync::mpsc;
use std::time::Duration;

use legwork::{Clock, SystemClock};

/// Generous: it is only ever used up by a test that fails.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// How long to wait between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Looks again and again until `look` finds something; panics when the patience is used up.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = SystemClock.monotonic();
    let (_kept_open, nothing) = mpsc::channel::<()>();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        assert!(nothing.recv_timeout(BETWEEN_LOOKS).is_err(), "nothing is sent: this is the pause");
    }
}
