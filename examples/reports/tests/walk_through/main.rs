//! Drives the real program over HTTP, from upload to mail, through kills and stops.
//!
//! Each test starts its own process on its own directory and port. `app` starts and ends the
//! process, `http` talks to it, `wait` waits for what must come.

#[cfg(test)]
mod app;
#[cfg(test)]
mod http;
#[cfg(test)]
mod orders;
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
