//! How a connection is protected: what `sslmode` and its neighbours in the URL mean.
//!
//! [`crate::address`] makes [`TlsOptions`], [`crate::dial`] takes its connector from [`Tls`]. It
//! never relies on the process-wide provider of rustls, and never checks less than it was told to.
//!
//! | `sslmode` | encrypted | certificate checked |
//! | --- | --- | --- |
//! | `disable` | no | – |
//! | `allow`, `prefer` | when offered | only against a given `sslrootcert`: the chain |
//! | `require` | yes | only against a given `sslrootcert`: the chain |
//! | `verify-ca` | yes | the chain, against `sslrootcert` |
//! | `verify-full` | yes | the chain and the host name |
//!
//! Without `sslrootcert`, `verify-full` trusts the roots of the machine (those of `SSL_CERT_FILE`
//! and `SSL_CERT_DIR` where they are set). There is no built-in list of roots to fall back to: what
//! a machine trusts is for its operator to say. A host name is looked for among the alternative
//! names of a certificate only.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use legwork_core::{Error, ErrorKind as K, Result};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The protocol as TLS names it; a server that is spoken to directly demands it.
const PROTOCOL: &[u8] = b"postgresql";

/// The value of `sslmode`, from the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SslMode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl SslMode {
    const ALL: [Self; 6] =
        [Self::Disable, Self::Allow, Self::Prefer, Self::Require, Self::VerifyCa, Self::VerifyFull];

    /// Reads the value of `sslmode`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text).ok_or_else(|| {
            Error::invalid(
                "`sslmode` must be disable, allow, prefer, require, verify-ca or verify-full",
            )
        })
    }

    /// Returns the mode as it is written in a URL.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }

    /// Returns what the driver is told; what is beyond it is the connector's.
    pub(crate) fn for_driver(self) -> tokio_postgres::config::SslMode {
        match self {
            Self::Disable => tokio_postgres::config::SslMode::Disable,
            Self::Allow | Self::Prefer => tokio_postgres::config::SslMode::Prefer,
            Self::Require | Self::VerifyCa | Self::VerifyFull => {
                tokio_postgres::config::SslMode::Require
            }
        }
    }
}

impl fmt::Display for SslMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a URL says about TLS, before it is checked.
#[derive(Debug, Default)]
pub(crate) struct Given {
    pub(crate) mode: Option<SslMode>,
    /// The value of `sslrootcert`: a path, or `system`.
    pub(crate) roots: Option<String>,
    pub(crate) certificate: Option<String>,
    pub(crate) key: Option<String>,
}

/// How connections are to be protected.
#[derive(Debug, Clone)]
pub(crate) struct TlsOptions {
    mode: SslMode,
    /// The file of the roots; those of the machine unless given.
    roots: Option<PathBuf>,
    identity: Option<Identity>,
}

/// The files with which a client proves who it is.
#[derive(Debug, Clone)]
struct Identity {
    certificate: PathBuf,
    key: PathBuf,
}

/// What is checked of a server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    Nothing,
    Chain,
    ChainAndName,
}

impl TlsOptions {
    /// Decides what `given` means for servers on this machine (`local`) or beyond it.
    ///
    /// Without `sslmode` a local server is spoken to in clear text and any other under
    /// `verify-full`; naming a certificate asks for `verify-full` everywhere.
    ///
    /// # Errors
    /// [`Invalid`](legwork_core::ErrorKind::Invalid) when the parameters contradict each other.
    pub(crate) fn new(given: Given, local: bool) -> Result<Self> {
        let plain = local && given.roots.is_none() && given.certificate.is_none();
        let default = if plain { SslMode::Disable } else { SslMode::VerifyFull };
        let mode = given.mode.unwrap_or(default);
        if given.roots.as_deref() == Some("system") && mode != SslMode::VerifyFull {
            return Err(Error::invalid(
                "`sslrootcert=system` needs `sslmode=verify-full`: anyone can have a certificate \
                 under those roots",
            ));
        }
        if mode == SslMode::VerifyCa && given.roots.is_none() {
            return Err(Error::invalid(
                "`sslmode=verify-ca` needs `sslrootcert`, the file of the roots to trust",
            ));
        }
        let identity = match (given.certificate, given.key) {
            (Some(certificate), Some(key)) => {
                Some(Identity { certificate: certificate.into(), key: key.into() })
            }
            (None, None) => None,
            _ => return Err(Error::invalid("`sslcert` and `sslkey` must be given together")),
        };
        let roots = given.roots.filter(|roots| roots != "system").map(PathBuf::from);
        Ok(Self { mode, roots, identity })
    }

    /// Returns the mode.
    pub(crate) fn mode(&self) -> SslMode {
        self.mode
    }

    /// Tells whether whoever answers is believed to be the server.
    pub(crate) fn is_unverified(&self) -> bool {
        self.mode == SslMode::Disable || self.check() == Check::Nothing
    }

    fn check(&self) -> Check {
        match self.mode {
            SslMode::VerifyFull => Check::ChainAndName,
            SslMode::VerifyCa => Check::Chain,
            SslMode::Require | SslMode::Prefer | SslMode::Allow if self.roots.is_some() => {
                Check::Chain
            }
            SslMode::Require | SslMode::Prefer | SslMode::Allow | SslMode::Disable => {
                Check::Nothing
            }
        }
    }

    fn has_files(&self) -> bool {
        self.roots.is_some() || self.identity.is_some()
    }
}

/// Makes the connectors of one address.
pub(crate) struct Tls {
    options: TlsOptions,
    /// Kept where nothing can change; files may be renewed while the process runs.
    made: OnceLock<MakeRustlsConnect>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Tls {
    pub(crate) fn new(options: TlsOptions) -> Self {
        Self { options, made: OnceLock::new() }
    }

    /// Returns a connector; reads the files again where the URL names some.
    ///
    /// # Errors
    /// [`Invalid`](legwork_core::ErrorKind::Invalid) when a file cannot be read or holds nothing of
    /// use, and when the machine has no roots but needs some.
    pub(crate) fn connector(&self) -> Result<MakeRustlsConnect> {
        if let Some(made) = self.made.get() {
            return Ok(made.clone());
        }
        let connector = MakeRustlsConnect::new(client_config(&self.options)?);
        if self.options.has_files() {
            return Ok(connector);
        }
        Ok(self.made.get_or_init(|| connector).clone())
    }
}

fn client_config(options: &TlsOptions) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier::new(options, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::with_source(K::Internal, "TLS cannot be set up", error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &options.identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = identity.read()?;
            builder.with_client_auth_cert(chain, key).map_err(|error| {
                let message = "`sslcert` and `sslkey` do not belong together";
                Error::with_source(K::Invalid, message, error)
            })?
        }
    };
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(config)
}

impl Identity {
    fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        let chain = certificates("sslcert", &self.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| {
            let path = self.key.display();
            let message = format!("`sslkey`: no private key without a password in {path}");
            Error::with_source(K::Invalid, message, error)
        })?;
        Ok((chain, key))
    }
}

/// Reads the certificates of a PEM file, of which there must be at least one.
fn certificates(parameter: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.map_err(|error| {
        let message = format!("`{parameter}`: {} cannot be read", path.display());
        Error::with_source(K::Invalid, message, error)
    })?;
    if found.is_empty() {
        let path = path.display();
        return Err(Error::invalid(format!("`{parameter}`: no PEM certificate in {path}")));
    }
    Ok(found)
}

fn roots_of_the_machine() -> Result<Vec<CertificateDer<'static>>> {
    let loaded = rustls_native_certs::load_native_certs();
    if !loaded.certs.is_empty() {
        return Ok(loaded.certs);
    }
    let message = "`sslmode=verify-full`: this machine has no root certificates; install them \
                   (`ca-certificates`) or name a file with `sslrootcert`";
    Err(match loaded.errors.into_iter().next() {
        Some(error) => Error::with_source(K::Invalid, message, error),
        None => Error::invalid(message),
    })
}

/// Judges the certificate of a server.
#[derive(Debug)]
struct Verifier {
    /// Missing when any certificate will do.
    chain: Option<Arc<WebPkiServerVerifier>>,
    checks_name: bool,
    /// What `sslrootcert` holds: a server may show one of them as its own.
    given: Vec<CertificateDer<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    fn new(options: &TlsOptions, provider: &Arc<CryptoProvider>) -> Result<Self> {
        let check = options.check();
        let checks_name = check == Check::ChainAndName;
        let algorithms = provider.signature_verification_algorithms;
        if check == Check::Nothing {
            return Ok(Self { chain: None, checks_name, given: Vec::new(), algorithms });
        }
        let given = match &options.roots {
            Some(path) => certificates("sslrootcert", path)?,
            None => Vec::new(),
        };
        let roots = if given.is_empty() { roots_of_the_machine()? } else { given.clone() };
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots);
        let chain = WebPkiServerVerifier::builder_with_provider(store.into(), provider.clone())
            .build()
            .map_err(|error| {
                let message = "`sslrootcert`: no certificate in it can be a root";
                Error::with_source(K::Invalid, message, error)
            })?;
        Ok(Self { chain: Some(chain), checks_name, given, algorithms })
    }

    /// Judges the name of a certificate that is trusted as it is.
    fn verify_given(
        &self,
        certificate: &CertificateDer<'_>,
        name: &ServerName<'_>,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.checks_name {
            verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
        }
        Ok(ServerCertVerified::assertion())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        let verdict = chain.verify_server_cert(end_entity, intermediates, name, ocsp_response, now);
        match verdict {
            // The name is looked at last, so that nothing else is wrong.
            Err(error) if !self.checks_name && is_about_name(&error) => {
                Ok(ServerCertVerified::assertion())
            }
            // A self-signed certificate that says it is an authority is no server's to webpki,
            // which says so after it has judged its dates. `openssl req -x509` makes such.
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(_)))
                if self.given.iter().any(|given| given == end_entity) =>
            {
                self.verify_given(end_entity, name)
            }
            verdict => verdict,
        }
    }

    // Checked in every mode: channel binding trusts that the server has the key of what it shows.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Tells whether a certificate is refused only for whom it is for.
pub(crate) fn is_about_name(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(mode: Option<SslMode>, roots: Option<&str>) -> Given {
        Given { mode, roots: roots.map(str::to_owned), ..Given::default() }
    }

    #[test]
    fn a_mode_checks_what_its_name_says() {
        use SslMode as M;
        let file = Some("/root.crt");
        for (mode, roots, check) in [
            (M::Disable, None, Check::Nothing),
            (M::Allow, None, Check::Nothing),
            (M::Prefer, None, Check::Nothing),
            (M::Require, None, Check::Nothing),
            (M::Prefer, file, Check::Chain),
            (M::Require, file, Check::Chain),
            (M::VerifyCa, file, Check::Chain),
            (M::VerifyFull, None, Check::ChainAndName),
            (M::VerifyFull, file, Check::ChainAndName),
            (M::VerifyFull, Some("system"), Check::ChainAndName),
        ] {
            let options = TlsOptions::new(given(Some(mode), roots), false).unwrap();
            assert_eq!(options.check(), check, "{mode} {roots:?}");
            assert_eq!(options.is_unverified(), check == Check::Nothing, "{mode} {roots:?}");
        }
    }

    #[test]
    fn without_a_mode_only_a_local_server_is_spoken_to_in_clear_text() {
        for (roots, local, mode) in [
            (None, true, SslMode::Disable),
            (None, false, SslMode::VerifyFull),
            (Some("/root.crt"), true, SslMode::VerifyFull),
            (Some("system"), true, SslMode::VerifyFull),
        ] {
            let options = TlsOptions::new(given(None, roots), local).unwrap();
            assert_eq!(options.mode(), mode, "{roots:?} {local}");
        }
    }

    #[test]
    fn parameters_that_contradict_each_other_are_refused() {
        let certificate = || Some("/client.crt".to_owned());
        for (given, rule) in [
            (given(Some(SslMode::Require), Some("system")), "verify-full"),
            (given(Some(SslMode::VerifyCa), None), "needs `sslrootcert`"),
            (Given { certificate: certificate(), ..Given::default() }, "together"),
            (Given { key: certificate(), ..Given::default() }, "together"),
        ] {
            let error = TlsOptions::new(given, false).unwrap_err();
            assert_eq!(error.kind(), K::Invalid);
            assert!(error.to_string().contains(rule), "{error}");
        }
        assert!(SslMode::parse("VERIFY-FULL").is_err());
    }

    #[test]
    fn a_file_that_is_of_no_use_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let empty = directory.path().join("empty.crt");
        std::fs::write(&empty, "no certificate\n").unwrap();
        let missing = directory.path().join("missing.crt");
        for (path, says) in [(&empty, "no PEM certificate"), (&missing, "cannot be read")] {
            let roots = path.to_str();
            let options = TlsOptions::new(given(None, roots), false).unwrap();
            let error = Tls::new(options).connector().err().unwrap().to_string();
            assert!(error.contains(says) && error.contains(roots.unwrap()), "{error}");
        }
    }

    /// Makes a certificate for `db.example` that is its own root and says it is an authority.
    fn own_root(last_year: i32) -> String {
        let mut params = rcgen::CertificateParams::new(["db.example".to_owned()]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.not_after = rcgen::date_time_ymd(last_year, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().pem()
    }

    /// Judges a server that shows `shown` as `name`, where `trusted` is what is trusted.
    fn verdict(mode: SslMode, trusted: &str, shown: &str, name: &str) -> Result<(), String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("root.crt");
        std::fs::write(&path, trusted).unwrap();
        let options = TlsOptions::new(given(Some(mode), path.to_str()), false).unwrap();
        let verifier = Verifier::new(&options, &Arc::new(ring::default_provider())).unwrap();
        let shown = CertificateDer::from_pem_slice(shown.as_bytes()).unwrap();
        let name = ServerName::try_from(name).unwrap();
        // The first of January 2026.
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_hours(490_896));
        let verdict = verifier.verify_server_cert(&shown, &[], &name, &[], now);
        verdict.map(drop).map_err(|error| error.to_string())
    }

    #[test]
    fn a_certificate_that_is_its_own_root_is_trusted_when_it_is_given() {
        let (certificate, other) = (own_root(2030), own_root(2030));
        let full = SslMode::VerifyFull;
        assert_eq!(verdict(full, &certificate, &certificate, "db.example"), Ok(()));
        assert_eq!(verdict(SslMode::VerifyCa, &certificate, &certificate, "other.example"), Ok(()));
        let misnamed = verdict(full, &certificate, &certificate, "other.example").unwrap_err();
        assert!(misnamed.contains("not valid for name"), "{misnamed}");
        assert!(verdict(full, &other, &certificate, "db.example").is_err(), "another root");
        let both = format!("{other}{certificate}");
        assert_eq!(verdict(full, &both, &certificate, "db.example"), Ok(()));
        let expired = own_root(2025);
        for mode in [full, SslMode::VerifyCa, SslMode::Require] {
            let refused = verdict(mode, &expired, &expired, "db.example").unwrap_err();
            assert!(refused.contains("expired"), "{mode}: {refused}");
        }
    }
}
