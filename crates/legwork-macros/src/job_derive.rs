//! `#[derive(Job)]`.
//!
//! It refuses types that cannot be one kind of job; the rest is in `job_attribute`.

use proc_macro2::TokenStream;
use syn::{Data, DeriveInput, Error, Result};

use crate::job_attribute::{KEYS, implement};
use crate::options::Options;

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    if let Data::Union(data) = &input.data {
        return Err(Error::new(data.union_token.span, "a union cannot be the arguments of a job"));
    }
    if !input.generics.params.is_empty() {
        let rule = "a job cannot be generic: its name stands for one type of arguments";
        return Err(Error::new_spanned(&input.generics, rule));
    }
    let mut options = Options::read(TokenStream::new(), &KEYS)?;
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("job")) {
        options.add(attribute.parse_args()?, &KEYS)?;
    }
    implement(&input.ident, &options)
}
