//! The certificate authority of a local cloud, for clients that insist on TLS: made once, kept in the folder, trusted by
//! nobody but those who are told its file. Server certificates are made anew whenever a port opens.

use std::io::{Error, Result, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use lakeform_sql::Tls;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

/// Returns the file of the authority's certificate, making the authority when the folder has none.
pub fn certificate(dir: &Path) -> Result<PathBuf> {
    let file = dir.join("tls").join("ca.pem");
    if !file.exists() {
        std::fs::create_dir_all(dir.join("tls"))?;
        let key = KeyPair::generate().map_err(Error::other)?;
        let certificate = authority().self_signed(&key).map_err(Error::other)?;
        write_secret(&key_file(dir), &key.serialize_pem())?;
        // Last: a certificate is there only when its key is.
        std::fs::write(&file, certificate.pem())?;
    }
    Ok(file)
}

/// Returns a certificate for servers on this machine and on `host`, signed by the folder's authority.
pub fn server(dir: &Path, host: IpAddr) -> Result<Tls> {
    certificate(dir)?;
    let authority_key = std::fs::read_to_string(key_file(dir))?;
    let authority_key = KeyPair::from_pem(&authority_key).map_err(Error::other)?;
    let mut names = vec!["localhost".to_string(), "127.0.0.1".to_string(), "::1".to_string()];
    if !host.is_loopback() && !host.is_unspecified() {
        names.push(host.to_string());
    }
    let mut wanted = CertificateParams::new(names).map_err(Error::other)?;
    wanted.distinguished_name.push(DnType::CommonName, "localhost");
    wanted.use_authority_key_identifier_extension = true;
    wanted.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    wanted.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate().map_err(Error::other)?;
    let signed = wanted.signed_by(&key, &Issuer::new(authority(), authority_key));
    let signed = signed.map_err(Error::other)?;
    Tls::new(signed.der().to_vec(), key.serialize_der()).map_err(|error| Error::other(error.message))
}

/// The same at every start: with the key, it is what the certificate in the folder was made of.
fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "lakeform local cloud");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn key_file(dir: &Path) -> PathBuf {
    dir.join("tls").join("ca.key")
}

/// Whoever reads the key can pretend to be anything to those who trust the authority.
fn write_secret(file: &Path, text: &str) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_made_once_and_signs_ever_after() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = certificate(dir.path()).expect("made");
        let text = std::fs::read_to_string(&file).expect("a certificate");
        assert!(text.starts_with("-----BEGIN CERTIFICATE-----"), "{text}");
        for _ in 0..2 {
            server(dir.path(), IpAddr::from([127, 0, 0, 1])).expect("signed");
        }
        assert_eq!(std::fs::read_to_string(&file).expect("a certificate"), text);
    }
}
