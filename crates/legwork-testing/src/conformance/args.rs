//! The arguments of a job: any JSON text comes back byte for byte, anything else is refused.
//!
//! The rule is `legwork_core::limits::check_args`; the cases prove that a storage applies it before
//! it stores, and that its encoding loses nothing.

use legwork_core::limits::{ARGS_MAX_BYTES, ARGS_MAX_DEPTH};
use legwork_core::{ErrorKind, JobState as S};

use super::Fixture;
use super::draft::{Draft as _, job, retry, secs};

cases! { ($) args __args_cases:
    come_back_byte_for_byte,
    of_one_mebibyte_come_back_byte_for_byte,
    stay_the_same_in_every_run,
    over_the_limit_are_refused_with_both_sizes,
    that_are_not_json_are_refused,
    that_are_not_utf8_are_refused,
    nest_as_deep_as_the_limit_and_no_deeper,
}

async fn come_back_byte_for_byte(fx: &Fixture) {
    let texts = [
        "null",
        "\"\\u0000\"",
        "{\"a\":\"\\u0000b\",\"a\":2}",
        " { \"spaces\" :\t1 ,\n\"kept\": [ ] } ",
        "9223372036854775808123456789",
        "-0.0",
        "1e400",
        "0.1000000000000000055511151231257827",
        "\"żółć 漢字 🦀 \u{202e}\u{7f}\"",
        "\"'; DROP TABLE job; -- $1 ?1 :a @b %s {{x}}\"",
        "\"\\ud83e\\udd80\"",
    ];
    let server = fx.server().await;
    for text in texts {
        let id = fx.enqueue(job().args(text)).await;
        assert_eq!(fx.detail(id).await.args, text.as_bytes(), "{text}");
        assert_eq!(server.claim_one().await.args, text.as_bytes(), "{text}");
    }
}

async fn of_one_mebibyte_come_back_byte_for_byte(fx: &Fixture) {
    let text = format!("\"{}\"", "0123456789abcdé\\n".repeat(1024 * 1024 / 17));
    let id = fx.enqueue(job().args(&text)).await;
    let claimed = fx.server().await.claim_one().await;
    assert!(claimed.args == text.as_bytes(), "the claimed arguments differ");
    assert!(fx.detail(id).await.args == text.as_bytes(), "the shown arguments differ");
}

async fn stay_the_same_in_every_run(fx: &Fixture) {
    fx.enqueue(job().args("{\"n\": 1.0}")).await;
    let server = fx.server().await;
    for _ in 0..3 {
        assert_eq!(server.work_one(retry(secs(1))).await.args, b"{\"n\": 1.0}");
        fx.advance(secs(1));
        fx.promote().await;
    }
}

async fn over_the_limit_are_refused_with_both_sizes(fx: &Fixture) {
    let text = format!("\"{}\"", "x".repeat(ARGS_MAX_BYTES - 1));
    let error = fx.refused(vec![job(), job().args(&text)]).await;
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(fx.count(S::Enqueued).await, 0);
    fx.enqueue(job().args(format!("\"{}\"", "x".repeat(ARGS_MAX_BYTES - 2)))).await;
}

async fn that_are_not_json_are_refused(fx: &Fixture) {
    for text in ["", "{", "{} {}", "nul", "NaN", "'a'", "{\"a\":1,}", "\"\u{1}\""] {
        let error = fx.refused(vec![job().args(text)]).await;
        assert_eq!(error.kind(), ErrorKind::Invalid, "{text:?}");
    }
    assert_eq!(fx.count(S::Enqueued).await, 0);
}

async fn that_are_not_utf8_are_refused(fx: &Fixture) {
    for bytes in [&b"\"\xff\""[..], b"\"\xc3\"", b"\"\xed\xa0\x80\"", b"\x00"] {
        let error = fx.refused(vec![job().args(bytes)]).await;
        assert_eq!(error.kind(), ErrorKind::Invalid, "{bytes:?}");
    }
}

async fn nest_as_deep_as_the_limit_and_no_deeper(fx: &Fixture) {
    let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
    let id = fx.enqueue(job().args(nested(ARGS_MAX_DEPTH))).await;
    assert_eq!(fx.detail(id).await.args, nested(ARGS_MAX_DEPTH).as_bytes());
    let error = fx.refused(vec![job().args(nested(ARGS_MAX_DEPTH + 1))]).await;
    assert_eq!(error.kind(), ErrorKind::Invalid);
}
