//! `#[legwork::debug_handler]`.
//!
//! It leaves the function as it is and writes checks beside it, one per argument, each with the
//! span of what it checks: rustc then reports the rule where it is broken. The texts of those
//! reports are in `legwork-core`, on the traits.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{
    Error, FnArg, GenericArgument, ItemFn, PatType, PathArguments, Result, ReturnType, Type,
};

use crate::options::Options;

/// How many extractors a handler can have, as in `legwork_core::handler`.
const EXTRACTORS_MAX: usize = 12;

/// Writes the function, and the checks or the error beside it.
///
/// The function is kept even after an error, so that its uses do not fail as well.
pub(crate) fn expand(attribute: TokenStream, item: &TokenStream) -> TokenStream {
    let checks = checks(attribute, item.clone()).unwrap_or_else(Error::into_compile_error);
    quote!(#item #checks)
}

fn checks(attribute: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let options = Options::read(attribute, &["state", "service", "task", "crate"])?;
    let function: ItemFn = syn::parse2(item)?;
    let signature = &function.sig;
    if signature.asyncness.is_none() {
        return Err(Error::new(signature.fn_token.span, "a handler is an `async fn`"));
    }
    if !signature.generics.params.is_empty() {
        let rule = "a generic handler cannot be checked: check what it is called with";
        return Err(Error::new_spanned(&signature.generics, rule));
    }
    let (kind, krate) = (kind(&options)?, options.krate()?);
    let mut arguments = arguments(&function)?.into_iter();
    let job = match kind {
        Kind::Job => Some(arguments.next().ok_or_else(|| {
            let rule = "the first argument of a job's handler is the job: `job: MyJob`. For the \
                        handler of a service or timer write `#[debug_handler(service)]`, of a \
                        task `#[debug_handler(task)]`";
            Error::new(signature.paren_token.span.join(), rule)
        })?),
        Kind::Service | Kind::Task => None,
    };
    let extractors: Vec<&PatType> = arguments.collect();
    if let Some(extra) = extractors.get(EXTRACTORS_MAX) {
        let rule = format!("a handler has at most {EXTRACTORS_MAX} extractors");
        return Err(Error::new(extra.span(), rule));
    }
    let state = state(&options, &extractors)?;
    let context = kind.context(&krate);
    let mut checks = TokenStream::new();
    if let Some(job) = job {
        let ty = &job.ty;
        checks.extend(quote_spanned! {ty.span()=>
            const _: () = {
                const fn is_job<T: #krate::Job>() {}
                is_job::<#ty>();
            };
        });
    }
    for extractor in &extractors {
        let ty = &extractor.ty;
        checks.extend(quote_spanned! {ty.span()=>
            const _: () = {
                const fn is_extractor<T: #krate::FromScope<#state, #context>>() {}
                is_extractor::<#ty>();
            };
        });
    }
    checks.extend(output(&function, kind, &krate));
    checks.extend(future(&function));
    Ok(checks)
}

#[derive(Clone, Copy)]
enum Kind {
    Job,
    Service,
    Task,
}

fn kind(options: &Options) -> Result<Kind> {
    match (options.get("service"), options.get("task")) {
        (None, None) => Ok(Kind::Job),
        (Some(service), None) => service.flag().map(|()| Kind::Service),
        (None, Some(task)) => task.flag().map(|()| Kind::Task),
        (Some(_), Some(task)) => Err(task.error("or `service`: a handler is of one kind")),
    }
}

impl Kind {
    fn context(self, krate: &TokenStream) -> TokenStream {
        match self {
            Self::Job => quote!(#krate::JobContext),
            Self::Service => quote!(#krate::host::ServiceContext),
            Self::Task => quote!(#krate::host::TaskContext),
        }
    }
}

fn arguments(function: &ItemFn) -> Result<Vec<&PatType>> {
    let arguments = function.sig.inputs.iter().map(|input| match input {
        FnArg::Typed(argument) => Ok(argument),
        FnArg::Receiver(receiver) => {
            Err(Error::new(receiver.span(), "a handler is a free function: it has no `self`"))
        }
    });
    arguments.collect()
}

/// Returns the state: the one that is given, or the only type that `State` is asked for.
fn state(options: &Options, extractors: &[&PatType]) -> Result<TokenStream> {
    if let Some(entry) = options.get("state") {
        return entry.ty().map(ToTokens::to_token_stream);
    }
    let mut parts = extractors.iter().filter_map(|extractor| part(&extractor.ty));
    let Some(first) = parts.next() else { return Ok(quote!(())) };
    let text = |ty: &Type| ty.to_token_stream().to_string();
    match parts.find(|other| text(other) != text(first)) {
        None => Ok(first.to_token_stream()),
        Some(other) => {
            let rule = "say which state these are parts of: `#[debug_handler(state = App)]`";
            Err(Error::new(other.span(), rule))
        }
    }
}

/// Returns `T` of `State<T>`.
fn part(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "State")?;
    let PathArguments::AngleBracketed(inner) = &last.arguments else { return None };
    match inner.args.first() {
        Some(GenericArgument::Type(ty)) => Some(ty),
        _ => None,
    }
}

fn output(function: &ItemFn, kind: Kind, krate: &TokenStream) -> TokenStream {
    let ReturnType::Type(_, ty) = &function.sig.output else { return TokenStream::new() };
    let rule = match kind {
        Kind::Job => quote!(#krate::IntoOutcome),
        Kind::Service | Kind::Task => quote!(#krate::host::ServiceOutput),
    };
    quote_spanned! {ty.span()=>
        const _: () = {
            const fn is_outcome<T: #rule>() {}
            is_outcome::<#ty>();
        };
    }
}

/// Checks that the future can be sent to another thread.
fn future(function: &ItemFn) -> TokenStream {
    let name = &function.sig.ident;
    let types: Vec<&Type> = function
        .sig
        .inputs
        .iter()
        .filter_map(|input| match input {
            FnArg::Typed(argument) => Some(&*argument.ty),
            FnArg::Receiver(_) => None,
        })
        .collect();
    let names: Vec<_> = (0..types.len()).map(|index| format_ident!("argument{index}")).collect();
    quote_spanned! {name.span()=>
        const _: () = {
            fn can_be_sent<T: ::core::marker::Send>(_: T) {}
            #[expect(dead_code, reason = "it is checked, never called")]
            fn check(#(#names: #types),*) {
                can_be_sent(#name(#(#names),*));
            }
        };
    }
}
