//! BraTS 2018 to 2020, written here in its published layouts: which subject goes where, what its slices hold, and what is
//! said of one that is incomplete or broken.

use std::fs;
use std::path::Path;

use sagate_lab::data::published::{Layout, Options};
use sagate_lab::data::{Corruption, CorruptionKind, Severity, corruption};

use crate::published_tree::{EXTENT, SHOWN, flipped, imported, label, refused, splits, subjects, volume};

const MODALITIES: [&str; 4] = ["flair", "t1", "t1ce", "t2"];

fn brats_subject(dir: &Path, name: &str) {
    for (number, modality) in MODALITIES.iter().enumerate() {
        let path = dir.join(name).join(format!("{name}_{modality}.nii.gz"));
        volume(&path, 1, |_, [x, y, z]| {
            (1000 * number + 100 * x + 10 * y + z) as i16
        });
    }
    volume(&dir.join(name).join(format!("{name}_seg.nii.gz")), 1, |_, at| {
        2 * label(at)
    });
}

/// Six subjects in 2018; the same and CBICA_NEW_1 in 2019; those seven and another in 2020.
fn brats(root: &Path) {
    let old = [
        "2013_10_1",
        "CBICA_AAB_1",
        "CBICA_AAG_1",
        "CBICA_AAL_1",
        "TCIA01_1_1",
        "TCIA02_1_1",
    ];
    let mut mapping =
        "Severity,BraTS_2017_subject_ID,BraTS_2018_subject_ID,TCGA_TCIA_subject_ID,BraTS_2019_subject_ID,BraTS_2020_subject_ID\n"
            .to_owned();
    let latest = root.join("BraTS2020_TrainingData/MICCAI_BraTS2020_TrainingData");
    for (number, name) in old.iter().enumerate() {
        let severity = if number < 4 { "HGG" } else { "LGG" };
        for (year, place) in [
            ("Brats18", "MICCAI_BraTS_2018_Data_Training"),
            ("BraTS19", "MICCAI_BraTS_2019_Data_Training"),
        ] {
            brats_subject(&root.join(place).join(severity), &format!("{year}_{name}"));
        }
        mapping += &format!("{severity},NA,Brats18_{name},NA,BraTS19_{name},BraTS20_Training_00{number}\n");
        brats_subject(&latest, &format!("BraTS20_Training_00{number}"));
    }
    brats_subject(
        &root.join("MICCAI_BraTS_2019_Data_Training/HGG"),
        "BraTS19_CBICA_NEW_1",
    );
    mapping += "HGG,NA,NA,NA,BraTS19_CBICA_NEW_1,BraTS20_Training_006\r\nLGG,,,,,BraTS20_Training_007\n";
    brats_subject(&latest, "BraTS20_Training_006");
    brats_subject(&latest, "BraTS20_Training_007");
    fs::write(latest.join("name_mapping.csv"), mapping).unwrap();
}

#[test]
fn brats_18_trains_and_only_subjects_new_in_19_and_20_test() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("data");
    brats(&root);
    let options = Options {
        validation: Some(0.34),
        ..Options::default()
    };
    let task = imported(Layout::Brats, &root, place.path(), options).unwrap();
    let [train, validation, test] = splits(&task);
    assert_eq!(subjects(&train).len(), 4);
    assert_eq!(subjects(&validation).len(), 2);
    let all = |name: &String| name.starts_with("Brats18_");
    assert!(subjects(&train).iter().all(all) && subjects(&validation).iter().all(all));
    // The new subject of 2019 is in 2020 too, and counts once.
    let new = ["BraTS19_CBICA_NEW_1", "BraTS20_Training_007"];
    assert_eq!(subjects(&test).into_iter().collect::<Vec<_>>(), new);

    assert_eq!(task.channels(), ["FLAIR", "T1", "T1c", "T2"]);
    assert_eq!(test.len(), 2 * SHOWN.len(), "slices without tumour are left out");
    let [nx, ny, _] = EXTENT;
    for (example, z) in test.iter().zip(SHOWN.chain(SHOWN)) {
        let truth = example.truth.as_ref().unwrap();
        assert_eq!(example.image.pixels.dim(), (4, ny, nx));
        for ((channel, row, x), &v) in example.image.pixels.indexed_iter() {
            let y = ny - 1 - row;
            assert_eq!(v, (1000 * channel + 100 * x + 10 * y + z) as f32);
            assert_eq!(
                truth[[row, x]],
                u8::from(label([x, y, z]) != 0),
                "whole tumour: any label"
            );
        }
    }
    assert!(
        task.file().splits.train.contains("16 slices out of 4"),
        "{:?}",
        task.file().splits
    );
    assert_eq!(task.file().source.files[0].name, "name_mapping.csv");
}

#[test]
fn thick_slices_never_mix_subjects() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("data");
    brats(&root);
    let task = imported(Layout::Brats, &root, place.path(), Options::default()).unwrap();
    let [_, _, mut test] = splits(&task);
    let values = [5.0, 50.0];
    let names: Vec<String> = subjects(&test).into_iter().collect();
    for example in &mut test {
        let own = names
            .iter()
            .position(|name| example.name.starts_with(name.as_str()))
            .unwrap();
        example.image.pixels.fill(values[own]);
    }
    let thick = Corruption {
        kind: CorruptionKind::ThickSlices,
        severity: Severity::Severe,
        seed: 1,
    };
    for index in 0..test.len() {
        let corrupted = corruption::apply(&thick, &test, index, &[]).unwrap();
        assert_eq!(
            corrupted.image, test[index].image,
            "the mean over one subject's equal slices"
        );
    }
}

#[test]
fn what_is_wrong_with_a_subject_of_brats_is_named() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    brats(root);
    let refused = || refused(Layout::Brats, root, Options::default());
    let folder = root.join("MICCAI_BraTS_2018_Data_Training/LGG/Brats18_TCIA02_1_1");
    let t2 = folder.join("Brats18_TCIA02_1_1_t2.nii.gz");
    let seg = folder.join("Brats18_TCIA02_1_1_seg.nii.gz");

    let whole = fs::read(&t2).unwrap();
    fs::write(&t2, &whole[..whole.len() / 2]).unwrap();
    let said = refused();
    assert!(
        said.contains("Brats18_TCIA02_1_1_t2.nii.gz") && said.contains("copy the whole file"),
        "{said}"
    );

    fs::remove_file(&t2).unwrap();
    let said = refused();
    assert!(
        said.contains("Brats18_TCIA02_1_1_t2.nii.gz: is not there; it is the subject's T2"),
        "{said}"
    );
    fs::write(&t2, whole).unwrap();

    flipped(&seg, |_, at| label(at));
    let said = refused();
    assert!(
        said.contains("_seg.nii.gz: by its header") && said.contains("_flair.nii.gz"),
        "{said}"
    );

    volume(&seg, 1, |_, _| -1);
    let said = refused();
    assert!(said.contains("_seg.nii.gz: a label is -1"), "{said}");

    // In BraTS 2020 one mask has another name.
    volume(&folder.join("W39_1998.09.19_Segm.nii.gz"), 1, |_, at| label(at));
    fs::remove_file(&seg).unwrap();
    imported(Layout::Brats, root, &root.join("out"), Options::default()).unwrap();

    let mapping = root.join("BraTS2020_TrainingData/MICCAI_BraTS2020_TrainingData/name_mapping.csv");
    let text = fs::read_to_string(&mapping).unwrap();
    fs::write(&mapping, text.replace("LGG,,,,,BraTS20_Training_007\n", "")).unwrap();
    let said = refused();
    assert!(
        said.contains("the row of BraTS20_Training_007 is missing"),
        "{said}"
    );
    fs::write(&mapping, text.replace("BraTS_2018_subject_ID", "ID")).unwrap();
    assert!(refused().contains("BraTS_2018_subject_ID"));
    fs::remove_file(&mapping).unwrap();
    assert!(refused().contains("name_mapping.csv: is not there"));
}
