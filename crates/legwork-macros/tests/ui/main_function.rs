//! What `#[legwork::main]` refuses.

mod not_async {
    #[legwork_macros::main]
    fn main() {}
}

mod arguments {
    #[legwork_macros::main]
    async fn main(count: usize) {}
}

mod unknown_key {
    #[legwork_macros::main(flavor = "current_thread")]
    async fn main() {}
}

fn main() {}
