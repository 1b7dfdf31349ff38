//! `#[legwork::main]`.
//!
//! The function becomes an ordinary `main` that hands its body to the runtime of the `legwork`
//! crate, which also sees to it that the process ends.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned as _;
use syn::{Error, ItemFn, Result, Visibility};

use crate::options::Options;

pub(crate) fn expand(attribute: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let options = Options::read(attribute, &["crate"])?;
    let mut function: ItemFn = syn::parse2(item)?;
    if function.sig.asyncness.is_none() {
        let rule = "`#[legwork::main]` is for an `async fn`";
        return Err(Error::new(function.sig.fn_token.span, rule));
    }
    if !function.sig.inputs.is_empty() {
        return Err(Error::new(function.sig.inputs.span(), "`main` has no arguments"));
    }
    if !function.sig.generics.params.is_empty() {
        return Err(Error::new(function.sig.generics.span(), "`main` is not generic"));
    }
    let krate = options.krate()?;
    let attributes = std::mem::take(&mut function.attrs);
    let vis = std::mem::replace(&mut function.vis, Visibility::Inherited);
    let name = &function.sig.ident;
    // The body stays in a function of its own, so that `?` and `return` in it mean what they say.
    Ok(quote! {
        #(#attributes)*
        #vis fn #name() -> ::std::process::ExitCode {
            #function
            #krate::host::block_on(#name())
        }
    })
}
