//! What `#[derive(FromRef)]` refuses.

extern crate legwork_core as legwork;

use legwork_macros::FromRef;

struct NotClone;

#[derive(FromRef)]
struct PartIsNotClone {
    part: NotClone,
}

#[derive(FromRef)]
struct SameTypeTwice {
    read: Vec<u8>,
    write: Vec<u8>,
}

#[derive(FromRef)]
struct Misspelt {
    #[from_ref(skipp)]
    part: u8,
}

#[derive(FromRef)]
struct Generic<T> {
    part: T,
}

#[derive(FromRef)]
enum NoStruct {
    One(u8),
}

fn main() {}
