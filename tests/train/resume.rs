//! A training killed at any step and resumed gives the same weights as one that was not.

use std::path::Path;
use std::sync::Arc;

use sagate_core::nn::checkpoint::Weights;
use sagate_lab::train::{Finished, Loss, Recipe, Samples, Start, TrainError, run};

use crate::phantom::{StopAfter, job, never, recipe, samples};

fn bits(weights: &Weights) -> Vec<(String, Vec<u32>)> {
    let values = |tensor: &tch::Tensor| Vec::<f32>::try_from(tensor.flatten(0, -1)).unwrap();
    weights
        .iter()
        .map(|(name, tensor)| {
            (
                name.to_owned(),
                values(tensor).into_iter().map(f32::to_bits).collect(),
            )
        })
        .collect()
}

fn straight(recipe: &Recipe, samples: &Arc<Samples>, folder: &Path) -> Finished {
    run(
        &job(recipe.clone(), samples, 1, folder, Start::Fresh),
        &mut never(),
    )
    .unwrap()
    .unwrap()
}

fn assert_same(one: &Finished, other: &Finished, what: &str) {
    assert_eq!(bits(&one.last), bits(&other.last), "{what}: last weights");
    assert_eq!(bits(&one.best), bits(&other.best), "{what}: best weights");
    let rows = |finished: &Finished| {
        let mut rows = finished.history.clone();
        rows.iter_mut().for_each(|row| row.seconds = 0.0);
        rows
    };
    assert_eq!(rows(one), rows(other), "{what}: history");
}

/// 8 images in steps of 3, a state after every second step: kills fall on saved steps, between them, and at epochs' ends.
fn killed_after(kills: impl Iterator<Item = u64>, recipe: Recipe) {
    let folder = tempfile::tempdir().unwrap();
    let samples = Arc::new(samples(8, 2, 32, 1));
    let whole = straight(&recipe, &samples, &folder.path().join("whole"));
    assert_eq!(whole.history.len(), 3);
    for kill in kills {
        let place = folder.path().join(format!("killed-{kill}"));
        let resume = job(recipe.clone(), &samples, 1, &place, Start::Resume);
        assert!(run(&resume, &mut StopAfter(kill)).unwrap().is_none());
        let resumed = run(&resume, &mut never()).unwrap().unwrap();
        assert_same(
            &whole,
            &resumed,
            &format!("{}, killed after step {kill}", recipe.loss),
        );
    }
}

#[test]
fn killed_at_any_step_and_resumed_is_straight_through() {
    for loss in [Loss::Offline, Loss::Online] {
        killed_after(1..9, recipe(loss));
    }
}

#[test]
fn killed_and_resumed_is_straight_through_with_several_threads() {
    killed_after(
        [5].into_iter(),
        Recipe {
            threads: 2,
            ..recipe(Loss::Online)
        },
    );
}

#[test]
fn killed_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let samples = Arc::new(samples(8, 2, 32, 1));
    let recipe = Recipe {
        checkpoint_every: 1,
        ..recipe(Loss::Offline)
    };
    let whole = straight(&recipe, &samples, &folder.path().join("whole"));
    let resume = job(
        recipe.clone(),
        &samples,
        1,
        &folder.path().join("killed"),
        Start::Resume,
    );
    let mut kills = 0;
    let resumed = loop {
        // Two steps at a time: the second is lost each time, as nothing is saved after the step that is killed.
        match run(&resume, &mut StopAfter(2)).unwrap() {
            Some(finished) => break finished,
            None => kills += 1,
        }
        assert!(kills < 50, "it must get on");
    };
    assert!(kills > 5);
    assert_same(&whole, &resumed, "killed again and again");
}

#[test]
fn the_same_seed_gives_the_same_weights_and_another_seed_others() {
    let folder = tempfile::tempdir().unwrap();
    let samples = Arc::new(samples(8, 2, 32, 1));
    let recipe = recipe(Loss::Online);
    let one = straight(&recipe, &samples, &folder.path().join("one"));
    let again = straight(&recipe, &samples, &folder.path().join("again"));
    assert_same(&one, &again, "the same seed");
    let other = straight(
        &Recipe { seed: 2, ..recipe },
        &samples,
        &folder.path().join("other"),
    );
    assert_ne!(bits(&one.last), bits(&other.last));
}

#[test]
fn more_epochs_go_on_from_a_finished_training() {
    let folder = tempfile::tempdir().unwrap();
    let samples = Arc::new(samples(6, 2, 32, 1));
    let short = recipe(Loss::Offline);
    let long = Recipe {
        epochs: 5,
        ..short.clone()
    };
    let whole = straight(&long, &samples, &folder.path().join("whole"));
    let place = folder.path().join("lengthened");
    straight(&short, &samples, &place);
    let lengthened = run(&job(long, &samples, 1, &place, Start::Resume), &mut never())
        .unwrap()
        .unwrap();
    assert_same(&whole, &lengthened, "lengthened");
}

#[test]
fn another_training_is_not_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let some = Arc::new(samples(6, 2, 32, 1));
    let recipe = recipe(Loss::Offline);
    straight(&recipe, &some, place);

    let fresh = run(&job(recipe.clone(), &some, 1, place, Start::Fresh), &mut never()).unwrap_err();
    assert!(
        matches!(
            fresh,
            TrainError::Occupied {
                epoch: 3,
                step: 6,
                ..
            }
        ),
        "{fresh}"
    );
    assert!(fresh.to_string().contains("--resume"), "{fresh}");

    let faster = Recipe {
        learning_rate: 0.5,
        seed: 9,
        ..recipe.clone()
    };
    let error = run(&job(faster, &some, 1, place, Start::Resume), &mut never())
        .unwrap_err()
        .to_string();
    assert!(error.contains("learning_rate was 0.01 and is 0.5 now"), "{error}");
    assert!(error.contains("seed was 1 and is 9 now"), "{error}");
    let others = Arc::new(samples(6, 3, 32, 1));
    let error = run(
        &job(recipe.clone(), &others, 1, place, Start::Resume),
        &mut never(),
    )
    .unwrap_err();
    assert!(error.to_string().contains("images"), "{error}");
    let error = run(&job(recipe.clone(), &some, 2, place, Start::Resume), &mut never()).unwrap_err();
    assert!(error.to_string().contains("network"), "{error}");

    let state = place.join("state.safetensors");
    let whole = std::fs::read(&state).unwrap();
    std::fs::write(&state, &whole[..whole.len() / 2]).unwrap();
    let error = run(&job(recipe.clone(), &some, 1, place, Start::Resume), &mut never()).unwrap_err();
    assert!(
        error.to_string().contains("state.safetensors: is no whole state"),
        "{error}"
    );
    let again = run(&job(recipe, &some, 1, place, Start::Restart), &mut never())
        .unwrap()
        .unwrap();
    assert_eq!(again.history.len(), 3);
}

#[test]
fn a_loss_that_is_no_number_stops_it_and_keeps_the_last_good_state() {
    let folder = tempfile::tempdir().unwrap();
    let mut corrupted = samples(8, 2, 32, 1);
    corrupted.train[0].pixels[[0, 16, 16]] = f32::NAN;
    let corrupted = Arc::new(corrupted);
    let recipe = Recipe {
        batch_size: 1,
        checkpoint_every: 1,
        ..recipe(Loss::Offline)
    };
    let job = job(recipe, &corrupted, 1, folder.path(), Start::Resume);
    let mut messages = Vec::new();
    for _ in 0..2 {
        let error = run(&job, &mut never()).unwrap_err();
        let TrainError::NotFinite {
            epoch: 1, step, kept, ..
        } = error
        else {
            panic!("{error}")
        };
        assert_eq!(step, kept + 1, "the state before the step that failed is kept");
        assert!(kept > 0, "this seed draws a good image first");
        messages.push(error.to_string());
    }
    assert_eq!(messages[0], messages[1], "resumed, it fails at the same step");
    assert!(
        messages[0].contains("the loss is NaN") && messages[0].contains("learning_rate"),
        "{}",
        messages[0]
    );
}

#[test]
fn weights_that_are_no_numbers_are_never_saved() {
    let folder = tempfile::tempdir().unwrap();
    let samples = Arc::new(samples(8, 2, 32, 1));
    let wild = Recipe {
        learning_rate: 1e38,
        checkpoint_every: 1,
        ..recipe(Loss::Offline)
    };
    let error = run(&job(wild, &samples, 1, folder.path(), Start::Fresh), &mut never()).unwrap_err();
    assert!(
        matches!(error, TrainError::NotFinite { kept: 0 | 1, .. }),
        "{error}"
    );
}
