//! `#[legwork::job]` on an `async fn`.
//!
//! It splits the function's arguments into those of the job, which become the fields of a struct,
//! and the extractors, which stay. The contract of the struct is written by `job_attribute`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::spanned::Spanned as _;
use syn::{
    Attribute, Error, FnArg, GenericArgument, Ident, ItemFn, Pat, PatType, PathArguments, Result,
    Type,
};

use crate::job_attribute::{KEYS, implement};
use crate::options::Options;

/// The types of arguments that are not part of the job.
const EXTRACTORS: [&str; 4] = ["State", "Scoped", "JobContext", "CancellationToken"];

pub(crate) fn expand(attribute: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let keys: Vec<&str> = KEYS.into_iter().chain(["args"]).collect();
    let options = Options::read(attribute, &keys)?;
    let mut function: ItemFn = syn::parse2(item)?;
    check(&function)?;
    let ident = match options.get("args") {
        None => camel_case(&function.sig.ident),
        Some(entry) => match entry.path()?.get_ident() {
            Some(ident) => ident.clone(),
            None => return Err(entry.error("is the name of the struct that is written")),
        },
    };
    let krate = options.krate()?;
    let mut fields = Vec::new();
    let mut inputs = vec![syn::parse_quote!(__job: #ident)];
    for input in std::mem::take(&mut function.sig.inputs) {
        let FnArg::Typed(mut argument) = input else {
            return Err(Error::new(input.span(), "a job is a free function: it has no `self`"));
        };
        if is_extractor(&mut argument)? {
            inputs.push(FnArg::Typed(argument));
        } else {
            fields.push(JobField::new(argument)?);
        }
    }
    function.sig.inputs = inputs.into_iter().collect();
    let patterns = fields.iter().map(JobField::pattern);
    let body = &function.block;
    function.block = syn::parse_quote!({
        let #ident { #(#patterns),* } = __job;
        #body
    });
    let contract = implement(&ident, &options)?;
    let args = arguments(&function, &ident, &fields, &krate);
    Ok(quote!(#args #contract #function))
}

fn check(function: &ItemFn) -> Result<()> {
    let signature = &function.sig;
    if signature.asyncness.is_none() {
        let rule = "a job is an `async fn`; CPU work belongs into `handle_blocking`";
        return Err(Error::new(signature.fn_token.span, rule));
    }
    if !signature.generics.params.is_empty() {
        let rule = "a job cannot be generic: its name stands for one type of arguments";
        return Err(Error::new_spanned(&signature.generics, rule));
    }
    Ok(())
}

/// An argument of the function that is a field of the job.
struct JobField {
    attributes: Vec<Attribute>,
    name: Ident,
    mutable: bool,
    ty: Type,
}

impl JobField {
    fn new(argument: PatType) -> Result<Self> {
        let Pat::Ident(pattern) = *argument.pat else {
            let rule = "an argument of a job has a plain name, which is stored. Extractors are \
                        `State`, `Scoped`, `JobContext`, `CancellationToken`, and what is marked \
                        with `#[extract]`";
            return Err(Error::new(argument.pat.span(), rule));
        };
        if let Type::Reference(reference) = *argument.ty {
            let rule = "the arguments of a job are stored, so they are owned: `String`, not `&str`";
            return Err(Error::new(reference.and_token.span, rule));
        }
        let mutable = pattern.mutability.is_some();
        let (attributes, ty) = (argument.attrs, *argument.ty);
        Ok(Self { attributes, name: pattern.ident, mutable, ty })
    }

    fn pattern(&self) -> TokenStream {
        let name = &self.name;
        if self.mutable { quote!(mut #name) } else { quote!(#name) }
    }
}

/// Tells whether the argument is extracted, and takes the mark away that says so.
fn is_extractor(argument: &mut PatType) -> Result<bool> {
    let mut marked = false;
    for attribute in &argument.attrs {
        if attribute.path().is_ident("extract") {
            attribute.meta.require_path_only()?;
            marked = true;
        }
    }
    argument.attrs.retain(|attribute| !attribute.path().is_ident("extract"));
    Ok(marked || has_name_of_extractor(&argument.ty))
}

fn has_name_of_extractor(ty: &Type) -> bool {
    let Type::Path(path) = ty else { return false };
    let Some(last) = path.path.segments.last() else { return false };
    if let PathArguments::AngleBracketed(inner) = &last.arguments
        && last.ident == "Option"
    {
        return inner.args.iter().any(
            |argument| matches!(argument, GenericArgument::Type(ty) if has_name_of_extractor(ty)),
        );
    }
    EXTRACTORS.iter().any(|name| last.ident == name)
}

fn arguments(
    function: &ItemFn,
    ident: &Ident,
    fields: &[JobField],
    krate: &TokenStream,
) -> TokenStream {
    let (vis, name) = (&function.vis, &function.sig.ident);
    let doc = format!("The arguments of the job [`{name}`].");
    let serde = quote!(#krate::__private::serde).to_string().replace(' ', "");
    let fields = fields.iter().map(|JobField { attributes, name, ty, .. }| {
        let doc = format!("The argument `{name}`.");
        quote!(#[doc = #doc] #(#attributes)* #vis #name: #ty)
    });
    quote! {
        #[doc = #doc]
        #[derive(#krate::__private::serde::Serialize, #krate::__private::serde::Deserialize)]
        #[serde(crate = #serde)]
        #vis struct #ident { #(#fields),* }
    }
}

fn camel_case(ident: &Ident) -> Ident {
    let text = ident.to_string();
    let words = text.trim_start_matches("r#").split('_').map(|word| {
        let mut chars = word.chars();
        let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
        first + chars.as_str()
    });
    format_ident!("{}", words.collect::<String>(), span = ident.span())
}
