//! What `#[job(…)]` says about a kind, and the implementation of `Job` that follows from it.
//!
//! `job_derive` and `job_function` share it.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::{Error, Ident, LitStr, Result, Token};

use crate::options::{Entry, Options, check_name};

/// The keys of `#[job(…)]`.
pub(crate) const KEYS: [&str; 10] = [
    "name",
    "version",
    "upgrade",
    "aliases",
    "queue",
    "priority",
    "max_attempts",
    "timeout",
    "retry",
    "crate",
];

/// The longest delay of a retry policy: 365 days, as in `legwork_core::retry::DELAY_MAX`.
const RETRY_DELAY_MAX: Duration = Duration::from_hours(365 * 24);

const MISSING_NAME: &str = "a job has a name: `#[job(name = \"mail.welcome\")]`. It is what is \
                            stored, and must stay the same when the type is renamed";

/// Writes the implementation of `Job` for the type `ident`.
pub(crate) fn implement(ident: &Ident, options: &Options) -> Result<TokenStream> {
    let krate = options.krate()?;
    let Some(name) = options.get("name") else {
        return Err(Error::new(ident.span(), MISSING_NAME));
    };
    let name = name.name()?;
    let mut items = TokenStream::new();
    if let Some(entry) = options.get("aliases") {
        let aliases = aliases(entry, &name)?;
        items.extend(quote!(const ALIASES: &'static [&'static str] = &[#(#aliases),*];));
    }
    if let Some(entry) = options.get("queue") {
        let queue = entry.name()?;
        items.extend(quote!(const QUEUE: &'static str = #queue;));
    }
    items.extend(numbers(options)?);
    if let Some(entry) = options.get("timeout") {
        let timeout = duration(entry.duration()?);
        items.extend(quote! {
            const TIMEOUT: ::core::option::Option<::core::time::Duration> =
                ::core::option::Option::Some(#timeout);
        });
    }
    if let Some(entry) = options.get("retry") {
        let policy = retry(entry, &krate)?;
        items.extend(quote!(fn retry_policy() -> #krate::RetryPolicy { #policy }));
    }
    if let Some(entry) = options.get("upgrade") {
        let path = entry.path()?;
        let span = syn::spanned::Spanned::span(path);
        let call = quote_spanned!(span=> #path(args));
        items.extend(quote! {
            fn upgrade(
                args: #krate::RawArgs<'_>,
            ) -> ::core::result::Result<Self, #krate::Undecodable> {
                #call.map_err(#krate::Undecodable::from_error)
            }
        });
    }
    Ok(quote! {
        #[automatically_derived]
        impl #krate::Job for #ident {
            const NAME: &'static str = #name;
            #items
        }
    })
}

fn numbers(options: &Options) -> Result<TokenStream> {
    let mut items = TokenStream::new();
    if let Some(entry) = options.get("version") {
        let version = literal(entry.integer(1, u16::MAX.into())?);
        items.extend(quote!(const VERSION: u16 = #version;));
    } else if let Some(upgrade) = options.get("upgrade") {
        return Err(upgrade.error("reads earlier versions: give `version`, 2 or more"));
    }
    if let Some(entry) = options.get("priority") {
        let priority = literal(entry.integer(i16::MIN.into(), i16::MAX.into())?);
        items.extend(quote!(const PRIORITY: i16 = #priority;));
    }
    if let Some(entry) = options.get("max_attempts") {
        let attempts = literal(entry.integer(1, u32::MAX.into())?);
        items.extend(quote!(const MAX_ATTEMPTS: u32 = #attempts;));
    }
    Ok(items)
}

fn literal(value: i64) -> proc_macro2::Literal {
    proc_macro2::Literal::i64_unsuffixed(value)
}

fn duration(value: Duration) -> TokenStream {
    let (secs, nanos) = (value.as_secs(), value.subsec_nanos());
    quote!(::core::time::Duration::new(#secs, #nanos))
}

fn aliases(entry: &Entry, name: &LitStr) -> Result<Vec<LitStr>> {
    let Some(list) = entry.list() else {
        return Err(entry.error("is a list of former names: `aliases(\"old.name\")`"));
    };
    let aliases = Punctuated::<LitStr, Token![,]>::parse_terminated.parse2(list.clone())?;
    for alias in &aliases {
        check_name("aliases", alias)?;
        if alias.value() == name.value() {
            return Err(Error::new(alias.span(), "an alias is a former name: this is the name"));
        }
    }
    Ok(aliases.into_iter().collect())
}

/// Writes the policy of `retry = expression` or `retry(base = "5s", …)`.
fn retry(entry: &Entry, krate: &TokenStream) -> Result<TokenStream> {
    if let Some(expr) = entry.expr() {
        return Ok(quote!(#expr));
    }
    let Some(list) = entry.list() else {
        return Err(entry.error("is a list such as `retry(base = \"5s\", cap = \"1h\")`"));
    };
    let keys = ["base", "cap", "factor", "jitter"];
    let options = Options::read(list.clone(), &keys)?;
    let default = |key, default: u64| match options.get(key) {
        Some(entry) => entry.duration(),
        None => Ok(Duration::from_secs(default)),
    };
    let (base, cap) = (default("base", 5)?, default("cap", 24 * 3600)?);
    let at = |key| options.get(key).map_or_else(Span::call_site, |entry| entry.key.span());
    if cap < base {
        return Err(Error::new(at("base"), "`base` is over `cap`, which is 24 h unless given"));
    }
    if cap > RETRY_DELAY_MAX {
        return Err(Error::new(at("cap"), "`cap` is over 365 days"));
    }
    let factor = options.get("factor").map_or(Ok(2.0), |entry| entry.float(1.0, 100.0))?;
    let jitter = options.get("jitter").map_or(Ok(0.2), |entry| entry.float(0.0, 1.0))?;
    let (base, cap) = (duration(base), duration(cap));
    Ok(quote! {
        #krate::RetryPolicy::exponential(#base, #cap)
            .and_then(|policy| policy.with_factor(#factor))
            .and_then(|policy| policy.with_jitter(#jitter))
            .expect("the values were checked when the attribute was read")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_retry_delay_is_that_of_legwork_core() {
        assert_eq!(RETRY_DELAY_MAX, legwork_core::retry::DELAY_MAX);
    }
}
