//! What an action did, told on the page after the redirect.
//!
//! Actions put it into the query of the page they redirect to, as an enumerated word and numbers:
//! nothing that a link carries is ever printed as it came.

use crate::show;

/// What was done, and to how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Notice {
    /// What was done.
    pub(crate) done: Done,
    /// How many times it worked.
    pub(crate) n_done: u64,
    /// How many times it was refused.
    pub(crate) n_refused: u64,
}

/// What can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    Requeued,
    Cancelled,
    CancelRequested,
    Deleted,
    Paused,
    Resumed,
    Triggered,
    Removed,
    NothingSelected,
}

impl Done {
    const ALL: [Self; 9] = [
        Self::Requeued,
        Self::Cancelled,
        Self::CancelRequested,
        Self::Deleted,
        Self::Paused,
        Self::Resumed,
        Self::Triggered,
        Self::Removed,
        Self::NothingSelected,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Requeued => "requeued",
            Self::Cancelled => "cancelled",
            Self::CancelRequested => "cancel-requested",
            Self::Deleted => "deleted",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Triggered => "triggered",
            Self::Removed => "removed",
            Self::NothingSelected => "nothing-selected",
        }
    }
}

impl Notice {
    /// Tells that one thing was done.
    pub(crate) fn one(done: Done) -> Self {
        Self { done, n_done: 1, n_refused: 0 }
    }

    /// Tells that one thing was refused.
    pub(crate) fn refused(done: Done) -> Self {
        Self { done, n_done: 0, n_refused: 1 }
    }

    /// Writes it as it stands in a query: `done=requeued.3.1`.
    pub(crate) fn query(self) -> String {
        format!("done={}.{}.{}", self.done.word(), self.n_done, self.n_refused)
    }

    /// Reads what [`query`](Self::query) wrote; anything else is no notice.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (word, n_done, n_refused) = (parts.next()?, parts.next()?, parts.next()?);
        let done = Done::ALL.into_iter().find(|done| done.word() == word)?;
        Some(Self { done, n_done: n_done.parse().ok()?, n_refused: n_refused.parse().ok()? })
    }

    /// Returns whether it is good news, for its colour.
    pub(crate) fn is_good(self) -> bool {
        self.n_refused == 0 && self.done != Done::NothingSelected
    }

    /// Returns the sentence to show.
    pub(crate) fn text(self) -> String {
        let jobs = |n: u64| {
            let noun = if n == 1 { "job" } else { "jobs" };
            format!("{} {noun}", show::number(n))
        };
        let n = self.n_done;
        let done = match self.done {
            Done::Requeued => format!("Requeued {}.", jobs(n)),
            Done::Cancelled => format!("Cancelled {}.", jobs(n)),
            Done::CancelRequested => {
                format!("Asked {} to cancel; a running handler ends when it notices.", jobs(n))
            }
            Done::Deleted => format!("Deleted {}.", jobs(n)),
            Done::Paused => "Paused the queue. What is running goes on.".to_owned(),
            Done::Resumed => "Resumed the queue.".to_owned(),
            Done::Triggered => "Enqueued one run of the recurring job.".to_owned(),
            Done::Removed => "Removed the recurring job. Jobs it enqueued stay.".to_owned(),
            Done::NothingSelected => "Nothing was selected.".to_owned(),
        };
        match (self.n_done, self.n_refused) {
            (_, 0) => done,
            (0, _) => "Nothing was changed: the state did not allow it any more.".to_owned(),
            (_, refused) => {
                format!("{done} {} had moved on and did not allow it.", jobs(refused))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_survives_the_query_and_nothing_else_is_one() {
        for done in Done::ALL {
            let notice = Notice { done, n_done: 3, n_refused: 1 };
            let query = notice.query();
            assert_eq!(Notice::parse(query.strip_prefix("done=").unwrap()), Some(notice));
        }
        for text in ["", "requeued", "requeued.1", "requeued.x.0", "<b>.1.0", "requeued.-1.0"] {
            assert_eq!(Notice::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_notice_counts_what_was_done_and_what_was_refused() {
        let notice = Notice { done: Done::Requeued, n_done: 1200, n_refused: 1 };
        let text = "Requeued 1,200 jobs. 1 job had moved on and did not allow it.";
        assert_eq!(notice.text(), text);
        assert!(!notice.is_good());
    }
}
