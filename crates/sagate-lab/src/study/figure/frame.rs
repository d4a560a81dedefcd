//! What stands around the data of a chart: title, legend, axes, the titles of its panels, notes. Panels share both axes,
//! whose numbers stand at the left and at the foot only.

use plotters::coord::Shift;
use plotters::drawing::DrawingArea;
use plotters::element::PathElement;

use super::FigureError;
use super::chart::{Drawing, check_drawing};
use super::check::Check;
use super::colour::Colour;
use super::layout::{CATEGORY, LABEL_GAP, Layout, MARGIN, Plan, TICK, along};
use super::sheet::{Anchor, Rect, Sheet, UNITS, Words};
use super::text::Font;
use super::ticks::Tick;

/// The sheet with everything but the data.
pub(super) struct Frame {
    pub sheet: Sheet,
    pub root: DrawingArea<Sheet, Shift>,
    /// The panels.
    pub plots: Vec<Rect>,
}

impl Frame {
    /// Draws what stands around the data.
    pub fn new(plan: &Plan<'_>) -> Result<Self, FigureError> {
        let layout = Layout::new(plan);
        Check { figure: plan.title }.size(layout.width, layout.height)?;
        let sheet = Sheet::new(layout.width, layout.height);
        let frame = Self {
            root: sheet.area(),
            sheet,
            plots: layout.plots.clone(),
        };
        check_drawing(plan.title, frame.surround(plan, &layout))?;
        Ok(frame)
    }

    fn surround(&self, plan: &Plan<'_>, layout: &Layout) -> Drawing {
        let inner = layout.width - 2.0 * MARGIN;
        let below = self.heading(&layout.title, (MARGIN, MARGIN), Font::TITLE);
        plan.legend
            .draw(&self.sheet, &self.root, (MARGIN, below + 6.0), inner)?;
        for (index, plot) in layout.plots.iter().enumerate() {
            let titles = &layout.panel_titles[index];
            let top = plot.y - 5.0 - titles.len() as f64 * Font::HEADING.line();
            self.heading(titles, (plot.x, top), Font::HEADING);
            self.axes(plan, layout, index)?;
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
        Ok(())
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
    fn axes(&self, plan: &Plan<'_>, layout: &Layout, index: usize) -> Drawing {
        let plot = layout.plots[index];
        for tick in &layout.panels.y_ticks {
            let y = plot.bottom() - along(plan.y, tick.at) * plot.height;
            self.stroke([(plot.x, y), (plot.right(), y)], Colour::PALE, 1.0)?;
            if layout.is_leftmost(index) {
                self.stroke([(plot.x - TICK, y), (plot.x, y)], Colour::DIM, 1.0)?;
                self.tick(
                    tick,
                    (plot.x - TICK - LABEL_GAP, y + Font::TICK.size * 0.36),
                    Anchor::End,
                    0,
                );
            }
        }
        for (number, tick) in layout.panels.x_ticks.iter().enumerate() {
            let x = plot.x + along(plan.x, tick.at) * plot.width;
            if plan.x.categories.is_empty() {
                self.stroke([(x, plot.y), (x, plot.bottom())], Colour::PALE, 1.0)?;
            }
            self.stroke([(x, plot.bottom()), (x, plot.bottom() + TICK)], Colour::DIM, 1.0)?;
            if !layout.is_lowest(index) || number % layout.panels.names.every != 0 {
                continue;
            }
            let foot = plot.bottom() + TICK + LABEL_GAP;
            match layout.panels.names.turned {
                0 => self.tick(tick, (x, foot + Font::TICK.ascent() - 2.0), Anchor::Middle, 0),
                -90 => self.tick(tick, (x + Font::TICK.size * 0.36, foot - 2.0), Anchor::End, -90),
                turned => self.tick(tick, (x + 5.0, foot + 3.0), Anchor::End, turned),
            }
        }
        let corner = (plot.x, plot.bottom());
        self.stroke([(plot.x, plot.y), corner], Colour::DIM, 1.0)?;
        self.stroke([corner, (plot.right(), plot.bottom())], Colour::DIM, 1.0)
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

    fn stroke(&self, line: [(f64, f64); 2], colour: Colour, width: f64) -> Drawing {
        let path = line.map(|(x, y)| ((x * UNITS).round() as i32, (y * UNITS).round() as i32));
        self.root
            .draw(&PathElement::new(path.to_vec(), colour.stroke(width)))
    }

    /// Words in the middle of a panel that has nothing to show.
    pub fn nothing(&self, plot: Rect) {
        self.sheet.words(&Words {
            text: "no data",
            at: (plot.x + plot.width / 2.0, plot.y + plot.height / 2.0),
            font: Font::LABEL,
            anchor: Anchor::Middle,
            colour: Colour::DIM,
            turned: 0,
            whole: None,
            halo: true,
        });
    }
}
