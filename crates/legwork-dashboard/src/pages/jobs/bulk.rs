//! Actions on the jobs that are ticked in a list.
//!
//! `router` names the handler. The storage decides about each job by its state at that moment; the
//! notice tells how many it refused.

use axum::extract::{Form, Path};
use axum::response::Response;
use legwork_core::JobId;
use legwork_core::inspect::PAGE_MAX;
use legwork_core::storage::{Cancelled, Deleted, Requeued};

use super::{Listing, Tab};
use crate::failure::Failure;
use crate::notice::{Done, Notice};
use crate::pages::{Pairs, back};
use crate::visit::Visit;

/// What an operator does to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Requeue,
    Cancel,
    Delete,
}

impl Action {
    /// Reads the last part of the address.
    ///
    /// # Errors
    /// 404 for an action that there is none of.
    pub(crate) fn parse(name: &str) -> Result<Self, Failure> {
        match name {
            "requeue" => Ok(Self::Requeue),
            "cancel" => Ok(Self::Cancel),
            "delete" => Ok(Self::Delete),
            _ => Err(Failure::not_found("There is no such action.")),
        }
    }

    /// Does it to one job, and tells what came of it.
    pub(crate) async fn apply(self, visit: &Visit, id: JobId) -> Result<Notice, Failure> {
        let (store, actor) = (visit.store(), visit.actor()?);
        Ok(match self {
            Self::Requeue => match store.requeue(id, actor).await? {
                Requeued::Enqueued => Notice::one(Done::Requeued),
                Requeued::Refused(_) | Requeued::NotFound => Notice::refused(Done::Requeued),
            },
            Self::Cancel => match store.cancel(id, actor).await? {
                Cancelled::BeforeStart => Notice::one(Done::Cancelled),
                Cancelled::Requested => Notice::one(Done::CancelRequested),
                Cancelled::AlreadyFinal(_) | Cancelled::NotFound => {
                    Notice::refused(Done::Cancelled)
                }
            },
            Self::Delete => match store.delete(id, actor).await? {
                Deleted::Removed => Notice::one(Done::Deleted),
                Deleted::Refused(_) | Deleted::NotFound => Notice::refused(Done::Deleted),
            },
        })
    }
}

/// Answers `POST bulk/{action}`.
pub(crate) async fn bulk(
    visit: Visit,
    Path(captures): Path<Pairs>,
    Form(pairs): Form<Pairs>,
) -> Result<Response, Failure> {
    let action = Action::parse(captures.capture("action"))?;
    let tab = pairs.get("tab").and_then(Tab::parse);
    let tab = tab.ok_or_else(|| Failure::bad_request("There is no such list."))?;
    let listing = Listing::parse(tab, &pairs)?;
    let ids = pairs.all("id").map(str::parse).collect::<Result<Vec<JobId>, _>>()?;
    if ids.len() > PAGE_MAX {
        let detail = format!("At most {PAGE_MAX} jobs can be ticked at once.");
        return Err(Failure::bad_request(detail));
    }
    let mut sum = Notice { done: Done::NothingSelected, n_done: 0, n_refused: 0 };
    for id in ids {
        let one = action.apply(&visit, id).await?;
        if one.n_done > 0 || sum.done == Done::NothingSelected {
            sum.done = one.done;
        }
        sum.n_done += one.n_done;
        sum.n_refused += one.n_refused;
    }
    let path = format!("/{}", tab.name());
    Ok(back(&visit, &path, &listing.query(None), sum))
}
