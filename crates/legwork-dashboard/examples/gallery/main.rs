//! Serves the dashboard over made-up jobs in every state, for looking at it.
//!
//! `cargo run -p legwork-dashboard --example gallery [port]`, then open the address it prints.
//! Nothing runs: `seed` moves the jobs through their states by itself.

mod seed;

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use legwork_core::Store;
use legwork_dashboard::{Access, router};
use legwork_testing::MemoryStorage;
use tokio::net::TcpListener;

use self::seed::{PastClock, Seed};

const PORT_DEFAULT: u16 = 8321;

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "a program for people says where to look")]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = match std::env::args().nth(1) {
        Some(text) => text.parse()?,
        None => PORT_DEFAULT,
    };
    let clock = PastClock::default();
    let store: Arc<dyn Store> = Arc::new(MemoryStorage::with_clock(clock.clone()));
    let mut seed = Seed::new(Arc::clone(&store), clock);
    seed.a_day().await?;

    let app = Router::new()
        .route("/", get(async || Redirect::to("/jobs")))
        .nest("/jobs", router(store, Access::local_only()));
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("http://{}/jobs", listener.local_addr()?);
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::select! {
        served = async { axum::serve(listener, service).await } => served?,
        lived = seed.go_on() => lived?,
    }
    Ok(())
}
