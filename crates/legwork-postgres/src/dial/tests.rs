//! Sessions on real servers: the shared one of `LEGWORK_POSTGRES_URL`, and private ones that speak
//! TLS, follow another, or stand behind a pooler.

mod certificate;
#[path = "../../tests/support/cluster.rs"]
mod cluster;
#[path = "../../tests/support/pooler.rs"]
mod pooler;

use std::net::TcpListener;
use std::sync::atomic::Ordering;

use legwork_core::ErrorKind;

use self::certificate::Authority;
use self::cluster::{Cluster, free_port, shared_server};
use self::pooler::Pooler;
use super::*;

fn dialer(url: &str) -> Dialer {
    let address = Address::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
    Dialer::new(address).unwrap_or_else(|error| panic!("{url}: {error}"))
}

/// Dials, and returns the error with its causes.
async fn refused(url: &str) -> (ErrorKind, String) {
    match dialer(url).dial("test", false).await {
        Ok(_) => panic!("{url} is not refused"),
        Err(error) => (error.kind(), refusal::chain(&error)),
    }
}

/// Opens a session and returns the answer to one question.
async fn answer(url: &str, sql: &str) -> String {
    let dialer = dialer(url);
    let mut session = dialer.dial("test", false).await.unwrap_or_else(|error| {
        panic!("{url}: {}", refusal::chain(&error));
    });
    let answer = dialer.ask(&mut session, sql).await.unwrap().unwrap_or_default();
    session.close().await;
    answer
}

#[tokio::test]
async fn a_session_is_set_up_and_shows_what_it_is_for() {
    let Some(url) = shared_server("a_session_is_set_up_and_shows_what_it_is_for") else { return };
    for (sql, value) in [
        ("SHOW application_name", "legwork test"),
        ("SHOW plan_cache_mode", "force_generic_plan"),
        ("SHOW enable_seqscan", "off"),
        ("SHOW enable_hashjoin", "off"),
        ("SHOW enable_mergejoin", "off"),
        ("SHOW jit", "off"),
        ("SHOW statement_timeout", "30s"),
        ("SHOW lock_timeout", "5s"),
        ("SHOW idle_in_transaction_session_timeout", "15s"),
        ("SHOW TimeZone", "UTC"),
        ("SHOW client_encoding", "UTF8"),
    ] {
        assert_eq!(answer(&url, sql).await, value, "{sql}");
    }
}

#[tokio::test]
async fn a_shared_session_is_left_as_it_is_but_for_one_transaction() {
    let name = "a_shared_session_is_left_as_it_is_but_for_one_transaction";
    let Some(url) = shared_server(name) else { return };
    let dialer = dialer(&url);
    let mut session = dialer.dial("test", true).await.unwrap();
    let inside = format!("BEGIN; {LOCAL_SETTINGS}; SHOW enable_seqscan");
    for (sql, value) in [
        ("SHOW enable_seqscan", "on"),
        (inside.as_str(), "off"),
        ("ROLLBACK; SHOW enable_seqscan", "on"),
        ("SHOW application_name", "legwork"),
    ] {
        assert_eq!(dialer.ask(&mut session, sql).await.unwrap().unwrap(), value, "{sql}");
    }
}

#[tokio::test]
async fn a_notification_reaches_whoever_moves_the_connection() {
    let name = "a_notification_reaches_whoever_moves_the_connection";
    let Some(url) = shared_server(name) else { return };
    let dialer = dialer(&url);
    let mut session = dialer.dial("listen", false).await.unwrap();
    dialer.ask(&mut session, "LISTEN legwork_dial_test").await.unwrap();
    answer(&url, "SELECT pg_notify('legwork_dial_test', 'wake')").await;
    let heard = timeout(DIAL_LIMIT, session.connection.next()).await.expect("in time");
    let AsyncMessage::Notification(heard) = heard.unwrap().unwrap() else {
        panic!("something else than a notification");
    };
    assert_eq!(heard.payload(), "wake");
    drop(session.client);
    assert!(session.connection.next().await.is_none(), "it ends with its client");
}

#[tokio::test]
async fn a_login_that_cannot_succeed_says_what_to_change() {
    let Some(url) = shared_server("a_login_that_cannot_succeed_says_what_to_change") else {
        return;
    };
    for (parameters, kind, says) in [
        ("dbname=legwork_is_not_here", ErrorKind::NotFound, "no such database"),
        ("user=legwork_nobody", ErrorKind::Invalid, "refuses the login"),
        ("user=legwork_nobody", ErrorKind::Invalid, "role \"legwork_nobody\" does not exist"),
        ("options=-c%20no_such_setting%3D1", ErrorKind::Invalid, "refuses a parameter"),
        ("sslmode=require", ErrorKind::Invalid, "offers no TLS, which sslmode=require asks for"),
    ] {
        let (refused, said) = refused(&format!("{url}?{parameters}")).await;
        assert!(refused == kind && said.contains(says), "{parameters}: {refused:?} {said}");
    }
}

#[tokio::test]
async fn a_database_that_is_read_only_is_refused() {
    let Some(url) = shared_server("a_database_that_is_read_only_is_refused") else { return };
    let name = format!("legwork_read_only_{}", std::process::id());
    answer(&url, &format!("CREATE DATABASE {name}")).await;
    answer(&url, &format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await;
    let address = Address::parse(&format!("{url}?dbname={name}")).unwrap();
    let session = Dialer::new(address).unwrap().dial("test", false).await;
    answer(&url, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
    let error = session.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "it may take writes again");
    assert!(error.to_string().contains("default_transaction_read_only is on"), "{error}");
}

#[tokio::test]
async fn a_server_that_nobody_hears_of_is_unavailable_and_the_next_one_is_taken() {
    let name = "a_server_that_nobody_hears_of_is_unavailable_and_the_next_one_is_taken";
    let nobody = free_port();
    let alone = format!("postgres://u@127.0.0.1:{nobody}/a");
    let (kind, said) = refused(&alone).await;
    assert_eq!(kind, ErrorKind::Unavailable);
    let says = format!("the server at 127.0.0.1:{nobody} cannot be reached: ");
    assert!(said.starts_with(&says) && said.contains("refused"), "{said}");

    let Some(url) = shared_server(name) else { return };
    let both = url.replace('@', &format!("@127.0.0.1:{nobody},"));
    let dialer = dialer(&both);
    dialer.dial("test", false).await.unwrap();
    assert_eq!(dialer.inner.first.load(Ordering::Relaxed), 1, "the next dial begins there");
    dialer.dial("test", false).await.unwrap();

    let (kind, said) = refused(&format!("{both}?user=legwork_nobody")).await;
    assert_eq!(kind, ErrorKind::Unavailable, "the first server may yet come");
    assert!(said.contains("no server can be used") && said.contains("does not exist"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_silent_is_given_up_within_the_limit() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let started = tokio::time::Instant::now();
    let url = format!("postgres://u@127.0.0.1:{}/a", silent.local_addr().unwrap().port());
    let (kind, said) = refused(&url).await;
    assert_eq!(kind, ErrorKind::Unavailable, "{said}");
    assert!(said.contains("did not answer within 10.0 s"), "{said}");
    assert!(started.elapsed() < DIAL_LIMIT + Duration::from_secs(1));
}

#[tokio::test]
async fn a_standby_is_refused_and_another_server_is_taken_in_its_place() {
    let name = "a_standby_is_refused_and_another_server_is_taken_in_its_place";
    let Some(standby) = Cluster::start(name, "", |cluster| cluster.write("standby.signal", ""))
    else {
        return;
    };
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", standby.port);
    let (kind, said) = refused(&url).await;
    assert_eq!(kind, ErrorKind::Unavailable, "it may be promoted");
    let says = format!("the server at 127.0.0.1:{} is a read-only standby", standby.port);
    assert!(said.starts_with(&says), "{said}");
    let Some(shared) = shared_server(name) else { return };
    let both = shared.replace('@', &format!("@127.0.0.1:{},", standby.port));
    assert_eq!(answer(&both, "SELECT pg_is_in_recovery()").await, "f");
}

#[test]
fn a_server_that_is_too_old_is_named() {
    let tls = Address::parse("postgres://h/a").unwrap();
    for (version, spoken) in [(120_022, "12.22"), (90_624, "9.6")] {
        let error = verdict(version, true, true).unwrap_err().into_error("h:5432", tls.tls());
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let says = format!("is PostgreSQL {spoken}, and Legwork needs 13");
        assert!(error.to_string().contains(&says), "{error}");
    }
    assert!(verdict(130_000, false, false).is_ok());
}

#[tokio::test]
async fn a_pooler_is_noticed_only_in_transaction_mode() {
    let name = "a_pooler_is_noticed_only_in_transaction_mode";
    let Some(url) = shared_server(name) else { return };
    assert!(!dialer(&url).is_pooled().await.unwrap(), "a server is no pooler");
    assert!(dialer(&format!("{url}?pooled=true")).is_pooled().await.unwrap(), "as it is told");
    for (mode, pooled) in [("transaction", true), ("session", false)] {
        let Some(pooler) = Pooler::start_with(name, &url, mode, 2) else { return };
        let url = pooler.url();
        assert_eq!(dialer(&url).is_pooled().await.unwrap(), pooled, "{mode}");
        let untrue = format!("{url}?pooled={}", !pooled);
        assert_eq!(dialer(&untrue).is_pooled().await.unwrap(), !pooled, "{mode}: as it is told");
        dialer(&url).dial("test", pooled).await.expect("a session through the pooler");
    }
}

#[tokio::test]
async fn a_pooler_of_one_session_is_noticed() {
    let name = "a_pooler_of_one_session_is_noticed";
    let Some(url) = shared_server(name) else { return };
    let Some(mut pooler) = Pooler::start_with(name, &url, "transaction", 1) else { return };
    assert!(dialer(&pooler.url()).is_pooled().await.unwrap());
    pooler.restart();
    assert!(dialer(&pooler.url()).is_pooled().await.unwrap(), "and one that was restarted");
}

/// The name in the certificate of the private server.
const NAME: &str = "db.example";

#[tokio::test]
async fn a_certificate_is_judged_as_sslmode_says() {
    let Some(server) = tls_server("a_certificate_is_judged_as_sslmode_says") else { return };
    let right = format!("host={NAME}&sslrootcert={}", server.cluster.path("root.crt"));
    let wrong_name = format!("host=other.example&sslrootcert={}", server.cluster.path("root.crt"));
    let wrong_root = format!("host={NAME}&sslrootcert={}", server.cluster.path("other.crt"));
    for (mode, parameters) in [
        ("verify-full", &right),
        ("verify-ca", &right),
        ("verify-ca", &wrong_name),
        ("require", &wrong_name),
        ("prefer", &wrong_name),
        ("require", &"host=other.example".to_owned()),
        ("allow", &"host=other.example".to_owned()),
    ] {
        let url = server.url(&format!("sslmode={mode}&{parameters}"));
        assert_eq!(answer(&url, IS_ENCRYPTED).await, "t", "{url}");
    }
    // A certificate that is given is reason enough, even on this machine.
    assert_eq!(answer(&server.url(&right), IS_ENCRYPTED).await, "t");
    let url = server.url(&format!("host={NAME}&sslmode=disable"));
    assert_eq!(answer(&url, IS_ENCRYPTED).await, "f");
    let no_root = format!("host={NAME}");
    for (mode, parameters, says) in [
        ("verify-full", &wrong_name, "is for another name, which sslmode=verify-full"),
        ("verify-full", &wrong_root, "comes from no root that sslmode=verify-full trusts"),
        ("verify-full", &no_root, "comes from no root that sslmode=verify-full trusts"),
        ("verify-ca", &wrong_root, "comes from no root that sslmode=verify-ca trusts"),
        ("require", &wrong_root, "comes from no root that sslmode=require trusts"),
    ] {
        let (kind, said) = refused(&server.url(&format!("sslmode={mode}&{parameters}"))).await;
        assert!(kind == ErrorKind::Invalid && said.contains(says), "{mode}: {kind:?} {said}");
    }
}

#[tokio::test]
async fn a_client_proves_who_it_is_by_certificate_or_by_bound_password() {
    let name = "a_client_proves_who_it_is_by_certificate_or_by_bound_password";
    let Some(server) = tls_server(name) else { return };
    let root = format!("host={NAME}&sslrootcert={}", server.cluster.path("root.crt"));
    let admin = server.url(&root);
    answer(&admin, "CREATE ROLE carol LOGIN; CREATE ROLE bert LOGIN PASSWORD 'geheim'").await;

    let carol = format!("{root}&user=carol");
    let (kind, said) = refused(&server.url(&carol)).await;
    assert!(kind == ErrorKind::Invalid && said.contains("client certificate"), "{kind:?} {said}");
    let (certificate, key) = (server.cluster.path("carol.crt"), server.cluster.path("carol.key"));
    let carol = server.url(&format!("{carol}&sslcert={certificate}&sslkey={key}"));
    assert_eq!(answer(&carol, "SELECT current_user").await, "carol");

    let bert = format!("{root}&user=bert&channel_binding=require");
    let (kind, said) = refused(&server.url(&bert)).await;
    assert!(kind == ErrorKind::Invalid && said.contains("password missing"), "{kind:?} {said}");
    let (kind, said) = refused(&server.url(&format!("{bert}&password=falsch"))).await;
    assert!(kind == ErrorKind::Invalid && said.contains("refuses the login"), "{kind:?} {said}");
    assert!(!said.contains("falsch"), "{said}");
    let bert = server.url(&format!("{bert}&password=geheim"));
    assert_eq!(answer(&bert, "SELECT current_user").await, "bert");
}

/// Asks whether the session that asks is encrypted.
const IS_ENCRYPTED: &str = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

/// A private server with a certificate for [`NAME`].
struct TlsServer {
    cluster: Cluster,
}

impl TlsServer {
    fn url(&self, parameters: &str) -> String {
        let port = self.cluster.port;
        let user = if parameters.contains("user=") { "" } else { "&user=postgres" };
        format!("postgres:///postgres?hostaddr=127.0.0.1&port={port}{user}&{parameters}")
    }
}

fn tls_server(test: &str) -> Option<TlsServer> {
    let settings = "ssl = on\nssl_ca_file = 'root.crt'\n";
    let cluster = Cluster::start(test, settings, |cluster| {
        let authority = Authority::new("Legwork's test authority");
        let (certificate, key) = authority.issue(NAME);
        cluster.write("server.crt", &certificate);
        cluster.write("server.key", &key);
        cluster.write("root.crt", &authority.pem());
        cluster.write("other.crt", &Authority::new("another authority").pem());
        let (certificate, key) = authority.issue("carol");
        cluster.write("carol.crt", &certificate);
        cluster.write("carol.key", &key);
        cluster.write(
            "pg_hba.conf",
            "hostssl all carol all cert\nhostssl all bert all scram-sha-256\n\
             host all postgres all trust\n",
        );
    })?;
    Some(TlsServer { cluster })
}
