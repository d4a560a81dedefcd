//! An OTLP/gRPC collector that keeps what it gets.

#![allow(dead_code, reason = "every test file uses a part")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

/// What came, so far.
#[derive(Debug, Default)]
pub struct Taken {
    pub spans: Vec<Span>,
    pub metrics: Vec<String>,
    pub resources: Vec<BTreeMap<String, String>>,
}

#[derive(Clone, Default)]
pub struct Collector(Arc<Mutex<Taken>>);

impl Collector {
    /// Begins to collect, and says where.
    pub async fn start() -> (Collector, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let collector = Collector::default();
        let server = Server::builder()
            .add_service(TraceServiceServer::new(collector.clone()))
            .add_service(MetricsServiceServer::new(collector.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        (collector, url)
    }

    /// The same over TLS, with this certificate and key.
    pub async fn start_with_tls(cert: &str, key: &str) -> (Collector, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let collector = Collector::default();
        let tls = ServerTlsConfig::new().identity(Identity::from_pem(cert, key));
        let server = Server::builder()
            .tls_config(tls)
            .unwrap()
            .add_service(TraceServiceServer::new(collector.clone()))
            .add_service(MetricsServiceServer::new(collector.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        (collector, url)
    }

    pub fn take(&self) -> Taken {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut taken = self.0.lock().unwrap();
        for of_resource in request.into_inner().resource_spans {
            taken
                .resources
                .push(attributes(&of_resource.resource.unwrap().attributes));
            let spans = of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            taken.spans.extend(spans);
        }
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let mut taken = self.0.lock().unwrap();
        for of_resource in request.into_inner().resource_metrics {
            taken
                .resources
                .push(attributes(&of_resource.resource.unwrap().attributes));
            let metrics = of_resource
                .scope_metrics
                .into_iter()
                .flat_map(|scope| scope.metrics);
            taken.metrics.extend(metrics.map(|metric| metric.name));
        }
        Ok(Response::new(Default::default()))
    }
}

/// Attributes as words.
pub fn attributes(list: &[KeyValue]) -> BTreeMap<String, String> {
    let pair = |it: &KeyValue| {
        (
            it.key.clone(),
            word(it.value.as_ref().and_then(|value| value.value.as_ref())),
        )
    };
    list.iter().map(pair).collect()
}

fn word(value: Option<&Value>) -> String {
    match value {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(Value::ArrayValue(list)) => {
            let words: Vec<String> = list.values.iter().map(|it| word(it.value.as_ref())).collect();
            words.join(",")
        }
        other => format!("{other:?}"),
    }
}
