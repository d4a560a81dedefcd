//! Certificates and keys from other programs: accepted, or refused with a diagnosis and a command that converts the file. The commands in
//! the messages are run here.
//!
//! What would break: a file that OpenSSL or an editor wrote in another form and that is refused without a reason, an unusable key that
//! is accepted.

use std::process::Command;

use crate::authority::SERVER;
use crate::binary::{Ended, Place, finish};
use crate::grpc_calls::until;
use crate::server::{Server, serve, serving};

/// Runs `openssl` in the place.
fn openssl(place: &Place, command: &str) {
    let ended = Command::new("openssl")
        .args(command.split(' '))
        .current_dir(place.path(""))
        .output()
        .expect("openssl is missing, by which certificates of other kinds are made");
    assert!(
        ended.status.success(),
        "openssl {command}: {}",
        String::from_utf8_lossy(&ended.stderr)
    );
}

/// A self-signed certificate for this machine, in `NAME.pem` and `NAME.key`.
fn make(place: &Place, name: &str, algorithm: &str) {
    openssl(
        place,
        &format!(
            "req -x509 {algorithm} -nodes -keyout {name}.key -out {name}.pem -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 \
             -addext basicConstraints=critical,CA:FALSE"
        ),
    );
}

const P256: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256";
const P521: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-521";

fn place() -> Place {
    let place = Place::new(1, &[0.0, 1.0]);
    make(&place, "server", P256);
    place
}

fn settings<'a>(cert: &'a str, key: &'a str) -> [(&'a str, &'a str); 3] {
    [("TLS__CERT", cert), ("TLS__KEY", key), SERVER[2]]
}

/// Starts a server that should refuse the file of a setting.
fn refused(place: &Place, settings: &[(&str, &str)]) -> Ended {
    let mut command = serving(place, &[]);
    for (name, value) in settings {
        command.env(format!("SAGATE__{name}"), value);
    }
    finish(&mut command)
}

fn answers(place: &Place, server: Server, ca: &str) {
    let ended = place.run(&["health", "--server", &server.url(), "--ca", ca]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(server.stop().code, 0);
}

/// Text around PEM sections from editors and other programs is accepted.
#[test]
fn byte_order_marks_line_ends_and_words_around_are_read() {
    let place = place();
    for (suffix, change) in [
        ("bom", (|text| format!("\u{feff}{text}")) as fn(String) -> String),
        ("crlf", |text| text.replace('\n', "\r\n")),
        ("cr", |text| text.replace('\n', "\r")),
        ("both", |text| format!("\u{feff}{}", text.replace('\n', "\r\n"))),
        ("bag", |text| {
            format!("Bag Attributes\n    friendlyName: x\n{text}")
        }),
        ("no-end", |text| text.trim_end().to_owned()),
    ] {
        let files = ["pem", "key"].map(|of| {
            let text = std::fs::read_to_string(place.path(&format!("server.{of}"))).unwrap();
            place.write(&format!("{suffix}.{of}"), change(text).as_bytes())
        });
        let server = serve(&place, &settings(&files[0], &files[1]), &[]);
        answers(&place, server, &files[0]);
    }
}

/// Other formats are refused by name; the command in the message makes a valid file.
#[test]
fn other_forms_are_named_and_the_named_command_helps() {
    let place = place();
    for command in [
        "pkcs12 -export -inkey server.key -in server.pem -passout pass:x -out p12.pem",
        "x509 -in server.pem -outform DER -out der.pem",
        "pkey -in server.key -outform DER -out der.key",
        "pkey -in server.key -aes256 -passout pass:x -out encrypted.key",
        "x509 -in server.pem -trustout -out trusted.pem",
        "crl2pkcs7 -nocrl -certfile server.pem -out p7.pem",
        "req -new -key server.key -subj /CN=localhost -out request.pem",
        "pkey -in server.key -pubout -out public.key",
        "genrsa -traditional -aes128 -passout pass:x -out traditional.key 2048",
        "ecparam -name prime256v1 -out parameters.key",
    ] {
        openssl(&place, command);
    }
    let utf16: Vec<u8> = std::fs::read_to_string(place.path("server.pem"))
        .unwrap()
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    place.write("utf16.pem", &[&[0xff, 0xfe][..], &utf16].concat());
    let indented = std::fs::read_to_string(place.path("server.pem")).unwrap();
    place.write("indented.pem", indented.replace("-----", "  -----").as_bytes());
    place.write("empty.pem", b"\n");
    for (file, holds, command) in [
        ("p12.pem", "PKCS#12", "pkcs12 -in p12.pem -nokeys -out new.pem"),
        (
            "der.pem",
            "a certificate as DER",
            "x509 -inform DER -in der.pem -out new.pem",
        ),
        ("der.key", "a private key as DER", ""),
        (
            "trusted.pem",
            "OpenSSL's own",
            "x509 -in trusted.pem -out new.pem",
        ),
        ("p7.pem", "PKCS#7", "pkcs7 -in p7.pem -print_certs -out new.pem"),
        ("request.pem", "a request for a certificate", ""),
        ("server.key", "it holds a private key", ""),
        ("utf16.pem", "UTF-16", ""),
        ("indented.pem", "begin with blanks", ""),
        ("empty.pem", "it is empty", ""),
    ] {
        let ended = refused(&place, &settings(file, "server.key"));
        ended.assert_refused(1, &["tls.cert", file, "holds no certificate", holds, command]);
        if !command.is_empty() {
            openssl(
                &place,
                &format!(
                    "{command}{}",
                    if file == "p12.pem" { " -passin pass:x" } else { "" }
                ),
            );
            let server = serve(&place, &settings("new.pem", "server.key"), &[]);
            answers(&place, server, "server.pem");
        }
    }
    for (file, holds, command) in [
        (
            "encrypted.key",
            "encrypted",
            "pkey -in encrypted.key -out new.key",
        ),
        (
            "p12.pem",
            "PKCS#12",
            "pkcs12 -in p12.pem -nocerts -noenc -out new.key",
        ),
        (
            "der.key",
            "a private key as DER",
            "pkey -inform DER -in der.key -out new.pem",
        ),
        (
            "traditional.key",
            "encrypted",
            "pkey -in traditional.key -out new.key",
        ),
        ("der.pem", "a certificate as DER", ""),
        ("public.key", "a public key", ""),
        ("parameters.key", "EC PARAMETERS", ""),
        ("server.pem", "it holds a certificate", ""),
    ] {
        let ended = refused(&place, &settings("server.pem", file));
        ended.assert_refused(
            1,
            &["tls.key", file, "no unencrypted private key", holds, command],
        );
        if !command.is_empty() && file != "traditional.key" {
            let secret = if file == "der.key" { "" } else { " -passin pass:x" };
            openssl(&place, &format!("{command}{secret}"));
            let new = command.rsplit(' ').next().unwrap();
            let server = serve(&place, &settings("server.pem", new), &[]);
            answers(&place, server, "server.pem");
        }
    }
}

/// Unusable keys are refused at start-up, also those of authorities.
#[test]
fn keys_that_tls_cannot_use_here_are_told_at_the_start() {
    let place = place();
    make(&place, "p521", P521);
    make(&place, "rsa1024", "-newkey rsa:1024");
    make(&place, "rsa2048", "-newkey rsa:2048");
    make(&place, "ed448", "-newkey ed448");
    openssl(&place, "ec -in p521.key -out sec1.key");
    openssl(&place, "rsa -in rsa1024.key -traditional -out pkcs1.key");
    let right = "P-256, P-384 and Ed25519";
    for (cert, key, named) in [
        ("p521.pem", "p521.key", "an elliptic-curve key on P-521"),
        ("rsa1024.pem", "rsa1024.key", "an RSA key of 1024 bits"),
        ("ed448.pem", "ed448.key", "an Ed448 key"),
    ] {
        let words = ["tls.cert", cert, named, right, "openssl genpkey"];
        refused(&place, &settings(cert, "server.key")).assert_refused(1, &words);
        let words = ["tls.key", key, named, right, "openssl genpkey"];
        refused(&place, &settings("server.pem", key)).assert_refused(1, &words);
        let ca = [
            &settings("server.pem", "server.key")[..],
            &[("TLS__CLIENT_CA", cert)],
        ]
        .concat();
        refused(&place, &ca).assert_refused(1, &["tls.client_ca", cert, named, right]);
        // The same for the files of a client.
        for (flags, setting) in [
            (vec!["--ca", cert], "client.ca"),
            (vec!["--cert", cert, "--key", key], "client.cert"),
            (vec!["--cert", "server.pem", "--key", key], "client.key"),
        ] {
            let ended = place.run(&[&["health", "--server", "https://127.0.0.1:1"], &flags[..]].concat());
            ended.assert_refused(1, &[setting, named, right]);
        }
    }
    for (key, named) in [("sec1.key", "on P-521"), ("pkcs1.key", "1024 bits")] {
        refused(&place, &settings("server.pem", key)).assert_refused(1, &["tls.key", key, named, right]);
    }
    let server = serve(&place, &settings("rsa2048.pem", "rsa2048.key"), &[]);
    answers(&place, server, "rsa2048.pem");
    // A key that does not match the certificate.
    let ended = refused(&place, &settings("server.pem", "rsa2048.key"));
    let words = [
        "tls.cert",
        "server.pem",
        "rsa2048.key",
        "another certificate",
        "openssl pkey -in rsa2048.key",
    ];
    ended.assert_refused(1, &words);
}

/// If a file becomes invalid while the server runs, the old one stays in use and the log names the problem.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_says_the_same_and_the_old_goes_on() {
    let place = place();
    make(&place, "p521", P521);
    std::fs::copy(place.path("server.pem"), place.path("ca.pem")).unwrap();
    let server = serve(&place, &settings("server.pem", "server.key"), &[]);
    let key = std::fs::read(place.path("server.key")).unwrap();
    openssl(
        &place,
        "pkey -in server.key -aes256 -passout pass:x -out encrypted.key",
    );
    for (count, file) in [(1.0, "encrypted.key"), (2.0, "p521.key")] {
        std::fs::copy(place.path(file), place.path("server.key")).unwrap();
        until("the bad key is seen", async || {
            server.metric("sagate_reloads_total{outcome=\"failed\"}") >= count
        })
        .await;
        let ended = place.run(&["health", "--server", &server.url(), "--ca", "ca.pem"]);
        assert_eq!(ended.code, 0, "{ended:?}");
    }
    place.write("server.key", &key);
    let stopped = server.stop();
    assert_eq!(stopped.code, 0);
    for words in [
        "the old ones stay in use",
        "its private key is encrypted",
        "on P-521",
        "server.key",
    ] {
        assert!(stopped.log.contains(words), "`{words}` is not in {}", stopped.log);
    }
}

/// A token file with a byte order mark.
#[test]
fn token_files_may_begin_with_a_byte_order_mark() {
    let place = Place::new(1, &[0.0, 1.0]);
    let (made, _) = place.json(&["token", "viewer", "--role", "infer"]);
    let marked = |text: &str| [b"\xef\xbb\xbf", text.as_bytes(), b"\r\n"].concat();
    place.write("tokens", &marked(made["line"].as_str().unwrap()));
    place.write("token", &marked(made["token"].as_str().unwrap()));
    let server = serve(
        &place,
        &[("AUTH__TOKENS", "tokens"), ("AUTH__ANONYMOUS", "")],
        &[],
    );
    let (status, code) = place.json(&["top", "--server", &server.url(), "--token-file", "token"]);
    assert_eq!(code, 0, "{status}");
    assert_eq!(server.stop().code, 0);
}
