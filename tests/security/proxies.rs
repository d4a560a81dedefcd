//! Client addresses behind proxies: properties, and their use in limits and logs of the real server.
//!
//! What would break: a caller that chooses its own address by a header, all clients of a proxy as one, a header of the wrong kind.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;
use proptest::prelude::*;
use sagate::config::{self, ForwardedHeader};
use sagate::proto::inference::ServerMetadataRequest;
use sagate::security::{Peer, Proxies};
use serde_json::Value;
use tonic::Code;

use crate::binary::{Place, waves_image};
use crate::grpc_calls::{error_info, within};
use crate::oip;
use crate::server::{Server, request, serve, tensor};

fn proxies(trusted: &[&str], header: ForwardedHeader) -> Proxies {
    Proxies::new(&config::ProxySettings {
        trusted_proxies: trusted.iter().map(|it| it.parse::<IpNet>().unwrap()).collect(),
        forwarded_header: header,
    })
}

fn peer(address: &str) -> Peer {
    Peer {
        address: SocketAddr::new(address.parse().unwrap(), 5000),
        proxy: None,
        certificate: None,
    }
}

/// The client address for these header lines.
fn found(proxies: &Proxies, from: &str, name: &'static str, lines: &[&str]) -> String {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(name, line.parse().unwrap());
    }
    proxies.client(&peer(from), &headers).display_address()
}

const TRUSTED: [&str; 3] = ["10.0.0.0/8", "2001:db8:1::/48", "192.0.2.7/32"];

#[test]
fn the_rightmost_address_that_is_no_proxys_is_the_clients() {
    let proxies = proxies(&TRUSTED, ForwardedHeader::XForwardedFor);
    for (from, lines, address) in [
        ("10.1.1.1", vec!["203.0.113.9"], "203.0.113.9"),
        ("10.1.1.1", vec!["203.0.113.9, 10.2.2.2"], "203.0.113.9"),
        // Hops to the left of it come from the client.
        (
            "10.1.1.1",
            vec!["198.51.100.1, 203.0.113.9,10.2.2.2"],
            "203.0.113.9",
        ),
        (
            "10.1.1.1",
            vec!["198.51.100.1", "203.0.113.9", "10.2.2.2"],
            "203.0.113.9",
        ),
        ("10.1.1.1", vec!["203.0.113.9:4711"], "203.0.113.9:4711"),
        (
            "::ffff:10.1.1.1",
            vec!["::ffff:203.0.113.9"],
            "::ffff:203.0.113.9",
        ),
        ("2001:db8:1::5", vec!["2001:db8:9::1"], "2001:db8:9::1"),
        ("192.0.2.7", vec!["[2001:db8:9::1]:80"], "[2001:db8:9::1]:80"),
        // All hops are proxies: the first one is the client.
        ("10.1.1.1", vec!["10.3.3.3, 10.2.2.2"], "10.3.3.3"),
        // An invalid hop ends the evaluation.
        ("10.1.1.1", vec!["203.0.113.9, unknown"], "10.1.1.1:5000"),
        ("10.1.1.1", vec!["203.0.113.9, unknown, 10.2.2.2"], "10.2.2.2"),
        ("10.1.1.1", vec![""], "10.1.1.1:5000"),
        ("10.1.1.1", vec![], "10.1.1.1:5000"),
        // Other peers are not trusted.
        ("192.0.2.8", vec!["203.0.113.9"], "192.0.2.8:5000"),
        ("2001:db8:2::5", vec!["203.0.113.9"], "[2001:db8:2::5]:5000"),
    ] {
        assert_eq!(
            found(&proxies, from, "x-forwarded-for", &lines),
            address,
            "{from} {lines:?}"
        );
        // The other header is ignored.
        assert!(found(&proxies, from, "forwarded", &["for=203.0.113.77"]).ends_with("5000"));
    }
}

#[test]
fn forwarded_is_read_as_rfc_7239_has_it() {
    let proxies = proxies(&TRUSTED, ForwardedHeader::Forwarded);
    for (lines, address) in [
        (vec!["for=203.0.113.9"], "203.0.113.9"),
        (
            vec!["FOR=\"203.0.113.9:4711\";proto=https;by=10.1.1.1"],
            "203.0.113.9:4711",
        ),
        (
            vec!["for=198.51.100.1, for=203.0.113.9;host=a, for=10.2.2.2"],
            "203.0.113.9",
        ),
        (
            vec!["for=198.51.100.1", "For=\"[2001:db8:9::1]:80\""],
            "[2001:db8:9::1]:80",
        ),
        (vec!["by=10.1.1.1 ; for=203.0.113.9"], "203.0.113.9"),
        // Separators in a quoted value do not separate.
        (
            vec!["for=203.0.113.9;host=\"a, for=198.51.100.1\""],
            "203.0.113.9",
        ),
        (
            vec!["for=203.0.113.9;host=\"a\\\", for=198.51.100.1\""],
            "203.0.113.9",
        ),
        // Quotes that the client leaves open hide the hop of the proxy: then the proxy counts as the client.
        (vec!["for=\"x, for=203.0.113.9"], "10.1.1.1:5000"),
        (vec!["for=unknown"], "10.1.1.1:5000"),
        (vec!["for=_hidden, for=10.2.2.2"], "10.2.2.2"),
        (vec!["proto=https"], "10.1.1.1:5000"),
        (vec!["for=203.0.113.9;for=198.51.100.1"], "10.1.1.1:5000"),
        (vec![",,"], "10.1.1.1:5000"),
    ] {
        assert_eq!(
            found(&proxies, "10.1.1.1", "forwarded", &lines),
            address,
            "{lines:?}"
        );
        assert_eq!(
            found(&proxies, "192.0.2.8", "forwarded", &lines),
            "192.0.2.8:5000"
        );
        assert!(found(&proxies, "10.1.1.1", "x-forwarded-for", &["203.0.113.77"]).ends_with("5000"));
    }
}

proptest! {
    /// Whatever a client sends, its address is the one that the trusted proxy appends.
    #[test]
    fn nothing_that_a_client_sends_chooses_its_address(
        sent in prop::collection::vec("[ -~]{0,40}", 0..4),
        client in any::<[u8; 4]>(),
        header in prop::sample::select(vec![ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded]),
    ) {
        let client = IpAddr::from(client);
        prop_assume!(!"10.0.0.0/8".parse::<IpNet>().unwrap().contains(&client));
        let proxies = proxies(&["10.0.0.0/8"], header);
        let (name, written) = match header {
            ForwardedHeader::XForwardedFor => ("x-forwarded-for", client.to_string()),
            ForwardedHeader::Forwarded => ("forwarded", format!("for={client}")),
        };
        // As a line of its own.
        let mut lines: Vec<&str> = sent.iter().map(String::as_str).collect();
        lines.push(&written);
        prop_assert_eq!(found(&proxies, "10.1.1.1", name, &lines), client.to_string());
        // Appended to the client's own line: that address, or the proxy itself after open quotes.
        let line = format!("{}, {written}", sent.join(","));
        let address = found(&proxies, "10.1.1.1", name, &[&line]);
        prop_assert!(address == client.to_string() || address == "10.1.1.1:5000", "{} from {}", address, line);
        // Without a trusted proxy the header is ignored.
        prop_assert_eq!(found(&proxies, "203.0.113.1", name, &lines), "203.0.113.1:5000");
    }
}

async fn segment(server: &Server, forwarded: &str) -> Result<(), tonic::Status> {
    let mut asked = tonic::Request::new(request("one", tensor(&waves_image(1, 16, 16))));
    asked
        .metadata_mut()
        .insert("x-forwarded-for", forwarded.parse().unwrap());
    within(server.client().segment(asked)).await.map(drop)
}

fn lines(place: &Place, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(place.path(name)).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

const LIMITED: [(&str, &str); 4] = [
    ("RATE__PER_SECOND", "0.001"),
    ("RATE__BURST", "1"),
    ("AUDIT__FILE", "audit.jsonl"),
    ("ACCESS_LOG__FILE", "access.jsonl"),
];

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_logs_go_by_the_clients_address() {
    let place = Place::new(1, &[0.0, 1.0]);
    let trusting = [&LIMITED[..], &[("SERVER__TRUSTED_PROXIES", "127.0.0.0/8")]].concat();
    let server = serve(&place, &trusting, &["--http", "127.0.0.1:0"]);
    segment(&server, "203.0.113.1").await.unwrap();
    segment(&server, "203.0.113.2").await.unwrap();
    // A forged hop does not change the client.
    let status = segment(&server, "198.51.100.1, 203.0.113.2").await.unwrap_err();
    assert_eq!(error_info(&status).1, "RATE_LIMITED");
    // Over the Open Inference Protocol, gRPC and HTTP, the same.
    let mut client = oip::client(&server);
    let mut asked = tonic::Request::new(ServerMetadataRequest {});
    asked
        .metadata_mut()
        .insert("x-forwarded-for", "203.0.113.2".parse().unwrap());
    let status = within(client.server_metadata(asked)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(get_v2(&server, "203.0.113.2"), 429);
    assert_eq!(get_v2(&server, "203.0.113.3"), 200);
    assert_eq!(server.stop().code, 0);
    let peers = |lines: &[Value]| -> Vec<String> {
        let mut peers: Vec<String> = lines
            .iter()
            .map(|line| line["peer"].as_str().unwrap().to_owned())
            .collect();
        peers.sort();
        peers
    };
    let audit = lines(&place, "audit.jsonl");
    let expected = [
        "203.0.113.1",
        "203.0.113.2",
        "203.0.113.2",
        "203.0.113.2",
        "203.0.113.2",
        "203.0.113.3",
    ];
    assert_eq!(peers(&audit), expected);
    assert_eq!(peers(&lines(&place, "access.jsonl")), expected);
    for line in audit {
        assert!(
            line["proxy"].as_str().unwrap().starts_with("127.0.0.1:"),
            "{line}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_of_anyone_else_says_nothing() {
    let place = Place::new(1, &[0.0, 1.0]);
    for trusted in ["", "10.0.0.0/8"] {
        let settings = [&LIMITED[..], &[("SERVER__TRUSTED_PROXIES", trusted)]].concat();
        let server = serve(&place, &settings, &["--http", "127.0.0.1:0"]);
        segment(&server, "203.0.113.1").await.unwrap();
        let status = segment(&server, "203.0.113.2").await.unwrap_err();
        assert_eq!(error_info(&status).1, "RATE_LIMITED");
        assert_eq!(get_v2(&server, "203.0.113.3"), 429);
        assert_eq!(server.stop().code, 0);
        for line in lines(&place, "audit.jsonl") {
            assert!(line["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
            assert!(line["proxy"].is_null(), "{line}");
        }
    }
}

/// Queue limits apply per client address: a client at its limit does not block others.
#[tokio::test(flavor = "multi_thread")]
async fn parts_of_the_queues_go_by_it() {
    let place = Place::new(1, &[0.0, 1.0]);
    let settings = [
        ("ENGINE__CLIENT_ENTRIES", "1"),
        ("SERVER__TRUSTED_PROXIES", r#"["127.0.0.1"]"#),
    ];
    let server = serve(&place, &settings, &[]);
    let large = tensor(&waves_image(1, 768, 768));
    let asks = (0..8).map(|number| {
        let mut asked = tonic::Request::new(request("one", large.clone()));
        let address = format!("203.0.113.{number}");
        asked
            .metadata_mut()
            .insert("x-forwarded-for", address.parse().unwrap());
        let mut client = server.client();
        async move { within(client.segment(asked)).await.map(drop) }
    });
    let mut asked = tokio::task::JoinSet::new();
    asks.for_each(|ask| {
        asked.spawn(ask);
    });
    // As a single client, seven of these eight would be refused.
    for answer in asked.join_all().await {
        answer.unwrap();
    }
    assert_eq!(server.stop().code, 0);
}

/// The status of `GET /v2`.
fn get_v2(server: &Server, forwarded: &str) -> u16 {
    use std::io::{Read, Write};
    let address = server.http();
    let address = address.strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let head =
        format!("GET /v2 HTTP/1.1\r\nhost: a\r\nx-forwarded-for: {forwarded}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}
