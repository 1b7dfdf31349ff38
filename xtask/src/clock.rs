//! The one place where xtask asks what time it is: step durations and waits with a deadline.
//!
//! Used by `ci` for its timings and by `servers` to wait until a server answers. Nothing here may
//! be used by the library, whose time comes from `legwork_core::Clock`.

use std::fmt;
use std::time::{Duration, Instant};

/// How long to rest between two looks at a server that is starting.
const POLL: Duration = Duration::from_millis(50);

/// Measures how long a step takes; its `Display` is seconds with one decimal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "xtask measures real steps and has no Clock")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

impl fmt::Display for Stopwatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} s", self.elapsed().as_secs_f64())
    }
}

/// Asks `probe` until it has an answer or `limit` has passed; the answer, or `None` when late.
///
/// # Errors
/// The first error of `probe` ends the wait: it says that waiting longer is pointless.
pub(crate) fn wait_for<T>(
    limit: Duration,
    mut probe: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<Option<T>> {
    let watch = Stopwatch::start();
    loop {
        if let Some(answer) = probe()? {
            return Ok(Some(answer));
        }
        if watch.elapsed() >= limit {
            return Ok(None);
        }
        rest();
    }
}

#[expect(clippy::disallowed_methods, reason = "another process is awaited, which cannot wake us")]
fn rest() {
    std::thread::sleep(POLL);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_with_the_first_answer() {
        let mut asked = 0;
        let answer = wait_for(Duration::from_mins(1), || {
            asked += 1;
            Ok((asked == 2).then_some("ready"))
        });
        assert_eq!(answer.unwrap(), Some("ready"), "the second look had the answer");
    }

    #[test]
    fn a_wait_that_is_late_has_no_answer() {
        let answer = wait_for(Duration::ZERO, || Ok(None::<()>));
        assert_eq!(answer.unwrap(), None, "the deadline had passed at once");
    }

    #[test]
    fn an_error_ends_the_wait_at_once() {
        let answer: anyhow::Result<Option<()>> =
            wait_for(Duration::from_mins(1), || Err(anyhow::anyhow!("it died")));
        assert!(answer.is_err(), "the probe's error is the result");
    }
}
