//! Who may use the dashboard.
//!
//! `guard` asks [`Access::admit`] about every request before anything else looks at it. Nothing
//! here may believe a header about where a request comes from: a client can write what it likes.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};

use crate::failure::Failure;

/// The name under which actions are recorded when the rule gives none.
const ACTOR_DEFAULT: &str = "dashboard";

/// Headers that only a proxy sends. Behind one every request seems to come from this machine.
const FORWARDING: [&str; 9] = [
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
];

/// Decides who may use the dashboard. There is no default: it has to be chosen.
#[derive(Clone)]
pub struct Access {
    rule: Rule,
}

#[derive(Clone)]
enum Rule {
    LocalOnly,
    Custom(Arc<dyn Fn(&Parts) -> Decision + Send + Sync>),
}

/// What a request may do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// See everything and act; actions are recorded as done by `dashboard`.
    Operate,
    /// See everything and act; actions are recorded as done by this person.
    OperateAs(String),
    /// See everything, change nothing: actions are neither offered nor accepted.
    View,
    /// Nothing: the answer is 403.
    Deny,
}

/// Whom a request was admitted as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Who {
    /// The name to record actions under; `None` when it may not act.
    pub(crate) actor: Option<String>,
}

impl Access {
    /// Admits requests from this machine only, with every right.
    ///
    /// A request is local when its peer's address is a loopback address, its `Host` names loopback
    /// (`localhost`, `127.0.0.1`, `[::1]`, any port) and no header shows that a proxy passed it on:
    /// behind a proxy everybody seems local. The router must be served with
    /// `into_make_service_with_connect_info::<SocketAddr>()`; without it every request is refused.
    pub fn local_only() -> Self {
        Self { rule: Rule::LocalOnly }
    }

    /// Admits requests as `rule` decides.
    ///
    /// It is called for every request, assets and unknown paths included, and sees what the layers
    /// around the dashboard left in the extensions: a session, for example. It must not block.
    ///
    /// # Examples
    /// ```
    /// use legwork_dashboard::{Access, Decision};
    ///
    /// #[derive(Clone)]
    /// struct User { name: String, is_admin: bool }
    ///
    /// let access = Access::rule(|parts| match parts.extensions.get::<User>() {
    ///     Some(user) if user.is_admin => Decision::OperateAs(user.name.clone()),
    ///     Some(_) => Decision::View,
    ///     None => Decision::Deny,
    /// });
    /// ```
    pub fn rule(rule: impl Fn(&Parts) -> Decision + Send + Sync + 'static) -> Self {
        Self { rule: Rule::Custom(Arc::new(rule)) }
    }

    /// Decides about one request.
    ///
    /// # Errors
    /// The page that says why not.
    pub(crate) fn admit(&self, parts: &Parts) -> Result<Who, Failure> {
        let decision = match &self.rule {
            Rule::LocalOnly => {
                check_local(parts)?;
                Decision::Operate
            }
            Rule::Custom(rule) => rule(parts),
        };
        match decision {
            Decision::Operate => Ok(Who { actor: Some(ACTOR_DEFAULT.to_owned()) }),
            Decision::OperateAs(name) => Ok(Who { actor: Some(name) }),
            Decision::View => Ok(Who { actor: None }),
            Decision::Deny => Err(forbidden("You have no access to this dashboard.")),
        }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.rule {
            Rule::LocalOnly => "Access::local_only()",
            Rule::Custom(_) => "Access::rule(..)",
        })
    }
}

fn check_local(parts: &Parts) -> Result<(), Failure> {
    let Some(ConnectInfo(peer)) = parts.extensions.get::<ConnectInfo<SocketAddr>>() else {
        return Err(forbidden(
            "Access::local_only() cannot see where this request comes from. Serve the application \
             with into_make_service_with_connect_info::<SocketAddr>(), or use Access::rule(…).",
        ));
    };
    if !peer.ip().to_canonical().is_loopback() {
        return Err(forbidden("This dashboard answers requests from its own machine only."));
    }
    if FORWARDING.iter().any(|name| parts.headers.contains_key(*name)) {
        return Err(forbidden(
            "This request came through a proxy, behind which everybody seems local. Use \
             Access::rule(…) to say who may come in.",
        ));
    }
    let named = authority(parts).is_some_and(|host| is_loopback_name(&host));
    if named {
        return Ok(());
    }
    let detail = "This dashboard is served under the names of its own machine only.";
    Err(Failure::new(StatusCode::MISDIRECTED_REQUEST, detail))
}

fn forbidden(detail: &'static str) -> Failure {
    Failure::new(StatusCode::FORBIDDEN, detail)
}

/// Returns the host and port that a request is for; `None` when it says none or two.
pub(crate) fn authority(parts: &Parts) -> Option<String> {
    let header = single(&parts.headers, header::HOST).ok()?;
    match (parts.uri.authority().map(axum::http::uri::Authority::as_str), header) {
        (Some(line), Some(header)) => (line == header).then(|| header.to_owned()),
        (Some(one), None) | (None, Some(one)) => Some(one.to_owned()),
        (None, None) => None,
    }
}

/// A header that is there twice, or is not text.
pub(crate) struct Ambiguous;

/// Returns the value of a header, if it is there.
///
/// # Errors
/// [`Ambiguous`] when it cannot be told what the header says.
pub(crate) fn single(
    headers: &HeaderMap,
    name: header::HeaderName,
) -> Result<Option<&str>, Ambiguous> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| Ambiguous),
        (Some(_), Some(_)) => Err(Ambiguous),
    }
}

fn is_loopback_name(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<axum::http::uri::Authority>() else {
        return false;
    };
    if authority.as_str().contains('@') {
        return false;
    }
    let host = authority.host();
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return ip.to_canonical().is_loopback();
    }
    let name = bare.strip_suffix('.').unwrap_or(bare).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_and_addresses_of_this_machine_are_loopback() {
        let local = [
            "localhost",
            "LOCALHOST:8080",
            "app.localhost:3000",
            "127.0.0.1",
            "127.9.9.9:1",
            "[::1]:8080",
            "[::ffff:127.0.0.1]",
        ];
        for host in local {
            assert!(is_loopback_name(host), "{host} is this machine");
        }
        let foreign = [
            "",
            "evil.test",
            "127.0.0.1.evil.test",
            "localhost.evil.test",
            "evillocalhost",
            "10.0.0.1",
            "[::2]",
            "localhost@evil.test",
            "evil.test@localhost",
        ];
        for host in foreign {
            assert!(!is_loopback_name(host), "{host} is not this machine");
        }
    }
}
