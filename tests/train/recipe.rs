//! Recipes: the paper's defaults, flags above the file, and what is refused.

use std::path::PathBuf;

use sagate_core::imaging::preprocess::Step;
use sagate_lab::train::{Loss, Override, Recipe};

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("train.toml");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

fn refusal(text: &str) -> String {
    let (_folder, path) = file(text);
    let message = Recipe::load(Some(&path), Vec::new()).unwrap_err().to_string();
    assert!(message.contains("train.toml"), "{message}");
    message
}

#[test]
fn the_defaults_are_the_papers() {
    let recipe = Recipe::load(None, Vec::new()).unwrap();
    assert_eq!(
        (recipe.base_width, recipe.batch_size, recipe.epochs),
        (64, 10, 50)
    );
    assert_eq!(
        (recipe.learning_rate, recipe.halve_every, recipe.lambda),
        (1e-4, 20, 1.0)
    );
    assert_eq!((recipe.loss, recipe.detach_prototypes), (Loss::Offline, false));
    let rates: Vec<f64> = [0, 19, 20, 39, 40]
        .map(|epoch| recipe.learning_rate_in(epoch))
        .to_vec();
    assert_eq!(rates, [1e-4, 1e-4, 5e-5, 5e-5, 2.5e-5]);
    let (_folder, path) = file("");
    assert_eq!(Recipe::load(Some(&path), Vec::new()).unwrap(), recipe);
}

#[test]
fn the_example_is_the_default() {
    let example = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("train.example.toml");
    assert_eq!(
        Recipe::load(Some(&example), Vec::new()).unwrap(),
        Recipe::default()
    );
}

#[test]
fn a_file_sets_and_flags_override() {
    let text = "loss = \"online\"\nepochs = 7\n[augmentation]\nrotation = 3\n[[preprocessing]]\nop = \"unit_range\"\n";
    let (_folder, path) = file(text);
    let settings = [
        "augmentation.noise=0.5",
        "epochs = 9",
        "loss=offline",
        "model.licence=CC BY 4.0",
    ];
    let overrides = settings.map(|text| Override::parse(text).unwrap()).to_vec();
    let recipe = Recipe::load(Some(&path), overrides).unwrap();
    assert_eq!((recipe.loss, recipe.epochs), (Loss::Offline, 9));
    assert_eq!(
        (recipe.augmentation.rotation, recipe.augmentation.noise),
        (3.0, 0.5)
    );
    assert_eq!(recipe.augmentation.shear, Recipe::default().augmentation.shear);
    assert_eq!(recipe.preprocessing, [Step::UnitRange]);
    assert_eq!(recipe.model.licence.as_deref(), Some("CC BY 4.0"));
}

#[test]
fn unknown_keys_are_refused() {
    for (text, key) in [
        ("epoch = 3\n", "epoch"),
        ("[augmentation]\nrotate = 3\n", "rotate"),
        (
            "[[preprocessing]]\nop = \"window\"\nlow = 0\nhigh = 1\nmid = 2\n",
            "mid",
        ),
        ("[[preprocessing]]\nop = \"sharpen\"\n", "sharpen"),
        ("loss = \"dice\"\n", "dice"),
    ] {
        let message = refusal(text);
        assert!(message.contains(key), "{message}");
    }
    let message = Recipe::load(None, vec![Override::parse("augmentation.rotate=3").unwrap()]).unwrap_err();
    assert!(message.to_string().contains("rotate"), "{message}");
}

#[test]
fn values_out_of_range_are_refused_with_the_range() {
    for (text, field, right) in [
        ("epochs = 0\n", "epochs is 0", "at least 1"),
        ("batch_size = 0\n", "batch_size is 0", "from 1"),
        ("learning_rate = -1.0\n", "learning_rate is -1", "above 0"),
        ("learning_rate = nan\n", "learning_rate is NaN", "above 0"),
        ("base_width = 0\n", "base_width is 0", "from 1 to 1024"),
        ("lambda = -0.5\n", "lambda is -0.5", "0 or more"),
        ("checkpoint_every = 0\n", "checkpoint_every is 0", "at least 1"),
        (
            "[augmentation]\nflip_vertical = 1.5\n",
            "augmentation.flip_vertical is 1.5",
            "a probability",
        ),
        (
            "[augmentation]\nscale = nan\n",
            "augmentation.scale is NaN",
            "0 to 0.9",
        ),
        (
            "[[preprocessing]]\nop = \"window\"\nlow = 3\nhigh = 1\n",
            "preprocessing step 1",
            "low below high",
        ),
    ] {
        let message = refusal(text);
        assert!(message.contains(field) && message.contains(right), "{message}");
    }
}

#[test]
fn what_is_no_setting_is_refused() {
    for text in ["epochs", "=3", "augmentation..noise=1"] {
        let message = Override::parse(text).unwrap_err().to_string();
        assert!(
            message.contains(text) && message.contains("key=value"),
            "{message}"
        );
    }
    let message = Recipe::load(None, vec![Override::parse("epochs.many=3").unwrap()])
        .unwrap_err()
        .to_string();
    assert!(message.contains("epochs"), "{message}");
    let message = Recipe::load(Some(&PathBuf::from("none/train.toml")), Vec::new())
        .unwrap_err()
        .to_string();
    assert!(message.contains("none/train.toml: cannot be read"), "{message}");
}
