//! One job in a list.
//!
//! The lists and the overview show it.

use std::collections::HashMap;

use legwork_core::inspect::{JobSummary, ServerView};
use legwork_core::{Incarnation, JobState, Progress, Timestamp};

use crate::failure::Failure;
use crate::pages::Sight;
use crate::show::{self, When};

/// One job in a list.
pub(crate) struct Row {
    pub(crate) id: i64,
    pub(crate) kind: String,
    pub(crate) queue: String,
    /// The priority where it is not 0.
    pub(crate) priority: Option<i16>,
    pub(crate) at: When,
    pub(crate) failures: u32,
    pub(crate) error: Option<String>,
    pub(crate) progress: Option<Bar>,
    /// The server of a running job, the duration of an ended one.
    pub(crate) extra: Option<Extra>,
}

/// How far a run has come.
pub(crate) struct Bar {
    /// 0 to 100.
    pub(crate) percent: u8,
    pub(crate) message: String,
}

/// What a row says besides.
pub(crate) enum Extra {
    Server { id: String, name: String },
    Took(String),
}

/// The names of the servers that are known.
#[derive(Default)]
pub(crate) struct Servers(HashMap<Incarnation, String>);

impl Row {
    pub(crate) fn new(job: &JobSummary, now: Timestamp, servers: &Servers) -> Self {
        let extra = match (job.state, job.server, job.ran_for) {
            (JobState::Processing, Some(server), _) => {
                Some(Extra::Server { id: server.to_string(), name: servers.name(server) })
            }
            (JobState::Succeeded | JobState::Failed, _, Some(ran_for)) => {
                Some(Extra::Took(show::span(ran_for)))
            }
            _ => None,
        };
        // A job that succeeded in the end has no error any more; its page tells the history.
        let has_failed = job.state != JobState::Succeeded;
        Self {
            id: job.id.get(),
            kind: job.kind.to_string(),
            queue: job.queue.to_string(),
            priority: Some(job.priority).filter(|&priority| priority != 0),
            at: When::new(job.at, now),
            failures: job.failures,
            error: job.error.as_deref().filter(|_| has_failed).map(show::first_line),
            progress: job.progress.as_ref().map(Bar::new),
            extra,
        }
    }
}

impl Bar {
    pub(crate) fn new(progress: &Progress) -> Self {
        Self { percent: percent(progress.share), message: show::visible(&progress.message) }
    }
}

/// Returns a share of 0 to 1 in percent; what is no number counts as nothing.
fn percent(share: f32) -> u8 {
    (0..=100_u8).rev().find(|&percent| f32::from(percent) <= share * 100.0).unwrap_or(0)
}

impl Servers {
    pub(crate) async fn of(sight: &Sight) -> Result<Self, Failure> {
        Ok(Self::new(&sight.store.servers().await?))
    }

    pub(crate) fn new(servers: &[ServerView]) -> Self {
        let names = servers
            .iter()
            .map(|server| (server.info.incarnation, show::visible(&server.info.name)));
        Self(names.collect())
    }

    /// Returns the name of a server, or the beginning of its incarnation.
    pub(crate) fn name(&self, server: Incarnation) -> String {
        self.0.get(&server).cloned().unwrap_or_else(|| server.to_string()[..8].to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_whole_percents_and_never_above_a_hundred() {
        let table = [(0.0, 0), (0.004, 0), (0.42, 42), (0.999, 99), (1.0, 100), (7.0, 100)];
        for (share, expected) in table {
            assert_eq!(percent(share), expected, "{share}");
        }
        assert_eq!((percent(f32::NAN), percent(-1.0)), (0, 0));
    }
}
