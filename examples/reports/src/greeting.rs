//! Says on the standard output, once everything has started, where it listens and what to try.

use std::io::Write;
use std::net::SocketAddr;

use legwork::BoxError;
use legwork::prelude::*;

/// A hosted service that does one thing in one hook.
#[derive(Debug)]
pub(crate) struct Greeting;

impl HostedService for Greeting {
    async fn start(&self, _cx: &ServiceContext) -> Result<(), BoxError> {
        Ok(())
    }

    /// Is called when all services have started and are ready, and the port is known.
    async fn started(&self, cx: &ServiceContext) -> Result<(), BoxError> {
        if let Some(addr) = cx.host().http_addr()
            && let Err(error) = greet(&mut std::io::stdout().lock(), addr)
        {
            // Nobody reads the output, which is no reason not to serve.
            tracing::debug!(%error, "the greeting was not read");
        }
        Ok(())
    }
}

fn greet(out: &mut impl Write, addr: SocketAddr) -> std::io::Result<()> {
    let sample = "examples/reports/data/seattle-weather-hourly-normals.csv";
    let json = "-H 'content-type: application/json'";
    write!(
        out,
        "listening on http://{addr}

The dashboard: http://{addr}/jobs
Try, from the root of the repository:

  curl -i --data-binary @{sample} 'http://{addr}/reports?name=seattle.csv&chart=temperature'
  curl http://{addr}/reports/1
  curl {json} -d '{{\"name\":\"Ada\",\"email\":\"ada@example.org\"}}' http://{addr}/users
  curl {json} -d '{{\"customer\":\"Ada\",\"total_cents\":4200}}' http://{addr}/orders

Ctrl-C stops it; what has not been finished goes on at the next start.
"
    )?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_comes_first_and_every_command_is_one_line() {
        let mut out = Vec::new();
        greet(&mut out, SocketAddr::from(([127, 0, 0, 1], 8080))).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("listening on http://127.0.0.1:8080\n"));
        let commands = text.lines().filter(|line| line.trim_start().starts_with("curl "));
        assert_eq!(commands.filter(|line| line.contains("http://127.0.0.1:8080/")).count(), 4);
    }
}
