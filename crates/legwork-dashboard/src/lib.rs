//! The dashboard of Legwork: an axum router that shows what a storage holds and lets people act.
//!
//! ```
//! use std::sync::Arc;
//!
//! use legwork_core::Store;
//! use legwork_dashboard::{Access, router};
//!
//! fn app(store: Arc<dyn Store>) -> axum::Router {
//!     axum::Router::new().nest("/jobs", router(store, Access::local_only()))
//! }
//! ```
//!
//! Serve the application with `into_make_service_with_connect_info::<SocketAddr>()`:
//! [`Access::local_only`] must see where a request comes from. It reads the storage through
//! [`Inspect`](legwork_core::Inspect) and writes only through the operator's actions of
//! [`Storage`](legwork_core::Storage); it never sees a concrete storage.
//!
//! # Layout
//! In the order in which a request passes through:
//! - [`router`]: the routes
//! - `guard`, [`Access`]: who may come in, and the headers of every answer
//! - `visit`: what a request says about itself: prefix, theme, who
//! - `pages`: one file per page, with the template of the same name under `templates/`
//! - `live`: the changes of a page as server-sent events
//! - `frame`, `notice`, `failure`: what surrounds every page
//! - `show`, `json`, `chart`: how numbers, times, JSON and series look
//! - `assets`: the style sheet and the script

mod access;
mod assets;
mod chart;
mod failure;
mod frame;
mod guard;
mod json;
mod live;
mod notice;
mod options;
mod pages;
mod router;
mod show;
mod visit;

pub use self::access::{Access, Decision};
pub use self::options::DashboardOptions;
pub use self::router::{router, router_with};
