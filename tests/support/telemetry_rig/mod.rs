//! Telemetry of one served model, everything that can happen to it, and its metrics as a scraper sees them.

#![allow(dead_code, reason = "every test file uses a part")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sagate::config;
use sagate::engine::{Comparison, Instances, Observer, QueueLimits};
use sagate::proto::Rpc;
use sagate::telemetry::phases::{Phase, Phases};
use sagate::telemetry::{Decided, Telemetry, admin};
use sagate_core::executor::{ModelId, ModelSpec};
use sagate_core::gate::{Confidence, Reason};
use sagate_core::model::Model;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tonic::Code;
use tonic::metadata::MetadataMap;

pub fn settings(otlp: &str) -> config::TelemetrySettings {
    config::TelemetrySettings {
        otlp: otlp.into(),
        otlp_ca: "".into(),
        // Longer than any test: what arrives was sent at the end.
        otlp_interval_seconds: 3600,
        window_seconds: 300,
    }
}

pub fn model() -> ModelId {
    ModelId {
        name: crate::tiny_model::NAME.into(),
        version: 1,
    }
}

pub fn start(otlp: &str) -> Telemetry {
    calibrated(otlp, &[0.7, 0.8])
}

/// With a model that was calibrated on these scores.
pub fn calibrated(otlp: &str, calibration: &[f64]) -> Telemetry {
    let dir = tempfile::tempdir().unwrap();
    let folder = crate::tiny_model::write(dir.path(), 1, vec![], calibration);
    let contract = ModelSpec::new(&Model::open(&folder).unwrap()).unwrap();
    Telemetry::start(&settings(otlp), &[Arc::new(contract)]).unwrap()
}

/// An image that was a millisecond in its first phase, two in its second, and so on.
pub fn phases() -> Phases {
    let mut phases = Phases::begin();
    let mut from: Instant = phases.begun();
    for (millis, phase) in (1..).zip(Phase::ALL) {
        let to = from + Duration::from_millis(millis);
        phases.add(phase, from, to);
        from = to;
    }
    phases
}

pub fn decided(mu: f64, reasons: &[Reason]) -> Decided {
    Decided {
        accept: reasons.is_empty(),
        mu,
        confidence: match mu.is_finite() {
            true => Confidence {
                soft_dice: 0.6,
                object: 0.9,
            },
            false => Confidence::NOT_FINITE,
        },
        score: mu.is_finite().then_some(0.7),
        coverage: Some(0.9),
        pixels: 1000,
        reasons: reasons.to_vec(),
        phases: phases(),
        batch: 2,
    }
}

/// Everything that there is a metric of, at least once.
pub fn everything(telemetry: &Telemetry) {
    let model = model();
    for rpc in Rpc::ALL {
        telemetry.call(rpc, &MetadataMap::new()).finish(Code::Ok);
    }
    let call = telemetry.call(Rpc::SegmentStream, &MetadataMap::new());
    for decision in [decided(0.8, &[]), decided(0.0, &Reason::ALL)] {
        let mut image = call.image();
        image.model(&model);
        image.decided(decision);
    }
    let mut image = call.image();
    image.model(&model);
    image.failed(Code::ResourceExhausted, "QUEUE_FULL", phases());
    call.finish(Code::Ok);
    telemetry.set_limits(&QueueLimits {
        entries: 256,
        bytes: 1 << 30,
    });
    Observer::queue(telemetry, &model, 3, 4096);
    telemetry.ready(&model, true);
    telemetry.instances(&model, Instances { ready: 1, wanted: 2 });
    telemetry.set_required([("tiny".to_owned(), true)].into());
    telemetry.batch_begins(&model, 2);
    telemetry.batch_ended(&model, Duration::from_millis(30), Duration::from_millis(10));
    telemetry.sams(&model, Duration::from_millis(500));
    telemetry.panicked(&model);
    let alike = Comparison::Seen {
        same_decision: true,
        mu_difference: 0.1,
        mask_dice: 0.9,
    };
    telemetry.shadowed(&model, &alike);
    telemetry.security_counts().certificate_ends(1_800_000_000);
}

/// The admin port, served by this process.
pub struct Admin {
    pub address: SocketAddr,
    pub ready: watch::Sender<bool>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Admin {
    pub async fn start(telemetry: Telemetry) -> Admin {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (ready, is_ready) = watch::channel(false);
        let (stop, stopped) = oneshot::channel();
        let until = async {
            let _ = stopped.await;
        };
        let task = tokio::spawn(admin::serve(listener, None, telemetry, is_ready, until));
        Admin {
            address,
            ready,
            stop,
            task,
        }
    }

    /// The status, the headers in small letters, and the body.
    pub fn get(&self, path: &str) -> (u16, String, String) {
        self.ask(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())
    }

    pub fn ask(&self, request: &[u8]) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(request).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_lowercase(), body.into())
    }

    pub async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }
}

/// The value of one series, written as `/metrics` writes it, without its value.
pub fn value(text: &str, series: &str) -> Option<f64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    Some(line.parse().unwrap())
}

/// One kind of metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    pub kind: String,
    pub help: String,
    /// Without `le`, which every histogram has.
    pub labels: BTreeSet<String>,
}

pub fn families(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut helps = BTreeMap::new();
    let mut name = String::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (of, help) = help.split_once(' ').unwrap();
            helps.insert(of.to_owned(), help.to_owned());
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (of, kind) = kind.split_once(' ').unwrap();
            name = of.into();
            let family = Family {
                kind: kind.into(),
                help: helps.remove(of).unwrap_or_default(),
                labels: BTreeSet::new(),
            };
            assert!(families.insert(of.into(), family).is_none(), "{of} comes twice");
        } else if let Some((_, labels)) = line.split_once('{') {
            let (labels, _) = labels.rsplit_once('}').unwrap();
            let keys = labels.split(',').map(|label| label.split('=').next().unwrap());
            let keys = keys.filter(|key| *key != "le").map(str::to_owned);
            families.get_mut(&name).unwrap().labels.extend(keys);
        }
    }
    families
}
