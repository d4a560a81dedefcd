//! Export to an OTLP/gRPC collector: meter and tracer providers.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_otlp::{
    ExporterBuildError, MetricExporter, SpanExporter, WithExportConfig, WithTonicConfig,
};
use opentelemetry_prometheus::PrometheusExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tonic::transport::{Certificate, ClientTlsConfig};

use super::TelemetryError;
use crate::config;
use crate::security::PemFile;

/// Time limit of one export.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);

/// Meter provider for Prometheus, and for the collector if configured.
pub(super) fn meters(
    settings: &config::TelemetrySettings,
    prometheus: PrometheusExporter,
) -> Result<SdkMeterProvider, TelemetryError> {
    let mut builder = SdkMeterProvider::builder()
        .with_resource(resource())
        .with_reader(prometheus);
    if !settings.otlp.is_empty() {
        let mut exporter = MetricExporter::builder()
            .with_tonic()
            .with_endpoint(&settings.otlp)
            .with_timeout(EXPORT_TIMEOUT);
        if let Some(tls) = tls(settings)? {
            exporter = exporter.with_tls_config(tls);
        }
        let exporter = exporter.build().map_err(|source| refused(settings, source))?;
        let interval = Duration::from_secs(settings.otlp_interval_seconds);
        builder = builder.with_reader(PeriodicReader::builder(exporter).with_interval(interval).build());
    }
    Ok(builder.build())
}

/// Tracer provider for the collector, if configured. The sampling decision of the caller is respected; calls without one are traced, unless
/// the variable `OTEL_TRACES_SAMPLER` says otherwise.
pub(super) fn tracers(
    settings: &config::TelemetrySettings,
) -> Result<Option<SdkTracerProvider>, TelemetryError> {
    if settings.otlp.is_empty() {
        return Ok(None);
    }
    let mut exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(&settings.otlp)
        .with_timeout(EXPORT_TIMEOUT);
    if let Some(tls) = tls(settings)? {
        exporter = exporter.with_tls_config(tls);
    }
    let exporter = exporter.build().map_err(|source| refused(settings, source))?;
    let builder = SdkTracerProvider::builder().with_resource(resource());
    Ok(Some(builder.with_batch_exporter(exporter).build()))
}

/// TLS configuration for https URLs.
fn tls(settings: &config::TelemetrySettings) -> Result<Option<ClientTlsConfig>, TelemetryError> {
    if !settings.otlp.starts_with("https://") {
        return Ok(None);
    }
    let tls = ClientTlsConfig::new();
    if settings.otlp_ca.as_os_str().is_empty() {
        return Ok(Some(tls.with_native_roots()));
    }
    let file = PemFile::read("telemetry.otlp_ca", &settings.otlp_ca)?;
    file.authorities()?;
    Ok(Some(tls.ca_certificate(Certificate::from_pem(&file.bytes))))
}

fn resource() -> Resource {
    let version = KeyValue::new("service.version", sagate_core::build::VERSION);
    Resource::builder()
        .with_service_name("sagate")
        .with_attribute(version)
        .build()
}

fn refused(settings: &config::TelemetrySettings, source: ExporterBuildError) -> TelemetryError {
    TelemetryError::Collector {
        url: settings.otlp.clone(),
        source,
    }
}
