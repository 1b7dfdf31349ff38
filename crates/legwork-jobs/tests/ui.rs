//! The messages of the client's traits, as rustc prints them.
//!
//! Each file in `ui` must fail to compile with what its `.stderr` says.

#[test]
fn mistakes_are_explained_where_they_are() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
