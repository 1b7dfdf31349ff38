//! The style sheet, the script and the icon, embedded and named by their content.
//!
//! `frame` prints the names, `router` routes to [`serve`]. A name is never reused for other
//! content, so that browsers may keep it for ever; nothing here touches a file system.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::failure::Failure;
use crate::pages::Pairs;

/// The names of the assets below `assets/`.
pub(crate) struct Names {
    /// The style sheet.
    pub(crate) css: String,
    /// The script.
    pub(crate) js: String,
    /// The icon.
    pub(crate) icon: String,
}

const CSS: &str = include_str!("../assets/app.css");
const JS: &str = include_str!("../assets/app.js");
const ICON: &str = include_str!("../assets/icon.svg");

pub(crate) static NAMES: LazyLock<Names> = LazyLock::new(|| Names {
    css: format!("app-{:016x}.css", fingerprint(CSS)),
    js: format!("app-{:016x}.js", fingerprint(JS)),
    icon: format!("icon-{:016x}.svg", fingerprint(ICON)),
});

/// Answers `GET assets/{name}`.
pub(crate) async fn serve(Path(captures): Path<Pairs>) -> Response {
    let name = captures.capture("name");
    let (kind, body) = if name == NAMES.css {
        ("text/css; charset=utf-8", CSS)
    } else if name == NAMES.js {
        ("text/javascript; charset=utf-8", JS)
    } else if name == NAMES.icon {
        ("image/svg+xml", ICON)
    } else {
        return Failure::new(StatusCode::NOT_FOUND, "There is no such file.").into_response();
    };
    let forever = "public, max-age=31536000, immutable";
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, forever)], body).into_response()
}

/// Hashes content with FNV-1a: it tells versions of our own files apart, nothing more.
fn fingerprint(content: &str) -> u64 {
    content.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
