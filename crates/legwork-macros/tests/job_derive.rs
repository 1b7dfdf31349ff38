//! All options of `#[job(…)]` reach the contract.

extern crate legwork_core as legwork;

use std::time::Duration;

use legwork_core::job::{RawArgs, Undecodable};
use legwork_core::{Job, RetryPolicy};
use legwork_macros::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(name = "plain")]
struct Plain;

#[derive(Debug, PartialEq, Serialize, Deserialize, Job)]
#[job(name = "mail.welcome", aliases("welcome_email", "mail.hello"), version = 2, upgrade = up)]
#[job(queue = "mail", priority = -5, max_attempts = 10, timeout = "1m")]
#[job(retry(base = "1s", cap = "1h", factor = 3, jitter = 0.5))]
struct SendWelcome {
    user_id: i64,
}

fn up(args: RawArgs<'_>) -> Result<SendWelcome, Undecodable> {
    Ok(SendWelcome { user_id: args.parse()? })
}

fn hourly() -> RetryPolicy {
    RetryPolicy::fixed(Duration::from_hours(1)).expect("an hour is within the bounds")
}

#[derive(Serialize, Deserialize, Job)]
#[job(name = "hourly", retry = hourly(), timeout = 90, crate = legwork_core)]
enum Hourly {
    One,
    Two(u8),
}

#[test]
fn all_options_reach_the_contract() {
    assert_eq!(Plain::NAME, "plain");
    assert_eq!(Plain::QUEUE, "default");
    assert_eq!((Plain::VERSION, Plain::PRIORITY, Plain::MAX_ATTEMPTS), (1, 0, 20));
    assert_eq!(Plain::TIMEOUT, None);

    assert_eq!(SendWelcome::NAME, "mail.welcome");
    assert_eq!(SendWelcome::ALIASES, ["welcome_email", "mail.hello"]);
    assert_eq!(SendWelcome::QUEUE, "mail");
    assert_eq!((SendWelcome::VERSION, SendWelcome::PRIORITY), (2, -5));
    assert_eq!(SendWelcome::MAX_ATTEMPTS, 10);
    assert_eq!(SendWelcome::TIMEOUT, Some(Duration::from_mins(1)));
    let second = Duration::from_secs(1);
    assert_eq!(SendWelcome::retry_policy().mean_delay(3), 9 * second);
    let old = RawArgs { version: 1, json: b"7" };
    assert_eq!(SendWelcome::decode(old).unwrap(), SendWelcome { user_id: 7 });

    assert_eq!(Hourly::TIMEOUT, Some(90 * second));
    assert_eq!(Hourly::retry_policy(), hourly());
    assert!(matches!([Hourly::One, Hourly::Two(2)], [Hourly::One, Hourly::Two(2)]));
}
