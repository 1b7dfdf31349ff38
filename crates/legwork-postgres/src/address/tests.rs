//! What is read out of a URL, what is refused, and that no secret is repeated.

use std::time::Duration;

use legwork_core::ErrorKind;
use tokio_postgres::config::{ChannelBinding, SslMode as DriverMode};

use super::*;

fn address(url: &str) -> Address {
    Address::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"))
}

#[test]
fn a_location_names_the_place_and_neither_user_nor_secret() {
    for (url, location) in [
        ("postgres://u:secret@localhost/app", "postgres:localhost:5432/app"),
        ("postgresql://u:secret@DB.example:6432/app", "postgres:db.example:6432/app"),
        ("postgres://u@h/app?schema=legwork", "postgres:h:5432/app"),
        ("postgres://u@h/app?schema=jobs_2", "postgres:h:5432/app?schema=jobs_2"),
        ("postgres://u@a,b:6000/app", "postgres:a:5432,b:6000/app"),
        ("postgres://u@/app?host=a,b&port=1,2", "postgres:a:1,b:2/app"),
        ("postgres://u@[::1]:7000/app", "postgres:[::1]:7000/app"),
        ("postgres://%2Frun%2Fpg/app", "postgres:/run/pg:5432/app"),
        ("postgres:///app?host=/run/pg&port=5433", "postgres:/run/pg:5433/app"),
        ("postgres:///app", "postgres:localhost:5432/app"),
        ("postgres:///app?hostaddr=10.0.0.1", "postgres:10.0.0.1:5432/app"),
        ("postgres:///app?host=db&hostaddr=10.0.0.1", "postgres:db:5432/app"),
        ("postgres://anna@h", "postgres:h:5432/anna"),
        ("postgres://h?user=anna&dbname=app", "postgres:h:5432/app"),
        ("postgres://h/a%3Fschema%3Dx%2F", "postgres:h:5432/a%3Fschema=x%2F"),
    ] {
        assert_eq!(address(url).location(), location, "{url}");
    }
}

#[test]
fn what_the_url_leaves_open_is_decided_for_it() {
    let local = address("postgres://u@localhost/app");
    assert_eq!(local.schema(), "legwork");
    assert_eq!(local.pooled(), None);
    let config = local.config(&local.endpoints()[0], None, Some("heartbeat"));
    assert_eq!(config.get_application_name(), Some("legwork heartbeat"));
    assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(5)));
    assert_eq!(config.get_tcp_user_timeout(), Some(&Duration::from_secs(8)));
    assert!(config.get_keepalives());
    assert_eq!(config.get_keepalives_idle(), Duration::from_secs(5));
    assert_eq!(config.get_keepalives_interval(), Some(Duration::from_secs(2)));
    assert_eq!(config.get_keepalives_retries(), Some(3));
    let config = local.config(&local.endpoints()[0], None, None);
    assert_eq!(config.get_application_name(), Some("legwork"));
}

#[test]
fn what_the_url_says_is_kept() {
    let given = address(
        "postgres://anna:p%40ss@db/app?application_name=shop&connect_timeout=2\
         &tcp_user_timeout=1500&keepalives_idle=30&keepalives_interval=4&keepalives_count=9\
         &options=-c%20geqo%3Doff&channel_binding=require&schema=jobs&pooled=true\
         &target_session_attrs=any&load_balance_hosts=random",
    );
    assert_eq!(given.schema(), "jobs");
    assert_eq!(given.pooled(), Some(true));
    assert!(given.is_balanced());
    let config = given.config(&given.endpoints()[0], None, Some("heartbeat"));
    assert_eq!(config.get_application_name(), Some("shop"));
    assert_eq!(config.get_user(), Some("anna"));
    assert_eq!(config.get_password(), Some(b"p@ss".as_slice()));
    assert_eq!(config.get_dbname(), Some("app"));
    assert_eq!(config.get_options(), Some("-c geqo=off"));
    assert_eq!(config.get_channel_binding(), ChannelBinding::Require);
    assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(2)));
    assert_eq!(config.get_tcp_user_timeout(), Some(&Duration::from_millis(1500)));
    assert_eq!(config.get_keepalives_idle(), Duration::from_secs(30));
    assert_eq!(config.get_keepalives_interval(), Some(Duration::from_secs(4)));
    assert_eq!(config.get_keepalives_retries(), Some(9));
    for (value, pooled) in [("true", Some(true)), ("false", Some(false)), ("auto", None)] {
        assert_eq!(address(&format!("postgres://h/a?pooled={value}")).pooled(), pooled);
    }
}

#[test]
fn an_at_sign_among_the_parameters_is_no_end_of_a_password() {
    let given = address("postgres://db/app?user=anna&password=a@b");
    assert_eq!(given.location(), "postgres:db:5432/app");
    let config = given.config(&given.endpoints()[0], None, None);
    assert_eq!(config.get_password(), Some(b"a@b".as_slice()));
}

#[test]
fn only_a_server_of_another_machine_must_prove_who_it_is_by_default() {
    for (url, mode) in [
        ("postgres://localhost/a", SslMode::Disable),
        ("postgres://db.localhost/a", SslMode::Disable),
        ("postgres://127.0.0.9/a", SslMode::Disable),
        ("postgres://[::1],127.0.0.1/a", SslMode::Disable),
        ("postgres://%2Ftmp/a", SslMode::Disable),
        ("postgres://localhost/a?sslrootcert=/root.crt", SslMode::VerifyFull),
        ("postgres://db/a", SslMode::VerifyFull),
        ("postgres://10.0.0.1/a", SslMode::VerifyFull),
        ("postgres://localhost,db/a", SslMode::VerifyFull),
        ("postgres://localhost/a?hostaddr=10.0.0.1", SslMode::VerifyFull),
        ("postgres://db/a?sslmode=disable", SslMode::Disable),
        ("postgres://db/a?sslmode=allow", SslMode::Allow),
        ("postgres://db/a?sslmode=prefer", SslMode::Prefer),
        ("postgres://localhost/a?sslmode=require", SslMode::Require),
        ("postgres://db/a?sslmode=verify-ca&sslrootcert=/root.crt", SslMode::VerifyCa),
    ] {
        let address = address(url);
        assert_eq!(address.tls().mode(), mode, "{url}");
        let driver = address.config(&address.endpoints()[0], None, None).get_ssl_mode();
        let socket = matches!(address.endpoints()[0].place, Place::Unix(_));
        let wanted = if socket { DriverMode::Disable } else { mode.for_driver() };
        assert_eq!(driver, wanted, "{url}");
    }
}

#[test]
fn a_url_that_breaks_a_rule_is_refused_by_the_name_of_the_rule() {
    let long = format!("postgres://h/a?schema={}", "a".repeat(64));
    for (url, rule) in [
        ("mysql://h/a", "begins with `postgres://`"),
        ("postgres://h/a\n", "line break"),
        ("postgres://h", "names no database"),
        ("postgres://h/a?schema=", "`schema` must have 1 to 63 bytes"),
        (long.as_str(), "`schema` must have 1 to 63 bytes"),
        ("postgres://h/a?schema=Jobs", "`schema` may contain only"),
        ("postgres://h/a?schema=a%22b", "`schema` may contain only"),
        ("postgres://h/a?schema=1a", "`schema` must not begin with a digit"),
        ("postgres://h/a?schema=pg_jobs", "`schema` must not begin with pg_"),
        ("postgres://h/a?schema=public", "`schema` must be Legwork's own"),
        ("postgres://h/a?schema=a&schema=b", "`schema` is given twice"),
        ("postgres://h/a?pooled=yes", "`pooled` must be true, false or auto"),
        ("postgres://h/a?sslmode=full", "`sslmode` must be"),
        ("postgres://h/a?sslmode=verify-ca", "`sslmode=verify-ca` needs"),
        ("postgres://h/a?sslcert=/a.crt", "`sslcert` and `sslkey`"),
        ("postgres://h/a?tcp_user_timeout=8s", "`tcp_user_timeout` must be"),
        ("postgres://h/a?target_session_attrs=read-only", "Legwork writes"),
        ("postgres://h/a?sslmode=prefer&sslnegotiation=direct", "`sslnegotiation=direct` needs"),
        ("postgres://h/a?pgbouncer=true", "unknown option `pgbouncer`"),
        ("postgres://h:x/a", "`port`"),
        ("postgres://h:1,g:2/a?port=3", "`port` must be one number"),
        ("postgres://h,g/a?hostaddr=10.0.0.1", "`hostaddr` must have one address"),
        ("postgres://h/a?connect_timeout=soon", "`connect_timeout`"),
        ("postgres://h/a?schema", "has no value"),
        ("postgres://h/a?schema=%FF", "not UTF-8"),
    ] {
        let error = Address::parse(url).expect_err(url);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{url}");
        assert!(error.to_string().contains(rule), "{url}: {error}");
    }
}

#[test]
fn a_password_is_never_repeated() {
    for url in [
        "postgres://anna:se@cret@h/a",
        "postgres://anna:se/cret@h/a",
        "postgres://anna:se?cret@h/a",
        "postgres://anna:1?cret@h/a",
        "postgres://anna:1?cret=secret@h/a",
        "postgres://anna:cret@h:x/a",
        "postgres://anna:cret@h/a?schema=A",
        "postgres://anna:cret@h/a?password=cret&pgbouncer=true",
        "postgres://anna:cret@h/a?sslmode=x",
    ] {
        let error = Address::parse(url).expect_err(url);
        let said = format!("{error} {error:?}");
        assert!(!said.contains("cret"), "{url}: {said}");
    }
    let given = address("postgres://anna:cret@h/a?schema=jobs");
    let said = format!("{given:?} {}", given.location());
    assert!(!said.contains("cret"), "{said}");
}
