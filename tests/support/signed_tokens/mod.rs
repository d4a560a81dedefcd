//! An issuer of signed tokens: its keys, its tokens, right and wrong ones, and a site that publishes the keys.

#![allow(dead_code, reason = "every test file uses a part")]

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};

use super::authority::Given;

/// Seconds since 1970.
pub fn now() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Someone with an EC and an Ed25519 key of this id.
pub struct Issuer {
    id: String,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

impl Issuer {
    pub fn new(id: &str) -> Issuer {
        let random = SystemRandom::new();
        let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let ed = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        Issuer {
            id: id.into(),
            ec: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, ec.as_ref(), &random).unwrap(),
            ed: Ed25519KeyPair::from_pkcs8(ed.as_ref()).unwrap(),
        }
    }

    /// The public keys, with some that are for something else.
    pub fn jwks(&self) -> String {
        let point = self.ec.public_key().as_ref();
        json!({ "keys": [
            { "kty": "oct", "k": encode("secret"), "kid": self.id },
            { "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.id,
              "x": encode(&point[1..33]), "y": encode(&point[33..]) },
            { "kty": "OKP", "crv": "Ed25519", "kid": self.id, "x": encode(self.ed.public_key()) },
            { "kty": "EC", "crv": "P-256", "use": "enc", "kid": "encryption",
              "x": encode(&point[1..33]), "y": encode(&point[33..]) },
        ]})
        .to_string()
    }

    /// The same claims, signed in each way that it can.
    pub fn each(&self, claims: &Value) -> Vec<String> {
        vec![self.es256(claims), self.eddsa(claims)]
    }

    pub fn es256(&self, claims: &Value) -> String {
        self.signed(json!({ "alg": "ES256", "typ": "JWT", "kid": self.id }), claims)
    }

    pub fn eddsa(&self, claims: &Value) -> String {
        let text = body(&json!({ "alg": "EdDSA", "kid": self.id }), claims);
        format!("{text}.{}", encode(self.ed.sign(text.as_bytes())))
    }

    /// `alg: none`.
    pub fn unsigned(&self, claims: &Value) -> String {
        format!("{}.", body(&json!({ "alg": "none", "kid": self.id }), claims))
    }

    /// Signed with what everyone has, in the hope that it is checked with the same.
    pub fn hmac_by_public_key(&self, claims: &Value) -> String {
        let text = body(&json!({ "alg": "HS256", "kid": self.id }), claims);
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, self.ec.public_key().as_ref());
        format!("{text}.{}", encode(ring::hmac::sign(&key, text.as_bytes())))
    }

    pub fn other_key_id(&self, claims: &Value) -> String {
        self.signed(json!({ "alg": "ES256", "kid": "encryption" }), claims)
    }

    pub fn critical(&self, claims: &Value) -> String {
        self.signed(json!({ "alg": "ES256", "kid": self.id, "crit": ["exp"] }), claims)
    }

    /// A right signature under other claims.
    pub fn swapped_claims(&self, claims: &Value) -> String {
        let right = self.es256(claims);
        let (header, rest) = right.split_once('.').unwrap();
        let (_, signature) = rest.split_once('.').unwrap();
        let mut more = claims.clone();
        more["realm_access"]["roles"] = json!(["sagate-admin"]);
        format!("{header}.{}.{signature}", encode(more.to_string()))
    }

    fn signed(&self, header: Value, claims: &Value) -> String {
        let text = body(&header, claims);
        let signature = self.ec.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        format!("{text}.{}", encode(signature))
    }
}

fn body(header: &Value, claims: &Value) -> String {
    format!("{}.{}", encode(header.to_string()), encode(claims.to_string()))
}

/// A place on this machine where keys will be published: its port is taken, but nobody is answered yet.
pub struct Site {
    socket: TcpSocket,
    address: SocketAddr,
    given: Option<Given>,
}

impl Site {
    pub async fn reserve(given: Option<Given>) -> Site {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        Site {
            socket,
            address,
            given,
        }
    }

    pub fn url(&self) -> String {
        let scheme = if self.given.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/keys?all=1", self.address)
    }

    /// Answers from now on.
    pub fn answer(self, keys: String) {
        let listener = self.socket.listen(16).unwrap();
        let tls = self.given.map(acceptor);
        tokio::spawn(serve(listener, tls, keys));
    }
}

fn acceptor(given: Given) -> tokio_rustls::TlsAcceptor {
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::crypto::ring::default_provider;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(given.cert.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(given.key.as_bytes()).unwrap(),
        )
        .unwrap();
    Arc::new(config).into()
}

async fn serve(listener: TcpListener, tls: Option<tokio_rustls::TlsAcceptor>, keys: String) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let keys = keys.clone();
        match tls.clone() {
            None => drop(tokio::spawn(give(stream, keys))),
            Some(tls) => drop(tokio::spawn(async move {
                if let Ok(stream) = tls.accept(stream).await {
                    give(stream, keys).await;
                }
            })),
        }
    }
}

async fn give(mut stream: impl AsyncRead + AsyncWrite + Unpin, keys: String) {
    let mut asked = vec![0; 4096];
    let read = stream.read(&mut asked).await.unwrap_or(0);
    let right = asked[..read].starts_with(b"GET /keys?all=1 HTTP/1.1\r\n");
    let status = if right { "200 OK" } else { "404 Not Found" };
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{keys}",
        keys.len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}
