//! `#[derive(FromRef)]`.
//!
//! One `impl FromRef<App> for Field` per field, so that handlers can ask for `State<Field>`.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Data, DeriveInput, Error, Field, Index, Member, Result};

use crate::options::Options;

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Struct(data) = &input.data else {
        let rule = "only a struct has parts: derive `FromRef` for the struct of the state";
        return Err(Error::new(input.ident.span(), rule));
    };
    if !input.generics.params.is_empty() {
        let rule = "`FromRef` cannot be derived for a generic state: implement it by hand";
        return Err(Error::new_spanned(&input.generics, rule));
    }
    let mut options = Options::read(TokenStream::new(), &[])?;
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("from_ref")) {
        options.add(attribute.parse_args()?, &["crate"])?;
    }
    let (state, krate) = (&input.ident, options.krate()?);
    let mut seen = Vec::new();
    let mut expanded = TokenStream::new();
    for (index, field) in data.fields.iter().enumerate() {
        if is_skipped(field)? {
            continue;
        }
        let ty = &field.ty;
        let text = ty.to_token_stream().to_string();
        if seen.contains(&text) {
            let rule = format!(
                "two fields have the type `{}`: `State` could not tell them apart. Mark one with \
                 `#[from_ref(skip)]`, or wrap it in a type of its own",
                text.replace(' ', "")
            );
            return Err(Error::new(ty.span(), rule));
        }
        seen.push(text);
        let member = match &field.ident {
            Some(ident) => Member::Named(ident.clone()),
            None => Member::Unnamed(Index::from(index)),
        };
        expanded.extend(quote_spanned! {ty.span()=>
            #[automatically_derived]
            impl #krate::FromRef<#state> for #ty {
                fn from_ref(state: &#state) -> Self {
                    ::core::clone::Clone::clone(&state.#member)
                }
            }
        });
    }
    Ok(expanded)
}

fn is_skipped(field: &Field) -> Result<bool> {
    let mut skipped = false;
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("from_ref")) {
        let options = Options::read(attribute.parse_args()?, &["skip"])?;
        if let Some(skip) = options.get("skip") {
            skip.flag()?;
            skipped = true;
        }
    }
    Ok(skipped)
}
