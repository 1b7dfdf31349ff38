//! Makes up a day of a shop's background work.
//!
//! `main` calls it. It talks to the storage as a server would, under a clock that starts in the
//! past.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use legwork_core::cron::{Cron, Zone};
use legwork_core::storage::exchange::RunErrorKind;
use legwork_core::storage::{
    Claim, ClaimedJob, Exchange, FailReason, Finish, Firing, NewJob, On, Parent, RecurringSpec,
    RunError, ServerInfo, Start, Verdict,
};
use legwork_core::{
    Actor, Clock, Incarnation, JobId, Kind, Progress, QueueName, RecurringId, Result, Store,
    SystemClock, Timestamp,
};

const DAY_MINUTES: u64 = 24 * 60;

/// The system's clock, some minutes ago.
#[derive(Debug, Clone)]
pub(crate) struct PastClock(Arc<AtomicU64>);

impl Default for PastClock {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(DAY_MINUTES)))
    }
}

impl Clock for PastClock {
    fn now(&self) -> Timestamp {
        SystemClock.now().before(Duration::from_mins(self.0.load(Ordering::Relaxed)))
    }

    fn monotonic(&self) -> Instant {
        SystemClock.monotonic()
    }
}

/// A made-up shop.
pub(crate) struct Seed {
    store: Arc<dyn Store>,
    clock: PastClock,
    held: Vec<ClaimedJob>,
    random: fastrand::Rng,
    n_customers: u64,
}

const WEB: Incarnations = Incarnations(0x4f1c_9a07_22b8_43e1_8d5e_0c6a_91f7_3b20);
const WORKER: Incarnations = Incarnations(0xb7d2_0e65_91aa_4c0f_a3f4_7718_2cde_5a09);
const OLD: Incarnations = Incarnations(0x09e3_5d71_6c4b_4f82_b1a9_e2d8_0753_46cf);

struct Incarnations(u128);

impl Incarnations {
    fn id(&self) -> Incarnation {
        Incarnation::from_bits(self.0)
    }
}

const KINDS: [(&str, &str, &str); 7] = [
    ("mail.welcome", "mail", r#"{"user_id":41873,"locale":"tr-TR"}"#),
    ("mail.receipt", "mail", r#"{"order_id":9007199254740993,"total":"128.90","currency":"EUR"}"#),
    ("image.resize", "images", r#"{"path":"products/4711/front.jpg","widths":[320,640,1280]}"#),
    ("search.reindex", "default", r#"{"index":"products","ids":[4711,4712,4713],"full":false}"#),
    ("invoice.export", "reports", r#"{"month":"2026-10","format":"pdf","tenant":null}"#),
    ("order.confirm", "default", r#"{"order_id":88123,"grace_minutes":30}"#),
    ("webhook.deliver", "default", r#"{"url":"https://shop.example/hooks","attempt_key":"k-77"}"#),
];

const ERRORS: [(&str, &str); 3] = [
    (
        "webhook.deliver",
        "the endpoint answered 503 Service Unavailable\n  caused by: upstream connect error or \
         disconnect before headers\n  caused by: connection refused (os error 111)",
    ),
    ("mail.receipt", "550 5.1.1 mailbox unavailable: no such user here"),
    ("image.resize", "cannot decode products/4711/front.jpg\n  caused by: unexpected end of file"),
];

impl Seed {
    pub(crate) fn new(store: Arc<dyn Store>, clock: PastClock) -> Self {
        let random = fastrand::Rng::with_seed(7);
        Self { store, clock, held: Vec::new(), random, n_customers: 41_000 }
    }

    /// Lets a day pass, and leaves jobs in every state.
    pub(crate) async fn a_day(&mut self) -> Result<()> {
        self.register(&OLD, "web-1/3907", 16).await?;
        self.register(&WEB, "web-1/4711", 16).await?;
        self.register(&WORKER, "worker-2/812", 8).await?;
        self.recurring().await?;
        for minute in (0..DAY_MINUTES).rev() {
            self.clock.0.store(minute, Ordering::Relaxed);
            if minute < 60 || minute % 10 == 3 {
                self.some_work(minute).await?;
            }
            if minute >= 200 && minute % 60 == 20 {
                self.store.heartbeat(OLD.id()).await?;
            }
            if minute == 200 {
                self.store.retire(OLD.id()).await?;
            }
        }
        self.beat().await?;
        self.leave_some().await
    }

    /// Goes on like this for ever, at the pace of the clock.
    pub(crate) async fn go_on(&mut self) -> Result<()> {
        loop {
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            self.beat().await?;
            self.store.promote(20).await?;
            let n = self.random.usize(0..4);
            self.enqueue_some(n).await?;
            let claimed = self.claim(&WEB, &["mail", "default", "reports"], n).await?;
            self.finish(&WEB, claimed).await?;
            self.progress().await?;
        }
    }

    async fn register(&self, id: &Incarnations, name: &str, workers: u32) -> Result<()> {
        let queues = ["mail", "default", "reports", "images"].map(QueueName::new);
        let mut kinds = KINDS.map(|(kind, ..)| kind).to_vec();
        kinds.extend(["report.build", "report.mail", "cleanup"]);
        let info = ServerInfo {
            incarnation: id.id(),
            name: name.to_owned(),
            workers,
            queues: queues.into_iter().collect::<Result<_>>()?,
            kinds: kinds.into_iter().map(Kind::new).collect::<Result<_>>()?,
            version: "0.1.0".to_owned(),
        };
        self.store.register(info).await
    }

    async fn beat(&self) -> Result<()> {
        self.store.heartbeat(WEB.id()).await?;
        self.store.heartbeat(WORKER.id()).await?;
        Ok(())
    }

    async fn some_work(&mut self, minute: u64) -> Result<()> {
        let wave = 14 + (minute / 7 * 5) % 11;
        let per_step = if minute < 60 { wave } else { wave * 2 };
        let n = self.random.usize(4..usize::try_from(per_step).unwrap_or(20));
        self.enqueue_some(n).await?;
        self.store.promote(100).await?;
        let queues = ["mail", "default", "reports", "images"];
        let claimed = self.claim(&WEB, &queues, n).await?;
        self.finish(&WEB, claimed).await
    }

    async fn enqueue_some(&mut self, n: usize) -> Result<()> {
        let mut jobs = Vec::with_capacity(n);
        for _ in 0..n {
            let (kind, queue, args) = KINDS[self.random.usize(0..KINDS.len())];
            let args = args.replace("41873", &self.n_customers.to_string());
            self.n_customers += 1;
            jobs.push(job(kind, queue, &args)?);
        }
        self.store.enqueue(jobs).await?;
        Ok(())
    }

    async fn claim(
        &self,
        server: &Incarnations,
        queues: &[&str],
        max: usize,
    ) -> Result<Vec<ClaimedJob>> {
        let mut kinds = KINDS.map(|(kind, ..)| kind).to_vec();
        kinds.extend(["report.build", "cleanup"]);
        let claim = Claim {
            queues: queues.iter().map(QueueName::new).collect::<Result<_>>()?,
            kinds: kinds.into_iter().map(Kind::new).collect::<Result<Vec<_>>>()?.into(),
            max,
            suspects_max: max,
        };
        let exchange = Exchange { server: server.id(), finish: Vec::new(), claim: Some(claim) };
        Ok(self.store.exchange(exchange).await?.claimed)
    }

    async fn finish(&mut self, server: &Incarnations, claimed: Vec<ClaimedJob>) -> Result<()> {
        let finish = claimed.iter().map(|job| self.end(job)).collect();
        let exchange = Exchange { server: server.id(), finish, claim: None };
        self.store.exchange(exchange).await?;
        Ok(())
    }

    fn end(&mut self, job: &ClaimedJob) -> Finish {
        let error = ERRORS.iter().find(|(kind, _)| *kind == job.kind.as_str());
        let fails = error.is_some() && self.random.u8(0..14) == 0;
        let verdict = match error {
            Some((_, text)) if fails || job.failures > 0 && self.random.bool() => {
                let error = RunError::new(RunErrorKind::Error, text);
                if job.failures >= 2 {
                    Verdict::Failed { reason: FailReason::Exhausted, error }
                } else {
                    let wait = [90, 60 * 47][usize::from(job.failures > 0)];
                    Verdict::Retry { after: Duration::from_secs(wait), error }
                }
            }
            _ => Verdict::Succeeded { result: Some(br#"{"accepted":true,"ms":84}"#.to_vec()) },
        };
        let ran_for = Duration::from_millis(self.random.u64(3..2_400));
        Finish { id: job.id, run: job.run, lease: job.lease, ran_for, verdict }
    }

    async fn recurring(&self) -> Result<()> {
        let all = [
            ("cleanup", "0 3 * * *", "Europe/Istanbul", "cleanup", "default"),
            ("exchange-rates", "*/15 * * * *", "UTC", "search.reindex", "default"),
            ("monthly-invoices", "30 6 1 * *", "Europe/Berlin", "invoice.export", "reports"),
            ("weekly-digest", "0 9 * * 1", "America/New_York", "mail.welcome", "mail"),
        ];
        for (id, cron, zone, kind, queue) in all {
            let spec = RecurringSpec {
                id: RecurringId::new(id)?,
                cron: cron.to_owned(),
                time_zone: zone.to_owned(),
                job: job(kind, queue, "{}")?,
                misfire: legwork_core::Misfire::default(),
                overlap: legwork_core::storage::Overlap::default(),
                generation: 0,
            };
            self.store.upsert_recurring(spec).await?;
        }
        Ok(())
    }

    /// Enqueues the latest occurrence of each schedule, as a server's scheduler would.
    async fn fire(&self) -> Result<()> {
        let due = self.store.due_recurring(10).await?;
        for recurring in due.jobs {
            let cron = Cron::parse(&recurring.spec.cron)?;
            let zone = Zone::new(&recurring.spec.time_zone)?;
            let mut last_at = None;
            let mut next_at = cron.next(recurring.since, &zone);
            while let Some(at) = next_at.filter(|&at| at <= due.now) {
                last_at = Some(at);
                next_at = cron.next(at, &zone);
            }
            let firing = Firing {
                id: recurring.spec.id,
                revision: recurring.revision,
                occurrences: last_at.into_iter().collect(),
                last_at,
                next_at,
            };
            self.store.fire_recurring(firing).await?;
        }
        Ok(())
    }

    /// Leaves something in every state, for the pages to show.
    async fn leave_some(&mut self) -> Result<()> {
        self.fire().await?;
        let rest = self.claim(&WEB, &["default", "reports", "mail"], 50).await?;
        self.finish(&WEB, rest).await?;

        let report = self.store.enqueue(vec![report_job()?]).await?[0].id();
        let mut mail = job("report.mail", "mail", r#"{"to":"ops@shop.example"}"#)?;
        mail.parents = vec![Parent { id: report, on: On::Success }];
        self.store.enqueue(vec![mail]).await?;
        let mut running = job("invoice.export", "reports", r#"{"month":"2026-10"}"#)?;
        running.priority = -5;
        self.store
            .enqueue(vec![running, job("search.reindex", "default", "{\"full\":true}")?])
            .await?;
        self.held = self.claim(&WORKER, &["reports", "default"], 3).await?;
        self.progress().await?;

        let actor = Actor::new("ayse").because("the image service is being moved");
        self.store.pause(QueueName::new("images")?, actor).await?;
        let mut waiting = Vec::new();
        for n in 0..14_i16 {
            let mut job = job("image.resize", "images", KINDS[2].2)?;
            job.priority = n % 3;
            waiting.push(job);
        }
        for hours in [2, 5, 26, 24 * 7] {
            let mut job = job("mail.welcome", "mail", KINDS[0].2)?;
            job.start = Start::After(Duration::from_hours(hours));
            waiting.push(job);
        }
        let ids = self.store.enqueue(waiting).await?;
        for enqueued in ids.iter().take(2) {
            let actor = Actor::new("dashboard").because("ordered twice");
            self.store.cancel(enqueued.id(), actor).await?;
        }
        self.requeue_one().await
    }

    /// Gives one failed job a second life, so that its history has something to tell.
    async fn requeue_one(&self) -> Result<()> {
        use legwork_core::inspect::{JobFilter, Page};
        let failed = JobFilter::state(legwork_core::JobState::Failed);
        let page = self.store.jobs(failed, Page::first(30)).await?;
        let last: Option<JobId> = page.jobs.last().map(|job| job.id);
        if let Some(id) = last {
            self.store.requeue(id, Actor::new("ayse")).await?;
        }
        Ok(())
    }

    async fn progress(&mut self) -> Result<()> {
        let shares = [0.42, 0.87, 0.08];
        let messages = ["18,340 of 43,668 rows", "Rendering page 61 of 70", ""];
        let progress = self.held.iter().zip(shares.into_iter().zip(messages)).map(
            |(job, (share, message))| {
                let jitter = f32::from(self.random.u8(0..4)) / 100.0;
                let progress = Progress { share: share + jitter, message: message.to_owned() };
                (job.id, job.run, job.lease, progress)
            },
        );
        self.store.record_progress(progress.collect()).await
    }
}

fn job(kind: &str, queue: &str, args: &str) -> Result<NewJob> {
    let mut job = NewJob::new(Kind::new(kind)?, args.as_bytes().to_vec());
    job.queue = QueueName::new(queue)?;
    Ok(job)
}

fn report_job() -> Result<NewJob> {
    let mut job = job("report.build", "reports", r#"{"report_id":317,"source":"sales-2026.csv"}"#)?;
    job.options.max_attempts = Some(5);
    job.options.timeout = Some(Duration::from_mins(30));
    job.options.tags = vec!["customer-17".parse()?, "monthly".parse()?];
    Ok(job)
}
