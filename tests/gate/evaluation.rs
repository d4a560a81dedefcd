//! The metrics of failure detection. If these fail, a report ranks scores by numbers that are not what they are called, or by
//! the order in which images happened to be listed.

use std::io::Write;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sagate_core::gate::evaluation::*;

/// What each metric gives for a case, by the name that the independent computation has for it.
fn metrics(scores: &[f64], dice: &[f64]) -> Vec<(&'static str, Option<f64>)> {
    let scored = Scored::new(scores, dice);
    let draw = scored.all();
    let tenth = lowest_share(&draw, 0.1).unwrap();
    vec![
        ("aurc", aurc(&draw)),
        ("optimal", optimal_aurc(&draw)),
        ("normalised_aurc", normalised_aurc(&draw)),
        ("zenk", aurc_zenk(&scored)),
        ("augrc", augrc(&draw)),
        ("spearman", spearman(&draw)),
        ("pearson", pearson(&draw)),
        ("auroc_half", auroc(&draw, |dice| dice < 0.5)),
        ("auroc_tenth", auroc(&draw, |dice| dice <= tenth)),
        ("dice_at_70", dice_at_coverage(&draw, 0.7)),
        ("dice_at_50", dice_at_coverage(&draw, 0.5)),
        ("coverage_at_40", coverage_at_risk(&draw, 0.4)),
    ]
}

/// 50 cases of 1 to 8 images; few different values, so that most have ties in scores, in Dice or in both.
fn cases() -> Vec<(Vec<f64>, Vec<f64>)> {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut case = |index: usize| {
        let images = 1 + index % 8;
        let mut value = |levels: u32| f64::from(random.gen_range(0..=levels)) / f64::from(levels);
        let scores = (0..images).map(|_| value(4)).collect();
        let dice = (0..images).map(|_| value(8)).collect();
        (scores, dice)
    };
    (0..50).map(&mut case).collect()
}

#[test]
fn metrics_agree_with_brute_force() {
    let cases = cases();
    let input: Vec<_> = cases
        .iter()
        .map(|(scores, dice)| serde_json::json!({"scores": scores, "dice": dice}))
        .collect();
    let mut python = Command::new("python3")
        .arg("tests/support/baselines/failure_metrics.py")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = python.stdin.take().unwrap();
    stdin.write_all(&serde_json::to_vec(&input).unwrap()).unwrap();
    drop(stdin);
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    let expected: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(expected.len(), cases.len());
    let mut compared = 0;
    for ((scores, dice), expected) in cases.iter().zip(&expected) {
        for (name, value) in metrics(scores, dice) {
            let wanted = expected[name].as_f64();
            let near = match (value, wanted) {
                (Some(value), Some(wanted)) => (value - wanted).abs() < 1e-9,
                (None, None) => true,
                _ => false,
            };
            assert!(
                near,
                "{name} of {scores:?} and {dice:?}: {value:?}, but {wanted:?} by brute force"
            );
            compared += usize::from(value.is_some());
        }
    }
    // Most cases have every metric; a script that answers nothing would compare nothing.
    assert!(compared > 400, "{compared} values were compared");
}

#[test]
fn what_has_no_answer_gives_none() {
    let empty = Scored::new(&[], &[]);
    let draw = empty.all();
    assert!(aurc(&draw).is_none() && augrc(&draw).is_none() && normalised_aurc(&draw).is_none());
    assert!(aurc_zenk(&empty).is_none() && spearman(&draw).is_none() && pearson(&draw).is_none());
    assert!(dice_at_coverage(&draw, 1.0).is_none() && coverage_at_risk(&draw, 0.5).is_none());
    assert!(lowest_share(&draw, 0.1).is_none() && auroc(&draw, |_| true).is_none());
    let same = Scored::new(&[0.1, 0.2, 0.3], &[0.7; 3]);
    assert!(
        normalised_aurc(&same.all()).is_none()
            && spearman(&same.all()).is_none()
            && pearson(&same.all()).is_none()
    );
    assert!(auroc(&same.all(), |dice| dice < 0.5).is_none());
}

#[test]
fn a_score_that_is_no_number_ranks_last() {
    let scored = Scored::new(&[0.1, f64::NAN, 0.9], &[0.5, 0.0, 1.0]);
    assert_eq!(normalised_aurc(&scored.all()), Some(0.0));
    assert_eq!(spearman(&scored.all()), Some(1.0));
    assert_eq!(dice_at_coverage(&scored.all(), 0.6), Some(0.75));
}

#[test]
fn an_interval_holds_what_it_is_of_and_narrows_with_more_images() {
    let width = |images: usize| {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let dice: Vec<f64> = (0..images).map(|_| random.r#gen()).collect();
        let scores: Vec<f64> = dice.iter().map(|dice| dice + random.r#gen::<f64>()).collect();
        let scored = Scored::new(&scores, &dice);
        let groups: Vec<usize> = (0..images).collect();
        let interval = Bootstrap::new(&groups, 400, 1)
            .interval(|times| spearman(&scored.drawn(times)))
            .unwrap();
        let whole = spearman(&scored.all()).unwrap();
        assert!(interval.low < whole && whole < interval.high);
        interval.high - interval.low
    };
    assert!(width(1000) < width(50) / 2.0);
}

#[test]
fn copies_of_an_image_are_no_more_evidence_than_one() {
    let dice = [0.2, 0.9, 0.4, 0.8, 0.6, 0.3, 0.7, 0.95];
    let scores = [0.3, 0.8, 0.5, 0.6, 0.9, 0.2, 0.4, 0.7];
    let groups: Vec<usize> = (0..8).collect();
    let once = Scored::new(&scores, &dice);
    let twice = Scored::new(&[scores, scores].concat(), &[dice, dice].concat());
    let interval = |scored: &Scored, groups: &[usize]| {
        Bootstrap::new(groups, 300, 5)
            .interval(|times| augrc(&scored.drawn(times)))
            .unwrap()
    };
    let (one, two) = (
        interval(&once, &groups),
        interval(&twice, &[groups.clone(), groups.clone()].concat()),
    );
    assert!((one.low - two.low).abs() < 1e-12 && (one.high - two.high).abs() < 1e-12);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is drawn twice counts as two images of the same score and Dice.
    #[test]
    fn a_draw_is_the_list_with_copies(
        rows in proptest::collection::vec((0u8..6, 0u8..6, 0u32..3), 1..12),
    ) {
        let value = |level: u8| f64::from(level) / 5.0;
        let scores: Vec<f64> = rows.iter().map(|row| value(row.0)).collect();
        let dice: Vec<f64> = rows.iter().map(|row| value(row.1)).collect();
        let times: Vec<u32> = rows.iter().map(|row| row.2).collect();
        let copies = |values: &[f64]| -> Vec<f64> {
            values.iter().zip(&times).flat_map(|(&v, &times)| std::iter::repeat_n(v, times as usize)).collect()
        };
        let (few, many) = (Scored::new(&scores, &dice), Scored::new(&copies(&scores), &copies(&dice)));
        let (few, many) = (few.drawn(&times), many.all());
        prop_assert_eq!(few.len(), many.len());
        type Metric = fn(&Draw<'_>) -> Option<f64>;
        let metrics: [Metric; 8] = [
            aurc,
            optimal_aurc,
            normalised_aurc,
            augrc,
            spearman,
            pearson,
            |draw| auroc(draw, |dice| dice < 0.5),
            |draw| dice_at_coverage(draw, 0.7),
        ];
        for (index, metric) in metrics.into_iter().enumerate() {
            match (metric(&few), metric(&many)) {
                (Some(a), Some(b)) => prop_assert!((a - b).abs() < 1e-9, "metric {}: {} and {}", index, a, b),
                (a, b) => prop_assert_eq!(a, b, "metric {}", index),
            }
        }
    }

    /// The order in which images are listed is no information, and no score beats the Dice itself.
    #[test]
    fn the_order_of_the_list_does_not_matter(
        rows in proptest::collection::vec((0u8..4, 0u8..8), 2..20),
        seed in any::<u64>(),
    ) {
        let split = |rows: &[(u8, u8)]| -> (Vec<f64>, Vec<f64>) {
            rows.iter().map(|row| (f64::from(row.0), f64::from(row.1) / 7.0)).unzip()
        };
        let mut shuffled = rows.clone();
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        for last in (1..shuffled.len()).rev() {
            shuffled.swap(last, random.gen_range(0..=last));
        }
        let ((scores, dice), (other_scores, other_dice)) = (split(&rows), split(&shuffled));
        let (one, other) = (Scored::new(&scores, &dice), Scored::new(&other_scores, &other_dice));
        let (a, b) = (aurc(&one.all()).unwrap(), aurc(&other.all()).unwrap());
        prop_assert!((a - b).abs() < 1e-12);
        prop_assert!(optimal_aurc(&one.all()).unwrap() <= a + 1e-12);
        prop_assert!(augrc(&one.all()).unwrap() >= 0.0);
    }
}
