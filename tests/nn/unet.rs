//! The U-Net's shapes, its layer table, and its checkpoints.

use sagate_core::nn::checkpoint::{CheckpointError, Difference, Weights};
use sagate_core::nn::layers::{Group, LAYERS, Layer};
use sagate_core::nn::unet::{UNet, UNetConfig, padded_side};
use tch::{Device, Kind, Tensor, nn};

const CONFIG: UNetConfig = UNetConfig {
    in_channels: 2,
    classes: 3,
    base_width: 2,
};

fn network(config: &UNetConfig, seed: u64) -> (nn::VarStore, UNet) {
    let store = nn::VarStore::new(Device::Cpu);
    let network = UNet::new(&store.root(), config, seed).unwrap();
    (store, network)
}

fn image(config: &UNetConfig, height: i64, width: i64) -> Tensor {
    let count = 2 * config.in_channels * height * width;
    let wave = Tensor::arange(count, (Kind::Float, Device::Cpu)) * 0.37;
    wave.sin().view([2, config.in_channels, height, width])
}

#[test]
fn logits_and_taps_have_the_shapes_of_the_table() {
    let (_store, network) = network(&CONFIG, 1);
    for (height, width) in [(16, 16), (48, 32), (16, 80)] {
        for train in [true, false] {
            let forward = network.forward_t(&image(&CONFIG, height, width), train).unwrap();
            assert_eq!(forward.logits.size(), [2, 4, height, width]);
            assert_eq!(forward.taps.len(), LAYERS.len());
            for (layer, tap) in LAYERS.iter().zip(&forward.taps) {
                let side = |side: i64| side / layer.downsampling;
                assert_eq!(
                    tap.size(),
                    [2, layer.channels(2), side(height), side(width)],
                    "{}",
                    layer.name
                );
                assert!(
                    tap.min().double_value(&[]) >= 0.0,
                    "{} is after its ReLU",
                    layer.name
                );
            }
        }
    }
}

#[test]
fn the_table_is_that_of_the_paper() {
    let channels: Vec<i64> = LAYERS.iter().map(|layer| layer.channels(64)).collect();
    let paper = [
        64, 64, 128, 128, 256, 256, 512, 512, 1024, 1024, 512, 512, 256, 256, 128, 128, 64, 64,
    ];
    assert_eq!(channels, paper);
    for (index, layer) in LAYERS.iter().enumerate() {
        assert_eq!(layer.number, index + 1);
        assert_eq!(
            layer.width, layer.downsampling,
            "width doubles as resolution halves"
        );
        let group = match layer.number {
            1..=4 => Group::Early,
            5..=14 => Group::DeepAbstract,
            _ => Group::Late,
        };
        assert_eq!(layer.group, group);
        assert_eq!(Layer::by_number(layer.number), Some(layer));
        assert_eq!(Layer::by_name(layer.name), Some(layer));
    }
    assert_eq!(Layer::by_number(0), None);
    assert_eq!(Layer::by_number(19), None);
    assert_eq!(Layer::by_name("decoder1.3"), None);
}

#[test]
fn parameters_have_standard_names() {
    let parameters = CONFIG.parameters();
    let shape = |name: &str| {
        parameters
            .iter()
            .find(|parameter| parameter.name == name)
            .map(|parameter| parameter.shape.clone())
    };
    assert_eq!(parameters.len(), 18 * 5 + 4 * 2 + 2);
    assert_eq!(shape("encoder1.conv1.weight"), Some(vec![2, 2, 3, 3]));
    assert_eq!(shape("bottleneck.norm2.running_var"), Some(vec![32]));
    assert_eq!(shape("upconv4.weight"), Some(vec![32, 16, 2, 2]));
    assert_eq!(shape("decoder4.conv1.weight"), Some(vec![16, 32, 3, 3]));
    assert_eq!(shape("head.weight"), Some(vec![4, 2, 1, 1]));
    assert_eq!(shape("head.bias"), Some(vec![4]));
    assert_eq!(shape("encoder1.conv1.bias"), None);
}

#[test]
fn a_seed_makes_the_weights() {
    let [one, again, other] = [7, 7, 8].map(|seed| Weights::from_store(&network(&CONFIG, seed).0).unwrap());
    let name = "decoder2.conv1.weight";
    assert_eq!(one.get(name), again.get(name));
    assert_ne!(one.get(name), other.get(name));
    // He: deviation sqrt(2 / (inputs * 9)).
    let wide = UNetConfig {
        in_channels: 1,
        classes: 1,
        base_width: 16,
    };
    let (store, _network) = network(&wide, 1);
    let deviation = store.variables()["bottleneck.conv2.weight"]
        .std(true)
        .double_value(&[]);
    let expected = (2.0f64 / (256.0 * 9.0)).sqrt();
    assert!(
        (deviation / expected - 1.0).abs() < 0.01,
        "{deviation} {expected}"
    );
}

#[test]
fn training_moves_the_running_statistics_and_serving_does_not() {
    let (store, network) = network(&CONFIG, 1);
    let mean = || store.variables()["encoder1.norm1.running_mean"].copy();
    let before = mean();
    network.forward_t(&image(&CONFIG, 16, 16), false).unwrap();
    assert_eq!(before, mean());
    network.forward_t(&image(&CONFIG, 16, 16), true).unwrap();
    assert_ne!(before, mean());
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let (_store, network) = network(&CONFIG, 1);
    for shape in [
        vec![1, 2, 15, 16],
        vec![1, 1, 16, 16],
        vec![2, 16, 16],
        vec![1, 2, 0, 16],
    ] {
        let error = network
            .forward_t(&Tensor::zeros(&shape, (Kind::Float, Device::Cpu)), false)
            .unwrap_err();
        assert!(error.to_string().contains(&format!("{shape:?}")), "{error}");
    }
    let zero = UNetConfig {
        base_width: 0,
        ..CONFIG
    };
    let error = UNet::new(&nn::VarStore::new(Device::Cpu).root(), &zero, 1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the network's base_width is 0; it must be from 1 to 1024"
    );
    assert_eq!([1, 16, 17, 224].map(padded_side), [16, 16, 32, 224]);
}

#[test]
fn a_checkpoint_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let (store, from) = network(&CONFIG, 3);
    from.forward_t(&image(&CONFIG, 32, 32), true).unwrap();
    let weights = Weights::from_store(&store).unwrap();
    weights.write(&path, false).unwrap();
    let first = std::fs::read(&path).unwrap();
    weights.write(&path, false).unwrap();
    assert_eq!(
        first,
        std::fs::read(&path).unwrap(),
        "the same weights are the same bytes"
    );

    let (other, to) = network(&CONFIG, 4);
    Weights::read(&path, &CONFIG).unwrap().copy_into(&other).unwrap();
    let [a, b] = [&from, &to].map(|net| net.forward_t(&image(&CONFIG, 32, 48), false).unwrap().logits);
    assert_eq!(a, b);
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing but the file is left"
    );
}

#[test]
fn half_precision_storage_shrinks_the_file_and_hardly_moves_the_output() {
    let config = UNetConfig {
        in_channels: 1,
        classes: 1,
        base_width: 16,
    };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (store, from) = network(&config, 3);
    let weights = Weights::from_store(&store).unwrap();
    weights.write(&path("full"), false).unwrap();
    weights.write(&path("half"), true).unwrap();
    let size = |name: &str| std::fs::metadata(path(name)).unwrap().len() as f64;
    assert!(size("half") < 0.6 * size("full"));

    let (other, to) = network(&config, 4);
    Weights::read(&path("half"), &config)
        .unwrap()
        .copy_into(&other)
        .unwrap();
    let [a, b] = [&from, &to].map(|net| net.forward_t(&image(&config, 32, 32), false).unwrap().logits);
    assert!((a - b).abs().max().double_value(&[]) < 1e-2);
}

#[test]
fn every_difference_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let (store, _) = network(&CONFIG, 3);
    Weights::from_store(&store).unwrap().write(&path, false).unwrap();

    let wider = UNetConfig { classes: 4, ..CONFIG };
    let error = Weights::read(&path, &wider).unwrap_err();
    let CheckpointError::Mismatch { differences, .. } = &error else {
        panic!("{error}")
    };
    let head = |name: &str, expected: &[i64], found: &[i64]| Difference::Shape {
        name: name.to_owned(),
        expected: expected.to_vec(),
        found: found.to_vec(),
    };
    assert_eq!(
        *differences,
        [
            head("head.bias", &[5], &[4]),
            head("head.weight", &[5, 2, 1, 1], &[4, 2, 1, 1])
        ]
    );
    assert!(
        error
            .to_string()
            .contains("head.weight: has the shape [4, 2, 1, 1], should have [5, 2, 1, 1]")
    );
    assert!(error.to_string().contains("weights.safetensors"));

    let foreign = [
        ("head.weight", Kind::Double),
        ("stem.weight", Kind::Float),
        ("head.bias", Kind::Float),
    ]
    .map(|(name, kind)| (name, Tensor::ones([4], (kind, Device::Cpu)) * f64::NAN));
    Tensor::write_safetensors(&foreign, &path).unwrap();
    let text = Weights::read(&path, &CONFIG).unwrap_err().to_string();
    assert!(
        text.contains("head.weight: is stored as F64, should be F32 or F16"),
        "{text}"
    );
    assert!(!text.contains("head.weight: missing"), "{text}");
    assert!(text.contains("stem.weight: unexpected"), "{text}");
    assert!(text.contains("head.bias: holds NaN"), "{text}");
    assert!(
        text.contains("encoder1.conv1.weight: missing, should be [2, 2, 3, 3]"),
        "{text}"
    );
    assert_eq!(text.matches(": missing").count(), CONFIG.parameters().len() - 2);
}

#[test]
fn damaged_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    assert!(matches!(
        Weights::read(&path, &CONFIG),
        Err(CheckpointError::Read { .. })
    ));
    let (store, _) = network(&CONFIG, 3);
    Weights::from_store(&store).unwrap().write(&path, false).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for length in [0, 4, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let error = Weights::read(&path, &CONFIG).unwrap_err();
        assert!(
            matches!(error, CheckpointError::Malformed { .. }),
            "{length}: {error}"
        );
    }
}

#[test]
fn weights_of_another_network_do_not_go_in() {
    let (store, _) = network(&CONFIG, 3);
    let (narrow, _) = network(
        &UNetConfig {
            base_width: 1,
            ..CONFIG
        },
        3,
    );
    let before = narrow.variables()["head.bias"].copy();
    let error = Weights::from_store(&store)
        .unwrap()
        .copy_into(&narrow)
        .unwrap_err();
    assert!(matches!(error, CheckpointError::Mismatch { .. }));
    assert_eq!(before, narrow.variables()["head.bias"]);
}
