//! Which jobs a list shows: the tab, the filter, the place in the list.
//!
//! It is read from a query or a form here, and written into links here, so that both always agree.
//! What is read is checked: a wrong value is a 400, never a surprise in a storage.

use axum::http::StatusCode;
use legwork_core::inspect::{Count, Counts, JobFilter, PAGE_MAX};
use legwork_core::{JobState, Kind, QueueName};

use crate::failure::Failure;
use crate::pages::Pairs;

/// How many jobs a page shows unless it is said otherwise.
const LEN_DEFAULT: usize = 20;

/// The longest place in a list, in bytes.
const AFTER_MAX_BYTES: usize = 512;

/// A list of jobs: one per state, and the retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Tab {
    /// All jobs of a state.
    State(JobState),
    /// The scheduled jobs that have failed before.
    Retries,
}

/// Which jobs, and where in their list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Listing {
    pub(crate) tab: Tab,
    pub(crate) queue: Option<QueueName>,
    pub(crate) kind: Option<Kind>,
    pub(crate) len: usize,
    pub(crate) after: Option<String>,
}

impl Tab {
    /// All lists, in the order of their tabs: what is to be done, then what was.
    pub(crate) const ALL: [Self; 8] = [
        Self::State(JobState::Enqueued),
        Self::State(JobState::Processing),
        Self::State(JobState::Scheduled),
        Self::Retries,
        Self::State(JobState::Awaiting),
        Self::State(JobState::Succeeded),
        Self::State(JobState::Failed),
        Self::State(JobState::Cancelled),
    ];

    /// Finds the list of this name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tab| tab.name() == name)
    }

    /// Returns the name in addresses and classes.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::State(state) => state.as_str(),
            Self::Retries => "retries",
        }
    }

    /// Returns the name for people.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::State(JobState::Awaiting) => "Awaiting",
            Self::State(JobState::Scheduled) => "Scheduled",
            Self::State(JobState::Enqueued) => "Enqueued",
            Self::State(JobState::Processing) => "Processing",
            Self::State(JobState::Succeeded) => "Succeeded",
            Self::State(JobState::Failed) => "Failed",
            Self::State(JobState::Cancelled) => "Cancelled",
            Self::Retries => "Retries",
        }
    }

    /// Returns the state of the jobs in the list.
    pub(crate) fn state(self) -> JobState {
        match self {
            Self::State(state) => state,
            Self::Retries => JobState::Scheduled,
        }
    }

    pub(crate) fn count(self, counts: &Counts) -> Count {
        match self {
            Self::State(state) => counts.of(state),
            Self::Retries => counts.retries,
        }
    }

    /// Says what the list is.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::State(JobState::Awaiting) => "Continuations that wait for their parents to end.",
            Self::State(JobState::Scheduled) => {
                "Jobs that wait for their due time, retries included. The next one due comes first."
            }
            Self::State(JobState::Enqueued) => {
                "Jobs that the next free worker can claim, in the order in which they will run."
            }
            Self::State(JobState::Processing) => "Jobs that servers are running now.",
            Self::State(JobState::Succeeded) => "Jobs that ended well, latest first.",
            Self::State(JobState::Failed) => {
                "Jobs that ended badly and will not be tried again by themselves, latest first."
            }
            Self::State(JobState::Cancelled) => "Jobs that were cancelled, latest first.",
            Self::Retries => {
                "Jobs that failed and will be tried again. Requeue one to try it at once."
            }
        }
    }

    /// Says what it means that the list is empty.
    pub(crate) fn empty_text(self) -> &'static str {
        match self {
            Self::State(JobState::Awaiting) => "No job waits for another.",
            Self::State(JobState::Scheduled) => "Nothing is scheduled.",
            Self::State(JobState::Enqueued) => "Nothing waits for a worker.",
            Self::State(JobState::Processing) => "Nothing is running right now.",
            Self::State(JobState::Succeeded) => "No succeeded job is kept.",
            Self::State(JobState::Failed) => "Nothing has failed. Good.",
            Self::State(JobState::Cancelled) => "No cancelled job is kept.",
            Self::Retries => "Nothing has to be tried again. Good.",
        }
    }

    /// Names what [`JobSummary::at`](legwork_core::inspect::JobSummary::at) is in this list.
    pub(crate) fn time_heading(self) -> &'static str {
        match self {
            Self::State(JobState::Awaiting) => "Since",
            Self::State(JobState::Scheduled) | Self::Retries => "Due",
            Self::State(JobState::Enqueued) => "Enqueued",
            Self::State(JobState::Processing) => "Started",
            Self::State(JobState::Succeeded) => "Ended",
            Self::State(JobState::Failed) => "Failed",
            Self::State(JobState::Cancelled) => "Cancelled",
        }
    }

    /// Names what a row says besides: the server of a running job, the duration of an ended one.
    pub(crate) fn extra_heading(self) -> Option<&'static str> {
        match self {
            Self::State(JobState::Processing) => Some("Server"),
            Self::State(JobState::Succeeded | JobState::Failed) => Some("Took"),
            Self::State(
                JobState::Awaiting | JobState::Scheduled | JobState::Enqueued | JobState::Cancelled,
            )
            | Self::Retries => None,
        }
    }
}

impl Listing {
    /// Reads a list from a query or a form.
    ///
    /// # Errors
    /// 400 for a name, a length or a place that cannot be.
    pub(crate) fn parse(tab: Tab, pairs: &Pairs) -> Result<Self, Failure> {
        let queue = pairs.get("queue").map(QueueName::new).transpose()?;
        let kind = pairs.get("kind").map(Kind::new).transpose()?;
        let len = match pairs.get("len") {
            None => LEN_DEFAULT,
            Some(text) => match text.parse() {
                Ok(len) if (1..=PAGE_MAX).contains(&len) => len,
                _ => return Err(refused(format!("A page shows 1 to {PAGE_MAX} jobs."))),
            },
        };
        let after = pairs.get("after").map(str::to_owned);
        // What is safe in a URL without being escaped, so that links can carry it as it is.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~:,=".contains(c);
        let fits = |text: &String| text.len() <= AFTER_MAX_BYTES && text.chars().all(is_plain);
        if after.as_ref().is_some_and(|after| !fits(after)) {
            return Err(refused("That is no place in this list.".to_owned()));
        }
        Ok(Self { tab, queue, kind, len, after })
    }

    pub(crate) fn filter(&self) -> JobFilter {
        let mut filter = JobFilter::state(self.tab.state());
        filter.retries_only = self.tab == Tab::Retries;
        filter.queue.clone_from(&self.queue);
        filter.kind.clone_from(&self.kind);
        filter
    }

    /// Returns the fields that say which list this is, without the place in it.
    pub(crate) fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = Vec::with_capacity(3);
        if let Some(queue) = &self.queue {
            fields.push(("queue", queue.to_string()));
        }
        if let Some(kind) = &self.kind {
            fields.push(("kind", kind.to_string()));
        }
        if self.len != LEN_DEFAULT {
            fields.push(("len", self.len.to_string()));
        }
        fields
    }

    /// Writes the query of the list at a place. Every value is safe in a URL by its rule.
    pub(crate) fn query(&self, after: Option<&str>) -> String {
        let place = after.map(|after| ("after", after.to_owned()));
        let fields = self.fields().into_iter().chain(place);
        fields.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    }
}

fn refused(detail: String) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, detail)
}
