//! The screen of `sagate top`: draws a [`View`] into a frame of whatever size.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Bar, BarChart, Block, Paragraph, RenderDirection, Sparkline};

use super::view::View;
use super::words::{bytes, number, percent, span};
use crate::client::{ModelStatus, ServerStatus};

/// Lines per model: two of frame, four of text, one of headings and five of plots.
const MODEL_LINES: u16 = 12;

/// Draws the screen.
pub fn draw(frame: &mut Frame<'_>, view: &View) {
    let [head, body, foot] =
        Layout::vertical([Constraint::Length(2), Constraint::Min(0), Constraint::Length(1)])
            .areas(frame.area());
    frame.render_widget(Paragraph::new(vec![server(view), state(view)]), head);
    if let Some(status) = &view.status {
        models(frame, body, view, status);
    }
    let every = format!("q quit   +/- interval: {} s", view.interval.as_secs_f64());
    frame.render_widget(Paragraph::new(every).style(dim()), foot);
}

fn server(view: &View) -> Line<'_> {
    let title = Span::styled("sagate ", Style::new().add_modifier(Modifier::BOLD));
    let rest = match &view.status {
        Some(status) => format!(
            "{} at {}   up {}",
            status.version,
            view.url,
            span(status.uptime_seconds)
        ),
        None => format!("at {}", view.url),
    };
    Line::from(vec![title, rest.into()])
}

fn state(view: &View) -> Line<'_> {
    match (&view.trouble, &view.status) {
        (Some(trouble), seen) => {
            let stale = if seen.is_some() {
                "; what follows is old"
            } else {
                ""
            };
            Line::styled(format!("{trouble}; trying again{stale}"), warning())
        }
        (None, None) => Line::styled("connecting", dim()),
        (None, Some(status)) => {
            let flight = format!(
                "requests in flight {}   window {}",
                status.in_flight,
                span(status.window_seconds)
            );
            let draining = if status.draining { "   shutting down" } else { "" };
            Line::from(vec![flight.into(), Span::styled(draining, warning())])
        }
    }
}

/// Draws as many models as fit.
fn models(frame: &mut Frame<'_>, area: Rect, view: &View, status: &ServerStatus) {
    let mut rest = area;
    for (index, one) in status.models.iter().enumerate() {
        if index > 0 && rest.height < MODEL_LINES {
            let hidden = status.models.len() - index;
            let more = format!("and {hidden} more: a higher window shows them");
            frame.render_widget(Paragraph::new(more).style(dim()), rest);
            return;
        }
        let [here, below] =
            Layout::vertical([Constraint::Length(MODEL_LINES), Constraint::Min(0)]).areas(rest);
        model(frame, here, view, one);
        rest = below;
    }
}

fn model(frame: &mut Frame<'_>, area: Rect, view: &View, model: &ModelStatus) {
    let (state, style) = if model.ready {
        ("ready", Style::new().fg(Color::Green))
    } else {
        ("not ready", warning())
    };
    let title = Line::from(vec![
        Span::raw(format!(" {} ", model.model)),
        Span::styled(format!("{state} "), style),
    ]);
    let block = Block::bordered().title(title);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let [text, charts] = Layout::vertical([Constraint::Length(4), Constraint::Min(0)]).areas(inner);
    frame.render_widget(Paragraph::new(numbers(model)), text);
    let [left, right] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)])
        .spacing(2)
        .areas(charts);
    throughput(frame, left, view, model);
    histogram(frame, right, model);
}

fn numbers(model: &ModelStatus) -> Vec<Line<'_>> {
    vec![
        Line::from(format!(
            "images/s {:.2}   megapixels/s {:.2}   p50 {} s   p99 {} s",
            model.images_per_second,
            model.megapixels_per_second,
            number(model.p50_seconds, 3),
            number(model.p99_seconds, 3)
        )),
        Line::from(format!(
            "passed {} of {} asked for   mean mu {}   queue {}, {}",
            percent(model.accepted_share),
            percent(model.coverage),
            number(model.mean_mu, 3),
            model.queue_entries,
            bytes(model.queue_bytes)
        )),
        Line::from(format!(
            "since the start: {} accepted, {} rejected, {} failed",
            model.accepted, model.rejected, model.failed
        )),
    ]
}

/// Decisions per second, the newest at the right.
fn throughput(frame: &mut Frame<'_>, area: Rect, view: &View, model: &ModelStatus) {
    let curve = view.throughput.get(&model.model);
    let newest: Vec<u64> = curve
        .into_iter()
        .flatten()
        .rev()
        .take(area.width.into())
        .copied()
        .collect();
    let highest = newest.iter().max().copied().unwrap_or(0);
    let heading = format!("throughput, highest {:.1} images/s", highest as f64 / 1000.0);
    let [top, chart] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(area);
    frame.render_widget(Paragraph::new(heading).style(dim()), top);
    let sparkline = Sparkline::default()
        .data(&newest)
        .max(highest.max(1))
        .direction(RenderDirection::RightToLeft)
        .style(Style::new().fg(Color::Cyan));
    frame.render_widget(sparkline, chart);
}

/// Histogram of mu in 20 bins of [0, 1].
fn histogram(frame: &mut Frame<'_>, area: Rect, model: &ModelStatus) {
    let bins = &model.mu_histogram;
    let wide = (area.width / bins.len().max(1) as u16).max(1);
    let [top, chart, scale] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)]).areas(area);
    let heading = format!("mu of {} images", model.images);
    frame.render_widget(Paragraph::new(heading).style(dim()), top);
    let bars: Vec<Bar<'_>> = bins
        .iter()
        .map(|&count| Bar::default().value(count).text_value(""))
        .collect();
    let bars = BarChart::vertical(bars)
        .bar_width(wide)
        .bar_gap(0)
        .bar_style(Style::new().fg(Color::Cyan));
    frame.render_widget(bars, chart);
    let width = usize::from(wide) * bins.len();
    let ends = format!("0{:>1$}", 1, width.saturating_sub(1));
    frame.render_widget(Paragraph::new(ends).style(dim()), scale);
}

fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

fn warning() -> Style {
    Style::new().fg(Color::Yellow)
}
