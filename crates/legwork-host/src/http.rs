//! The HTTP service: serves a router, and stops without waiting for streams that never end.
//!
//! [`crate::HostBuilder::http`] registers it; the host starts it last and stops it first. The
//! health routes are in [`crate::health`].

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures_util::StreamExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use legwork_core::{BoxError, CancellationToken, Error, ErrorKind};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::background::Aborted;
use crate::context::ServiceContext;
use crate::erased::{Call, Service, StartHook};
use crate::health;

/// How long a connection may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The pause after the system refused a connection, usually for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Returns what is wrong with an address before anything is bound.
pub(crate) fn problem(addr: &str) -> Option<String> {
    let port = addr.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
    let is_valid = port.is_some_and(|port| port.parse::<u16>().is_ok());
    (!is_valid).then(|| format!("http address {addr:?} is not host:port, such as 127.0.0.1:8080"))
}

/// Serves a router on an address, as a service.
pub(crate) struct HttpService {
    addr: String,
    router: Router,
    /// Bound by the start, taken by the loop.
    listener: Mutex<Option<TcpListener>>,
}

impl HttpService {
    pub(crate) fn new(addr: String, router: Router) -> Self {
        Self { addr, router, listener: Mutex::default() }
    }

    async fn bind(&self, cx: &ServiceContext) -> Result<(), BoxError> {
        let failed = |error| {
            let message = format!("cannot listen on {}", self.addr);
            Error::with_source(ErrorKind::Unavailable, message, error)
        };
        let listener = TcpListener::bind(&self.addr).await.map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        cx.host().shared.http_addr.get_or_init(|| addr);
        tracing::info!(%addr, "listening on http://{addr}");
        *self.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(listener);
        Ok(())
    }
}

impl Service for HttpService {
    fn enter(self: Arc<Self>, hook: StartHook, cx: ServiceContext) -> Option<Call> {
        (hook == StartHook::Start)
            .then(|| -> Call { Box::pin(async move { self.bind(&cx).await }) })
    }

    fn runs(&self) -> bool {
        true
    }

    fn run(self: Arc<Self>, cx: ServiceContext) -> Option<Call> {
        Some(Box::pin(async move {
            let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
            let listener = match listener {
                Some(listener) => listener,
                // The loop was restarted after a failure.
                None => TcpListener::bind(&self.addr).await?,
            };
            let mut router = self.router.clone();
            if cx.host().shared.has_health_routes {
                router = health::router(cx.host().clone()).fallback_service(router);
            }
            let end_streams =
                axum::middleware::map_response_with_state(cx.stopping().clone(), end_event_stream);
            let server = Server { router: router.layer(end_streams), connections: JoinSet::new() };
            server.serve(listener, &cx).await
        }))
    }
}

struct Server {
    router: Router,
    /// Dropping it aborts what is still connected.
    connections: JoinSet<()>,
}

enum Event {
    Accepted(std::io::Result<(TcpStream, SocketAddr)>),
    Ended,
    Stopping,
}

impl Server {
    async fn serve(mut self, listener: TcpListener, cx: &ServiceContext) -> Result<(), BoxError> {
        loop {
            let has_connections = !self.connections.is_empty();
            // `accept` and `join_next` are cancel safe.
            let event = tokio::select! {
                biased;
                () = cx.stopping().cancelled() => Event::Stopping,
                Some(_) = self.connections.join_next(), if has_connections => Event::Ended,
                accepted = listener.accept() => Event::Accepted(accepted),
            };
            match event {
                Event::Accepted(Ok((stream, peer))) => self.connect(stream, peer, cx.stopping()),
                Event::Accepted(Err(error)) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    cx.sleep(ACCEPT_PAUSE).await;
                }
                Event::Ended => {}
                Event::Stopping => break,
            }
        }
        drop(listener);
        let n_connections = self.connections.len();
        tracing::debug!(n_connections, "finishing requests in flight");
        let finish = async { while self.connections.join_next().await.is_some() {} };
        if cx.aborting().run_until_cancelled(finish).await.is_none() {
            let n_connections = self.connections.len();
            tracing::warn!(n_connections, "connections were aborted");
            self.connections.shutdown().await;
            return Err(Aborted.into());
        }
        Ok(())
    }

    fn connect(&mut self, stream: TcpStream, peer: SocketAddr, stopping: &CancellationToken) {
        // Small answers must not wait for the peer's delayed acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        let (router, stopping) = (TowerToHyperService::new(self.router.clone()), stopping.clone());
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            router.call(request)
        });
        self.connections.spawn(async move {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            let mut connection = std::pin::pin!(connection);
            let ended = tokio::select! {
                ended = &mut connection => ended,
                () = stopping.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%peer, %error, "connection failed");
            }
        });
    }
}

/// Ends an event stream when the service stops: it would never end by itself. The browser connects
/// again, to another replica.
async fn end_event_stream(
    State(stopping): State<CancellationToken>,
    response: Response,
) -> Response {
    let is_stream = response
        .headers()
        .get(header::CONTENT_TYPE)
        .map(HeaderValue::as_bytes)
        .is_some_and(|kind| kind.starts_with(b"text/event-stream"));
    if !is_stream {
        return response;
    }
    response.map(|body| {
        let until_stopped = body.into_data_stream().take_until(stopping.cancelled_owned());
        Body::from_stream(until_stopped)
    })
}
