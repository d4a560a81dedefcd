//! Layout of everything around the data of a chart.

use super::axis::{LeftOut, Span};
use super::legend::Legend;
use super::sheet::Rect;
use super::text::Font;
use super::ticks::Tick;

/// Pixels around everything, and between panels.
pub(super) const MARGIN: f64 = 14.0;
const GAP: f64 = 26.0;
const ROW_GAP: f64 = 14.0;
/// Pixels to the right of the last panel, where half a number reaches out.
const RIGHT: f64 = MARGIN + 8.0;
/// Numbers along an axis.
const FEW: usize = 5;
const MANY: usize = 8;
/// Degrees by which names are turned that do not fit side by side.
const SLANTED: i32 = -45;
/// Pixels of a tick, and from it to its number.
pub(super) const TICK: f64 = 4.0;
pub(super) const LABEL_GAP: f64 = 4.0;
/// The longest name of a category that is not cut.
pub(super) const CATEGORY: f64 = 150.0;

/// The parts of a chart around its data.
pub(super) struct Plan<'a> {
    pub title: &'a str,
    pub note: Option<&'a str>,
    /// What the note says was left out.
    pub left_out: LeftOut,
    pub legend: &'a Legend,
    pub x: &'a Span,
    pub y: &'a Span,
    /// The panels' titles.
    pub panels: Vec<&'a str>,
    /// Panels side by side; chosen by their number where none.
    pub columns: Option<usize>,
    /// Height of a panel over its width.
    pub aspect: f64,
    /// The least width of a panel in pixels.
    pub least: f64,
}

/// Pixels of the widest label.
fn widest(ticks: &[Tick]) -> f64 {
    let widths = ticks.iter().map(|tick| Font::TICK.width(&tick.label));
    widths.fold(0.0, f64::max).min(CATEGORY)
}

/// How the names below a panel are set.
pub(super) struct Names {
    /// Degrees: 0, -45 or -90.
    pub turned: i32,
    /// Only each so-manyth is shown.
    pub every: usize,
    /// Pixels from the axis to their lower ends.
    height: f64,
}

impl Names {
    fn new(ticks: &[Tick], categories: bool, pitch: f64) -> Self {
        let widest = widest(ticks);
        let flat = TICK + LABEL_GAP + Font::TICK.line();
        // Numeric labels may be thinned out; category names may not.
        let numbers = ticks.iter().all(|tick| tick.label.parse::<f64>().is_ok());
        let every = ((widest + 8.0) / pitch.max(1.0)).ceil().max(1.0) as usize;
        if every == 1 || numbers || !categories {
            return Self {
                turned: 0,
                every,
                height: flat,
            };
        }
        if pitch >= 16.0 {
            return Self {
                turned: SLANTED,
                every: 1,
                height: TICK + LABEL_GAP + widest * 0.71 + 10.0,
            };
        }
        Self {
            turned: -90,
            every: 1,
            height: TICK + LABEL_GAP + widest + 4.0,
        }
    }
}

/// How large the panels are, and what stands along their axes.
pub(super) struct Panels {
    columns: usize,
    /// Pixels to the left of the first panel, and between two.
    left: f64,
    gap: f64,
    width: f64,
    height: f64,
    pub x_ticks: Vec<Tick>,
    pub y_ticks: Vec<Tick>,
    pub names: Names,
}

impl Panels {
    fn new(plan: &Plan<'_>) -> Self {
        let count = plan.panels.len();
        let preferred = plan.columns.unwrap_or_else(|| default_columns(count));
        let mut columns = preferred.clamp(1, count);
        // How many numbers there are depends on the panels' size, and that on the numbers' width: room for few and many.
        let numbers = widest(&plan.y.ticks(FEW)).max(widest(&plan.y.ticks(MANY)));
        let mut left = MARGIN + Font::LABEL.line() + 6.0 + numbers + LABEL_GAP + TICK;
        let gap = match plan.x.categories.is_empty() {
            true => GAP.max(widest(&plan.x.ticks(FEW)).max(widest(&plan.x.ticks(MANY))) + 10.0),
            false => GAP,
        };
        let room = |columns: usize| {
            let gaps = gap * (columns - 1) as f64;
            (default_width(columns) - left - gaps - RIGHT) / columns as f64
        };
        while columns > 1 && room(columns) < plan.least {
            columns -= 1;
        }
        let width = room(columns).max(plan.least);
        let height = (width * plan.aspect).clamp(150.0, 420.0);

        let x_ticks = plan.x.ticks((width / 62.0) as usize + 1);
        let pitch = width / x_ticks.len().max(1) as f64;
        let names = Names::new(&x_ticks, !plan.x.categories.is_empty(), pitch);
        if names.turned == SLANTED {
            // Slanted names reach out to the left of the first panel.
            let reach = x_ticks.iter().map(|tick| {
                let name = Font::TICK.width(&tick.label).min(CATEGORY);
                name * 0.71 - plan.x.along(tick.at) * width
            });
            left = left.max(MARGIN + reach.fold(0.0, f64::max));
        }
        Self {
            columns,
            left,
            gap,
            width,
            height,
            y_ticks: plan.y.ticks(if height > 260.0 { MANY } else { FEW }),
            x_ticks,
            names,
        }
    }

    /// The right edge of the last column.
    fn right(&self) -> f64 {
        self.left + self.columns as f64 * (self.width + self.gap) - self.gap
    }
}

/// The layout.
pub(super) struct Layout {
    pub width: f64,
    pub height: f64,
    pub title: Vec<String>,
    pub notes: Vec<String>,
    pub notes_top: f64,
    pub panels: Panels,
    pub panel_titles: Vec<Vec<String>>,
    pub plots: Vec<Rect>,
    /// y of the feet of the x axis's title.
    pub x_title: f64,
}

impl Layout {
    pub fn new(plan: &Plan<'_>) -> Self {
        let panels = Panels::new(plan);
        let width = (panels.right() + RIGHT).max(360.0);
        let inner = width - 2.0 * MARGIN;
        let title = Font::TITLE.wrap(plan.title, inner);
        let panel_titles = plan.panels.iter();
        let panel_titles: Vec<Vec<String>> = panel_titles
            .map(|title| Font::HEADING.wrap(title, panels.width))
            .collect();
        let heading = match panel_titles.iter().map(Vec::len).max().unwrap_or_default() {
            0 => 4.0,
            lines => lines as f64 * Font::HEADING.line() + 10.0,
        };
        let top = MARGIN + title.len() as f64 * Font::TITLE.line() + 6.0 + plan.legend.height(inner);
        let step = heading + panels.height + ROW_GAP;
        let count = plan.panels.len();
        let plots: Vec<Rect> = (0..count)
            .map(|index| Rect {
                x: panels.left + (index % panels.columns) as f64 * (panels.width + panels.gap),
                y: top + (index / panels.columns) as f64 * step + heading,
                width: panels.width,
                height: panels.height,
            })
            .collect();
        let rows = count.div_ceil(panels.columns);
        let foot = top + rows as f64 * step - ROW_GAP + panels.names.height;
        let x_title = foot + Font::LABEL.ascent() + 4.0;
        let titled = match plan.x.title.is_empty() {
            true => 0.0,
            false => Font::LABEL.line() + 6.0,
        };
        let left_out = plan.left_out.sentence(plan.x.log || plan.y.log);
        let notes: Vec<String> = [plan.note, left_out.as_deref()]
            .into_iter()
            .flatten()
            .flat_map(|note| Font::NOTE.wrap(note, inner))
            .collect();
        let notes_top = foot + titled + 8.0;
        Self {
            width,
            height: notes_top + notes.len() as f64 * Font::NOTE.line() + MARGIN - 4.0,
            title,
            notes,
            notes_top,
            panels,
            panel_titles,
            plots,
            x_title,
        }
    }

    pub fn is_leftmost(&self, index: usize) -> bool {
        index.is_multiple_of(self.panels.columns)
    }

    pub fn is_lowest(&self, index: usize) -> bool {
        index + self.panels.columns >= self.plots.len()
    }
}

fn default_columns(panels: usize) -> usize {
    match panels {
        0..=3 => panels.max(1),
        4 => 2,
        5 | 6 | 9 => 3,
        _ => 4,
    }
}

/// Width of a sheet in pixels.
fn default_width(columns: usize) -> f64 {
    match columns {
        1 => 720.0,
        2 => 900.0,
        _ => 1000.0,
    }
}
