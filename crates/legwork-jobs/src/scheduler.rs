//! Enqueues the occurrences of recurring jobs.
//!
//! Every server schedules; there is no leader. The instants are computed here, from what is stored;
//! the storage enqueues each occurrence once, guarded by the revision that was seen.

use std::sync::Arc;
use std::time::Duration;

use legwork_core::cron::{Cron, Zone};
use legwork_core::storage::recurring::{Due, Fired, Firing, Misfire, RecurringJob};
use legwork_core::{CancellationToken, Result, Store, Timestamp};
use tokio::time::Instant;

use crate::pace::{BackOff, jittered};

/// How many recurring jobs one call looks at.
const BATCH_MAX: usize = 100;

/// Wakes come with every enqueue; the schedules are looked at no more often than this.
const LOOK_MIN: Duration = Duration::from_millis(100);

/// An occurrence that is later than this was missed: the misfire policy decides.
const MISSED_AFTER: Duration = Duration::from_mins(1);

/// How many missed occurrences are enqueued at most, whatever the policy says.
const CATCH_UP_MAX: u32 = 1_000;

/// When a recurring job that cannot be computed is looked at again.
const BROKEN_RETRY: Duration = Duration::from_hours(1);

/// Schedules until `stop`.
pub(crate) async fn run(store: Arc<dyn Store>, poll_interval: Duration, stop: CancellationToken) {
    let mut wakes = store.watch();
    let mut back_off = BackOff::default();
    loop {
        let looked_at = Instant::now();
        let wait = match fire_due(&*store).await {
            Ok(next_in) => {
                back_off.succeeded();
                let poll = jittered(poll_interval);
                next_in.map_or(poll, |next_in| std::cmp::min(next_in, poll))
            }
            Err(error) => {
                let error = legwork_core::outcome::describe(&error);
                tracing::warn!(error, "recurring jobs could not be enqueued");
                back_off.failed()
            }
        };
        // Cancel safe: a token, a sleep and a wake lose nothing when dropped.
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
            () = wakes.next() => {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep_until(looked_at + LOOK_MIN) => {}
                }
            }
        }
    }
}

/// Fires what is due and returns how long it is until something else is.
async fn fire_due(store: &dyn Store) -> Result<Option<Duration>> {
    let Due { jobs, now, next_in } = store.due_recurring(BATCH_MAX).await?;
    // What was fired now has a next occurrence that the answer did not know yet.
    let look_again = (!jobs.is_empty()).then_some(LOOK_MIN);
    for job in jobs {
        let firing = plan(&job, now);
        let id = firing.id.clone();
        match store.fire_recurring(firing).await? {
            Fired::Enqueued(enqueued) if !enqueued.is_empty() => {
                tracing::debug!(%id, n = enqueued.len(), "occurrences enqueued");
            }
            Fired::Enqueued(_) => {}
            Fired::Stale => tracing::debug!(%id, "another server was faster"),
        }
    }
    Ok(look_again.into_iter().chain(next_in).min())
}

/// Says which occurrences of a recurring job are to be enqueued now.
fn plan(job: &RecurringJob, now: Timestamp) -> Firing {
    let spec = &job.spec;
    let firing = |occurrences: Vec<Timestamp>, last_at, next_at| Firing {
        id: spec.id.clone(),
        revision: job.revision,
        occurrences,
        last_at,
        next_at,
    };
    let (cron, zone) = match (Cron::parse(&spec.cron), Zone::new(&spec.time_zone)) {
        (Ok(cron), Ok(zone)) => (cron, zone),
        (Err(error), _) | (_, Err(error)) => {
            let error = legwork_core::outcome::describe(&error);
            tracing::error!(id = %spec.id, error, "the schedule of a recurring job cannot be read");
            return firing(Vec::new(), job.last_at, Some(now.after(BROKEN_RETRY)));
        }
    };
    let after = job.last_at.unwrap_or(job.since);
    let occurrences = due(&cron, &zone, after, now, spec.misfire);
    let last_at = occurrences.last().copied().or(job.last_at);
    // The high-water mark moves over what the policy skipped, too.
    let passed = latest(&cron, &zone, after, now).into_iter().chain(last_at).max();
    let next_at = cron.next(std::cmp::max(now, after), &zone);
    firing(occurrences, passed, next_at)
}

/// Returns the instants after `after` and up to `now` that the policy lets through.
fn due(
    cron: &Cron,
    zone: &Zone,
    after: Timestamp,
    now: Timestamp,
    misfire: Misfire,
) -> Vec<Timestamp> {
    let Some(latest) = latest(cron, zone, after, now) else { return Vec::new() };
    let on_time = now.since(latest) <= MISSED_AFTER;
    let wanted = match misfire {
        Misfire::Skip if on_time => 1,
        Misfire::Skip => 0,
        Misfire::CatchUp(n) => n.clamp(u32::from(on_time), CATCH_UP_MAX),
        // And what a newer version may have stored.
        Misfire::RunOnce | _ => 1,
    };
    if wanted <= 1 {
        return std::iter::repeat_n(latest, usize::from(wanted == 1)).collect();
    }
    last_n(cron, zone, after, now, wanted)
}

/// Returns the last instant after `after` and up to `now`.
fn latest(cron: &Cron, zone: &Zone, after: Timestamp, now: Timestamp) -> Option<Timestamp> {
    last_n(cron, zone, after, now, 1).pop()
}

/// Returns the last `n` instants after `after` and up to `now`, earliest first.
///
/// It looks back over growing spans, so that a schedule of every minute that was missed for a year
/// is not walked through minute by minute.
fn last_n(cron: &Cron, zone: &Zone, after: Timestamp, now: Timestamp, n: u32) -> Vec<Timestamp> {
    let wanted = usize::try_from(n).unwrap_or(usize::MAX);
    let mut span = Duration::from_mins(10);
    loop {
        let from = std::cmp::max(after, now.before(span));
        let mut found: std::collections::VecDeque<Timestamp> = std::collections::VecDeque::new();
        let mut at = from;
        while let Some(next) = cron.next(at, zone).filter(|&next| next <= now) {
            if found.len() == wanted {
                found.pop_front();
            }
            found.push_back(next);
            at = next;
        }
        if found.len() == wanted || from == after {
            return found.into();
        }
        span = span.saturating_mul(8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60;
    const DAY: u64 = 24 * 60 * MINUTE;

    fn at(secs: u64) -> Timestamp {
        Timestamp::MIN.after(Duration::from_secs(secs))
    }

    fn check(cron: &str, after: u64, now: u64, misfire: Misfire, expected: &[u64]) {
        let cron = Cron::parse(cron).unwrap();
        let due = due(&cron, &Zone::utc(), at(after), at(now), misfire);
        let expected: Vec<Timestamp> = expected.iter().map(|&secs| at(secs)).collect();
        assert_eq!(due, expected);
    }

    #[test]
    fn nothing_is_due_before_its_time() {
        check("*/5 * * * *", 0, 299, Misfire::RunOnce, &[]);
        check("*/5 * * * *", 300, 599, Misfire::RunOnce, &[]);
    }

    #[test]
    fn what_is_due_now_is_enqueued_under_every_policy() {
        for misfire in [Misfire::Skip, Misfire::RunOnce, Misfire::CatchUp(0), Misfire::CatchUp(5)] {
            check("*/5 * * * *", 0, 300, misfire, &[300]);
            check("*/5 * * * *", 0, 300 + MINUTE, misfire, &[300]);
        }
    }

    #[test]
    fn missed_occurrences_follow_the_policy() {
        let now = 3 * DAY + 2 * MINUTE;
        check("0 * * * *", 0, now, Misfire::Skip, &[]);
        check("0 * * * *", 0, now, Misfire::RunOnce, &[3 * DAY]);
        check("0 0 * * *", 0, now, Misfire::CatchUp(2), &[2 * DAY, 3 * DAY]);
        check("0 0 * * *", 0, now, Misfire::CatchUp(9), &[DAY, 2 * DAY, 3 * DAY]);
        check("0 * * * *", 0, now, Misfire::CatchUp(0), &[]);
    }

    #[test]
    fn a_long_outage_never_floods() {
        let year = 365 * DAY;
        let cron = Cron::parse("* * * * *").unwrap();
        let caught_up = due(&cron, &Zone::utc(), at(0), at(year), Misfire::CatchUp(u32::MAX));
        assert_eq!(caught_up.len(), 1_000);
        assert_eq!(caught_up.last(), Some(&at(year)));
    }
}
