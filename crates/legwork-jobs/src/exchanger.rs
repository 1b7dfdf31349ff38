//! Finishes runs and claims jobs, both in one call to the storage, one call at a time.
//!
//! It is the heart of a server: `executor` gives it the runs that ended, it fills the free workers
//! from a small buffer and keeps the buffer filled. While a call is in flight the next batch
//! accumulates, so that a lone run is recorded at once and a crowd shares commits.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use legwork_core::limits::CLAIM_MAX_JOBS;
use legwork_core::storage::{
    Claim, ClaimedJob, Exchange, Exchanged, Finish, Finished, Kinds, Verdict, Wakes,
};
use legwork_core::{BoxFuture, CancellationToken, Error, Incarnation, Kind, QueueName, Result};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::executor::{Done, Executor};
use crate::observer::{RunEvent, end_of};
use crate::pace::{BackOff, jittered};
use crate::server::Shared;

/// How much work is claimed ahead, by the measured length of runs: enough to hide one call to the
/// storage, little enough that another idle server could not have started it sooner.
const PREFETCH_WORK: Duration = Duration::from_millis(30);

/// How many jobs are claimed ahead at most.
const PREFETCH_MAX: usize = 500;

/// How many runs one call finishes at most.
const FINISH_MAX: usize = 500;

/// What the exchanger is told when it is made.
pub(crate) struct Wish {
    pub(crate) queues: Vec<QueueName>,
    pub(crate) kinds: Kinds,
    pub(crate) workers: usize,
    pub(crate) poll_interval: Duration,
}

pub(crate) struct Exchanger<S> {
    shared: Arc<Shared>,
    executor: Arc<Executor<S>>,
    wish: Wish,
    /// Claimed, but no worker is free yet.
    buffer: VecDeque<ClaimedJob>,
    /// The incarnation that claimed what is in the buffer.
    claimed_as: Incarnation,
    runs: JoinSet<Done>,
    /// Ended, but not yet recorded.
    ended: Vec<Ended>,
    in_flight: Option<InFlight>,
    /// Whether there may be something to claim.
    hungry: bool,
    /// How many suspects are in the buffer or running.
    suspects: usize,
    /// The mean length of a run in seconds, of late.
    mean_run: Option<f64>,
    poll_at: Instant,
    back_off: BackOff,
    /// Calls are made from here on.
    retry_at: Option<Instant>,
    /// Set after a storage refused a batch, to find the run that it refuses.
    one_by_one: bool,
    stopping: bool,
}

/// A run whose end is to be recorded, with what the observers are told.
#[derive(Debug, Clone)]
struct Ended {
    finish: Finish,
    kind: Kind,
}

struct InFlight {
    call: BoxFuture<'static, Result<Exchanged>>,
    ended: Vec<Ended>,
    /// How many jobs were asked for.
    asked: usize,
}

/// What can wake the exchanger.
enum Event {
    Done(Option<Result<Done, tokio::task::JoinError>>),
    Answer(Result<Exchanged>),
    MayClaim,
    Retry,
    Stop,
}

impl<S: Clone + Send + Sync + 'static> Exchanger<S> {
    pub(crate) fn new(shared: Arc<Shared>, executor: Arc<Executor<S>>, wish: Wish) -> Self {
        let claimed_as = shared.incarnation();
        Self {
            shared,
            executor,
            wish,
            buffer: VecDeque::new(),
            claimed_as,
            runs: JoinSet::new(),
            ended: Vec::new(),
            in_flight: None,
            hungry: true,
            suspects: 0,
            mean_run: None,
            poll_at: Instant::now(),
            back_off: BackOff::default(),
            retry_at: None,
            one_by_one: false,
            stopping: false,
        }
    }

    /// Works until `stop`, and then until every run has ended and is recorded.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        // Subscribed before the first claim: what comes after it is not missed.
        let mut wakes = self.shared.store.watch();
        while !(self.stopping && self.is_idle()) {
            self.start_runs();
            self.begin_exchange();
            let event = self.next_event(&mut wakes, &stop).await;
            self.handle(event);
        }
    }

    fn is_idle(&self) -> bool {
        self.runs.is_empty()
            && self.buffer.is_empty()
            && self.ended.is_empty()
            && self.in_flight.is_none()
    }

    /// Waits for something to do. Every branch is cancel safe: `join_next`, tokens, sleeps and
    /// wakes lose nothing when dropped, and the call in flight is polled through a reference.
    async fn next_event(&mut self, wakes: &mut Wakes, stop: &CancellationToken) -> Event {
        let idle = self.in_flight.is_none();
        let retry_at = self.retry_at;
        let may_poll = idle && !self.hungry && !self.stopping;
        tokio::select! {
            biased;
            () = stop.cancelled(), if !self.stopping => Event::Stop,
            answer = answer(&mut self.in_flight), if !idle => Event::Answer(answer),
            done = self.runs.join_next(), if !self.runs.is_empty() => Event::Done(done),
            () = wakes.next(), if !self.hungry && !self.stopping => Event::MayClaim,
            () = tokio::time::sleep_until(self.poll_at), if may_poll => Event::MayClaim,
            () = until(retry_at), if retry_at.is_some() => Event::Retry,
            () = self.shared.fence.changed(), if idle => Event::Retry,
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Stop => {
                self.stopping = true;
                self.give_back_buffer();
            }
            Event::Answer(answer) => self.answered(answer),
            Event::Done(done) => {
                self.ended(done);
                while let Some(done) = self.runs.try_join_next() {
                    self.ended(Some(done));
                }
            }
            Event::MayClaim => {
                self.hungry = true;
                self.poll_at = Instant::now() + jittered(self.wish.poll_interval);
            }
            Event::Retry => self.retry_at = None,
        }
    }

    /// Fills free workers from the buffer.
    fn start_runs(&mut self) {
        if self.shared.fence.is_lost() || self.claimed_as != self.shared.incarnation() {
            // Another server may run them already.
            for job in self.buffer.drain(..) {
                self.suspects -= usize::from(job.is_suspect());
                self.shared.leases.job_ended(job.lease);
            }
        }
        while self.runs.len() < self.wish.workers {
            let Some(job) = self.buffer.pop_front() else { return };
            self.runs.spawn(Arc::clone(&self.executor).run(job));
        }
    }

    fn ended(&mut self, done: Option<Result<Done, tokio::task::JoinError>>) {
        let Done { finish, kind, suspect } = match done {
            Some(Ok(done)) => done,
            Some(Err(error)) => {
                // Every panic of user code is caught inside: this is a defect of the executor. The
                // job stays with its lease and comes back when the server stops or dies.
                tracing::error!(%error, "the task of a run ended without a verdict");
                return;
            }
            None => return,
        };
        if suspect {
            self.suspects -= 1;
            // The next suspect may wait already, and was passed over while this one ran.
            self.hungry = true;
        }
        let secs = finish.ran_for.as_secs_f64();
        // A mean over about the last ten runs follows a change of work within a moment.
        self.mean_run = Some(self.mean_run.map_or(secs, |mean| 0.9 * mean + 0.1 * secs));
        self.ended.push(Ended { finish, kind });
    }

    /// Hands back what no worker has begun.
    fn give_back_buffer(&mut self) {
        for job in std::mem::take(&mut self.buffer) {
            self.suspects -= usize::from(job.is_suspect());
            let verdict = Verdict::Released { started: false };
            let ClaimedJob { id, run, lease, kind, .. } = job;
            let finish = Finish { id, run, lease, ran_for: Duration::ZERO, verdict };
            self.ended.push(Ended { finish, kind });
        }
    }

    fn begin_exchange(&mut self) {
        if self.in_flight.is_some() || self.retry_at.is_some() {
            return;
        }
        let asked = self.wanted();
        let batch_max = if self.one_by_one { 1 } else { FINISH_MAX };
        let ended: Vec<Ended> =
            self.ended.drain(..std::cmp::min(batch_max, self.ended.len())).collect();
        if ended.is_empty() && asked == 0 {
            return;
        }
        let claim = (asked > 0).then(|| Claim {
            queues: self.wish.queues.clone(),
            kinds: Arc::clone(&self.wish.kinds),
            max: asked,
            suspects_max: usize::from(self.suspects == 0),
        });
        if asked > 0 {
            self.shared.leases.claim_begins();
        }
        self.claimed_as = self.shared.incarnation();
        let finish = ended.iter().map(|ended| ended.finish.clone()).collect();
        let exchange = Exchange { server: self.claimed_as, finish, claim };
        let store = Arc::clone(&self.shared.store);
        let call = Box::pin(async move { store.exchange(exchange).await });
        self.in_flight = Some(InFlight { call, ended, asked });
    }

    /// Says how many jobs to claim now.
    fn wanted(&self) -> usize {
        if !self.hungry || self.stopping || self.one_by_one || !self.shared.fence.may_claim() {
            return 0;
        }
        let capacity = self.wish.workers + self.prefetch();
        // Runs that cannot be recorded count: an outage must not pile up ends without bound.
        let taken = self.runs.len() + self.buffer.len() + self.ended.len();
        let wanted = capacity.saturating_sub(taken);
        // A few jobs at a time would cost a claim each; a buffer that still feeds the workers
        // waits.
        let later = !self.buffer.is_empty() && wanted < capacity / 4;
        if later { 0 } else { std::cmp::min(wanted, CLAIM_MAX_JOBS) }
    }

    fn prefetch(&self) -> usize {
        let Some(mean) = self.mean_run else { return 0 };
        let per_worker = PREFETCH_WORK.as_secs_f64() / mean.max(1e-6);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let per_worker = per_worker.clamp(0.0, 1e6) as usize;
        std::cmp::min(per_worker * self.wish.workers, PREFETCH_MAX)
    }

    fn answered(&mut self, answer: Result<Exchanged>) {
        let Some(InFlight { ended, asked, call: _ }) = self.in_flight.take() else { return };
        match answer {
            Ok(exchanged) => {
                self.back_off.succeeded();
                self.one_by_one &= !self.ended.is_empty();
                self.recorded(ended, &exchanged.finished);
                if asked > 0 {
                    self.claimed(exchanged.claimed, asked);
                }
            }
            Err(error) => {
                if asked > 0 {
                    self.shared.leases.claim_ended(std::iter::empty());
                }
                self.refused(ended, &error);
            }
        }
    }

    fn recorded(&self, ended: Vec<Ended>, finished: &[Finished]) {
        for (Ended { finish, kind }, finished) in ended.into_iter().zip(finished) {
            let Finish { id, run, lease, ran_for, verdict } = finish;
            self.shared.leases.job_ended(lease);
            let end = end_of(*finished, &verdict);
            self.shared.observer.ended(RunEvent { id, run, kind, end, ran_for }, &verdict);
        }
    }

    fn claimed(&mut self, claimed: Vec<ClaimedJob>, asked: usize) {
        // Fewer than were asked for: the queues are empty until a wake or the next poll.
        self.hungry = claimed.len() >= asked;
        self.poll_at = Instant::now() + jittered(self.wish.poll_interval);
        self.shared.leases.claim_ended(claimed.iter().map(|job| job.lease));
        self.suspects += claimed.iter().filter(|job| job.is_suspect()).count();
        self.buffer.extend(claimed);
        if self.stopping {
            self.give_back_buffer();
        }
    }

    /// Keeps the ends of runs for another try. Repeating them is harmless: they are fenced.
    fn refused(&mut self, mut ended: Vec<Ended>, error: &Error) {
        if !error.is_transient() && ended.len() == 1 {
            let Finish { id, run, .. } = &ended[0].finish;
            let error = legwork_core::outcome::describe(error);
            tracing::error!(%id, %run, error, "the storage refuses the end of a run; the job comes back when this server has ended");
            return;
        }
        let wait = self.back_off.failed();
        self.one_by_one = !error.is_transient() && !ended.is_empty();
        ended.append(&mut self.ended);
        self.ended = ended;
        self.retry_at = Some(Instant::now() + wait);
        let cause = legwork_core::outcome::describe(error);
        tracing::warn!(
            error = cause,
            wait_ms = wait.as_secs_f64() * 1e3,
            "the storage did not take an exchange"
        );
    }
}

async fn answer(in_flight: &mut Option<InFlight>) -> Result<Exchanged> {
    match in_flight {
        Some(in_flight) => in_flight.call.as_mut().await,
        None => std::future::pending().await,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
