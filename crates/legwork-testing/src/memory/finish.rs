//! Finishing runs: the fence, and what each verdict does to the job.
//!
//! The finishing half of `Storage::exchange`; a server that stops or dies ends its runs through
//! here too, from [`super::server`] and [`super::rescue`].

use std::time::Duration;

use legwork_core::inspect::History;
use legwork_core::limits::{INTERRUPTIONS_MAX, REASON_MAX_BYTES, clip};
use legwork_core::state::Event;
use legwork_core::storage::exchange::RunErrorKind;
use legwork_core::storage::{Exchange, Exchanged, FailReason, Finish, Finished, RunError, Verdict};
use legwork_core::{Incarnation, JobId, Run};

use super::model::{Ended, Model, Place};
use super::operate::cancel_reason;

impl Model {
    pub(super) fn exchange(&mut self, exchange: Exchange) -> Exchanged {
        let server = exchange.server;
        let finished =
            exchange.finish.into_iter().map(|finish| self.finish(server, finish)).collect();
        let claimed = exchange.claim.map(|claim| self.claim(server, &claim)).unwrap_or_default();
        Exchanged { finished, claimed }
    }

    fn finish(&mut self, server: Incarnation, finish: Finish) -> Finished {
        let Finish { id, run, lease, ran_for, verdict } = finish;
        let holds = self
            .leases
            .get(&lease)
            .is_some_and(|lease| lease.server == server && lease.runs.get(&id) == Some(&run));
        if holds {
            self.finish_held(id, ran_for, verdict);
            return Finished::Recorded;
        }
        // The answer to an earlier call may have got lost.
        let repeated = self.outcomes.get(&(id, run)).is_some_and(|ended| {
            ended.server == server && ended.verdict.as_ref() == Some(&verdict)
        });
        if repeated { Finished::Recorded } else { Finished::Lost }
    }

    /// Ends the run in progress of a processing job as its server says.
    pub(super) fn finish_held(&mut self, id: JobId, ran_for: Duration, verdict: Verdict) {
        let run = self.record_outcome(id, Some(verdict.clone()));
        match verdict {
            Verdict::Succeeded { result } => {
                let record = self.record(id);
                record.result = result;
                record.ran_for = Some(ran_for);
                self.tally().succeeded += 1;
                self.note(id, Some(run), History::Succeeded { ran_for });
                self.end(id, Event::Succeed);
            }
            Verdict::Retry { after, error } => self.retry(id, ran_for, after, &error),
            Verdict::Failed { reason, error } => {
                let record = self.record(id);
                record.ran_for = Some(ran_for);
                if matches!(reason, FailReason::Exhausted | FailReason::Discarded) {
                    record.failures += 1;
                }
                self.fail(id, ran_for, reason, &error);
            }
            Verdict::Snoozed { delay } => {
                let at = self.now.after(delay);
                let record = self.record(id);
                record.ran_for = Some(ran_for);
                record.losses = 0;
                self.come_back(
                    id,
                    Event::Snooze,
                    Place::Due { at },
                    History::Snoozed { due_at: at },
                );
            }
            Verdict::Cancelled { reason } => {
                let record = self.record(id);
                record.ran_for = Some(ran_for);
                let actor = record.cancel.clone();
                let reason = clip(&reason, REASON_MAX_BYTES);
                self.note(id, Some(run), History::Cancelled { reason, actor });
                self.end(id, Event::Cancel);
            }
            Verdict::Released { started } => self.give_back_run(id, started),
        }
    }

    /// Writes down that the run in progress has ended, once.
    pub(super) fn record_outcome(&mut self, id: JobId, verdict: Option<Verdict>) -> Run {
        let record = &self.jobs[&id];
        let (run, Place::Leased { lease, .. }) = (record.run, record.place) else {
            unreachable!("only a processing job has a run in progress, not job {id}");
        };
        let server = self.leases[&lease].server;
        let before = self.outcomes.insert((id, run), Ended { server, verdict });
        assert!(before.is_none(), "run {run} of job {id} has ended twice");
        run
    }

    fn retry(&mut self, id: JobId, ran_for: Duration, after: Duration, error: &RunError) {
        let at = self.now.after(after);
        let error = RunError::new(error.kind, &error.message);
        let record = self.record(id);
        record.ran_for = Some(ran_for);
        record.failures += 1;
        record.losses = 0;
        record.error = Some(error.clone());
        self.tally().retried += 1;
        let what = History::Retried { error, due_at: at, ran_for };
        self.come_back(id, Event::Retry, Place::Due { at }, what);
    }

    /// Gives the run in progress back; a job that is interrupted too often fails.
    fn give_back_run(&mut self, id: JobId, started: bool) {
        let record = self.record(id);
        record.interruptions += u32::from(started);
        let interruptions = record.interruptions;
        if interruptions > INTERRUPTIONS_MAX && record.cancel.is_none() {
            let message = format!("it was interrupted {interruptions} times");
            let error = RunError::new(RunErrorKind::Error, &message);
            return self.fail(id, Duration::ZERO, FailReason::Interrupted, &error);
        }
        let place = self.at_the_end();
        self.come_back(id, Event::Release, place, History::Released { started });
    }

    /// Fails a processing job for good.
    pub(super) fn fail(
        &mut self,
        id: JobId,
        ran_for: Duration,
        reason: FailReason,
        error: &RunError,
    ) {
        let error = RunError::new(error.kind, &error.message);
        let record = self.record(id);
        record.error = Some(error.clone());
        let run = record.run;
        self.tally().failed += 1;
        self.note(id, Some(run), History::Failed { reason, error, ran_for });
        self.end(id, Event::Fail);
    }

    /// Makes a processing job wait for its next run, because of `event`, told as `what`.
    ///
    /// One that someone wants cancelled ends here instead: once a cancel was requested, no other
    /// run may start.
    pub(super) fn come_back(&mut self, id: JobId, event: Event, place: Place, what: History) {
        let record = self.record(id);
        let run = record.run;
        if let Some(actor) = record.cancel.take() {
            let reason = cancel_reason(&actor);
            self.note(id, Some(run), History::Cancelled { reason, actor: Some(actor) });
            return self.end(id, Event::Cancel);
        }
        record.run = run.next();
        self.note(id, Some(run), what);
        self.go(id, event, place);
    }
}
