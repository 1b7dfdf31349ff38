//! Drives the real program over HTTP, from upload to mail, through kills and stops.
//!
//! Each test starts its own process on its own directory and port, and is run on SQLite and on
//! PostgreSQL. `place` makes the database, `process` starts and ends the program, `app` and `http`
//! talk to it, `wait` waits for what must come; `cluster` is a server that a test may kill.

#[cfg(test)]
mod app;
#[cfg(test)]
#[cfg(unix)]
mod cluster;
#[cfg(test)]
mod http;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod place;
#[cfg(test)]
mod process;
#[cfg(test)]
mod products;
#[cfg(test)]
#[cfg(feature = "rabbitmq")]
mod rabbitmq;
#[cfg(test)]
mod reports;
#[cfg(test)]
mod smtp;
#[cfg(test)]
mod stops;
#[cfg(test)]
mod users;
#[cfg(test)]
mod wait;
#[cfg(test)]
#[cfg(unix)]
mod workers;
