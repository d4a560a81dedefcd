//! Metrics of TLS, authorization, reloads and logs.

use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use crate::security::{Handshake, SecurityCounts};

/// Registers the metrics.
pub(super) fn observe(meter: &Meter, counts: &Arc<SecurityCounts>) {
    let counter = |name, unit, help| {
        let builder = meter.u64_observable_counter(name).with_unit(unit);
        builder.with_description(help)
    };
    let of = |counts: &Arc<SecurityCounts>| Arc::clone(counts);
    let counted = of(counts);
    counter(
        "sagate_tls_handshakes_total",
        "{handshake}",
        "TLS handshakes, by how they ended.",
    )
    .with_callback(move |observer| {
        for (how, name) in Handshake::ALL {
            observer.observe(counted.handshakes(how), &[KeyValue::new("outcome", name)]);
        }
    })
    .build();
    let counted = of(counts);
    counter(
        "sagate_refused_calls_total",
        "{request}",
        "Calls and images of streams that authentication, authorization or rate limits refused, by reason.",
    )
    .with_callback(move |observer| {
        for (reason, count) in counted.refusals() {
            observer.observe(count, &[KeyValue::new("reason", reason)]);
        }
    })
    .build();
    let counted = of(counts);
    counter(
        "sagate_reloads_total",
        "{reload}",
        "Changed files and keys of [tls] and [auth], by whether they could be used.",
    )
    .with_callback(move |observer| {
        for (count, name) in counted.reloads().into_iter().zip(["done", "failed"]) {
            observer.observe(count, &[KeyValue::new("outcome", name)]);
        }
    })
    .build();
    let counted = of(counts);
    counter(
        "sagate_audit_lines_total",
        "{line}",
        "Lines of the audit log, by whether they were written.",
    )
    .with_callback(move |observer| {
        for (count, name) in counted.audit_lines().into_iter().zip(["written", "lost"]) {
            observer.observe(count, &[KeyValue::new("outcome", name)]);
        }
    })
    .build();
    let counted = of(counts);
    counter(
        "sagate_access_log_lines_total",
        "{line}",
        "Lines of the access log, by whether they were written.",
    )
    .with_callback(move |observer| {
        for (count, name) in counted.access_lines().into_iter().zip(["written", "lost"]) {
            observer.observe(count, &[KeyValue::new("outcome", name)]);
        }
    })
    .build();
    let counted = of(counts);
    meter
        .u64_observable_gauge("sagate_tls_certificate_end_seconds")
        .with_unit("s")
        .with_description("When the server's certificate ends, in seconds since 1970.")
        .with_callback(move |observer| {
            if let Some(at) = counted.certificate() {
                observer.observe(at, &[]);
            }
        })
        .build();
}
