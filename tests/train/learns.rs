//! The trainer learns: a tiny phantom is overfitted to a Dice above 0.9, with either loss.

use std::ops::ControlFlow;
use std::sync::Arc;

use sagate_lab::train::augment::Augmentation;
use sagate_lab::train::{Finished, Loss, Observer, Recipe, Row, Samples, Start, Step, run};

use crate::phantom::{job, never, sample, samples};

fn overfit(loss: Loss, samples: Samples, classes: i64) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    let recipe = Recipe {
        base_width: 4,
        epochs: 60,
        batch_size: 2,
        halve_every: 0,
        augmentation: Augmentation::none(),
        ..crate::phantom::recipe(loss)
    };
    run(
        &job(recipe, &Arc::new(samples), classes, folder.path(), Start::Fresh),
        &mut never(),
    )
    .unwrap()
    .unwrap()
}

/// The same images to learn from and to be measured with.
fn same(mut samples: Samples) -> Samples {
    samples.validation = samples.train.clone();
    samples
}

#[test]
fn the_offline_loss_learns() {
    let finished = overfit(Loss::Offline, same(samples(4, 1, 32, 1)), 1);
    assert!(finished.best_row.validation_dice > 0.9, "{:?}", finished.best_row);
    assert_eq!(finished.best_row.online, 0.0);
}

#[test]
fn the_online_loss_learns_and_so_do_its_feature_maps() {
    let finished = overfit(Loss::Online, same(samples(4, 1, 32, 1)), 1);
    assert!(finished.best_row.validation_dice > 0.9, "{:?}", finished.best_row);
    let (first, last) = (&finished.history[0], finished.history.last().unwrap());
    assert!(
        last.online < 0.7 * first.online,
        "{} to {}",
        first.online,
        last.online
    );
}

#[test]
fn several_classes_and_sizes_in_one_batch_are_learned() {
    let sizes = [(32, 32), (40, 36), (32, 50), (45, 32)];
    let train: Vec<_> = sizes
        .iter()
        .enumerate()
        .map(|(index, &(height, width))| sample(index, height, width, 2))
        .collect();
    for loss in [Loss::Offline, Loss::Online] {
        let finished = overfit(loss, same(Samples::new(train.clone(), Vec::new(), 1)), 2);
        assert!(
            finished.best_row.validation_dice > 0.85,
            "{loss}: {:?}",
            finished.best_row
        );
    }
}

#[test]
fn the_best_epoch_is_the_one_with_the_highest_dice() {
    let finished = overfit(Loss::Offline, samples(4, 2, 32, 1), 1);
    let highest = finished
        .history
        .iter()
        .map(|row| row.validation_dice)
        .fold(0.0, f64::max);
    assert_eq!(finished.best_row.validation_dice, highest);
    let first = finished
        .history
        .iter()
        .find(|row| row.validation_dice == highest)
        .unwrap();
    assert_eq!(*first, finished.best_row, "the earliest of equals");
}

struct Watch {
    begun: Option<(u64, u64)>,
    steps: Vec<Step>,
    rows: Vec<Row>,
}

impl Observer for Watch {
    fn begin(&mut self, step: u64, steps: u64) {
        self.begun = Some((step, steps));
    }

    fn step(&mut self, step: &Step) -> ControlFlow<()> {
        self.steps.push(*step);
        ControlFlow::Continue(())
    }

    fn epoch(&mut self, row: &Row, _best: bool) {
        self.rows.push(row.clone());
    }
}

#[test]
fn whoever_watches_sees_every_step_and_history_tells_every_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let mut watch = Watch {
        begun: None,
        steps: Vec::new(),
        rows: Vec::new(),
    };
    let recipe = crate::phantom::recipe(Loss::Online);
    run(
        &job(
            recipe,
            &Arc::new(samples(7, 2, 32, 1)),
            1,
            folder.path(),
            Start::Fresh,
        ),
        &mut watch,
    )
    .unwrap();
    assert_eq!(watch.begun, Some((0, 9)));
    assert_eq!(
        watch.steps.iter().map(|step| step.step).collect::<Vec<_>>(),
        (1..=9).collect::<Vec<_>>()
    );
    assert!(watch.steps[0].dice.is_none() && watch.steps[3].dice.is_some());
    let rates: Vec<f64> = watch.rows.iter().map(|row| row.learning_rate).collect();
    assert_eq!(rates, [1e-2, 1e-2, 5e-3], "halved every 2 epochs");
    for row in &watch.rows {
        assert!(
            (row.loss - row.cross_entropy - row.online).abs() < 1e-5,
            "lambda is 1: {row:?}"
        );
    }
    let text = std::fs::read_to_string(folder.path().join("history.csv")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(
        lines[0].starts_with(
            "epoch,step,learning_rate,loss,cross_entropy,online,validation_loss,validation_dice"
        )
    );
    assert!(lines[3].starts_with("3,9,5e-3,"), "{}", lines[3]);
}
