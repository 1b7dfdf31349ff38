//! A small web application whose background work runs on Legwork.
//!
//! # Layout
//! One file or folder per feature, each with its routes, its SQL and its background work:
//! - [`reports`]: a durable job with progress, its continuation, and a recurring job
//! - [`users`]: a fire-and-forget job and a delayed job
//! - [`products`]: the in-memory task queue, and a timer that keeps a cache warm
//! - [`orders`], [`event_bus`]: a background service that publishes integration events
//!
//! What they share: [`settings`], [`app`] (the state and the routes), [`database`], [`mail`],
//! [`files`], [`problem`] (error answers), [`greeting`] (what is printed at the start).

mod app;
mod database;
mod event_bus;
mod files;
mod greeting;
mod mail;
mod orders;
mod problem;
mod products;
mod reports;
mod settings;
mod users;

use std::io::IsTerminal;
use std::sync::Arc;

use anyhow::Result;
use legwork::ServerBuilder;
use legwork::host::HostBuilder;
use legwork::prelude::*;

use crate::app::{App, Folders};
use crate::database::Database;
use crate::event_bus::{EventBus, InMemoryBus};
use crate::greeting::Greeting;
use crate::mail::Mailer;
use crate::products::SummaryCache;
use crate::reports::cleanup::{self, DeleteOldReports};
use crate::settings::Settings;

#[legwork::main]
async fn main() -> Result<HostExit> {
    let stderr = std::io::stderr;
    tracing_subscriber::fmt().with_writer(stderr).with_ansi(stderr().is_terminal()).init();
    let app = prepare(Settings::from_env()?).await?;
    let role = app.settings.role;

    // Declared at every start; the same id is the same recurring job, in however many processes.
    app.jobs
        .recurring(cleanup::RECURRING_ID, cleanup::CRON)
        .time_zone(&app.settings.time_zone)
        .misfire(Misfire::RunOnce)
        .job(DeleteOldReports {})
        .upsert()
        .await?;

    let mut host = Host::builder(app.clone()).shutdown_timeout(app.settings.shutdown);
    if role.works_jobs() {
        host = host.jobs(job_server(&app));
    }
    if role.serves_web() {
        host = serve_web(host, &app);
    }
    Ok(host.run().await)
}

/// Makes what works the jobs, with a handler for each kind.
fn job_server(app: &App) -> ServerBuilder<App> {
    app.jobs
        .server()
        .name("reports")
        // In this order: a mail does not wait behind large reports for its turn.
        .queues(["mail", "default", "reports"])
        .lease(app.settings.lease)
        .handle_blocking(reports::build::build_report)
        .handle(reports::deliver::mail_report)
        .handle_blocking(cleanup::delete_old_reports)
        .handle(users::send_welcome)
        .handle(users::send_reminder)
}

/// Adds what belongs to the process that answers requests.
fn serve_web(host: HostBuilder<App>, app: &App) -> HostBuilder<App> {
    let settings = &app.settings;
    host.service("greeting", Greeting)
        .task_queue("notifications", &app.tasks)
        .background("grace-period", orders::watch_grace_periods)
        .timer(
            "product-summary",
            Schedule::every(settings.cache_refresh).immediately(),
            products::refresh_summary,
        )
        .gates_readiness()
        .http(&settings.addr.to_string(), app.routes())
}

/// Opens everything that the application works with.
async fn prepare(settings: Settings) -> Result<App> {
    let folders = Folders::create(&settings.data)?;
    let url = settings.database_url.as_deref();
    let (database, jobs) = Database::open(url, &folders.database).await?;
    let mailer = match &settings.smtp_url {
        Some(url) => Mailer::smtp(&settings.mail_from, url)?,
        None => Mailer::directory(&settings.mail_from, &folders.mails)?,
    };
    let bus = choose_bus(settings.amqp_url.as_deref())?;
    Ok(App {
        settings: Arc::new(settings),
        database,
        folders,
        jobs,
        tasks: TaskQueue::new(),
        mailer,
        bus,
        summary: SummaryCache::default(),
    })
}

/// Chooses the bus: RabbitMQ where a URL is set, otherwise memory.
fn choose_bus(amqp_url: Option<&str>) -> Result<Arc<dyn EventBus>> {
    match amqp_url {
        None => Ok(Arc::new(InMemoryBus::default())),
        #[cfg(feature = "rabbitmq")]
        Some(url) => Ok(Arc::new(event_bus::rabbitmq::RabbitMq::new(url)?)),
        #[cfg(not(feature = "rabbitmq"))]
        Some(_) => anyhow::bail!("AMQP_URL needs this program built with `--features rabbitmq`"),
    }
}
