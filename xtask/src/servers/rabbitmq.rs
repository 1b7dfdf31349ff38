//! A private RabbitMQ for the `rabbitmq` feature of the `reports` example.
//!
//! Called by `test`. Needs Debian's `rabbitmq-server`, but neither its service, nor its user, nor
//! its directories: files, ports, node name and cookie are all its own, on loopback only.

use super::{PROBE_LIMIT, Server, free_ports, loopback, private_directory, wait_until_ready};
use crate::guard::Guarded;
use crate::packages::{EPMD, RABBITMQ};
use anyhow::Context as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

/// Where tests find the broker.
pub(crate) const URL_VARIABLE: &str = "LEGWORK_TEST_AMQP_URL";

/// What an AMQP 0-9-1 client says first; a broker that is up answers with a method frame.
const PROTOCOL_HEADER: &[u8] = b"AMQP\x00\x00\x09\x01";
const METHOD_FRAME: u8 = 1;

/// Starts a broker and waits until it speaks AMQP.
///
/// # Errors
/// RabbitMQ is not installed or does not start; the message says which.
pub(crate) fn start() -> anyhow::Result<Server> {
    let program = RABBITMQ.find().context("rabbitmq-server is not installed")?;
    let epmd = EPMD.find().context("epmd, Erlang's name server, is not installed")?;
    let [amqp_port, distribution_port, epmd_port] = free_ports()?;
    let directory = private_directory("rabbitmq");
    // The name server first, and in the foreground: otherwise Erlang starts one as a daemon.
    let names = Guarded::server(&private_directory("epmd"), &names_command(&epmd, epmd_port))?;
    wait_until_ready("epmd", &names, || TcpStream::connect(loopback(epmd_port)).is_ok())?;
    let mut command = Command::new(program);
    configure(&mut command, &directory, [amqp_port, distribution_port, epmd_port]);
    let broker = Guarded::server(&directory, &command)?;
    wait_until_ready("RabbitMQ", &broker, || speaks_amqp(amqp_port))?;
    let url = format!("amqp://guest:guest@127.0.0.1:{amqp_port}/%2f");
    Ok(Server { env: vec![(URL_VARIABLE, url)], _processes: vec![broker, names] })
}

fn names_command(epmd: &Path, port: u16) -> Command {
    let mut command = Command::new(epmd);
    command.args(["-address", "127.0.0.1", "-port", &port.to_string()]);
    command
}

fn configure(command: &mut Command, directory: &Path, ports: [u16; 3]) {
    let [amqp_port, distribution_port, epmd_port] = ports;
    for (name, value) in std::env::vars_os() {
        // The settings of a broker that the machine may have for other reasons.
        if name.to_string_lossy().starts_with("RABBITMQ_") {
            drop(value);
            command.env_remove(name);
        }
    }
    command
        .env("HOME", directory)
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env("ERL_EPMD_PORT", epmd_port.to_string())
        .env("RABBITMQ_NODENAME", format!("legwork-test-{}@localhost", std::process::id()))
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODE_PORT", amqp_port.to_string())
        .env("RABBITMQ_DIST_PORT", distribution_port.to_string())
        .env("RABBITMQ_MNESIA_BASE", directory.join("mnesia"))
        .env("RABBITMQ_LOG_BASE", directory.join("logs"))
        .env("RABBITMQ_LOGS", "-")
        .env("RABBITMQ_PID_FILE", directory.join("pid"))
        .env("RABBITMQ_CONFIG_FILE", directory.join("rabbitmq"))
        .env("RABBITMQ_ADVANCED_CONFIG_FILE", directory.join("advanced"))
        .env("RABBITMQ_CONF_ENV_FILE", directory.join("no-environment-file"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", directory.join("enabled_plugins"))
        .env("RABBITMQ_GENERATED_CONFIG_DIR", directory.join("generated"))
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}");
}

/// Whether a broker answers the AMQP greeting on `port`.
fn speaks_amqp(port: u16) -> bool {
    let greet = || -> std::io::Result<u8> {
        let mut stream = TcpStream::connect_timeout(&loopback(port), PROBE_LIMIT)?;
        stream.set_read_timeout(Some(PROBE_LIMIT))?;
        stream.write_all(PROTOCOL_HEADER)?;
        let mut answer = [0];
        stream.read_exact(&mut answer)?;
        Ok(answer[0])
    };
    greet().is_ok_and(|first| first == METHOD_FRAME)
}

#[cfg(test)]
mod tests {
    use super::super::skip_unless_installed;
    use super::*;
    use std::net::TcpListener;

    fn answering(answer: &'static [u8]) -> bool {
        let listener = TcpListener::bind(loopback(0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut greeting = [0; 8];
            stream.read_exact(&mut greeting).unwrap();
            stream.write_all(answer).unwrap();
            greeting
        });
        let speaks = speaks_amqp(port);
        assert_eq!(server.join().unwrap(), PROTOCOL_HEADER, "the greeting of AMQP 0-9-1");
        speaks
    }

    #[test]
    fn only_a_method_frame_counts_as_a_broker() {
        assert!(answering(&[METHOD_FRAME, 0, 0]), "a broker starts with a method frame");
        assert!(!answering(b"HTTP/1.1 400"), "something else has the port");
        assert!(!answering(b""), "a closed connection is no answer");
    }

    #[test]
    fn a_real_broker_starts_and_leaves_nothing_behind() {
        let Some(broker) = skip_unless_installed(start(), "rabbitmq") else { return };
        let (name, url) = &broker.env[0];
        let port = url.trim_end_matches("/%2f").rsplit(':').next().unwrap().parse().unwrap();
        assert_eq!(*name, "LEGWORK_TEST_AMQP_URL", "the name that tests look for");
        assert!(speaks_amqp(port), "{url} speaks AMQP");
        drop(broker);
        assert!(TcpStream::connect(loopback(port)).is_err(), "nobody listens any more");
        assert!(!private_directory("rabbitmq").exists(), "its files are gone");
        assert!(!private_directory("epmd").exists(), "and so are those of its name server");
    }
}
