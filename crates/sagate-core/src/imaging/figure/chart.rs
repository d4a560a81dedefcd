//! The curve of sorted scores, as the paper's Fig. 7 draws it for the units of a layer.

use image::{Rgb, RgbImage};

use super::canvas::{Canvas, Font};
use super::colour::{INK, PALE, distinct};

const WIDTH: u32 = 720;
const HEIGHT: u32 = 440;
const MARGIN: u32 = 16;
const LEFT: u32 = 56;
const BELOW: u32 = 52;

/// Scores of 0..=1 from the lowest to the highest: rank across, SA score upwards, and a dashed line where `mark` lies
/// (such as their mean, or a threshold). Scores that are not finite are left out, and their number is stated.
pub fn sorted_scores(scores: &[f64], title: &str, mark: Option<f64>) -> RgbImage {
    let mut sorted: Vec<f64> = scores.iter().copied().filter(|score| score.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let left_out = scores.len() - sorted.len();
    let title = if left_out > 0 {
        format!("{title} ({left_out} not finite, left out)")
    } else {
        title.to_owned()
    };
    let title = Font::Normal.wrap(&title, WIDTH - 2 * MARGIN);

    let top = MARGIN + title.len() as u32 * Font::Normal.line() + Font::Small.line() + 8;
    let mut canvas = Canvas::new(WIDTH, top + HEIGHT + BELOW);
    canvas.lines(MARGIN, MARGIN, &title, Font::Normal, INK);
    canvas.text(MARGIN, top - Font::Small.line() - 2, "SA score", Font::Small, INK);
    let plot = Plot {
        left: MARGIN + LEFT,
        top: top + 8,
        width: WIDTH - 2 * MARGIN - LEFT - 8,
        height: HEIGHT - 16,
    };
    plot.axes(&mut canvas, sorted.len());

    let curve = Rgb(distinct(4));
    let points: Vec<(f32, f32)> = sorted
        .iter()
        .enumerate()
        .map(|(rank, &score)| (plot.x(rank, sorted.len()), plot.y(score)))
        .collect();
    for pair in points.windows(2) {
        canvas.line(pair[0], pair[1], curve);
    }
    // Draw dots while they do not overlap.
    if points.len() <= 150 {
        for &(x, y) in &points {
            canvas.fill((x - 2.0).max(0.0) as u32, (y - 2.0).max(0.0) as u32, 5, 5, curve);
        }
    }
    if let Some(mark) = mark.filter(|mark| mark.is_finite()) {
        plot.mark(&mut canvas, mark);
    }
    canvas.finish()
}

/// The area between the axes.
struct Plot {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
}

impl Plot {
    fn x(&self, rank: usize, count: usize) -> f32 {
        let share = if count > 1 {
            rank as f32 / (count - 1) as f32
        } else {
            0.5
        };
        self.left as f32 + 6.0 + share * (self.width - 12) as f32
    }

    fn y(&self, score: f64) -> f32 {
        self.top as f32 + (1.0 - score.clamp(0.0, 1.0) as f32) * self.height as f32
    }

    fn axes(&self, canvas: &mut Canvas, count: usize) {
        for fifth in 0..=5 {
            let score = f64::from(fifth) / 5.0;
            let y = self.y(score) as u32;
            canvas.fill(self.left, y, self.width, 1, PALE);
            let name = format!("{score:.1}");
            let x = self.left - 8 - Font::Small.width(&name);
            canvas.text(
                x,
                y.saturating_sub(Font::Small.line() / 2),
                &name,
                Font::Small,
                INK,
            );
        }
        let bottom = self.top + self.height;
        canvas.fill(self.left, self.top, 1, self.height, INK);
        canvas.fill(self.left, bottom, self.width, 1, INK);
        for rank in ranks(count) {
            let x = self.x(rank - 1, count) as u32;
            canvas.fill(x, bottom, 1, 5, INK);
            let name = rank.to_string();
            canvas.text(
                x.saturating_sub(Font::Small.width(&name) / 2),
                bottom + 7,
                &name,
                Font::Small,
                INK,
            );
        }
        let name = format!("rank, from the lowest score to the highest (of {count})");
        let x = self.left + self.width.saturating_sub(Font::Small.width(&name)) / 2;
        canvas.text(x, bottom + 7 + Font::Small.line() + 2, &name, Font::Small, INK);
    }

    fn mark(&self, canvas: &mut Canvas, mark: f64) {
        let colour = Rgb(distinct(3));
        let y = self.y(mark);
        for x in (self.left..self.left + self.width).step_by(14) {
            canvas.fill(x, y as u32, 8.min(self.left + self.width - x), 2, colour);
        }
        // Sorted scores rise to the right, so there is room above the line on the left, but at the very top.
        let name = format!("{mark:.3}");
        let above = (y as u32).saturating_sub(Font::Small.line());
        let y = if above < self.top { y as u32 + 4 } else { above };
        canvas.text(self.left + 10, y, &name, Font::Small, colour);
    }
}

/// Round numbers among the ranks 1..=count, some six of them, the first and the last always.
fn ranks(count: usize) -> Vec<usize> {
    if count == 0 {
        return Vec::new();
    }
    let rough = (count / 6).max(1);
    let decade = 10usize.pow(rough.ilog10());
    let step = [1, 2, 5, 10]
        .into_iter()
        .map(|times| times * decade)
        .find(|&step| step >= rough)
        .unwrap_or(rough);
    let mut ranks = vec![1];
    let between = (1..)
        .map(|times| times * step)
        .take_while(|&rank| rank + step / 2 < count);
    ranks.extend(between.filter(|&rank| rank > 1 && rank > step / 2 + 1));
    if count > 1 {
        ranks.push(count);
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::ranks;

    #[test]
    fn ticks_are_few_and_round() {
        assert!(ranks(0).is_empty());
        assert_eq!(ranks(1), [1]);
        assert_eq!(ranks(3), [1, 2, 3]);
        assert_eq!(ranks(64), [1, 10, 20, 30, 40, 50, 64]);
        assert_eq!(ranks(1024), [1, 200, 400, 600, 800, 1024]);
    }
}
