//! Changing the log level of a running server, with the role admin, through the admin port and `sagate log-level`.
//!
//! What would break: anyone who can reach the admin port turns the log off, a change without effect, a change without a record.

use crate::authority::{Authority, SERVER};
use crate::binary::Place;
use crate::server::{Server, serve};
use serde_json::Value;

/// A place with tokens of an admin and of a viewer.
fn place() -> Place {
    let place = Place::new(1, &[0.0, 1.0]);
    let token = |name: &str, role: &str| {
        let (made, _) = place.json(&["token", name, "--role", role]);
        place.write(
            &format!("{name}.token"),
            made["token"].as_str().unwrap().as_bytes(),
        );
        made["line"].as_str().unwrap().to_owned()
    };
    let lines = [token("operator", "admin"), token("viewer", "infer")].join("\n");
    place.write("tokens", lines.as_bytes());
    place
}

const SETTINGS: [(&str, &str); 2] = [("AUTH__TOKENS", "tokens"), ("AUDIT__FILE", "audit.jsonl")];

/// `sagate log-level ARGUMENTS` of a server.
fn log_level(server: &Server, arguments: &[&str]) -> Vec<String> {
    let admin = server.admin();
    [&["log-level", "--admin", &admin][..], arguments]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect()
}

fn run(place: &Place, arguments: &[String]) -> crate::binary::Ended {
    place.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn an_admin_changes_it_and_it_is_audited() {
    let place = place();
    let server = serve(&place, &SETTINGS, &[]);
    let admin = ["--token-file", "operator.token"];
    let said = |arguments: &[&str]| {
        let ended = run(&place, &log_level(&server, &[&admin[..], arguments].concat()));
        assert_eq!(ended.code, 0, "{ended:?}");
        ended.stdout.trim().to_owned()
    };
    assert_eq!(said(&[]), "warn");
    server.signal("HUP");
    assert_eq!(said(&["info"]), "info");
    assert_eq!(said(&[]), "info");
    let json: Value = serde_json::from_str(&said(&["--json", "debug"])).unwrap();
    assert_eq!(json["level"], "debug");
    let stopped = server.stop();
    assert_eq!(stopped.code, 0);
    // Events at `info` are logged from then on, and the log names who changed it.
    assert!(!stopped.log.contains("SIGHUP"), "{}", stopped.log);
    assert!(
        stopped.log.contains("shutting down: nothing more is taken"),
        "{}",
        stopped.log
    );
    assert!(
        stopped.log.contains("the log's level is info") && stopped.log.contains("operator"),
        "{}",
        stopped.log
    );
    let audit = std::fs::read_to_string(place.path("audit.jsonl")).unwrap();
    let lines: Vec<Value> = audit
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let fields = |line: &Value| {
        ["client", "method", "code", "log_level"]
            .map(|key| line[key].as_str().unwrap_or("-").to_owned())
            .join(" ")
    };
    assert_eq!(
        lines.iter().map(fields).collect::<Vec<_>>(),
        [
            "operator admin/GetLogLevel OK -",
            "operator admin/SetLogLevel OK info",
            "operator admin/GetLogLevel OK -",
            "operator admin/SetLogLevel OK debug",
        ]
    );
}

#[test]
fn it_can_be_turned_down_as_well() {
    let place = place();
    let server = serve(&place, &SETTINGS, &["--log", "info"]);
    let ended = run(
        &place,
        &log_level(&server, &["--token-file", "operator.token", "off"]),
    );
    assert_eq!((ended.code, ended.stdout.trim()), (0, "off"), "{ended:?}");
    let stopped = server.stop();
    assert!(!stopped.log.contains("shutting down"), "{}", stopped.log);
}

#[test]
fn nobody_else_may() {
    let place = place();
    let server = serve(&place, &SETTINGS, &[]);
    for (arguments, words) in [
        (vec!["debug"], vec!["401", "`admin`"]),
        (vec![], vec!["401", "`admin`"]),
        (
            vec!["debug", "--token-file", "viewer.token"],
            vec!["403", "`admin`", "viewer"],
        ),
    ] {
        run(&place, &log_level(&server, &arguments)).assert_refused(1, &words);
    }
    place.write("wrong.token", b"sagate_wrong");
    run(
        &place,
        &log_level(&server, &["off", "--token-file", "wrong.token"]),
    )
    .assert_refused(1, &["401"]);
    // Open paths stay open, and path variants do not bypass the check.
    assert_eq!(server.get("/healthz").0, 200);
    assert_eq!(server.get("/loglevel").0, 401);
    let stopped = server.stop();
    assert!(
        !stopped.log.contains("shutting down"),
        "it is still `warn`: {}",
        stopped.log
    );
    let audit = std::fs::read_to_string(place.path("audit.jsonl")).unwrap();
    assert_eq!(audit.matches("UNAUTHENTICATED").count(), 4, "{audit}");
    assert_eq!(audit.matches("PERMISSION_DENIED").count(), 1, "{audit}");
}

#[test]
fn a_level_that_is_none_is_refused_by_both_ends() {
    let place = place();
    let server = serve(&place, &SETTINGS, &[]);
    let ended = run(
        &place,
        &log_level(&server, &["loud", "--token-file", "operator.token"]),
    );
    assert_eq!(ended.code, 2, "{ended:?}");
    let token = std::fs::read_to_string(place.path("operator.token")).unwrap();
    for body in ["loud", "", "debug debug", &"x".repeat(100_000)] {
        let (status, text) = put(&server, &token, body);
        assert_eq!(status, 400, "{text}");
        assert!(text.contains("off, error, warn, info, debug or trace"), "{text}");
    }
    assert_eq!(put(&server, &token, " Debug\n"), (200, "debug\n".to_owned()));
    // Not an admin port.
    let ended = place.run(&[
        "log-level",
        "--admin",
        &server.url(),
        "--token-file",
        "operator.token",
    ]);
    ended.assert_refused(1, &["no answer", "admin address"]);
    assert_eq!(server.stop().code, 0);
}

#[test]
fn over_tls_too_and_no_token_goes_out_in_the_clear() {
    let place = place();
    let authority = Authority::new("Tests");
    place.write("ca.pem", authority.pem().as_bytes());
    authority.server().write(&place, "server");
    let settings = [&SETTINGS[..], &SERVER[..], &[("TLS__ADMIN", "true")]].concat();
    let server = serve(&place, &settings, &[]);
    assert!(server.admin().starts_with("https://"), "{}", server.admin());
    let asked = ["info", "--token-file", "operator.token", "--ca", "ca.pem"];
    let ended = run(&place, &log_level(&server, &asked));
    assert_eq!((ended.code, ended.stdout.trim()), (0, "info"), "{ended:?}");
    let ended = run(&place, &log_level(&server, &asked[..3]));
    ended.assert_refused(1, &["no answer", &server.admin()]);
    let elsewhere = [
        "log-level",
        "--admin",
        "http://192.0.2.1:9464",
        "--token-file",
        "operator.token",
    ];
    place
        .run(&elsewhere)
        .assert_refused(1, &["not encrypted", "token"]);
    assert!(server.stop().log.contains("shutting down"));
}

/// `PUT /loglevel`: status and body.
fn put(server: &Server, token: &str, body: &str) -> (u16, String) {
    use std::io::{Read, Write};
    let admin = server.admin();
    let mut stream = std::net::TcpStream::connect(admin.strip_prefix("http://").unwrap()).unwrap();
    let head = format!(
        "PUT /loglevel HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // The server need not read all of a body that is too long.
    let _ = stream.write_all(body.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}
