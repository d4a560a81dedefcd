//! An authority of the tests' own, and certificates that it gives: made anew for each test, kept nowhere.

#![allow(dead_code, reason = "every test file uses a part")]

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose, SanType,
};

use super::binary::Place;

pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its private key, PEM.
pub struct Given {
    pub cert: String,
    pub key: String,
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, name);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// For a server on this machine.
    pub fn server(&self) -> Given {
        self.give(CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap())
    }

    /// For a client of this common name, where it has one, and these other names.
    pub fn client(&self, common: Option<&str>, others: Vec<SanType>) -> Given {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(common) = common {
            params.distinguished_name.push(DnType::CommonName, common);
        }
        params.subject_alt_names = others;
        self.give(params)
    }

    fn give(&self, mut params: CertificateParams) -> Given {
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.0).unwrap();
        Given {
            cert: cert.pem(),
            key: key.serialize_pem(),
        }
    }
}

impl Given {
    /// Puts it into `NAME.pem` and `NAME.key`.
    pub fn write(&self, place: &Place, name: &str) {
        place.write(&format!("{name}.pem"), self.cert.as_bytes());
        place.write(&format!("{name}.key"), self.key.as_bytes());
    }
}

/// Settings of a server with TLS by the files `server.pem` and `server.key`.
pub const SERVER: [(&str, &str); 3] = [
    ("TLS__CERT", "server.pem"),
    ("TLS__KEY", "server.key"),
    ("TLS__RELOAD_SECONDS", "1"),
];
