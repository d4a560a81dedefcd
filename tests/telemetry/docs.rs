//! `docs/reference/metrics.md` lists exactly the metrics of `/metrics`, with type and labels.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::binary::{Place, waves_image};
use crate::server::{Server, request, tensor};
use crate::telemetry_rig::{Admin, everything, families, start};

type Listed = BTreeMap<String, (String, BTreeSet<String>)>;

/// The rows of the table of metrics: name, type, labels.
fn documented() -> Listed {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/metrics.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text
        .lines()
        .skip_while(|line| !line.starts_with("| name | type | labels |"));
    let rows = rows.skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let word = |cell: &str| cell.trim_matches('`').to_owned();
        let labels = cells[3].split(", ").filter(|label| !label.is_empty()).map(word);
        (word(cells[1]), (cells[2].to_owned(), labels.collect()))
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_is_what_is_served() {
    let telemetry = start("");
    everything(&telemetry);
    let admin = Admin::start(telemetry).await;
    let (_, _, text) = admin.get("/metrics");
    let served: Listed = families(&text)
        .into_iter()
        .map(|(name, family)| (name, (family.kind, family.labels)))
        .collect();
    assert_eq!(documented(), served);
    admin.stop().await;
}

#[tokio::test]
async fn every_metric_says_what_it_is() {
    let telemetry = start("");
    everything(&telemetry);
    for (name, family) in families(&telemetry.render().unwrap()) {
        assert!(family.help.ends_with('.'), "{name}: {}", family.help);
    }
}

#[tokio::test]
async fn a_running_server_serves_nothing_else() {
    let place = Place::new(1, &[0.1, 0.9]);
    let server = Server::start(&place, &[]);
    let asked = request("one", tensor(&waves_image(1, 32, 32)));
    server.client().segment(asked).await.unwrap();
    let (status, text) = server.get("/metrics");
    assert_eq!(status, 200);
    let (documented, served) = (documented(), families(&text));
    assert!(served.contains_key("sagate_images_total"), "{text}");
    for (name, family) in served {
        assert_eq!(
            documented.get(&name),
            Some(&(family.kind, family.labels)),
            "{name}"
        );
    }
    assert_eq!(server.stop().code, 0);
}
