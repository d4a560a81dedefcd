//! Phantoms: five seeded families of synthetic images, for use where the paper's data sets are not available.
//!
//! | family | stands for | what holds in it |
//! |---|---|---|
//! | `brats-like` | BraTS | four modalities; a bright lesion, separable by intensity |
//! | `isic-like` | ISIC 2017 | RGB; one large object with hairs and a vignette |
//! | `covid-like` | COVID-19 CT | several diffuse lesions of low contrast in two lungs, errors of the annotator |
//! | `prostate-like` | Decathlon's prostate | two modalities; one round organ among look-alikes |
//! | `pancreas-like` | Decathlon's pancreas | small, irregular, as bright as its neighbours |
//!
//! Every image is a subject of its own, drawn from its family, seed, split and index alone: anatomy that
//! differs in position, size, rotation and a smooth deformation, textures, partial volume, and an acquisition with noise,
//! blur, bias field, gain and contrast. A difficulty from 0 to 1, uniform over the images, scales what makes the family
//! hard, and is kept with the image. They are phantoms: no number from them says anything about patients.

mod brats;
mod covid;
mod families;
mod family;
mod field;
mod isic;
mod pancreas;
mod plan;
mod point;
mod profile;
mod prostate;
mod rng;
mod scanner;
mod scene;
mod shape;

use ndarray::Array2;
use sagate_core::imaging::Image;

use self::rng::PhantomRng;
use self::scanner::Acquisition;
use super::{Example, Split};

pub use family::Family;
pub use plan::{MAX_IMAGES, PhantomPlan, SIDES, SPACING, build};

/// Draws one image with its truth and difficulty, independent of other images.
///
/// `side` is its height and width in pixels; the same subject is drawn for every side, with noise of its own.
///
/// # Panics
/// Where `side` is 0.
pub fn image(family: Family, side: usize, seed: u64, split: Split, index: usize) -> Example {
    let subject = Subject::draw(family, side, seed, split, index);
    Example {
        name: subject.name,
        position: subject.position,
        image: subject.image,
        truth: Some(subject.truth),
        difficulty: Some(subject.difficulty),
    }
}

/// One image with its parameters.
struct Subject {
    name: String,
    position: usize,
    image: Image,
    truth: Array2<u8>,
    difficulty: f32,
    acquisition: Acquisition,
}

impl Subject {
    fn draw(family: Family, side: usize, seed: u64, split: Split, index: usize) -> Self {
        assert!(side > 0, "an image has at least one pixel");
        let profile = family.profile();
        let part = |part| PhantomRng::new(family, seed, split, index, part);
        let difficulty = part("difficulty").uniform(0.0, 1.0);
        let mut scanner = part("acquisition");
        let acquisition = Acquisition::draw(&profile.ranges, difficulty, &mut scanner);
        let (mut pixels, truth) = (profile.draw)(side, difficulty, &mut part("anatomy"));
        acquisition.apply(&mut pixels, profile.noise, &mut scanner, &mut part("noise"));
        let position = index * SPACING;
        Self {
            name: format!("{family}-{position:07}"),
            position,
            image: Image::new(pixels, [1.0; 2]),
            truth,
            difficulty,
            acquisition,
        }
    }
}
