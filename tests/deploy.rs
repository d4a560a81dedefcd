//! `deploy/`: the alerts by promtool, and every query of alerts and dashboard against a real Prometheus that scrapes a real server.
//!
//! What would break: an alert that never fires or has no runbook section, a panel whose metric was renamed, an invalid query.

#[path = "support/binary/mod.rs"]
mod binary;
#[path = "support/grpc_calls/mod.rs"]
mod grpc_calls;
#[path = "support/prometheus_server/mod.rs"]
mod prometheus_server;
#[path = "support/server/mod.rs"]
mod server;
#[path = "support/tiny_model/mod.rs"]
mod tiny_model;

use std::collections::BTreeSet;
use std::time::Duration;

use binary::{Place, waves_image};
use grpc_calls::{until, within};
use prometheus_server::{Prometheus, program as real, repository};
use sagate::proto::v1;
use serde_json::Value;
use server::{Server, request, tensor};

fn read(path: &str) -> String {
    std::fs::read_to_string(repository(path)).unwrap()
}

/// Every query of the dashboard, with its panel's title.
fn queries() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/sagate.json")).unwrap();
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        for target in panel["targets"].as_array().into_iter().flatten() {
            queries.push((title.to_owned(), target["expr"].as_str().unwrap().to_owned()));
        }
    }
    queries
}

/// As Grafana fills in its variables.
fn filled_in(expression: &str) -> String {
    let filled = expression
        .replace("$__rate_interval", "5m")
        .replace("$model", ".+")
        .replace("$instance", ".+");
    assert!(
        !filled.contains('$'),
        "a variable that this test does not know: {filled}"
    );
    filled
}

#[test]
fn promtool_says_when_each_alert_fires() {
    let output = real("promtool")
        .args(["test", "rules"])
        .arg(repository("deploy/alerts_test.yaml"))
        .output()
        .expect("promtool is missing: `make prometheus` gets it, as `make test` does");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    // Each alert fires in at least one test; that it does not in others is what the rest of the file says.
    let tests = read("deploy/alerts_test.yaml");
    for alert in alerts() {
        assert!(
            tests.contains(&format!("alertname=\"{alert}\"")),
            "no test makes {alert} fire"
        );
    }
}

/// The names of the alerts, as the file has them.
fn alerts() -> BTreeSet<String> {
    let rules = read("deploy/alerts.yaml");
    let names = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    names.map(str::to_owned).collect()
}

/// Every alert has its section in docs/operate/runbook.md, and every section there its alert.
#[test]
fn every_alert_can_be_looked_up() {
    let manual = read("docs/operate/runbook.md");
    let sections = manual.lines().filter_map(|line| line.strip_prefix("### "));
    let sections: BTreeSet<String> = sections
        .filter(|title| title.starts_with("Sagate"))
        .map(str::to_owned)
        .collect();
    assert_eq!(alerts(), sections);
}

/// docs/reference/settings.md lists every setting with its default, and no other.
#[test]
fn every_setting_is_listed_with_its_default() {
    let example: toml::Table = read("sagate.example.toml").parse().unwrap();
    let mut defaults = BTreeSet::new();
    for (section, keys) in &example {
        for (key, value) in keys.as_table().unwrap() {
            defaults.insert(format!("| `{section}.{key}` | `{value}` |"));
        }
    }
    assert!(defaults.len() > 8, "{defaults:?}");
    let manual = read("docs/reference/settings.md");
    let rows = manual.lines().filter(|line| line.starts_with("| `"));
    let rows = rows.filter(|line| !line.starts_with("| `serving.NAME."));
    let listed: BTreeSet<String> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').collect();
            format!("|{}|{}|", cells[1], cells[2])
        })
        .collect();
    assert_eq!(listed, defaults);
}

/// Traffic with every outcome that a panel shows.
async fn traffic(server: &Server) {
    let mut client = server.client();
    for seed in 0..12 {
        let image = tensor(&waves_image(seed, 32, 48));
        let mut asked = request("", image.clone());
        let options = asked.options.as_mut().unwrap();
        // Half of them must pass, half cannot.
        options.gate = Some(v1::segmentation_options::Gate::Coverage((seed % 2) as f64));
        within(client.segment(asked.clone())).await.unwrap();
        let mut hopeless = tonic::Request::new(asked);
        hopeless.set_timeout(Duration::from_nanos(1));
        within(client.segment(hopeless)).await.unwrap_err();
        let look = v1::InterpretRequest {
            image: Some(image),
            ..Default::default()
        };
        let mut parts = within(client.interpret(look)).await.unwrap().into_inner();
        while within(parts.message()).await.unwrap().is_some() {}
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_runs_against_a_real_prometheus() {
    let place = Place::new(1, &[0.1, 0.3, 0.5, 0.7, 0.9]);
    let server = Server::start(&place, &[]);
    let prometheus = Prometheus::start(&server.admin(), &repository("deploy/alerts.yaml"));
    until("Prometheus does not scrape the server", async || {
        prometheus.query("up{job=\"sagate\"} == 1").unwrap().len() == 1
    })
    .await;
    // A rate needs a scrape before its first step.
    until("there is no counter at 0", async || {
        !prometheus.query("sagate_images_total").unwrap().is_empty()
    })
    .await;
    traffic(&server).await;

    let queries = queries();
    assert!(queries.len() > 20, "{} queries", queries.len());
    for (panel, expression) in &queries {
        let filled = filled_in(expression);
        // Rules are evaluated after the scrape that they are about.
        let begun = std::time::Instant::now();
        loop {
            let series = prometheus.query(&filled);
            let series = series.unwrap_or_else(|error| panic!("{panel}: {filled}: {error}"));
            let numbers = series.iter().any(|it| it["value"][1] != "NaN");
            if numbers {
                break;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(4),
                "{panel}: {filled} has no data: {series:?}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    variables_have_values(&prometheus);
    rules_are_healthy(&prometheus);
    assert_eq!(server.stop().code, 0);
}

/// Each variable of the dashboard, like `label_values(sagate_model_ready, model)`, has something to choose.
fn variables_have_values(prometheus: &Prometheus) {
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/sagate.json")).unwrap();
    let mut seen = 0;
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let Some(query) = variable["query"]["query"].as_str() else {
            continue;
        };
        let inner = query
            .strip_prefix("label_values(")
            .and_then(|it| it.strip_suffix(')'))
            .unwrap();
        let (metric, label) = inner.split_once(", ").unwrap();
        let values = prometheus.get(&format!("/api/v1/label/{label}/values"), &[("match[]", metric)]);
        assert!(
            !values.unwrap().as_array().unwrap().is_empty(),
            "{query} has no values"
        );
        seen += 1;
    }
    assert_eq!(seen, 2);
}

/// Prometheus could evaluate every rule, and each alert says what it is about and where to look it up.
fn rules_are_healthy(prometheus: &Prometheus) {
    let data = prometheus.get("/api/v1/rules", &[]).unwrap();
    let groups = data["groups"].as_array().unwrap();
    let rules: Vec<&Value> = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap())
        .collect();
    let mut seen = BTreeSet::new();
    for rule in rules {
        let name = rule["name"].as_str().unwrap();
        assert_eq!(rule["health"], "ok", "{name}: {}", rule["lastError"]);
        if rule["type"] != "alerting" {
            continue;
        }
        seen.insert(name.to_owned());
        let annotation = |key: &str| rule["annotations"][key].as_str().unwrap_or_default().to_owned();
        assert!(!annotation("summary").is_empty(), "{name} has no summary");
        assert!(annotation("description").len() > 40, "{name} has no description");
        assert_eq!(
            annotation("runbook"),
            format!("docs/operate/runbook.md#{}", name.to_lowercase()),
            "{name}"
        );
        let severity = rule["labels"]["severity"].as_str();
        assert!(
            matches!(severity, Some("page" | "ticket")),
            "{name}: {severity:?}"
        );
    }
    assert_eq!(seen, alerts());
}

/// What alerts and dashboard ask for is there: each metric is one that docs/reference/metrics.md lists, or a rule's.
#[test]
fn every_metric_that_is_asked_for_exists() {
    let documented = read("docs/reference/metrics.md");
    let rules = read("deploy/alerts.yaml");
    let mut asked = words(&rules);
    queries()
        .iter()
        .for_each(|(_, expression)| asked.extend(words(expression)));
    assert!(asked.len() > 20, "{asked:?}");
    for name in asked {
        let base = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end))
            .unwrap_or(&name);
        let listed = [base, &*name]
            .iter()
            .any(|it| documented.contains(&format!("| `{it}` |")));
        let recorded = rules.contains(&format!("- record: {name}"));
        assert!(listed || recorded, "{name} is no metric of sagate's");
    }
}

/// Names of metrics within expressions.
fn words(text: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let is_name = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == ':';
        for word in line.split(|it: char| !is_name(it)) {
            if ["sagate_", "sagate:", "process_"]
                .iter()
                .any(|start| word.starts_with(start))
            {
                words.insert(word.trim_end_matches(':').to_owned());
            }
        }
    }
    words
}
