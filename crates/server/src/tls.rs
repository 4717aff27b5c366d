//! TLS (RFC 8446, RFC 5246 at least 1.2) for the API and for SIP: certificates from files, read again when they change.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// PEM files for TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// The certificate chain.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Who must have signed the certificate of whoever connects; without it nobody has to show one.
    pub client_ca: Option<PathBuf>,
}

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// A file is not there, or not PEM.
    #[error("{file}: {why}")]
    File {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Certificate and key do not fit each other, or rustls does not know their kind.
    #[error("{file}: {why}")]
    Pair {
        /// The certificate's file.
        file: PathBuf,
        /// What is wrong with the two.
        why: rustls::Error,
    },
    /// Nobody can be judged by these authorities.
    #[error("{file}: {why}")]
    Authority {
        /// The authorities' file.
        file: PathBuf,
        /// What is wrong with it.
        why: VerifierBuilderError,
    },
}

/// What takes connections in. Its files may be replaced while it runs: the next connection is met with the new ones,
/// and with the old ones as long as the new cannot be used.
#[derive(Debug)]
pub struct Acceptor {
    files: Files,
    protocol: Option<&'static [u8]>,
    current: Mutex<Current>,
}

struct Current {
    stamps: Vec<Option<Stamp>>,
    acceptor: TlsAcceptor,
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Current").finish_non_exhaustive()
    }
}

/// What tells one content of a file from another without reading it.
type Stamp = (SystemTime, u64);

impl Acceptor {
    /// Reads the files. `protocol` is what is spoken above (ALPN), where that has a name.
    ///
    /// # Errors
    /// When a file cannot be read, or certificate and key do not fit.
    pub fn new(files: Files, protocol: Option<&'static [u8]>) -> Result<Self, TlsFault> {
        let current = Current { stamps: stamps(&files), acceptor: read(&files, protocol)? };
        Ok(Self { files, protocol, current: Mutex::new(current) })
    }

    /// What the next connection is met with.
    pub fn current(&self) -> TlsAcceptor {
        // Each holder leaves it whole at every step, so a panic elsewhere spoils nothing.
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let stamps = stamps(&self.files);
        if stamps != current.stamps {
            // One try for each change: a certificate may be there before its key.
            current.stamps = stamps;
            match read(&self.files, self.protocol) {
                Ok(acceptor) => {
                    tracing::info!("new TLS certificate");
                    current.acceptor = acceptor;
                }
                Err(fault) => tracing::warn!(%fault, "the new TLS files cannot be used; the old ones stay"),
            }
        }
        current.acceptor.clone()
    }
}

fn stamps(files: &Files) -> Vec<Option<Stamp>> {
    let stamp = |file: &PathBuf| {
        let about = fs::metadata(file).ok()?;
        Some((about.modified().ok()?, about.len()))
    };
    [Some(&files.cert), Some(&files.key), files.client_ca.as_ref()].into_iter().flatten().map(stamp).collect()
}

fn read(files: &Files, protocol: Option<&'static [u8]>) -> Result<TlsAcceptor, TlsFault> {
    let (chain, key) = pair(files)?;
    let provider = provider();
    let wrong = |why| TlsFault::Pair { file: files.cert.clone(), why };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(wrong)?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(authorities(file)?), provider);
            let wrong = |why| TlsFault::Authority { file: file.clone(), why };
            builder.with_client_cert_verifier(verifier.build().map_err(wrong)?)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(wrong)?;
    config.alpn_protocols = protocol.map(<[u8]>::to_vec).into_iter().collect();
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// What connects to others. `ca`: who must have signed their certificates; without it the authorities that browsers
/// trust. `ours`: what we show when asked for a certificate.
///
/// # Errors
/// When a file cannot be read, or certificate and key do not fit.
pub fn connector(ca: Option<&Path>, ours: Option<&Files>) -> Result<TlsConnector, TlsFault> {
    let provider = provider();
    let wrong = |why| TlsFault::Pair { file: ours.map(|files| files.cert.clone()).unwrap_or_default(), why };
    let roots = match ca {
        Some(file) => authorities(file)?,
        None => webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect(),
    };
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().map_err(wrong)?;
    let builder = builder.with_root_certificates(roots);
    let config = match ours {
        None => builder.with_no_client_auth(),
        Some(files) => {
            let (chain, key) = pair(files)?;
            builder.with_client_auth_cert(chain, key).map_err(wrong)?
        }
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn pair(files: &Files) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsFault> {
    let chain = certificates(&files.cert)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| unreadable(&files.key, &error))?;
    Ok((chain, key))
}

fn authorities(file: &Path) -> Result<RootCertStore, TlsFault> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|why| TlsFault::Pair { file: file.to_owned(), why })?;
    }
    Ok(roots)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let found: Vec<_> = found.map_err(|error| unreadable(file, &error))?;
    if found.is_empty() {
        return Err(TlsFault::File {
            file: file.to_owned(),
            why: "there is no certificate in it".to_owned(),
        });
    }
    Ok(found)
}

fn unreadable(file: &Path, error: &PemError) -> TlsFault {
    let why = match error {
        PemError::Io(error) => error.to_string(),
        PemError::NoItemsFound => "there is no key in it".to_owned(),
        other => format!("this is not PEM ({other})"),
    };
    TlsFault::File { file: file.to_owned(), why }
}
