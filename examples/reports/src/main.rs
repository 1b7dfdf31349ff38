//! A small web application whose background work runs on Legwork.

mod files;
mod mail;
mod reports;
mod settings;

fn main() {}
