//! TLS and mutual TLS with the real server and real clients: sagate's own, its command line, and Python's gRPC.
//!
//! What would break: an unencrypted answer, a client without a certificate of the right authority that is accepted, a renewed
//! certificate that needs a restart, an invalid one that stops the service, a hanging handshake that blocks others.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use sagate::client::{Access, Client, ClientError};

use crate::authority::{Authority, SERVER};
use crate::binary::{Ended, Place, assert_sentence, finish};
use crate::server::{Server, serve};

const WAIT_TIMEOUT: Duration = Duration::from_secs(60);

/// A folder with a server certificate and its authority in `ca.pem`.
fn place() -> (Place, Authority) {
    let place = Place::new(1, &[0.0, 1.0]);
    let authority = Authority::new("Tests");
    place.write("ca.pem", authority.pem().as_bytes());
    authority.server().write(&place, "server");
    (place, authority)
}

fn believing(place: &Place, ca: &str) -> Access {
    Access::default().with_ca(&std::fs::read(place.path(ca)).unwrap())
}

/// Requests the models with these credentials.
async fn ask(server: &Server, access: &Access) -> Result<String, ClientError> {
    let client = Client::connect_with(&server.url().parse().unwrap(), access).await?;
    Ok(client.model(None).await?.id.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_encrypted_and_the_server_proves_who_it_is() {
    let (place, _authority) = place();
    let server = serve(&place, &SERVER, &[]);
    assert!(server.url().starts_with("https://127.0.0.1:"), "{}", server.url());
    assert_eq!(
        ask(&server, &believing(&place, "ca.pem")).await.unwrap(),
        "tiny@1"
    );
    // Neither the authorities of the system nor one of the same name with another key issued the certificate.
    place.write("other.pem", Authority::new("Tests").pem().as_bytes());
    for access in [Access::default(), believing(&place, "other.pem")] {
        let error = ask(&server, &access).await.unwrap_err();
        assert!(matches!(error, ClientError::Untrusted { .. }), "{error:?}");
        assert_sentence(&error.to_string(), &[&server.url(), "--ca", "client.ca"]);
    }
    // An unencrypted client gets no gRPC response: an HTTP/2 server would begin with a SETTINGS frame (type 4).
    let mut plain = TcpStream::connect(server.url().strip_prefix("https://").unwrap()).unwrap();
    plain
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert_ne!(answer.get(3), Some(&4), "{answer:?}");
    assert_eq!(server.stop().code, 0);
}

#[test]
fn the_command_line_speaks_it() {
    let (place, _authority) = place();
    let server = serve(&place, &SERVER, &[]);
    let file = place.picture("image.png", 1, 40, 52);
    let url = server.url();
    let (here, code) = place.json(&["segment", &file]);
    let (there, code_there) = place.json(&["segment", &file, "--server", &url, "--ca", "ca.pem"]);
    assert_eq!(code, code_there);
    assert_eq!(here["images"][0]["mu"], there["images"][0]["mu"]);
    for command in ["health", "top"] {
        let ended = place.run(&[command, "--server", &url, "--ca", "ca.pem", "--json"]);
        assert_eq!(ended.code, 0, "{ended:?}");
    }
    place
        .run(&["health", "--server", &url])
        .assert_refused(1, &["is not believed", "--ca"]);
    place
        .run(&["health", "--server", &url, "--ca", "nowhere.pem"])
        .assert_refused(1, &["client.ca", "nowhere.pem"]);
    assert_eq!(server.stop().code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_a_certificate_of_the_authority_is_turned_away() {
    let (place, authority) = place();
    let settings = [("TLS__CLIENT_CA", "ca.pem"), ("TLS__CLIENT_REQUIRED", "true")];
    let server = serve(&place, &[&SERVER[..], &settings].concat(), &[]);
    let known = believing(&place, "ca.pem");
    let with = |given: crate::authority::Given| {
        known
            .clone()
            .with_certificate(given.cert.as_bytes(), given.key.as_bytes())
    };
    let right = with(authority.client(Some("viewer"), Vec::new()));
    assert_eq!(ask(&server, &right).await.unwrap(), "tiny@1");
    let stranger = with(Authority::new("Tests").client(Some("viewer"), Vec::new()));
    for access in [known, stranger] {
        let error = ask(&server, &access).await.unwrap_err();
        assert!(
            matches!(error, ClientError::Lost { .. } | ClientError::Unreachable { .. }),
            "{error:?}"
        );
    }
    assert!(server.metric("sagate_tls_handshakes_total{outcome=\"failed\"}") >= 2.0);
    assert_eq!(server.stop().code, 0);
}

/// A TLS implementation other than rustls.
#[test]
fn pythons_grpc_gets_on_with_it() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python-client/bin/python");
    assert!(
        python.exists(),
        "{} is missing: `.ci/python-client` makes it, as `make test` does",
        python.display()
    );
    let (place, authority) = place();
    let settings = [("TLS__CLIENT_CA", "ca.pem"), ("TLS__CLIENT_REQUIRED", "true")];
    let server = serve(&place, &[&SERVER[..], &settings].concat(), &[]);
    authority
        .client(Some("viewer"), Vec::new())
        .write(&place, "client");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/baselines/tls_client.py");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&python);
        let address = server.url().strip_prefix("https://").unwrap().to_owned();
        command
            .arg(&script)
            .arg(address)
            .args(arguments)
            .current_dir(place.path(""));
        command
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        let ended = finish(&mut command);
        assert_eq!(ended.code, 0, "{ended:?}");
        ended.stdout
    };
    assert!(run(&["ca.pem", "client.pem", "client.key"]).starts_with("answered "));
    assert!(run(&["ca.pem"]).starts_with("UNAVAILABLE "));
    assert_eq!(server.stop().code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_files_are_taken_over_and_bad_ones_are_not() {
    let (place, _authority) = place();
    let server = serve(&place, &SERVER, &[]);
    let old = Client::connect_with(&server.url().parse().unwrap(), &believing(&place, "ca.pem"))
        .await
        .unwrap();
    // A mismatched key: the old pair stays in use.
    place.write("server.key", Authority::new("Other").server().key.as_bytes());
    until(|| server.metric("sagate_reloads_total{outcome=\"failed\"}") >= 1.0);
    assert_eq!(
        ask(&server, &believing(&place, "ca.pem")).await.unwrap(),
        "tiny@1"
    );
    // A pair of another authority.
    let renewed = Authority::new("Renewed");
    place.write("renewed.pem", renewed.pem().as_bytes());
    renewed.server().write(&place, "server");
    until(|| server.metric("sagate_reloads_total{outcome=\"done\"}") >= 1.0);
    assert_eq!(
        ask(&server, &believing(&place, "renewed.pem")).await.unwrap(),
        "tiny@1"
    );
    ask(&server, &believing(&place, "ca.pem")).await.unwrap_err();
    // Existing connections continue.
    assert_eq!(old.model(None).await.unwrap().id.to_string(), "tiny@1");
    let stopped = server.stop();
    assert_eq!(stopped.code, 0);
    assert!(
        stopped.log.contains("the old ones stay in use") && stopped.log.contains("server.pem"),
        "{}",
        stopped.log
    );
}

#[test]
fn bad_files_at_the_start_are_errors_that_name_file_and_reason() {
    let (place, authority) = place();
    let given = authority.client(Some("other"), Vec::new());
    given.write(&place, "other");
    place.write("text.pem", b"no PEM at all");
    place.write(
        "broken.pem",
        b"-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n",
    );
    place.write(
        "no-der.pem",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    for (settings, code, words) in [
        (
            vec![("TLS__CERT", "nowhere.pem")],
            1,
            ["tls.cert", "nowhere.pem", "No such file"],
        ),
        (
            vec![("TLS__CERT", "text.pem")],
            1,
            ["tls.cert", "text.pem", "no certificate"],
        ),
        (
            vec![("TLS__CERT", "broken.pem")],
            1,
            ["tls.cert", "broken.pem", "no PEM"],
        ),
        (
            vec![("TLS__CERT", "no-der.pem")],
            1,
            ["tls.cert", "no-der.pem", "cannot be used"],
        ),
        (
            vec![("TLS__KEY", "server.pem")],
            1,
            ["tls.key", "server.pem", "private key"],
        ),
        (
            vec![("TLS__KEY", "other.key")],
            1,
            ["tls.cert", "server.pem", "tls.key"],
        ),
        (
            vec![("TLS__CLIENT_CA", "other.key")],
            1,
            ["tls.client_ca", "other.key", "no certificate"],
        ),
        (
            vec![("TLS__KEY", "")],
            2,
            ["`tls.key`", "SAGATE__TLS__KEY", "where tls.cert is set"],
        ),
        (
            vec![("TLS__CLIENT_REQUIRED", "true")],
            2,
            ["`tls.client_required`", "needs", "tls.client_ca"],
        ),
    ] {
        let mut command = place.command(&["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        for (name, value) in SERVER.into_iter().chain(settings) {
            command.env(format!("SAGATE__{name}"), value);
        }
        finish(&mut command).assert_refused(code, &words);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_hang_keep_nobody_out() {
    let (place, _authority) = place();
    let server = serve(&place, &SERVER, &[]);
    let address = server.url().strip_prefix("https://").unwrap().to_owned();
    // More than the limit; each is silent, or starts a handshake and stops.
    let mut hanging = Vec::new();
    for number in 0..300 {
        let mut stream = TcpStream::connect(&address).unwrap();
        if number % 2 == 0 {
            stream.write_all(&[0x16, 3, 1, 2, 0, 1]).unwrap();
        }
        hanging.push(stream);
    }
    let known = believing(&place, "ca.pem");
    for _ in 0..3 {
        let answered = tokio::time::timeout(WAIT_TIMEOUT, ask(&server, &known)).await;
        assert_eq!(answered.expect("nobody is kept out").unwrap(), "tiny@1");
    }
    until(|| server.metric("sagate_tls_handshakes_total{outcome=\"pushed_out\"}") >= 40.0);
    drop(hanging);
    assert_eq!(server.stop().code, 0);
}

#[test]
fn the_admin_port_speaks_it_where_it_is_told_to() {
    let (place, _authority) = place();
    let server = serve(&place, &[&SERVER[..], &[("TLS__ADMIN", "true")]].concat(), &[]);
    let ended = python_gets(&place, &format!("{}/healthz", server.admin()), &[]);
    assert_eq!((ended.code, ended.stdout.trim()), (0, "ok"), "{ended:?}");
    assert_eq!(server.stop().code, 0);
}

#[test]
fn http_speaks_it_as_grpc_does() {
    let (place, authority) = place();
    let settings = [("TLS__CLIENT_CA", "ca.pem"), ("TLS__CLIENT_REQUIRED", "true")];
    let server = serve(
        &place,
        &[&SERVER[..], &settings].concat(),
        &["--http", "127.0.0.1:0"],
    );
    authority
        .client(Some("viewer"), Vec::new())
        .write(&place, "client");
    let ready = format!("{}/v2/health/ready", server.http());
    assert!(ready.starts_with("https://"), "{ready}");
    let ended = python_gets(&place, &ready, &["client.pem", "client.key"]);
    assert!(ended.code == 0 && ended.stdout.contains("\"ready\""), "{ended:?}");
    let stranger = python_gets(&place, &ready, &[]);
    assert_ne!(stranger.code, 0, "{stranger:?}");
    // Unencrypted requests get no answer.
    let mut plain = TcpStream::connect(server.http().strip_prefix("https://").unwrap()).unwrap();
    plain
        .write_all(b"GET /v2/health/ready HTTP/1.1\r\nhost: a\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    assert_eq!(server.stop().code, 0);
}

/// Fetches a URL with Python's TLS and this certificate and key.
fn python_gets(place: &Place, url: &str, certificate: &[&str]) -> Ended {
    let script = "import ssl, sys, urllib.request as r; c = ssl.create_default_context(cafile='ca.pem'); \
                  sys.argv[2:] and c.load_cert_chain(*sys.argv[2:]); \
                  print(r.urlopen(sys.argv[1], context=c, timeout=30).read().decode())";
    let mut command = Command::new("python3");
    command
        .args(["-c", script, url])
        .args(certificate)
        .current_dir(place.path(""))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    finish(&mut command)
}

fn until(mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < WAIT_TIMEOUT, "timeout");
        std::thread::sleep(Duration::from_millis(50));
    }
}
