//! `Segment` over real gRPC: the answer equals the library's result, for every image and mask format.
//!
//! What would break: an answer that differs from the one that `sagate segment` gives, an image or mask format that differs from the
//! protocol, or a decision that ignores the request's gate options.

use ndarray::Array2;
use sagate::proto::v1;
use sagate_core::imaging::mask;

use crate::binary::{Place, floats, npy, waves, waves_image};
use crate::nifti_file::NiftiFile;
use crate::server::{Server, file, request, tensor};

fn place() -> Place {
    Place::new(2, &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
}

/// The labels of packed bits, one entry per class.
fn labels(answer: &v1::Segmentation) -> Array2<u8> {
    let mask = answer.mask.as_ref().unwrap();
    let size = [mask.height as usize, mask.width as usize];
    let mut labels = Array2::zeros((size[0], size[1]));
    for (class, bits) in (1..).zip(&mask.data) {
        let plane = mask::unpack(bits, size).unwrap();
        labels.zip_mut_with(&plane, |label, &bit| *label += bit * class);
    }
    labels
}

/// Soft Dice confidence, and the mean probability inside the object, from the bytes of an answer.
fn confidences(bytes: &[u8], labels: &Array2<u8>) -> [f64; 2] {
    let (values, _) = bytes.as_chunks();
    let p: Vec<f64> = values
        .iter()
        .map(|&value| f64::from(f32::from_le_bytes(value)))
        .collect();
    let (mut soft_dice, mut inside) = (Vec::new(), Vec::new());
    for (plane, class) in p.chunks(labels.len()).zip(1..) {
        let of_class = plane.iter().zip(labels).filter(|(_, label)| **label == class);
        let of_class: Vec<f64> = of_class.map(|(&p, _)| p).collect();
        if !of_class.is_empty() {
            let both: f64 = of_class.iter().sum();
            soft_dice.push(2.0 * both / (plane.iter().sum::<f64>() + of_class.len() as f64));
        }
        inside.extend(of_class);
    }
    [soft_dice, inside].map(|values| values.iter().sum::<f64>() / values.len() as f64)
}

#[tokio::test]
async fn the_answer_is_the_librarys() {
    let place = place();
    let server = Server::start(&place, &[]);
    let mut client = server.client();
    for (seed, height, width) in [(1, 64, 80), (2, 33, 47), (3, 128, 16)] {
        let image = waves_image(seed, height, width);
        let mut asked = request("a/b-1", tensor(&image));
        asked.options.as_mut().unwrap().probabilities = true;
        let answer = client.segment(asked).await.unwrap().into_inner();
        assert_eq!(answer.request_id, "a/b-1");
        let answer = answer.segmentation.unwrap();
        let expected = crate::binary::segment(&place.pass(), &image);
        assert_eq!(answer.mu, expected.mean_sa.mu);
        assert_eq!(answer.object_fraction, expected.object_fraction());
        assert_eq!(labels(&answer), expected.labels);
        let probabilities = answer.probabilities.unwrap();
        assert_eq!(probabilities.shape, [2, height as u32, width as u32]);
        assert_eq!(probabilities.data, floats(expected.probability.iter().copied()));
        let [soft_dice, object] = confidences(&probabilities.data, &expected.labels);
        assert!((answer.soft_dice_confidence - soft_dice).abs() < 1e-12);
        assert!((answer.object_confidence - object).abs() < 1e-12);
        assert!(
            (0.3..1.0).contains(&object),
            "two classes: the likeliest has more than a third"
        );
        let scores: Vec<_> = answer.layer_scores.iter().map(|it| it.layer).collect();
        assert_eq!(scores, [17, 18]);
        let mean: f64 = answer
            .layer_scores
            .iter()
            .map(|it| it.mean_unit_sa_score)
            .sum::<f64>()
            / 2.0;
        assert!(
            (mean - answer.mu).abs() < 1e-12,
            "mu is the mean of layers of one width"
        );
        assert_eq!(answer.coverage, Some(0.9));
        assert_eq!(answer.threshold, Some(0.2));
        let timing = answer.timing.unwrap();
        assert!(timing.forward_seconds > 0.0 && timing.qc_seconds > 0.0);
        assert_eq!(timing.batch_images, 1);
        assert_eq!(answer.model.unwrap().name, "tiny");
        assert_eq!(answer.image_hash.len(), 64);
    }
    let stopped = server.stop();
    assert_eq!(stopped.code, 0, "{stopped:?}");
}

#[tokio::test]
async fn forms_of_images() {
    let place = place();
    let server = Server::start(&place, &[]);
    let mut client = server.client();
    let name = place.picture("image.png", 5, 48, 64);
    let png = std::fs::read(place.path(&name)).unwrap();
    let expected = place.expected(&name);
    let sagate_core::imaging::Picture::Image(image) =
        sagate_core::imaging::read(&place.path(&name), &sagate_core::imaging::Limits::default()).unwrap()
    else {
        panic!("a PNG is an image");
    };
    let values: Vec<f32> = image.pixels.iter().copied().collect();
    let as_u16: Vec<u8> = values.iter().flat_map(|&it| (it as u16).to_le_bytes()).collect();
    let of_type = |data_type: v1::DataType, data: Vec<u8>| v1::Image {
        source: Some(v1::image::Source::Tensor(v1::Tensor {
            data_type: data_type.into(),
            shape: vec![48, 64],
            data: data.into(),
            spacing: vec![],
        })),
    };
    let halves: Vec<u8> = values
        .iter()
        .flat_map(|&it| half::f16::from_f32(it).to_le_bytes())
        .collect();
    let images = [
        file(png),
        file(npy("<f4", "(48, 64)", &floats(values.iter().copied()))),
        of_type(v1::DataType::Uint16, as_u16.clone()),
        of_type(v1::DataType::Int16, as_u16),
        of_type(v1::DataType::Float16, halves),
        tensor(&image),
    ];
    for image in images {
        let answer = client.segment(request("", image)).await.unwrap().into_inner();
        assert_eq!(answer.request_id.len(), 32, "the server makes an id");
        let answer = answer.segmentation.unwrap();
        assert_eq!(answer.mu, expected.mean_sa.mu);
        assert_eq!(labels(&answer), expected.labels);
    }
}

#[tokio::test]
async fn forms_of_masks() {
    let place = place();
    let server = Server::start(&place, &[]);
    let mut client = server.client();
    let image = waves_image(4, 40, 56);
    let expected = crate::binary::segment(&place.pass(), &image).labels;
    for form in [
        v1::MaskFormat::None,
        v1::MaskFormat::Png,
        v1::MaskFormat::Nifti,
        v1::MaskFormat::Rle,
    ] {
        let mut asked = request("x", tensor(&image));
        asked.options.as_mut().unwrap().mask_format = form.into();
        let answer = client
            .segment(asked)
            .await
            .unwrap()
            .into_inner()
            .segmentation
            .unwrap();
        let Some(mask) = answer.mask else {
            assert_eq!(form, v1::MaskFormat::None);
            continue;
        };
        let labels = match form {
            v1::MaskFormat::Rle => {
                let mut labels = Array2::zeros((40, 56));
                for (class, runs) in (1..).zip(&mask.data) {
                    let runs: sagate_core::imaging::mask::Rle = serde_json::from_slice(runs).unwrap();
                    let plane = runs.decode(&sagate_core::imaging::Limits::default()).unwrap();
                    labels.zip_mut_with(&plane, |label: &mut u8, &bit| *label += bit * class);
                }
                labels
            }
            _ => {
                place.write("mask", &mask.data[0]);
                crate::binary::mask(&place.path("mask"))
            }
        };
        assert_eq!(labels, expected, "{form:?}");
    }
}

/// The picture in a NIfTI mask.
fn picture(mask: &v1::Mask) -> sagate_core::imaging::Picture {
    let limits = sagate_core::imaging::Limits::default();
    sagate_core::imaging::decode(
        &mask.data[0],
        sagate_core::imaging::Format::Nifti,
        "mask",
        &limits,
    )
    .unwrap()
}

/// A volume whose file axes are z, -x and y, a little oblique; every slice is another.
fn turned_volume() -> NiftiFile {
    let (z, x, y) = (3, 40, 36);
    let mut data = Vec::new();
    for j in 0..y {
        for i in 0..x {
            for k in 0..z {
                data.extend((waves(k + 1, y, x)[[j, i]] as i16).to_le_bytes());
            }
        }
    }
    let mut file = NiftiFile::new(&[z as i16, x as i16, y as i16], 4, 16, data);
    (file.sform_code, file.qform_code) = (4, 1);
    file.sform = [
        [0.1, -1.5, 0.0, 30.0],
        [0.0, 0.0, 2.0, -36.0],
        [3.0, 0.0, -0.1, 5.0],
    ];
    file.pixdim[1..4].copy_from_slice(&[3.0, 1.5, 2.0]);
    file.quaternion = [0.5, 0.5, 0.5, 1.0, 2.0, 3.0];
    file
}

/// The NIfTI mask of a slice opens on that slice of its volume, and that of a flat file on the file.
#[tokio::test]
async fn a_nifti_mask_lies_where_its_image_does() {
    use sagate_core::imaging::{Format, Limits, Picture, Plane, decode, mask};
    let place = place();
    let server = Server::start(&place, &[]);
    let mut client = server.client();
    let mut segment = async |bytes: Vec<u8>, slice: Option<u32>| {
        let mut image = file(bytes);
        if let Some(v1::image::Source::File(file)) = &mut image.source {
            file.slice = slice;
        }
        let mut asked = request("", image);
        asked.options.as_mut().unwrap().mask_format = v1::MaskFormat::Nifti.into();
        let answer = client.segment(asked).await.unwrap().into_inner();
        answer.segmentation.unwrap().mask.unwrap()
    };
    for bytes in [turned_volume().bytes(), turned_volume().bytes_2()] {
        let Ok(Picture::Volume(scan)) = decode(&bytes, Format::Nifti, "scan", &Limits::default()) else {
            panic!("a volume");
        };
        for index in 0..3 {
            let answered = segment(bytes.clone(), Some(index)).await;
            let Picture::Volume(found) = picture(&answered) else {
                panic!("a volume of one slice");
            };
            assert_eq!(found.voxels.dim(), (1, 40, 36, 1), "one slice across z");
            for (found, scan) in found.affine().iter().zip(scan.affine()) {
                assert_eq!(found[..3], scan[..3], "the steps");
                let place = scan[3] + scan[2] * f64::from(index);
                assert!(
                    (found[3] - place).abs() < 1e-5,
                    "slice {index}: {} is not {place}",
                    found[3]
                );
            }
            let labels = mask::from_volume(&found, "mask").unwrap();
            let image = scan.slice(Plane::Axial, index as usize);
            let expected = crate::binary::segment(&place.pass(), &image).labels;
            assert_eq!(Plane::Axial.slice(labels.view(), 0), expected, "slice {index}");
        }
    }
    let mut flat = NiftiFile::counting(&[40, 36]);
    flat.sform_code = 2;
    flat.sform = [
        [0.0, 0.0, 1.0, 5.0],
        [1.5, 0.0, 0.0, -100.0],
        [0.0, 2.0, 0.0, -70.0],
    ];
    let bytes = flat.bytes();
    let Ok(Picture::Image(image)) = decode(&bytes, Format::Nifti, "flat", &Limits::default()) else {
        panic!("an image");
    };
    let Picture::Image(found) = picture(&segment(bytes, None).await) else {
        panic!("an image");
    };
    assert_eq!(
        found.geometry.as_ref().unwrap().affine(),
        image.geometry.as_ref().unwrap().affine()
    );
    let expected = crate::binary::segment(&place.pass(), &image).labels;
    assert_eq!(mask::from_image(&found, "mask").unwrap(), expected);
}

/// One file of a .hdr/.img pair is refused, with a clear message.
#[tokio::test]
async fn half_a_pair_is_refused_by_its_name() {
    let place = place();
    let server = Server::start(&place, &[]);
    let mut client = server.client();
    let mut header = turned_volume();
    header.magic = *b"ni1\0";
    let mut analyze = header.clone();
    analyze.magic = [0; 4];
    for (bytes, format, words) in [
        (
            header.bytes()[..348].to_vec(),
            v1::FileFormat::Unspecified,
            "whose voxels lie in the .img file",
        ),
        (
            analyze.bytes()[..348].to_vec(),
            v1::FileFormat::Unspecified,
            "Analyze 7.5",
        ),
        (
            turned_volume().data,
            v1::FileFormat::Nifti,
            "the .img file of a .hdr/.img pair has none",
        ),
    ] {
        let mut image = file(bytes);
        if let Some(v1::image::Source::File(file)) = &mut image.source {
            file.format = format.into();
        }
        let status = client.segment(request("", image)).await.unwrap_err();
        assert!(status.message().contains(words), "{status:?} lacks {words}");
    }
}

#[tokio::test]
async fn the_gate_as_asked() {
    let place = place();
    let server = Server::start(&place, &[]);
    let mut client = server.client();
    let image = tensor(&waves_image(6, 32, 32));
    let mu = client
        .segment(request("", image.clone()))
        .await
        .unwrap()
        .into_inner()
        .segmentation
        .unwrap()
        .mu;
    use v1::segmentation_options::Gate;
    for (gate, threshold, accept) in [
        (Gate::Coverage(1.0), f64::NEG_INFINITY, true),
        (Gate::Coverage(0.0), f64::INFINITY, false),
        (Gate::Threshold(mu), mu, true),
        (Gate::Threshold(mu.next_up()), mu.next_up(), false),
    ] {
        let mut asked = request("", image.clone());
        asked.options.as_mut().unwrap().gate = Some(gate);
        let answer = client
            .segment(asked)
            .await
            .unwrap()
            .into_inner()
            .segmentation
            .unwrap();
        assert_eq!(answer.threshold, Some(threshold), "{gate:?}");
        let (decision, reasons): (_, Vec<i32>) = if accept {
            (v1::Decision::Accept, vec![])
        } else {
            (v1::Decision::Reject, vec![v1::Reason::BelowThreshold.into()])
        };
        assert_eq!(answer.decision(), decision, "{gate:?}");
        assert_eq!(answer.reasons, reasons);
    }
}

#[test]
fn every_reason_has_its_word() {
    for reason in sagate_core::gate::Reason::ALL {
        assert_eq!(
            sagate::grpc::reason(reason).as_str_name(),
            format!("REASON_{reason}"),
            "the protocol and the program name a reason alike"
        );
    }
}
