//! The report as plots, and as JSON beside them.

use std::path::Path;

use sagate_core::atomic;
use sagate_lab::study::figure::{Axis, Figure, LinePanel, Lines, Mark, Series};

use super::load_mode::LoadMode;
use super::report::{Moment, Point, Report};

/// Writes `report.json`, `latency.svg`, `rates.svg` and `course.svg`.
///
/// # Errors
/// A file that cannot be written.
pub fn write(folder: &Path, report: &Report) -> anyhow::Result<()> {
    let json = serde_json::to_vec_pretty(report)?;
    atomic::write(&folder.join("report.json"), &json)?;
    let plots = [
        ("latency.svg", latency(report)),
        ("rates.svg", rates(report)),
        ("course.svg", course(report)),
    ];
    for (name, plot) in plots {
        let svg = Figure::from(plot).svg()?;
        atomic::write(&folder.join(name), svg.as_bytes())?;
    }
    Ok(())
}

/// Latency over percentiles, as HdrHistogram plots it.
fn latency(report: &Report) -> Lines {
    let corrected = match report.load_mode {
        LoadMode::Open { .. } => "from when it was due",
        LoadMode::Closed { .. } => "corrected for what a waiting client does not ask",
    };
    let curve = |name: &str, dashed, points: &[Point], ms: fn(&Point) -> f64| Series {
        name: name.into(),
        x: points.iter().map(|point| point.one_in).collect(),
        y: points.iter().map(ms).collect(),
        band: None,
        dashed,
    };
    let panels = report.kinds.iter().map(|kind| LinePanel {
        title: kind.name.clone(),
        series: vec![
            curve(corrected, false, &kind.part.curve, |point| point.ms),
            curve("from when it was sent", true, &kind.part.curve, |point| {
                point.from_sending_ms
            }),
        ],
        marks: kind.deadline_seconds.map(deadline).into_iter().collect(),
    });
    Lines {
        title: "Latency of answers".into(),
        note: Some("At 100, one request in 100 takes longer: the 99th percentile.".into()),
        x: Axis::new("one request in so many takes longer").log(),
        y: Axis::new("latency").unit("ms").log(),
        panels: panels.collect(),
        columns: None,
    }
}

fn deadline(seconds: f64) -> Mark {
    Mark::Y {
        at: seconds * 1e3,
        label: "deadline".into(),
    }
}

/// Rates over time.
fn rates(report: &Report) -> Lines {
    over_time(
        report,
        "Requests by how they ended",
        Axis::new("requests").unit("1/s"),
        &[
            ("answered", |it| it.answered as f64 / it.seconds),
            ("answered in time", |it| it.in_time as f64 / it.seconds),
            ("refused", |it| it.refused as f64 / it.seconds),
            ("failed", |it| it.failed as f64 / it.seconds),
        ],
    )
}

/// Latencies over time.
fn course(report: &Report) -> Lines {
    over_time(
        report,
        "Latency of answers over time",
        Axis::new("latency").unit("ms").log(),
        &[
            ("p50", |it| it.p50_ms.unwrap_or(f64::NAN)),
            ("p99", |it| it.p99_ms.unwrap_or(f64::NAN)),
        ],
    )
}

type Value = fn(&Moment) -> f64;

fn over_time(report: &Report, title: &str, y: Axis, series: &[(&str, Value)]) -> Lines {
    // A very short last slot gives no meaningful rate.
    let moments = || report.course.iter().filter(|it| it.seconds > 0.5);
    let series = series.iter().map(|(name, value)| Series {
        name: (*name).into(),
        x: moments().map(|it| it.from_seconds + it.seconds / 2.0).collect(),
        y: moments().map(value).collect(),
        band: None,
        dashed: false,
    });
    let warm_up = (report.warm_up_seconds > 0.0).then(|| Mark::X {
        at: report.warm_up_seconds,
        label: "end of the warm-up".into(),
    });
    Lines {
        title: title.into(),
        x: Axis::new("time").unit("s"),
        y,
        panels: vec![LinePanel {
            title: String::new(),
            series: series.collect(),
            marks: warm_up.into_iter().collect(),
        }],
        ..Lines::default()
    }
}
