//! What stands around the data of a chart: title, legend, axes, the titles of its panels, notes. Panels share both axes,
//! whose numbers stand at the left and at the foot only.

use super::FigureError;
use super::axis::Span;
use super::chart::Plot;
use super::check::Check;
use super::colour::Colour;
use super::layout::{CATEGORY, LABEL_GAP, Layout, MARGIN, Plan, TICK};
use super::sheet::{Anchor, Rect, Sheet, Words};
use super::text::Font;
use super::ticks::Tick;

/// The sheet with everything but the data.
pub(super) struct Frame<'a> {
    pub sheet: Sheet,
    places: Vec<Rect>,
    x: &'a Span,
    y: &'a Span,
}

impl<'a> Frame<'a> {
    /// Draws what stands around the data.
    pub fn new(plan: &Plan<'a>) -> Result<Self, FigureError> {
        let layout = Layout::new(plan);
        Check { figure: plan.title }.size(layout.width, layout.height)?;
        let frame = Self {
            sheet: Sheet::new(layout.width, layout.height),
            places: layout.plots.clone(),
            x: plan.x,
            y: plan.y,
        };
        frame.surround(plan, &layout);
        Ok(frame)
    }

    /// The panels.
    pub fn plots(&self) -> impl Iterator<Item = Plot<'_>> {
        self.places.iter().map(|&place| Plot {
            sheet: &self.sheet,
            place,
            x: self.x,
            y: self.y,
        })
    }

    fn surround(&self, plan: &Plan<'_>, layout: &Layout) {
        let inner = layout.width - 2.0 * MARGIN;
        let below = self.heading(&layout.title, (MARGIN, MARGIN), Font::TITLE);
        plan.legend.draw(&self.sheet, (MARGIN, below + 6.0), inner);
        for (index, plot) in self.plots().enumerate() {
            let titles = &layout.panel_titles[index];
            let top = plot.place.y - 5.0 - titles.len() as f64 * Font::HEADING.line();
            self.heading(titles, (plot.place.x, top), Font::HEADING);
            self.axes(&plot, layout, index);
        }
        let middle = |from: f64, to: f64| (from + to) / 2.0;
        let left = layout.plots[0].x;
        let right = layout.plots.iter().map(Rect::right).fold(0.0, f64::max);
        let bottom = layout.plots.iter().map(Rect::bottom).fold(0.0, f64::max);
        let room = (right - left).max(200.0);
        self.axis_title(&plan.x.title, room, 0, (middle(left, right), layout.x_title));
        let room = (bottom - layout.plots[0].y).max(150.0);
        let at = (MARGIN + Font::LABEL.ascent(), middle(layout.plots[0].y, bottom));
        self.axis_title(&plan.y.title, room, -90, at);
        let foot = (MARGIN, layout.notes_top);
        self.sheet
            .lines(&layout.notes, foot, Font::NOTE, Anchor::Start, Colour::DIM);
    }

    fn heading(&self, lines: &[String], at: (f64, f64), font: Font) -> f64 {
        self.sheet.lines(lines, at, font, Anchor::Start, Colour::INK)
    }

    fn axis_title(&self, title: &str, room: f64, turned: i32, at: (f64, f64)) {
        self.sheet.words(&Words {
            text: &Font::LABEL.fit(title, room),
            at,
            font: Font::LABEL,
            anchor: Anchor::Middle,
            colour: Colour::INK,
            turned,
            whole: Some(title),
            halo: false,
        });
    }

    /// Grid lines, ticks, numbers and the two lines of one panel's axes.
    fn axes(&self, plot: &Plot<'_>, layout: &Layout, index: usize) {
        let place = plot.place;
        let (left, right, bottom) = (place.x, place.right(), place.bottom());
        let line = |from, to, colour: Colour| self.sheet.path(&[from, to], colour.stroke(1.0));
        for tick in &layout.panels.y_ticks {
            let (_, y) = plot.at((plot.x.low, tick.at));
            line((left, y), (right, y), Colour::PALE);
            if layout.is_leftmost(index) {
                line((left - TICK, y), (left, y), Colour::DIM);
                let at = (left - TICK - LABEL_GAP, y + Font::TICK.size * 0.36);
                self.tick(tick, at, Anchor::End, 0);
            }
        }
        for (number, tick) in layout.panels.x_ticks.iter().enumerate() {
            let (x, _) = plot.at((tick.at, plot.y.low));
            if plot.x.categories.is_empty() {
                line((x, place.y), (x, bottom), Colour::PALE);
            }
            line((x, bottom), (x, bottom + TICK), Colour::DIM);
            if !layout.is_lowest(index) || number % layout.panels.names.every != 0 {
                continue;
            }
            let foot = bottom + TICK + LABEL_GAP;
            match layout.panels.names.turned {
                0 => self.tick(tick, (x, foot + Font::TICK.ascent() - 2.0), Anchor::Middle, 0),
                -90 => self.tick(tick, (x + Font::TICK.size * 0.36, foot - 2.0), Anchor::End, -90),
                turned => self.tick(tick, (x + 5.0, foot + 3.0), Anchor::End, turned),
            }
        }
        line((left, place.y), (left, bottom), Colour::DIM);
        line((left, bottom), (right, bottom), Colour::DIM);
    }

    fn tick(&self, tick: &Tick, at: (f64, f64), anchor: Anchor, turned: i32) {
        self.sheet.words(&Words {
            text: &Font::TICK.fit(&tick.label, CATEGORY),
            at,
            font: Font::TICK,
            anchor,
            colour: Colour::INK,
            turned,
            whole: Some(&tick.label),
            halo: false,
        });
    }
}
