//! Authentication and authorization: static tokens, signed tokens, client certificates and anonymous callers, against the real server.
//!
//! What would break: a method without access control, an invalid token that counts as anonymous, a revoked token that still works, a signed
//! token with a wrong issuer, audience, expiry or algorithm.

use std::io::{Read, Write};
use std::net::TcpStream;

use rcgen::SanType;
use sagate::client::{Access, Client, ClientError};
use sagate::proto::inference::infer_parameter::ParameterChoice;
use sagate::proto::v1;
use sagate::security::{RequiredAccess, required_access};
use serde_json::json;
use tonic::{Code, Request, Status};

use crate::authority::{Authority, SERVER};
use crate::binary::{Place, floats, waves_image};
use crate::grpc_calls::{error_info, until};
use crate::server::{Server, request, serve, tensor};
use crate::signed_tokens::{Issuer, now};

fn place() -> Place {
    Place::new(1, &[0.0, 1.0])
}

/// Creates a token with the command line, puts its line into `tokens`, and returns the token.
fn token(place: &Place, name: &str, roles: &[&str]) -> String {
    let mut arguments = vec!["token", name];
    roles.iter().for_each(|role| arguments.extend(["--role", role]));
    let (made, code) = place.json(&arguments);
    assert_eq!(code, 0);
    let known = std::fs::read_to_string(place.path("tokens")).unwrap_or_default();
    let line = made["line"].as_str().unwrap();
    let token = made["token"].as_str().unwrap();
    assert!(!line.contains(token), "the file must hold no secret");
    place.write("tokens", format!("# clients\n\n{known}{line}\n").as_bytes());
    token.to_owned()
}

fn with<T>(message: T, authorization: Option<&str>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(value) = authorization {
        request
            .metadata_mut()
            .insert("authorization", value.parse().unwrap());
    }
    request
}

async fn segment(server: &Server, authorization: Option<&str>) -> Result<(), Status> {
    let asked = request("one", tensor(&waves_image(1, 32, 32)));
    server
        .client()
        .segment(with(asked, authorization))
        .await
        .map(|_| ())
}

async fn interpret(server: &Server, authorization: Option<&str>) -> Result<(), Status> {
    let asked = v1::InterpretRequest {
        image: Some(tensor(&waves_image(1, 32, 32))),
        ..Default::default()
    };
    let mut parts = server
        .client()
        .interpret(with(asked, authorization))
        .await?
        .into_inner();
    while parts.message().await?.is_some() {}
    Ok(())
}

#[track_caller]
fn assert_refused(answer: Result<(), Status>, code: Code, words: &[&str]) {
    let status = answer.expect_err("it is refused");
    let reason = match code {
        Code::Unauthenticated => "UNAUTHENTICATED",
        _ => "PERMISSION_DENIED",
    };
    assert_eq!(
        error_info(&status),
        (code, reason.into(), String::new()),
        "{status:?}"
    );
    crate::binary::assert_sentence(status.message(), words);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_token_may_what_its_roles_say_and_nobody_else_anything() {
    let place = place();
    let (infer, both) = (
        token(&place, "viewer", &["infer"]),
        token(&place, "lab", &["infer", "interpret"]),
    );
    let settings = [("AUTH__TOKENS", "tokens"), ("AUTH__ANONYMOUS", "")];
    let server = serve(&place, &settings, &[]);
    let bearer = |token: &str| Some(format!("Bearer {token}"));
    segment(&server, bearer(&infer).as_deref()).await.unwrap();
    assert_refused(
        interpret(&server, bearer(&infer).as_deref()).await,
        Code::PermissionDenied,
        &["`interpret`", "`viewer`"],
    );
    interpret(&server, bearer(&both).as_deref()).await.unwrap();
    // The scheme's case does not matter (RFC 9110); everything else does.
    segment(&server, Some(&format!("bearer {infer}"))).await.unwrap();
    assert_refused(
        segment(&server, None).await,
        Code::Unauthenticated,
        &["authorization", "missing", "`infer`"],
    );
    for (value, word) in [
        (format!("Bearer {infer}x"), "not known"),
        ("Bearer sagate_".into(), "not known"),
        (infer.clone(), "Bearer TOKEN"),
        ("Basic dXNlcjpwYXNz".into(), "Bearer TOKEN"),
        ("Bearer ".into(), "Bearer TOKEN"),
    ] {
        let answer = segment(&server, Some(&value)).await;
        if let Err(status) = &answer {
            assert!(!status.message().contains(&infer), "{status:?}");
        }
        assert_refused(answer, Code::Unauthenticated, &["authorization", word]);
    }
    // Health and reflection need no authentication.
    assert_eq!(place.run(&["health", "--server", &server.url()]).code, 0);
    let refused = |reason: &str| server.metric(&format!("sagate_refused_calls_total{{reason=\"{reason}\"}}"));
    assert_eq!(
        (refused("PERMISSION_DENIED"), refused("UNAUTHENTICATED")),
        (1.0, 6.0)
    );
    let stopped = server.stop();
    assert_eq!(stopped.code, 0);
    assert!(!stopped.log.contains(&infer), "{}", stopped.log);
}

/// Status and error message of an inference over HTTP.
fn inference(server: &Server, token: Option<&str>, outputs: &[&str]) -> (u16, String) {
    let outputs: Vec<_> = outputs.iter().map(|name| json!({ "name": name })).collect();
    let data = vec![0.5; 32 * 32];
    let body = json!({
        "inputs": [{ "name": "IMAGE", "shape": [32, 32], "datatype": "FP32", "data": data }],
        "outputs": outputs,
    });
    let authorization = token.map_or_else(String::new, |token| format!("authorization: Bearer {token}\r\n"));
    let body = body.to_string();
    let head = format!(
        "POST /v2/models/{}/infer HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n{authorization}\r\n",
        crate::tiny_model::NAME,
        body.len()
    );
    let mut stream = TcpStream::connect(server.http().trim_start_matches("http://")).unwrap();
    stream.write_all((head + &body).as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_open_inference_protocol_asks_for_the_same_roles() {
    let place = place();
    let (viewer, lab) = (
        token(&place, "viewer", &["infer"]),
        token(&place, "lab", &["infer", "interpret"]),
    );
    let settings = [("AUTH__TOKENS", "tokens"), ("AUTH__ANONYMOUS", "")];
    let server = serve(&place, &settings, &["--http", "127.0.0.1:0"]);
    let image = || crate::oip::asks("IMAGE", "FP32", &[32, 32], floats(waves_image(1, 32, 32).pixels));
    // Masks and decisions need `infer`; interpretations need `interpret`, in every protocol.
    for (outputs, needs_more) in [
        (&["MASK", "MU", "DECISION"][..], false),
        (&["MU", "SAM_3"], true),
        (&["LAYER_SA"], true),
    ] {
        let ask = async |token: &str| {
            let asked = crate::oip::with_outputs(image(), outputs);
            let authorization = format!("Bearer {token}");
            let mut client = crate::oip::client(&server);
            let answer = client.model_infer(with(asked, Some(&authorization))).await;
            answer.map(|_| ())
        };
        ask(&lab).await.unwrap();
        assert_eq!(inference(&server, Some(&lab), outputs).0, 200, "{outputs:?}");
        let (grpc, (status, http)) = (ask(&viewer).await, inference(&server, Some(&viewer), outputs));
        if needs_more {
            assert_refused(grpc, Code::PermissionDenied, &["`interpret`", "`viewer`"]);
            assert_eq!(status, 403, "{http}");
            assert!(
                http.contains("`interpret`") && http.contains("`viewer`"),
                "{http}"
            );
        } else {
            grpc.unwrap();
            assert_eq!(status, 200, "{http}");
        }
    }
    assert_eq!(inference(&server, None, &["MU"]).0, 401);
    assert_eq!(
        inference(&server, Some("sagate_unknown"), &["MU"]).0,
        401,
        "a bad token counts as none"
    );
    let refused = server.metric("sagate_refused_calls_total{reason=\"PERMISSION_DENIED\"}");
    assert_eq!(refused, 4.0);
}

/// The status of a request over HTTP that has no body.
fn ask_http(server: &Server, method: &str, path: &str, token: Option<&str>) -> u16 {
    let authorization = token.map_or_else(String::new, |token| format!("authorization: Bearer {token}\r\n"));
    let head = format!("{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{authorization}\r\n");
    let mut stream = TcpStream::connect(server.http().trim_start_matches("http://")).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_is_none_is_told_so_to_whoever_may_ask_for_one() {
    let place = place();
    let viewer = token(&place, "viewer", &["infer"]);
    let settings = [("AUTH__TOKENS", "tokens"), ("AUTH__ANONYMOUS", "")];
    let server = serve(&place, &settings, &["--http", "127.0.0.1:0"]);
    for (method, path, status) in [
        ("GET", "/", 404),
        ("GET", "/v3/models", 404),
        ("POST", "/v2/models/tiny/none", 404),
        ("DELETE", "/v2/models/tiny", 405),
        ("GET", "/v2/models/tiny/infer", 405),
        ("POST", "/v2/repository/models/tiny/load", 403),
    ] {
        assert_eq!(ask_http(&server, method, path, None), 401, "{method} {path}");
        assert_eq!(
            ask_http(&server, method, path, Some(&viewer)),
            status,
            "{method} {path}"
        );
    }
    // Probes send no credentials.
    assert_eq!(ask_http(&server, "GET", "/v2/health/live", None), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_go_before_all_others_has_a_role_for_it() {
    let place = place();
    let (viewer, bedside) = (
        token(&place, "viewer", &["infer"]),
        token(&place, "bedside", &["infer", "urgent"]),
    );
    let settings = [("AUTH__TOKENS", "tokens")];
    let server = serve(&place, &settings, &["--http", "127.0.0.1:0"]);
    let urgent = async |token: Option<&str>| {
        let mut asked = request("one", tensor(&waves_image(1, 32, 32)));
        asked.options.as_mut().unwrap().priority = v1::Priority::Urgent.into();
        let authorization = token.map(|token| format!("Bearer {token}"));
        let asked = with(asked, authorization.as_deref());
        server.client().segment(asked).await.map(|_| ())
    };
    urgent(Some(&bedside)).await.unwrap();
    assert_refused(
        urgent(Some(&viewer)).await,
        Code::PermissionDenied,
        &["`urgent`", "`viewer`"],
    );
    assert_refused(
        urgent(None).await,
        Code::Unauthenticated,
        &["missing", "`urgent`"],
    );
    // Priority 1 of the Open Inference Protocol is the same.
    let by_protocol = async |token: &str| {
        let asked = crate::oip::asks("IMAGE", "FP32", &[32, 32], floats(waves_image(1, 32, 32).pixels));
        let asked = crate::oip::with(asked, "priority", ParameterChoice::Int64Param(1));
        let authorization = format!("Bearer {token}");
        let mut client = crate::oip::client(&server);
        client
            .model_infer(with(asked, Some(&authorization)))
            .await
            .map(|_| ())
    };
    by_protocol(&bedside).await.unwrap();
    assert_refused(
        by_protocol(&viewer).await,
        Code::PermissionDenied,
        &["`urgent`", "`viewer`"],
    );
    // All other methods are unaffected.
    segment(&server, Some(&format!("Bearer {viewer}"))).await.unwrap();
    segment(&server, None).await.unwrap();
    assert_eq!(server.stop().code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn anonymous_callers_may_segment_and_interpret_unless_told_otherwise() {
    let place = place();
    let server = Server::start(&place, &[]);
    segment(&server, None).await.unwrap();
    interpret(&server, None).await.unwrap();
    // An invalid token never falls back to anonymous.
    assert_refused(
        segment(&server, Some("Bearer x")).await,
        Code::Unauthenticated,
        &["takes no such token"],
    );
    assert_eq!(server.stop().code, 0);
    let server = serve(&place, &[("AUTH__ANONYMOUS", "infer")], &[]);
    segment(&server, None).await.unwrap();
    assert_refused(
        interpret(&server, None).await,
        Code::Unauthenticated,
        &["missing", "`interpret`"],
    );
    assert_eq!(server.stop().code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_gone_ends_its_token_and_the_client_and_command_line_send_theirs() {
    let place = place();
    let secret = token(&place, "viewer", &["infer"]);
    place.write("secret", format!("{secret}\n").as_bytes());
    let settings = [
        ("AUTH__TOKENS", "tokens"),
        ("AUTH__ANONYMOUS", ""),
        ("TLS__RELOAD_SECONDS", "1"),
    ];
    let server = serve(&place, &settings, &[]);
    let url = server.url();
    let access = Access::default().with_token(&secret).unwrap();
    let client = Client::connect_with(&url.parse().unwrap(), &access)
        .await
        .unwrap();
    assert_eq!(client.model(None).await.unwrap().id.to_string(), "tiny@1");
    let file = place.picture("image.png", 1, 40, 52);
    let code = place
        .run(&["segment", &file, "--server", &url, "--token-file", "secret"])
        .code;
    assert_eq!(code, place.run(&["segment", &file]).code);
    place
        .run(&["segment", &file, "--server", &url])
        .assert_refused(1, &["does not allow", "missing"]);
    // An invalid file is not loaded; an empty file is valid and revokes all tokens.
    place.write("tokens", b"viewer infer nonsense\n");
    until("a bad file is logged", async || {
        server.metric("sagate_reloads_total{outcome=\"failed\"}") >= 1.0
    })
    .await;
    client.model(None).await.unwrap();
    place.write("tokens", b"");
    until("the token ends", async || {
        matches!(client.model(None).await, Err(ClientError::Refused(refusal)) if refusal.code == Code::Unauthenticated)
    })
    .await;
    assert_eq!(server.stop().code, 0);
    // A token is never sent unencrypted to another machine.
    let error = Client::connect_with(&"http://192.0.2.1:1".parse().unwrap(), &access)
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::Leak { .. }), "{error:?}");
    assert!(!format!("{access:?}").contains(&secret));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hang_up_has_tokens_read_at_once() {
    let place = place();
    token(&place, "first", &["infer"]);
    let settings = [
        ("AUTH__TOKENS", "tokens"),
        ("AUTH__ANONYMOUS", ""),
        // Far longer than the test.
        ("TLS__RELOAD_SECONDS", "86400"),
    ];
    let server = serve(&place, &settings, &[]);
    let secret = token(&place, "second", &["infer"]);
    let access = Access::default().with_token(&secret).unwrap();
    let client = Client::connect_with(&server.url().parse().unwrap(), &access)
        .await
        .unwrap();
    client.model(None).await.unwrap_err();
    server.signal("HUP");
    until("the new token is not taken", async || {
        client.model(None).await.is_ok()
    })
    .await;
    assert_eq!(server.stop().code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_its_clients_name() {
    let place = place();
    let authority = Authority::new("Tests");
    place.write("ca.pem", authority.pem().as_bytes());
    authority.server().write(&place, "server");
    let settings = [
        ("TLS__CLIENT_CA", "ca.pem"),
        ("AUTH__ANONYMOUS", ""),
        (
            "AUTH__CERTIFICATES",
            r#"["Reading Room 3 infer", "lab.example infer,interpret"]"#,
        ),
    ];
    let server = serve(&place, &[&SERVER[..], &settings].concat(), &[]);
    let known = Access::default().with_ca(authority.pem().as_bytes());
    let ask = async |common: Option<&str>, others: Vec<SanType>| {
        let given = authority.client(common, others);
        let access = known
            .clone()
            .with_certificate(given.cert.as_bytes(), given.key.as_bytes());
        let client = Client::connect_with(&server.url().parse().unwrap(), &access)
            .await
            .unwrap();
        client.model(None).await
    };
    let dns = |name: &str| vec![SanType::DnsName(name.try_into().unwrap())];
    let uri = |name: &str| vec![SanType::URI(name.try_into().unwrap())];
    ask(Some("Reading Room 3"), Vec::new()).await.unwrap();
    ask(None, dns("lab.example")).await.unwrap();
    for (common, others) in [
        (Some("stranger"), Vec::new()),
        // The common name takes precedence.
        (Some("stranger"), dns("lab.example")),
        (None, uri("spiffe://hospital.example/viewer")),
    ] {
        let error = ask(common, others).await.unwrap_err();
        let ClientError::Refused(refusal) = error else {
            panic!("{error:?}");
        };
        assert_eq!(refusal.code, Code::PermissionDenied, "{refusal:?}");
    }
    // Certificates are optional here: without one the caller is anonymous and has no role.
    let client = Client::connect_with(&server.url().parse().unwrap(), &known)
        .await
        .unwrap();
    let Err(ClientError::Refused(refusal)) = client.model(None).await else {
        panic!("anonymous callers may nothing");
    };
    assert_eq!(refusal.code, Code::Unauthenticated);
    assert_eq!(server.stop().code, 0);
}

/// Settings for signed tokens by a key set at `jwks`.
fn signed_settings(jwks: &str) -> Vec<(&str, &str)> {
    vec![
        ("AUTH__JWKS", jwks),
        ("AUTH__ISSUER", "https://issuer.example"),
        ("AUTH__AUDIENCE", "sagate"),
        ("AUTH__ROLE_CLAIM", "realm_access.roles"),
        ("AUTH__ROLE_PREFIX", "sagate-"),
        ("AUTH__ANONYMOUS", ""),
        ("AUTH__JWKS_SECONDS", "1"),
    ]
}

fn claims() -> serde_json::Value {
    json!({
        "iss": "https://issuer.example", "aud": ["other", "sagate"], "sub": "dr-who", "exp": now() + 600, "nbf": now() - 5,
        "realm_access": { "roles": ["sagate-infer", "sagate-nothing", "interpret", "offline_access"] },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_token_is_taken_where_all_of_it_is_right() {
    let place = place();
    let (issuer, other) = (Issuer::new("one"), Issuer::new("one"));
    place.write("jwks.json", issuer.jwks().as_bytes());
    let server = serve(&place, &signed_settings("jwks.json"), &[]);
    let bearer = |token: String| format!("Bearer {token}");
    for token in issuer.each(&claims()) {
        segment(&server, Some(&bearer(token.clone()))).await.unwrap();
        // Without its prefix the role is none.
        assert_refused(
            interpret(&server, Some(&bearer(token))).await,
            Code::PermissionDenied,
            &["`interpret`", "`dr-who`"],
        );
    }
    let changed = |key: &str, value: serde_json::Value| {
        let mut changed = claims();
        match value.is_null() {
            true => drop(changed.as_object_mut().unwrap().remove(key)),
            false => changed[key] = value,
        }
        changed
    };
    for (claims, word) in [
        (changed("iss", json!("https://elsewhere.example")), "`iss`"),
        (changed("iss", json!(null)), "`iss`"),
        (changed("aud", json!("other")), "`aud`"),
        (changed("aud", json!(null)), "`aud`"),
        (changed("exp", json!(now() - 3600)), "expired"),
        (changed("exp", json!(null)), "`exp`"),
        (changed("nbf", json!(now() + 3600)), "not valid yet"),
        (changed("sub", json!(null)), "`sub`"),
        (changed("sub", json!("a\nb")), "`sub`"),
    ] {
        let answer = segment(&server, Some(&bearer(issuer.es256(&claims)))).await;
        assert_refused(answer, Code::Unauthenticated, &["signed token", word]);
    }
    // Clock skew within the leeway is accepted.
    segment(
        &server,
        Some(&bearer(issuer.es256(&changed("exp", json!(now() - 10))))),
    )
    .await
    .unwrap();
    for (token, word) in [
        (other.es256(&claims()), "signature"),
        (issuer.unsigned(&claims()), "neither"),
        (issuer.hmac_by_public_key(&claims()), "not taken"),
        (issuer.other_key_id(&claims()), "not among those"),
        (issuer.critical(&claims()), "crit"),
        (issuer.swapped_claims(&claims()), "signature"),
        ("a.b.c".into(), "neither"),
        (format!("{}.x", issuer.es256(&claims())), "neither"),
        ("x".repeat(9000) + ".y.z", ""),
    ] {
        let answer = segment(&server, Some(&bearer(token))).await;
        assert_refused(answer, Code::Unauthenticated, &["authorization", word]);
    }
    // A user of the issuer without a role here.
    let answer = segment(
        &server,
        Some(&bearer(issuer.es256(&changed("realm_access", json!(null))))),
    )
    .await;
    assert_refused(answer, Code::PermissionDenied, &["`infer`", "`dr-who`"]);
    // New keys are loaded, and removed ones are no longer accepted.
    place.write("jwks.json", other.jwks().as_bytes());
    until("new keys are taken over", async || {
        segment(&server, Some(&bearer(other.es256(&claims()))))
            .await
            .is_ok()
    })
    .await;
    assert_refused(
        segment(&server, Some(&bearer(issuer.es256(&claims())))).await,
        Code::Unauthenticated,
        &["signature"],
    );
    assert_eq!(server.stop().code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_come_from_a_url_also_where_that_answers_late() {
    let place = place();
    let authority = Authority::new("Tests");
    place.write("ca.pem", authority.pem().as_bytes());
    let issuer = Issuer::new("one");
    for encrypted in [false, true] {
        let site = crate::signed_tokens::Site::reserve(encrypted.then(|| authority.server())).await;
        let url = site.url();
        let mut settings = signed_settings(&url);
        if encrypted {
            settings.push(("AUTH__JWKS_CA", "ca.pem"));
        }
        // The issuer is unreachable: the service starts and accepts no signed token.
        let server = serve(&place, &settings, &[]);
        let bearer = format!("Bearer {}", issuer.es256(&claims()));
        assert_refused(
            segment(&server, Some(&bearer)).await,
            Code::Unauthenticated,
            &["not among those"],
        );
        site.answer(issuer.jwks());
        until("keys come", async || {
            segment(&server, Some(&bearer)).await.is_ok()
        })
        .await;
        let stopped = server.stop();
        assert_eq!(stopped.code, 0);
        assert!(stopped.log.contains("auth.jwks"), "{}", stopped.log);
    }
}

#[test]
fn what_cannot_be_right_is_an_error_at_the_start() {
    let place = place();
    place.write("tokens", b"viewer infer abc\n");
    place.write("jwks.json", br#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#);
    let jwt = [("AUTH__ISSUER", "i"), ("AUTH__AUDIENCE", "a")];
    for (settings, code, words) in [
        (
            vec![("AUTH__TOKENS", "tokens")],
            1,
            vec!["auth.tokens", "line 1", "SHA-256"],
        ),
        (
            vec![("AUTH__TOKENS", "nowhere")],
            1,
            vec!["auth.tokens", "nowhere", "No such file"],
        ),
        (
            [&jwt[..], &[("AUTH__JWKS", "jwks.json")]].concat(),
            1,
            vec!["auth.jwks", "none of its 1 keys"],
        ),
        (
            [&jwt[..], &[("AUTH__JWKS", "tokens")]].concat(),
            1,
            vec!["auth.jwks", "JSON Web Key Set"],
        ),
        (
            [&jwt[..], &[("AUTH__JWKS", "ftp://x/y")]].concat(),
            1,
            vec!["auth.jwks", "https://"],
        ),
        (
            vec![("AUTH__JWKS", "jwks.json")],
            2,
            vec!["`auth.issuer`", "where auth.jwks is set"],
        ),
        (
            vec![("AUTH__ANONYMOUS", "infer,root")],
            2,
            vec!["`auth.anonymous`", "interpret"],
        ),
        (
            vec![("AUTH__CERTIFICATES", "viewer")],
            2,
            vec!["`auth.certificates`", "NAME ROLE"],
        ),
    ] {
        let mut command = place.command(&["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        for (name, value) in settings {
            command.env(format!("SAGATE__{name}"), value);
        }
        crate::binary::finish(&mut command).assert_refused(code, &words);
    }
    place
        .run(&["token", "two words", "--role", "infer"])
        .assert_refused(2, &["the name must be"]);
}

/// Every method in reflection has an access rule, and methods without one are refused.
#[tokio::test(flavor = "multi_thread")]
async fn the_table_has_every_method() {
    use prost::Message;
    use prost_types::FileDescriptorSet;
    let sets = [
        v1::DESCRIPTORS,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ];
    let mut methods = 0;
    for set in sets {
        for file in FileDescriptorSet::decode(set).unwrap().file {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                    assert!(
                        required_access(&path).is_some(),
                        "src/security/rights.rs lacks {path}"
                    );
                    methods += 1;
                }
            }
        }
    }
    assert!(methods >= 10);
    assert_eq!(
        required_access("/grpc.health.v1.Health/Check"),
        Some(RequiredAccess::Open)
    );
    let place = place();
    let server = Server::start(&place, &[]);
    let mut grpc = tonic::client::Grpc::new(server.channel());
    grpc.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<v1::GetStatusRequest, v1::GetStatusResponse>::default();
    let path = http::uri::PathAndQuery::from_static("/sagate.v1.QualityControl/DeleteAll");
    let status = grpc
        .unary(Request::new(v1::GetStatusRequest {}), path, codec)
        .await
        .unwrap_err();
    assert_eq!(
        error_info(&status),
        (Code::Unimplemented, "UNKNOWN_METHOD".into(), String::new())
    );
    assert_eq!(server.stop().code, 0);
}
