//! Random assignment of subjects to splits.

use std::path::Path;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::Options;
use crate::data::DataError;

/// The share of the training subjects that validate where none is given.
const VALIDATION: f64 = 0.1;
/// The share of all subjects that test where none is given and neither paper nor data set says.
const TEST: f64 = 0.2;

/// The subjects of each split.
pub(super) struct SubjectSplits<T> {
    pub train: Vec<T>,
    pub validation: Vec<T>,
    pub test: Vec<T>,
}

/// The share of the training subjects that validate.
pub(super) fn validation_share(options: &Options) -> f64 {
    options.validation.unwrap_or(VALIDATION)
}

/// The share of all subjects that test where the data set leaves it open.
pub(super) fn test_share(options: &Options) -> f64 {
    options.test.unwrap_or(TEST)
}

/// Refuses shares where the data set, or the paper, defines the split.
pub(super) fn reject_share(flag: &'static str, share: Option<f64>) -> Result<(), DataError> {
    match share {
        None => Ok(()),
        Some(share) => Err(DataError::Setting {
            flag,
            was: share.to_string(),
            want: "left out: this data set has a split of its own",
        }),
    }
}

/// Draws the test subjects, then splits the rest into validation and training. Subjects must come in an order that does not depend
/// on the file system; within each split they keep it.
pub(super) fn split_subjects<T>(
    root: &Path,
    subjects: Vec<T>,
    test_share: f64,
    options: &Options,
) -> Result<SubjectSplits<T>, DataError> {
    let (rest, test) = draw(root, subjects, test_share, options.seed, "test")?;
    let (train, validation) = validate(root, rest, options)?;
    Ok(SubjectSplits {
        train,
        validation,
        test,
    })
}

/// Deals training subjects to training and validation.
pub(super) fn validate<T>(
    root: &Path,
    subjects: Vec<T>,
    options: &Options,
) -> Result<(Vec<T>, Vec<T>), DataError> {
    draw(
        root,
        subjects,
        validation_share(options),
        options.seed,
        "validation",
    )
}

/// Takes a share of the subjects, rounded, at least one and not all: those left, and those taken.
fn draw<T>(
    root: &Path,
    subjects: Vec<T>,
    share: f64,
    seed: u64,
    split: &'static str,
) -> Result<(Vec<T>, Vec<T>), DataError> {
    let count = subjects.len();
    if count < 2 {
        return Err(DataError::TooFew {
            path: root.to_owned(),
            subjects: count,
            share,
            split,
        });
    }
    let wanted = ((count as f64 * share).round() as usize).clamp(1, count - 1);
    let mut order: Vec<usize> = (0..count).collect();
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    // Test and validation are drawn independently of each other.
    chance.set_stream(u64::from(split == "test"));
    order.shuffle(&mut chance);
    let mut taken = vec![false; count];
    order[..wanted].iter().for_each(|&index| taken[index] = true);
    let (mut left, mut drawn) = (Vec::new(), Vec::new());
    for (subject, taken) in subjects.into_iter().zip(taken) {
        if taken {
            drawn.push(subject);
        } else {
            left.push(subject);
        }
    }
    Ok((left, drawn))
}
