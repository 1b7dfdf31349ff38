//! The smallest program that enqueues and runs a durable job. Stop it with Ctrl-C.
#![expect(clippy::print_stdout, reason = "a person reads it")]

use legwork::prelude::*;

#[derive(Serialize, Deserialize, Job)]
#[job(name = "greet")]
struct Greet {
    name: String,
}

async fn greet(job: Greet) {
    println!("Hello, {}!", job.name);
}

#[legwork::main]
async fn main() -> legwork::Result<HostExit> {
    let jobs = Jobs::connect("sqlite://hello.db").await?;
    jobs.enqueue(Greet { name: "world".to_owned() }).await?;
    Ok(Host::builder(()).jobs(jobs.server().handle(greet)).run().await)
}
