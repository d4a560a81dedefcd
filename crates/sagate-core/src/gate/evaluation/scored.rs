//! Images with their scores and their Dice, sorted once.

/// Images with a score and a true Dice each, sorted by both.
#[derive(Debug, Clone)]
pub struct Scored {
    scores: Vec<f64>,
    dice: Vec<f64>,
    by_score: Order,
    by_dice: Order,
}

/// Images in descending order of a value, in groups of equal values.
#[derive(Debug, Clone)]
pub(super) struct Order {
    images: Vec<usize>,
    ends: Vec<usize>,
}

/// The images of a [`Scored`] with integer weights, such as a bootstrap draw.
#[derive(Debug, Clone)]
pub struct Draw<'a> {
    scored: &'a Scored,
    times: Option<&'a [u32]>,
}

/// A group of images with equal values: their number and the sum of their risks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tie {
    pub count: u64,
    pub risk: f64,
}

impl Order {
    fn new(values: &[f64]) -> Order {
        let mut images: Vec<usize> = (0..values.len()).collect();
        // The sort is stable; the order of equal values affects only the rounding of sums.
        images.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
        let groups = images.chunk_by(|&a, &b| values[a] == values[b]);
        let ends = groups.scan(0, |end, group| {
            *end += group.len();
            Some(*end)
        });
        Order {
            ends: ends.collect(),
            images,
        }
    }

    /// The groups, highest value first.
    pub fn groups(&self) -> impl Iterator<Item = &[usize]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, &end)| &self.images[start..end])
    }
}

impl Scored {
    /// Pairs the scores of images with their Dice. A score that is NaN becomes minus infinity.
    ///
    /// # Panics
    /// Where the numbers of scores and Dice differ.
    pub fn new(scores: &[f64], dice: &[f64]) -> Scored {
        assert_eq!(scores.len(), dice.len(), "an image has a score and a Dice");
        // Adding 0 turns -0 into +0; `total_cmp` treats them as different.
        let finite = |score: &f64| {
            if score.is_nan() {
                f64::NEG_INFINITY
            } else {
                score + 0.0
            }
        };
        let scores: Vec<f64> = scores.iter().map(finite).collect();
        let dice: Vec<f64> = dice.iter().map(|dice| dice + 0.0).collect();
        Scored {
            by_score: Order::new(&scores),
            by_dice: Order::new(&dice),
            scores,
            dice,
        }
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.scores.len()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }

    /// Every image once.
    pub fn all(&self) -> Draw<'_> {
        Draw {
            scored: self,
            times: None,
        }
    }

    /// Every image with the weight `times[i]`.
    ///
    /// # Panics
    /// Where `times` has another length than there are images.
    pub fn drawn<'a>(&'a self, times: &'a [u32]) -> Draw<'a> {
        assert_eq!(times.len(), self.len(), "one weight for each image");
        Draw {
            scored: self,
            times: Some(times),
        }
    }
}

impl Draw<'_> {
    /// The total weight: the number of images, each counted as often as it was drawn.
    pub fn len(&self) -> u64 {
        match self.times {
            None => self.scored.len() as u64,
            Some(times) => times.iter().map(|&times| u64::from(times)).sum(),
        }
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The weight of an image.
    pub(super) fn times(&self, image: usize) -> u64 {
        self.times.map_or(1, |times| u64::from(times[image]))
    }

    pub(super) fn score(&self, image: usize) -> f64 {
        self.scored.scores[image]
    }

    pub(super) fn dice(&self, image: usize) -> f64 {
        self.scored.dice[image]
    }

    pub(super) fn images(&self) -> std::ops::Range<usize> {
        0..self.scored.len()
    }

    pub(super) fn by_score(&self) -> &Order {
        &self.scored.by_score
    }

    pub(super) fn by_dice(&self) -> &Order {
        &self.scored.by_dice
    }

    /// The images with a weight above 0 in one of the two orders, in groups of equal values.
    pub(super) fn ties<'a>(&'a self, order: &'a Order) -> impl Iterator<Item = Tie> + 'a {
        let tie = |group: &[usize]| {
            group.iter().fold(Tie { count: 0, risk: 0.0 }, |tie, &image| {
                let times = self.times(image);
                Tie {
                    count: tie.count + times,
                    risk: tie.risk + times as f64 * (1.0 - self.dice(image)),
                }
            })
        };
        order.groups().map(tie).filter(|tie| tie.count > 0)
    }
}
