//! The routes of the dashboard.
//!
//! Applications call [`router`] and nest what it returns. Each page's handler is in the file of its
//! name under `pages`; `guard` lies around all of them.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use legwork_core::Store;

use crate::access::Access;
use crate::assets;
use crate::failure::Failure;
use crate::guard;
use crate::live::{self, Hub};
use crate::options::DashboardOptions;
use crate::pages::jobs::Tab;
use crate::pages::{job, jobs, overview, queues, recurring, servers};

/// The largest form: 200 ids and a reason fit many times.
const BODY_MAX_BYTES: usize = 64 * 1024;

/// What all requests share.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) access: Access,
    pub(crate) options: DashboardOptions,
    pub(crate) hub: Hub,
}

/// Makes the dashboard of a storage, to be nested at any path.
///
/// `access` decides about every request, as [`Access`] says. Its pages follow the prefix at which
/// they are nested; nested at `/jobs`, the overview is `/jobs`, without a slash at the end. At most
/// 64 pages are kept up to date at once; further ones are served, but not live.
///
/// # Examples
/// ```
/// # use std::sync::Arc;
/// # use legwork_core::Store;
/// # use legwork_dashboard::{Access, router};
/// # fn app(store: Arc<dyn Store>) -> axum::Router {
/// axum::Router::new().nest("/jobs", router(store, Access::local_only()))
/// # }
/// ```
pub fn router(store: Arc<dyn Store>, access: Access) -> Router {
    router_with(store, access, DashboardOptions::new())
}

/// Makes the dashboard of a storage with options; see [`router`].
pub fn router_with(store: Arc<dyn Store>, access: Access, options: DashboardOptions) -> Router {
    let hub = Hub::new(Arc::clone(&store));
    let shared = Arc::new(Shared { store, access, options, hub });
    let mut router = Router::new()
        .route("/", get(overview::page))
        .route("/recurring", get(recurring::page))
        .route("/recurring/{id}/trigger", post(recurring::trigger))
        .route("/recurring/{id}/remove", post(recurring::remove))
        .route("/queues", get(queues::page))
        .route("/queues/{name}/pause", post(queues::pause))
        .route("/queues/{name}/resume", post(queues::resume))
        .route("/servers", get(servers::page))
        .route("/find", get(job::find))
        .route("/events", get(live::events))
        .route("/assets/{name}", get(assets::serve))
        .route("/bulk/{action}", post(jobs::bulk))
        .route("/{id}", get(job::page))
        .route("/{id}/{action}", post(job::act));
    for tab in Tab::ALL {
        let page = move |visit, query| jobs::page(tab, visit, query);
        router = router.route(&format!("/{}", tab.name()), get(page));
    }
    router
        .fallback(unknown_path)
        .method_not_allowed_fallback(async || guard::method_not_allowed())
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .layer(from_fn_with_state(shared, guard::guard))
}

async fn unknown_path() -> Failure {
    Failure::not_found("There is no such page.")
}
