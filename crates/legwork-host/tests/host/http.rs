//! The HTTP service and the health endpoints, over real sockets.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::header;
use axum::routing::get;
use legwork_core::{BoxError, State};
use legwork_host::{
    Host, HostExit, HostHandle, HostPhase, HostedService, ServiceContext, ServiceState,
    StopContext, StopReason,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::journal::Journal;

/// How long anything here may take before the test fails.
const LIMIT: Duration = Duration::from_secs(20);

fn done() -> StopReason {
    StopReason::requested("the test is over")
}

/// A host that runs beside the test.
struct Running {
    handle: HostHandle,
    run: JoinHandle<HostExit>,
    addr: SocketAddr,
}

impl Running {
    /// Runs `host` until it listens.
    async fn new(host: Host) -> Self {
        let handle = host.handle();
        let run = TaskTracker::new().spawn(host.run());
        let status = handle.wait_until(|status| {
            status.service("http").is_some_and(|http| http.state == ServiceState::Running)
        });
        tokio::time::timeout(LIMIT, status).await.unwrap();
        let addr = handle.http_addr().unwrap();
        Self { handle, run, addr }
    }

    async fn stop(self) -> HostExit {
        self.handle.stop(done());
        self.exit().await
    }

    async fn exit(self) -> HostExit {
        tokio::time::timeout(LIMIT, self.run).await.unwrap().unwrap()
    }

    async fn get(&self, path: &str, accept: &str) -> String {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        send(&mut stream, path, accept).await;
        rest(&mut stream).await
    }
}

async fn send(stream: &mut TcpStream, path: &str, accept: &str) {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: test\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
}

/// Reads until the server closes the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    tokio::time::timeout(LIMIT, stream.read_to_end(&mut text)).await.unwrap().unwrap();
    String::from_utf8(text).unwrap()
}

/// Reads until `part` has come.
async fn read_until(stream: &mut TcpStream, part: &str) {
    let mut text = String::new();
    while !text.contains(part) {
        let mut chunk = [0; 1024];
        let n = tokio::time::timeout(LIMIT, stream.read(&mut chunk)).await.unwrap().unwrap();
        assert_ne!(n, 0, "the connection ended after {text:?}");
        text.push_str(std::str::from_utf8(&chunk[..n]).unwrap());
    }
}

fn router() -> Router {
    let peer = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() };
    Router::new().route("/", get(async || "hello")).route("/peer", get(peer))
}

#[tokio::test]
async fn the_router_is_served_with_the_peer_and_its_own_not_found() {
    let host = Host::builder(()).http("127.0.0.1:0", router()).handle_signals(false);
    let host = Running::new(host.build().unwrap()).await;
    assert!(host.get("/", "*/*").await.ends_with("\r\n\r\nhello"));
    assert!(host.get("/peer", "*/*").await.ends_with("\r\n\r\n127.0.0.1"));
    assert!(host.get("/nothing", "*/*").await.starts_with("HTTP/1.1 404"));
    assert_eq!(host.stop().await.code(), 0);
}

#[tokio::test]
async fn readiness_is_red_while_a_gate_is_closed_and_green_after() {
    async fn warm_up(State(warm): State<Arc<Notify>>, cx: ServiceContext) {
        cx.not_ready("warming up");
        warm.notified().await;
        cx.ready();
        cx.stopping().cancelled().await;
    }
    let warm = Arc::new(Notify::new());
    let host = Host::builder(Arc::clone(&warm))
        .http("127.0.0.1:0", router())
        .background("cache", warm_up)
        .gates_readiness()
        .handle_signals(false);
    let host = Running::new(host.build().unwrap()).await;
    let why = |status: &legwork_host::HostStatus| {
        status.service("cache").unwrap().not_ready_reason.is_some()
    };
    tokio::time::timeout(LIMIT, host.handle.wait_until(why)).await.unwrap();
    let red = host.get("/readyz", "*/*").await;
    assert!(red.starts_with("HTTP/1.1 503"), "{red}");
    assert!(red.contains("cache-control: no-store"), "{red}");
    assert!(red.ends_with("Starting\ncache: warming up\n"), "{red}");
    let json = host.get("/readyz", "application/json").await;
    let json: serde_json::Value =
        serde_json::from_str(json.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(json["status"], "Starting");
    assert_eq!(json["services"][0]["not_ready_reason"], "warming up");
    assert!(host.get("/livez", "*/*").await.starts_with("HTTP/1.1 200"));

    warm.notify_one();
    tokio::time::timeout(LIMIT, host.handle.started().cancelled()).await.unwrap();
    let green = host.get("/readyz", "*/*").await;
    assert!(green.starts_with("HTTP/1.1 200") && green.ends_with("Ready\n"), "{green}");
    assert_eq!(host.stop().await.code(), 0);
}

#[tokio::test]
async fn readiness_is_red_while_the_host_drains_and_requests_are_still_served() {
    let host = Host::builder(())
        .http("127.0.0.1:0", router())
        .drain_delay(Duration::from_millis(600))
        .handle_signals(false);
    let host = Running::new(host.build().unwrap()).await;
    tokio::time::timeout(LIMIT, host.handle.started().cancelled()).await.unwrap();
    host.handle.stop(done());
    assert_eq!(host.handle.status().phase, HostPhase::Stopping);
    let red = host.get("/readyz", "*/*").await;
    assert!(red.starts_with("HTTP/1.1 503") && red.ends_with("Stopping\n"), "{red}");
    assert!(host.get("/", "*/*").await.ends_with("hello"));
    assert_eq!(host.exit().await.code(), 0);
}

#[tokio::test]
async fn a_service_that_failed_for_good_is_unhealthy_and_the_process_is_alive() {
    async fn broken() -> Result<(), &'static str> {
        Err("secret detail")
    }
    let host = Host::builder(())
        .http("127.0.0.1:0", router())
        .background("worker", broken)
        .policy(legwork_host::Policy::Ignore)
        .handle_signals(false);
    let host = Running::new(host.build().unwrap()).await;
    let failed = host
        .handle
        .wait_until(|status| status.service("worker").unwrap().state == ServiceState::Failed);
    tokio::time::timeout(LIMIT, failed).await.unwrap();
    let sick = host.get("/healthz", "application/json").await;
    assert!(sick.starts_with("HTTP/1.1 503") && sick.contains("Unhealthy"), "{sick}");
    assert!(!sick.contains("secret"), "errors are not for everybody: {sick}");
    assert!(host.get("/livez", "*/*").await.starts_with("HTTP/1.1 200"));
    assert_eq!(host.stop().await.code(), 0);
}

#[tokio::test]
async fn health_routes_can_be_left_to_the_application() {
    let host = Host::builder(())
        .http("127.0.0.1:0", Router::new().route("/livez", get(async || "mine")))
        .without_health_routes()
        .handle_signals(false);
    let host = Running::new(host.build().unwrap()).await;
    assert!(host.get("/livez", "*/*").await.ends_with("mine"));
    assert!(host.get("/readyz", "*/*").await.starts_with("HTTP/1.1 404"));
    assert_eq!(host.stop().await.code(), 0);
}

/// Notes the state of the HTTP service when it starts and stops itself.
#[derive(Default)]
struct Watching {
    journal: Journal,
    host: OnceLock<HostHandle>,
}

impl Watching {
    fn note(&self) {
        let status = self.host.get().map(HostHandle::status);
        let http = status.as_ref().and_then(|status| status.service("http"));
        self.journal.note(http.map_or_else(String::new, |http| http.state.to_string()));
    }
}

impl HostedService for Watching {
    async fn start(&self, cx: &ServiceContext) -> Result<(), BoxError> {
        self.host.get_or_init(|| cx.host().clone());
        self.note();
        Ok(())
    }
    async fn stop(&self, _: &StopContext) -> Result<(), BoxError> {
        self.note();
        Ok(())
    }
}

#[tokio::test]
async fn the_http_service_starts_last_and_stops_first_wherever_it_is_registered() {
    let watching = Watching::default();
    let journal = watching.journal.clone();
    let host = Host::builder(())
        .http("127.0.0.1:0", router())
        .service("a", watching)
        .handle_signals(false);
    let host = Running::new(host.build().unwrap()).await;
    assert_eq!(host.stop().await.code(), 0);
    assert_eq!(journal.lines(), ["not started", "stopped"]);
}

#[tokio::test]
async fn an_address_in_use_fails_the_start() {
    let first = Host::builder(()).http("127.0.0.1:0", router()).handle_signals(false);
    let first = Running::new(first.build().unwrap()).await;
    let addr = first.addr.to_string();
    let second = Host::builder(()).http(&addr, router()).handle_signals(false).run().await;
    assert_eq!(second.code(), 1);
    let reason = second.reason().to_string();
    assert!(reason.contains(&format!("cannot listen on {addr}: ")), "{reason}");
    assert_eq!(first.stop().await.code(), 0);
}

#[tokio::test]
async fn a_request_in_flight_finishes_and_new_connections_are_refused() {
    let (entered, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (enter, left) = (Arc::clone(&entered), Arc::clone(&leave));
    let slow = move || async move {
        enter.notify_one();
        left.notified().await;
        "slow"
    };
    let host = Host::builder(())
        .http("127.0.0.1:0", Router::new().route("/slow", get(slow)))
        .handle_signals(false);
    let host = Running::new(host.build().unwrap()).await;
    let mut stream = TcpStream::connect(host.addr).await.unwrap();
    send(&mut stream, "/slow", "*/*").await;
    tokio::time::timeout(LIMIT, entered.notified()).await.unwrap();
    host.handle.stop(done());
    let stopping = host
        .handle
        .wait_until(|status| status.service("http").unwrap().state == ServiceState::Stopping);
    tokio::time::timeout(LIMIT, stopping).await.unwrap();
    leave.notify_one();
    assert!(rest(&mut stream).await.ends_with("slow"));
    let addr = host.addr;
    assert_eq!(host.exit().await.code(), 0);
    assert!(TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn event_streams_and_idle_connections_do_not_hold_the_stop() {
    let events = || async {
        let first = futures_util::stream::iter([Ok::<_, std::io::Error>("data: hello\n\n")]);
        let endless = futures_util::StreamExt::chain(first, futures_util::stream::pending());
        ([(header::CONTENT_TYPE, "text/event-stream")], axum::body::Body::from_stream(endless))
    };
    let host = Host::builder(())
        .http("127.0.0.1:0", Router::new().route("/events", get(events)))
        .handle_signals(false);
    let host = Running::new(host.build().unwrap()).await;
    let _idle = TcpStream::connect(host.addr).await.unwrap();
    let mut stream = TcpStream::connect(host.addr).await.unwrap();
    send(&mut stream, "/events", "text/event-stream").await;
    read_until(&mut stream, "data: hello").await;
    let exit = host.stop().await;
    assert_eq!(exit.code(), 0);
    assert!(exit.took() < Duration::from_secs(5), "{:?}", exit.took());
    assert!(rest(&mut stream).await.ends_with("0\r\n\r\n"), "the stream ended properly");
}

#[tokio::test]
async fn a_request_that_never_ends_is_aborted_with_the_budget() {
    let entered = Arc::new(Notify::new());
    let enter = Arc::clone(&entered);
    let endless = move || async move {
        enter.notify_one();
        std::future::pending::<()>().await;
    };
    let host = Host::builder(())
        .http("127.0.0.1:0", Router::new().route("/endless", get(endless)))
        .shutdown_timeout(Duration::from_millis(400))
        .handle_signals(false);
    let host = Running::new(host.build().unwrap()).await;
    let mut stream = TcpStream::connect(host.addr).await.unwrap();
    send(&mut stream, "/endless", "*/*").await;
    tokio::time::timeout(LIMIT, entered.notified()).await.unwrap();
    let exit = host.stop().await;
    assert_eq!(exit.code(), 124, "{exit}");
    assert_eq!(rest(&mut stream).await, "");
}
