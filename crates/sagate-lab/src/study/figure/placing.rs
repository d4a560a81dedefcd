//! Placement of labels among points.

use super::colour::Colour;
use super::sheet::{Anchor, Rect, Sheet, Words};
use super::text::Font;

/// Writes lines of text into the corner of a panel where the fewest points lie; returns where they went.
pub(super) fn corner(sheet: &Sheet, lines: &[String], plot: Rect, points: &[(f64, f64)]) -> Option<Rect> {
    const FONT: Font = Font::TICK;
    const INSET: f64 = 5.0;
    let room = plot.width - 2.0 * INSET;
    let lines: Vec<String> = lines
        .iter()
        .flat_map(|line| FONT.wrap(line, room - 8.0))
        .collect();
    let widest = lines.iter().map(|line| FONT.width(line)).fold(0.0, f64::max);
    if widest == 0.0 {
        return None;
    }
    let (width, height) = (widest + 8.0, lines.len() as f64 * FONT.line() + 6.0);
    let corners = [
        (plot.x + INSET, plot.y + INSET),
        (plot.right() - width - INSET, plot.bottom() - height - INSET),
        (plot.right() - width - INSET, plot.y + INSET),
        (plot.x + INSET, plot.bottom() - height - INSET),
    ];
    let place = corners
        .map(|(x, y)| Rect { x, y, width, height })
        .into_iter()
        .min_by_key(|place| points.iter().filter(|&&point| holds(place, point, 4.0)).count())?;
    // White behind the words keeps them legible where every corner holds points.
    sheet.rectangle(place, Colour::PAPER.fill(0.8));
    let at = (place.x + 4.0, place.y + 3.0);
    sheet.lines(&lines, at, FONT, Anchor::Start, Colour::INK);
    Some(place)
}

/// Labels beside points, each where it covers neither another nor a point, with a thin line to its point where it had to
/// move away.
pub(super) struct Labels {
    plot: Rect,
    /// Half the size of a point.
    size: f64,
    points: Vec<(f64, f64)>,
    taken: Vec<Rect>,
}

impl Labels {
    const FONT: Font = Font::SMALL;

    pub fn new(plot: Rect, size: f64, points: &[(f64, f64)], taken: Option<Rect>) -> Self {
        Self {
            plot,
            size,
            points: points.to_vec(),
            taken: taken.into_iter().collect(),
        }
    }

    /// Writes the label of the point.
    pub fn draw(&mut self, sheet: &Sheet, point: (f64, f64), label: &str) {
        if label.trim().is_empty() {
            return;
        }
        let text = Self::FONT.fit(label, self.plot.width * 0.6);
        let (width, height) = (Self::FONT.width(&text), Self::FONT.line());
        let places = candidates(point, self.size, width, height);
        let Some(place) = places.into_iter().min_by_key(|place| self.cost(place, point)) else {
            return;
        };
        let nearest = (
            point.0.clamp(place.x, place.right()),
            point.1.clamp(place.y, place.bottom()),
        );
        if (nearest.0 - point.0).hypot(nearest.1 - point.1) > self.size + 6.0 {
            sheet.path(&[point, nearest], Colour::DIM.stroke(0.6));
        }
        sheet.words(&Words {
            text: &text,
            at: (place.x, place.y + Self::FONT.ascent()),
            font: Self::FONT,
            anchor: Anchor::Start,
            colour: Colour::INK,
            turned: 0,
            whole: Some(label),
            halo: true,
        });
        self.taken.push(place);
    }

    /// How much a label here would hide, and how far it would be from its point.
    fn cost(&self, place: &Rect, point: (f64, f64)) -> u64 {
        let outside = place.x < self.plot.x
            || place.right() > self.plot.right() + 8.0
            || place.y < self.plot.y
            || place.bottom() > self.plot.bottom();
        let covered = self.taken.iter().filter(|other| other.overlaps(place)).count();
        let hidden = self
            .points
            .iter()
            .filter(|&&other| holds(place, other, self.size))
            .count();
        let middle = (place.x + place.width / 2.0, place.y + place.height / 2.0);
        let away = (middle.0 - point.0).abs() - place.width / 2.0;
        let away = away.max(0.0) + (middle.1 - point.1).abs();
        u64::from(outside) * 100_000 + covered as u64 * 10_000 + hidden as u64 * 1_000 + away as u64
    }
}

/// Places around a point at growing distances, the better ones first.
fn candidates(point: (f64, f64), size: f64, width: f64, height: f64) -> Vec<Rect> {
    const SIDES: [(f64, f64); 8] = [
        (1.0, 0.0),
        (-1.0, 0.0),
        (0.0, -1.0),
        (0.0, 1.0),
        (1.0, -1.0),
        (1.0, 1.0),
        (-1.0, -1.0),
        (-1.0, 1.0),
    ];
    [2.0, 10.0, 20.0, 34.0, 50.0]
        .into_iter()
        .flat_map(|gap| SIDES.map(|side| (gap, side)))
        .map(|(gap, (dx, dy))| {
            let away = size + gap;
            Rect {
                x: point.0 - width / 2.0 + dx * (width / 2.0 + away),
                y: point.1 - height / 2.0 + dy * (height / 2.0 + away - 1.0),
                width,
                height,
            }
        })
        .collect()
}

fn holds(place: &Rect, point: (f64, f64), room: f64) -> bool {
    (place.x - room..=place.right() + room).contains(&point.0)
        && (place.y - room..=place.bottom() + room).contains(&point.1)
}
