//! Confidence of the probability map in the mask: two scores that need only the forward pass that gave the mask.

use ndarray::{Array2, Array3, Axis};

/// Confidence scores of one image's mask, both in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Confidence {
    /// Soft Dice confidence (Borges et al. 2025): `2 sum(p B) / (sum(p) + sum(B))` of the probabilities p and the mask B; the mean over
    /// the object classes that the mask holds, 0 where it holds none.
    pub soft_dice: f64,
    /// Mean probability that the mask's object pixels have of their class; 0 where there is none.
    pub object: f64,
}

impl Confidence {
    /// The confidence of an output that is not finite.
    pub const NOT_FINITE: Confidence = Confidence {
        soft_dice: f64::NAN,
        object: f64::NAN,
    };

    /// From the probability of each object class `[K, height, width]` and the labels `[height, width]` (0 background, k object
    /// class k). [`Confidence::NOT_FINITE`] where a probability is not finite.
    ///
    /// # Panics
    /// Where the shapes differ.
    pub fn new(probability: &Array3<f32>, labels: &Array2<u8>) -> Confidence {
        let labels = labels.as_standard_layout();
        let (mut soft_dice, mut held, mut inside, mut objects) = (0.0, 0.0, 0.0, 0.0);
        for (plane, class) in probability.axis_iter(Axis(0)).zip(1u8..) {
            assert_eq!(plane.dim(), labels.dim(), "labels lie on the probabilities' grid");
            let plane = plane.as_standard_layout();
            let dense = "standard layout is one slice";
            let totals = plane_totals(
                plane.as_slice().expect(dense),
                labels.as_slice().expect(dense),
                class,
            );
            if !totals.all.is_finite() {
                return Confidence::NOT_FINITE;
            }
            inside += totals.inside;
            objects += totals.count;
            if totals.count > 0.0 {
                soft_dice += 2.0 * totals.inside / (totals.all + totals.count);
                held += 1.0;
            }
        }
        let mean = |sum: f64, count: f64| if count > 0.0 { sum / count } else { 0.0 };
        Confidence {
            soft_dice: mean(soft_dice, held),
            object: mean(inside, objects),
        }
    }
}

/// Sums over a plane, in double precision.
#[derive(Clone, Copy, Default)]
struct PlaneTotals {
    /// Of all probabilities.
    all: f64,
    /// Of those where the label is the class.
    inside: f64,
    /// How many labels are the class.
    count: f64,
}

impl PlaneTotals {
    fn add(&mut self, p: f32, is_class: bool) {
        let (p, is_class) = (f64::from(p), f64::from(u8::from(is_class)));
        self.all += p;
        self.inside += p * is_class;
        self.count += is_class;
    }
}

/// Eight independent accumulators, so that the compiler vectorises the additions.
fn plane_totals(plane: &[f32], labels: &[u8], class: u8) -> PlaneTotals {
    let ((planes, rest), (labels, rest_labels)) = (plane.as_chunks::<8>(), labels.as_chunks::<8>());
    let mut lanes = [PlaneTotals::default(); 8];
    for (plane, labels) in planes.iter().zip(labels) {
        for ((lane, &p), &label) in lanes.iter_mut().zip(plane).zip(labels) {
            lane.add(p, label == class);
        }
    }
    let mut total = lanes
        .into_iter()
        .fold(PlaneTotals::default(), |total, lane| PlaneTotals {
            all: total.all + lane.all,
            inside: total.inside + lane.inside,
            count: total.count + lane.count,
        });
    for (&p, &label) in rest.iter().zip(rest_labels) {
        total.add(p, label == class);
    }
    total
}
