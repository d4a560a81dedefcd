//! The report as text.

use super::super::out;
use super::load_mode::{Arrivals, LoadMode};
use super::report::{Latency, Part, Report};
use super::send::EndedBy;

/// Prints it.
///
/// # Errors
/// What writing gave.
pub fn print(report: &Report) -> anyhow::Result<()> {
    let version = report.server_version.as_deref().unwrap_or("of unknown version");
    out::line(&format!("server    {} (sagate {version})", report.server))?;
    out::line(&format!("load      {}", load(report)))?;
    let ended = match report.ended_by {
        EndedBy::Time => "the time was up",
        EndedBy::Requests => "all requests were sent",
        EndedBy::Signal => "interrupted",
    };
    out::line(&format!(
        "requests  {} sent, {} of them within the first {} s and not counted; end: {ended}",
        report.sent, report.warm_up_requests, report.warm_up_seconds
    ))?;
    if report.not_sent + report.unfinished > 0 {
        out::line(&format!(
            "          {} were due and not sent (--max-in-flight); {} had no response at the end",
            report.not_sent, report.unfinished
        ))?;
    }
    outcomes(&report.all)?;
    rates(report)?;
    latencies(report)?;
    if let Some(send_lag) = report
        .generator
        .send_lag
        .filter(|_| matches!(report.load_mode, LoadMode::Open { .. }))
    {
        out::line(&format!(
            "\nsend lag {:.2} ms in the median, {:.2} ms at p99",
            send_lag.p50_ms, send_lag.p99_ms
        ))?;
    }
    if let Some(warning) = &report.generator.warning {
        out::error(&format!("warning: {warning}"));
    }
    Ok(())
}

fn load(report: &Report) -> String {
    let connections = report.connections;
    match report.load_mode {
        LoadMode::Open { rate, arrivals } => {
            let how = match arrivals {
                Arrivals::Poisson => "Poisson",
                Arrivals::Even => "evenly spaced",
            };
            format!("open loop, {rate} requests/s {how}, {connections} connections")
        }
        LoadMode::Closed { in_flight } => {
            format!("closed loop, {in_flight} in flight, {connections} connections")
        }
    }
}

fn outcomes(all: &Part) -> anyhow::Result<()> {
    let codes = all.codes.iter().map(|(code, count)| (*code, *count));
    out::line(&format!("codes     {}", listed(codes)))?;
    out::line(&format!(
        "decisions ACCEPT {}, REJECT {}",
        all.accepted, all.rejected
    ))?;
    if !all.reasons.is_empty() {
        let reasons = all
            .reasons
            .iter()
            .map(|(reason, count)| (reason.as_str(), *count));
        out::line(&format!("reasons   {}", listed(reasons)))?;
    }
    let odd = [
        ("client timeouts", all.client_timeouts),
        ("lost connections", all.lost_connections),
        ("invalid responses", all.invalid_responses),
        ("inconsistent responses", all.inconsistent_responses),
    ];
    if odd.iter().any(|(_, count)| *count > 0) {
        let odd = odd.into_iter().filter(|(_, count)| *count > 0);
        out::line(&format!("other     {}", listed(odd)))?;
    }
    Ok(())
}

fn listed<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> String {
    let counts: Vec<String> = counts.map(|(name, count)| format!("{name} {count}")).collect();
    counts.join(", ")
}

fn rates(report: &Report) -> anyhow::Result<()> {
    let mut table = out::table(&[
        "kind",
        "requests",
        "answered/s",
        "in time/s",
        "MB out/s",
        "MB in/s",
    ]);
    for (name, part) in parts(report) {
        let megabytes = |bytes: u64| match report.seconds > 0.0 {
            true => format!("{:.2}", bytes as f64 / 1e6 / report.seconds),
            false => "-".into(),
        };
        table.add_row([
            name.to_owned(),
            part.requests.to_string(),
            format!("{:.1}", part.answered_per_second),
            format!("{:.1}", part.goodput_per_second),
            megabytes(part.sent_bytes),
            megabytes(part.received_bytes),
        ]);
    }
    out::line("")?;
    Ok(out::print(&table)?)
}

fn latencies(report: &Report) -> anyhow::Result<()> {
    let mut table = out::table(&["latency, ms", "from", "p50", "p90", "p99", "p99.9", "max"]);
    let corrected = match report.load_mode {
        LoadMode::Open { .. } => "due",
        LoadMode::Closed { .. } => "corrected",
    };
    for (name, part) in parts(report) {
        let rows: [(&str, Option<Latency>); 3] = [
            (corrected, part.latency),
            ("sent", part.latency_from_sending),
            ("refusals, sent", part.latency_of_refusals),
        ];
        for (from, latency) in rows.into_iter().filter_map(|(from, it)| Some((from, it?))) {
            let values = [
                latency.p50_ms,
                latency.p90_ms,
                latency.p99_ms,
                latency.p999_ms,
                latency.max_ms,
            ];
            let cells = [name.to_owned(), from.to_owned()].into_iter();
            table.add_row(cells.chain(values.map(|ms| format!("{ms:.1}"))));
        }
    }
    out::line("")?;
    Ok(out::print(&table)?)
}

/// All requests, and each kind if there are several.
fn parts(report: &Report) -> Vec<(&str, &Part)> {
    let mut parts = vec![("all", &report.all)];
    if report.kinds.len() > 1 {
        parts.extend(report.kinds.iter().map(|kind| (kind.name.as_str(), &kind.part)));
    }
    parts
}
