//! Repository watcher: the engine follows a model repository, also one that breaks.
//!
//! What would break: a model that is unloaded because its folder was unreadable for a moment, a failed version that is never
//! retried, an empty repository that empties the server.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sagate::engine::{EngineError, Load, RepositoryWatcher, RequestContext, ServingPolicy, Versions};
use sagate_core::executor::ExecutorError;
use sagate_core::executor::ModelId;
use sagate_core::model::{ModelError, Repository, content_hash, refresh_checksums};
use tokio::sync::Notify;

use crate::engine_rig::{Rig, ask, image};
use crate::tiny_model;

/// Successive scans without a version before it is unloaded.
const LOOKS: u32 = 3;
const WAIT_TIMEOUT: Duration = Duration::from_secs(120);

async fn rig(names: &[&str]) -> (Rig, RepositoryWatcher) {
    let rig = Rig::new(names, |_| {});
    for name in names {
        rig.ready(name).await;
    }
    let folder = folder(&rig);
    (rig, folder)
}

fn folder(rig: &Rig) -> RepositoryWatcher {
    let repository = Repository::open(&models(rig)).unwrap();
    RepositoryWatcher::new(repository, rig.engine.clone(), LOOKS)
}

fn models(rig: &Rig) -> PathBuf {
    rig.place.path("models")
}

fn copy_version(rig: &Rig, version: u32) -> PathBuf {
    tiny_model::copy_version(&models(rig), "tiny", version)
}

/// Loaded models, `NAME@VERSION` each.
fn loaded(rig: &Rig) -> Vec<String> {
    let models = rig.engine.models();
    models
        .iter()
        .map(|model| model.contract().id().to_string())
        .collect()
}

fn hash(rig: &Rig, version: u32) -> String {
    let model = rig.engine.find("tiny", Some(version)).unwrap();
    model.contract().hash().to_owned()
}

/// Whether the default model is ready.
async fn answers(rig: &Rig) {
    let model = rig.engine.find("", None).expect("the default is there");
    ask(&model, &image(&model, 1, 48), &RequestContext::default())
        .await
        .expect("the default answers");
    assert!(rig.engine.is_ready());
}

/// Changes the manifest of a version.
fn reword(folder: &Path) {
    tiny_model::change(folder, "manifest.toml", "random weights for tests", "other words");
    refresh_checksums(folder).unwrap();
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < WAIT_TIMEOUT, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_followed() {
    let (rig, mut folder) = rig(&["tiny"]).await;
    let second = copy_version(&rig, 2);
    folder.reconcile(false).await.unwrap();
    assert_eq!(loaded(&rig), ["tiny@1"], "it may still be being written");
    folder.reconcile(false).await.unwrap();
    assert_eq!(loaded(&rig), ["tiny@1", "tiny@2"]);
    let before = hash(&rig, 2);
    reword(&second);
    folder.reconcile(true).await.unwrap();
    let after = hash(&rig, 2);
    assert_ne!(after, before, "what changed was loaded anew");
    // Corrupt: it is not loaded, and the previous version continues to serve.
    std::fs::write(second.join("weights.safetensors"), b"nonsense").unwrap();
    refresh_checksums(&second).unwrap();
    folder.reconcile(true).await.unwrap();
    assert_eq!(hash(&rig, 2), after);
    std::fs::remove_dir_all(&second).unwrap();
    for _ in 1..LOOKS {
        folder.reconcile(true).await.unwrap();
        assert_eq!(
            loaded(&rig),
            ["tiny@1", "tiny@2"],
            "too few looks say that it is gone"
        );
    }
    folder.reconcile(true).await.unwrap();
    assert_eq!(loaded(&rig), ["tiny@1"]);
}

/// A moved folder, which is moved back on drop.
struct Moved {
    from: PathBuf,
    to: PathBuf,
}

impl Moved {
    fn away(rig: &Rig, what: &str) -> Moved {
        let (from, to) = (rig.place.path(what), rig.place.path("moved"));
        std::fs::rename(&from, &to).unwrap();
        Moved { from, to }
    }
}

impl Drop for Moved {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.from);
        std::fs::rename(&self.to, &self.from).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_not_gone() {
    let (rig, mut folder) = rig(&["tiny", "other"]).await;
    let both = ["other@1", "tiny@1"];
    let is_no_models = |error: &EngineError| {
        matches!(
            error,
            EngineError::Executor(ExecutorError::Model(ModelError::NoModels { .. }))
        )
    };
    let is_io = |error: &EngineError| {
        matches!(
            error,
            EngineError::Executor(ExecutorError::Model(ModelError::Io { .. }))
        )
    };
    // The sums alone, all files of the default's version, and the folder of the models itself.
    for what in ["models/tiny/1/SHA256SUMS", "models/tiny/1", "models"] {
        let moved = Moved::away(&rig, what);
        if what == "models/tiny/1" {
            std::fs::create_dir(rig.place.path(what)).unwrap();
        }
        for _ in 0..2 * LOOKS {
            let looked = folder.reconcile(true).await;
            match what {
                "models" => assert!(is_io(looked.as_ref().unwrap_err()), "{looked:?}"),
                _ => looked.unwrap(),
            }
            assert_eq!(loaded(&rig), both, "{what}");
            answers(&rig).await;
        }
        drop(moved);
        folder.reconcile(true).await.unwrap();
    }
    // A mount that is missing leaves an empty folder: that says nothing of models.
    let moved = Moved::away(&rig, "models");
    std::fs::create_dir(models(&rig)).unwrap();
    for _ in 0..2 * LOOKS {
        let refused = folder.reconcile(true).await.unwrap_err();
        assert!(is_no_models(&refused), "{refused}");
        assert_eq!(loaded(&rig), both);
        answers(&rig).await;
    }
    drop(moved);
    // A link whose target is away is there.
    let moved = Moved::away(&rig, "models/tiny/1");
    std::os::unix::fs::symlink(rig.place.path("nowhere"), &moved.from).unwrap();
    for _ in 0..2 * LOOKS {
        folder.reconcile(true).await.unwrap();
        assert_eq!(loaded(&rig), both);
    }
    std::fs::remove_file(&moved.from).unwrap();
    drop(moved);
    // Looks that could not be made do not count as ones that agree.
    let gone = Moved::away(&rig, "models/tiny");
    for _ in 0..2 * LOOKS {
        folder.reconcile(true).await.unwrap();
        let mount = (models(&rig), rig.place.path("mount"));
        std::fs::rename(&mount.0, &mount.1).unwrap();
        folder.reconcile(true).await.unwrap_err();
        std::fs::rename(&mount.1, &mount.0).unwrap();
        assert_eq!(loaded(&rig), both);
    }
    // Gone for good, while the folder lists others: then it is taken away, and the server is not ready without its default.
    for _ in 0..LOOKS {
        folder.reconcile(true).await.unwrap();
    }
    assert_eq!(loaded(&rig), ["other@1"]);
    assert!(!rig.engine.is_ready());
    assert_eq!(rig.engine.missing(), ["tiny"]);
    // It comes again.
    drop(gone);
    folder.reconcile(true).await.unwrap();
    answers(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_replaced_in_place_is_swapped() {
    let (rig, mut folder) = rig(&["tiny"]).await;
    folder.reconcile(false).await.unwrap();
    let before = hash(&rig, 1);
    let version = models(&rig).join("tiny/1");
    // As somebody copies: the folder goes, comes back in part, then whole.
    let whole = copy_version(&rig, 7);
    tiny_model::change(&whole, "manifest.toml", "version = 7", "version = 1");
    tiny_model::change(
        &whole,
        "calibration.json",
        "\"model_version\": 7",
        "\"model_version\": 1",
    );
    reword(&whole);
    let whole = Moved::away(&rig, "models/tiny/7");
    std::fs::remove_dir_all(&version).unwrap();
    std::fs::create_dir(models(&rig).join("unrelated")).unwrap();
    folder.reconcile(false).await.unwrap_err();
    assert_eq!(hash(&rig, 1), before);
    std::fs::create_dir(&version).unwrap();
    for file in ["SHA256SUMS", "manifest.toml"] {
        std::fs::copy(whole.to.join(file), version.join(file)).unwrap();
    }
    for _ in 0..2 * LOOKS {
        folder.reconcile(false).await.unwrap();
        assert_eq!(hash(&rig, 1), before, "a part is no replacement");
        answers(&rig).await;
    }
    assert!(matches!(
        rig.engine.loads().values().next(),
        Some(Load::Failed(reason)) if reason.contains("weights.safetensors")
    ));
    for file in std::fs::read_dir(&whole.to).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), version.join(file.file_name())).unwrap();
    }
    folder.reconcile(true).await.unwrap();
    let sums = std::fs::read(version.join("SHA256SUMS")).unwrap();
    assert_eq!(hash(&rig, 1), content_hash(&sums));
    assert!(rig.engine.loads().is_empty());
    answers(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_loaded_is_tried_again() {
    let (rig, folder) = rig(&["tiny"]).await;
    let second = copy_version(&rig, 2);
    let weights = second.join("weights.safetensors");
    let good = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &good[..good.len() / 2]).unwrap();
    let now = Arc::new(Notify::new());
    // It never looks by itself, but for what is not settled.
    let following = tokio::spawn(folder.follow(None, now.clone()));
    now.notify_one();
    let id = ModelId {
        name: "tiny".into(),
        version: 2,
    };
    until("it does not fail", || {
        matches!(rig.engine.loads().get(&id), Some(Load::Failed(_)))
    })
    .await;
    // Its sums are what they were.
    std::fs::write(&weights, &good).unwrap();
    until("it is not tried again", || {
        rig.engine.find("tiny", Some(2)).is_ok()
    })
    .await;
    assert!(rig.engine.loads().is_empty());
    following.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_for_a_look_has_it_tried_at_once() {
    let (rig, mut folder) = rig(&["tiny"]).await;
    let second = copy_version(&rig, 2);
    let weights = second.join("weights.safetensors");
    let good = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, b"nonsense").unwrap();
    // Far more than a moment until it is tried by itself.
    for _ in 0..6 {
        folder.reconcile(true).await.unwrap();
    }
    std::fs::write(&weights, &good).unwrap();
    folder.reconcile(false).await.unwrap();
    assert_eq!(loaded(&rig), ["tiny@1"], "its time has not come");
    folder.reconcile(true).await.unwrap();
    assert_eq!(loaded(&rig), ["tiny@1", "tiny@2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_before_goes_when_the_new_one_answers() {
    let rig = Rig::new(&["tiny"], |setup| {
        let latest = ServingPolicy {
            versions: Versions::Latest,
            ..ServingPolicy::default()
        };
        setup.serving.models.insert("tiny".into(), latest);
    });
    rig.ready("tiny").await;
    let mut folder = folder(&rig);
    let second = copy_version(&rig, 2);
    std::fs::write(second.join("weights.safetensors"), b"nonsense").unwrap();
    folder.reconcile(true).await.unwrap();
    assert_eq!(loaded(&rig), ["tiny@1"], "what fails replaces nothing");
    answers(&rig).await;
    copy_version(&rig, 2);
    folder.reconcile(true).await.unwrap();
    assert_eq!(loaded(&rig), ["tiny@2"]);
    // Its sums cannot be read: it stays, and nothing older comes in its place.
    std::fs::remove_file(second.join("SHA256SUMS")).unwrap();
    for _ in 0..2 * LOOKS {
        folder.reconcile(true).await.unwrap();
        assert_eq!(loaded(&rig), ["tiny@2"]);
    }
    // Gone for good: the one before comes first.
    std::fs::remove_dir_all(&second).unwrap();
    for _ in 0..LOOKS {
        answers(&rig).await;
        folder.reconcile(true).await.unwrap();
    }
    assert_eq!(loaded(&rig), ["tiny@1"]);
    answers(&rig).await;
}
