//! A storage behind a proxy, a server that is driven call by call, and waits with a deadline.

use std::sync::Arc;
use std::time::Duration;

use legwork_core::inspect::Inspect as _;
use legwork_core::storage::{
    Beat, Claim, ClaimedJob, Exchange, Exchanged, Finish, NewJob, ServerInfo, Storage as _, Verdict,
};
use legwork_core::{Incarnation, Kind, QueueName, Result};
use legwork_postgres::PostgresStorage;
use tokio::time::{Instant, timeout};

use crate::proxy::Proxy;
use crate::schema::Schema;

const KIND: &str = "work";

/// A storage whose way to the shared server is a proxy, and one that goes there directly.
pub(crate) struct Fixture {
    pub(crate) storage: PostgresStorage,
    pub(crate) direct: PostgresStorage,
    pub(crate) proxy: Proxy,
    schema: Schema,
}

impl Fixture {
    pub(crate) async fn create() -> Option<Self> {
        let schema = Schema::create()?;
        let url = schema.url();
        let proxy = Proxy::start(port_of(&url)).await;
        let direct = PostgresStorage::connect(&url).await.unwrap();
        let storage = PostgresStorage::connect(&with_port(&url, proxy.port)).await.unwrap();
        Some(Self { storage, direct, proxy, schema })
    }

    /// Returns the URL of the server, with nothing of Legwork's.
    pub(crate) fn server_url(&self) -> String {
        self.schema.url().split('?').next().unwrap().to_owned()
    }

    /// Returns the name of the schema.
    pub(crate) fn schema(&self) -> String {
        let url = self.schema.url();
        let parameter = url.split(['?', '&']).find_map(|part| part.strip_prefix("schema="));
        parameter.expect("the URL names the schema").to_owned()
    }
}

/// Returns the port of a URL.
pub(crate) fn port_of(url: &str) -> u16 {
    let server = url.split("://").nth(1).unwrap().split('/').next().unwrap();
    server.rsplit(':').next().unwrap().parse().expect("the URL has a port")
}

/// Returns the URL with another port.
pub(crate) fn with_port(url: &str, port: u16) -> String {
    url.replacen(&format!(":{}/", port_of(url)), &format!(":{port}/"), 1)
}

/// Makes a job of the kind that servers of these tests claim.
pub(crate) fn job(n: u32) -> NewJob {
    NewJob::new(Kind::new(KIND).unwrap(), n.to_string().into_bytes())
}

/// A server that does nothing by itself.
pub(crate) struct Server {
    storage: PostgresStorage,
    incarnation: Incarnation,
}

impl Server {
    pub(crate) async fn register(storage: &PostgresStorage) -> Self {
        let incarnation = Incarnation::from_bits(fastrand::u128(..));
        let info = ServerInfo {
            incarnation,
            name: "outage".to_owned(),
            workers: 1,
            queues: vec![QueueName::default()],
            kinds: vec![Kind::new(KIND).unwrap()],
            version: "0".to_owned(),
        };
        storage.register(info).await.unwrap();
        Self { storage: storage.clone(), incarnation }
    }

    pub(crate) async fn exchange(&self, finish: Vec<Finish>, max: usize) -> Result<Exchanged> {
        let claim = Claim {
            queues: vec![QueueName::default()],
            kinds: Arc::from([Kind::new(KIND).unwrap()]),
            max,
            suspects_max: 0,
        };
        let exchange = Exchange { server: self.incarnation, finish, claim: Some(claim) };
        self.storage.exchange(exchange).await
    }

    pub(crate) async fn claim(&self, max: usize) -> Vec<ClaimedJob> {
        self.exchange(Vec::new(), max).await.unwrap().claimed
    }

    /// Beats, and returns the open leases with how many jobs each holds.
    pub(crate) async fn beat(&self) -> Vec<(i64, u32)> {
        match self.storage.heartbeat(self.incarnation).await.unwrap() {
            Beat::Live { leases, .. } => leases.into_iter().map(|(id, n)| (id.0, n)).collect(),
            Beat::Lost => panic!("the server is lost"),
        }
    }

    pub(crate) fn incarnation(&self) -> Incarnation {
        self.incarnation
    }
}

pub(crate) fn succeeded(job: &ClaimedJob) -> Finish {
    Finish {
        id: job.id,
        run: job.run,
        lease: job.lease,
        ran_for: Duration::from_millis(1),
        verdict: Verdict::Succeeded { result: None },
    }
}

/// Returns how many jobs are enqueued, processing and succeeded.
pub(crate) async fn counts(storage: &PostgresStorage) -> [u64; 3] {
    let counts = storage.counts().await.unwrap();
    [counts.enqueued.n, counts.processing.n, counts.succeeded.n]
}

/// Returns how many runs have succeeded of late, as the charts show it.
pub(crate) async fn n_counted(storage: &PostgresStorage) -> u64 {
    let points = storage.throughput(Duration::from_mins(1), 60).await.unwrap();
    points.iter().map(|point| point.succeeded).sum()
}

/// Waits until what another process enqueues is heard at once.
pub(crate) async fn heard_at_once(
    storage: &PostgresStorage,
    other: &PostgresStorage,
    deadline: Instant,
) {
    let mut wakes = storage.watch();
    loop {
        assert!(Instant::now() < deadline, "nothing is heard");
        // Hints of before.
        while timeout(Duration::from_millis(50), wakes.next()).await.is_ok() {}
        other.enqueue(vec![job(2)]).await.unwrap();
        if timeout(Duration::from_secs(1), wakes.next()).await.is_ok() {
            return;
        }
    }
}
