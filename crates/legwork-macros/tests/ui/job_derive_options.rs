//! What `#[job(…)]` refuses, and what it says.

extern crate legwork_core as legwork;

use legwork_macros::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
struct NoAttribute;

#[derive(Serialize, Deserialize, Job)]
#[job(queue = "mail")]
struct NoName;

#[derive(Serialize, Deserialize, Job)]
#[job(name = "mail welcome")]
struct BlankInName;

#[derive(Serialize, Deserialize, Job)]
#[job(name = "")]
struct EmptyName;

#[derive(Serialize, Deserialize, Job)]
#[job(name = 7)]
struct NumberAsName;

#[derive(Serialize, Deserialize, Job)]
#[job(name = "a", max_attempts = 0)]
struct NoAttempts;

#[derive(Serialize, Deserialize, Job)]
#[job(name = "a", max_atempts = 3)]
struct Misspelt;

#[derive(Serialize, Deserialize, Job)]
#[job(name = "a", delay = 3)]
struct UnknownKey;

#[derive(Serialize, Deserialize, Job)]
#[job(name = "a", queue = "b", queue = "c")]
struct Twice;

#[derive(Serialize, Deserialize, Job)]
#[job(name = "a", priority = 40000)]
struct PriorityTooHigh;

#[derive(Serialize, Deserialize, Job)]
#[job(name = "a", timeout = "30 seconds")]
struct UnknownUnit;

#[derive(Serialize, Deserialize, Job)]
#[job(name = "a", timeout = 0)]
struct NoTime;

#[derive(Serialize, Deserialize, Job)]
#[job(name = "a", aliases("b", "a"))]
struct AliasIsName;

#[derive(Serialize, Deserialize, Job)]
#[job(name = "a", aliases = "b")]
struct AliasIsNoList;

#[derive(Serialize, Deserialize, Job)]
#[job(name = "a", retry(base = "2h", cap = "1h"))]
struct BaseOverCap;

#[derive(Serialize, Deserialize, Job)]
#[job(name = "a", upgrade = up)]
struct UpgradeOfVersionOne;

#[derive(Serialize, Deserialize, Job)]
#[job(name = "a")]
struct Generic<T>(T);

fn main() {}
