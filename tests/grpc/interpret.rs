//! `Interpret` over real gRPC: the decision first, then each part in order, all equal to the library's result.
//!
//! What would break: a SAM, score or unit that differs from what `sagate interpret` shows, parts in another order or
//! missing, or a decision that waits for the SAMs.

use std::time::{Duration, Instant};

use ndarray::{Array2, Array3};
use protoseg::split_units;
use sagate::engine::UnitOrder;
use sagate::proto::v1;
use sagate_core::executor::{Interpretation, Resolution};
use sagate_core::imaging::Image;
use v1::interpret_response::Part;

use crate::binary::{Place, floats, waves_image};
use crate::grpc_calls::{ExpectedImage, wait_until_idle, within};
use crate::server::{Server, serve, tensor};

fn place() -> Place {
    Place::new(2, &[0.1, 0.2])
}

/// The library's interpretation of an image, with all layers.
fn seen(place: &Place, image: &Image) -> Interpretation {
    let pass = place.pass();
    let ready = pass.prepare(image).unwrap();
    pass.interpret(&ready, &(1..=18).collect::<Vec<_>>()).unwrap()
}

fn look(image: &Image, layers: v1::LayerOptions, units: Vec<v1::UnitOptions>) -> v1::InterpretRequest {
    v1::InterpretRequest {
        request_id: "look".into(),
        image: Some(tensor(image)),
        options: Some(v1::SegmentationOptions {
            mask_format: v1::MaskFormat::Bits.into(),
            ..Default::default()
        }),
        layers: Some(layers),
        units,
    }
}

async fn parts(server: &Server, asked: v1::InterpretRequest) -> Vec<Part> {
    let mut client = server.client();
    let mut answers = within(client.interpret(asked)).await.unwrap().into_inner();
    let mut parts = Vec::new();
    while let Some(answer) = within(answers.message()).await.unwrap() {
        parts.push(answer.part.unwrap());
    }
    parts
}

/// A word for each part, in their order.
fn order(parts: &[Part]) -> Vec<String> {
    let word = |part: &Part| match part {
        Part::Segmentation(_) => "decision".to_owned(),
        Part::Layer(it) => format!("layer {}", it.layer),
        Part::Units(it) => format!("units {}/{}", it.layer, it.class),
        Part::Summary(it) => format!("end of {}", it.layers),
    };
    parts.iter().map(word).collect()
}

fn assert_labels(sent: &v1::Tensor, expected: &Array2<u8>) {
    assert_eq!(sent.data_type(), v1::DataType::Uint8);
    assert_eq!(sent.shape, [expected.nrows() as u32, expected.ncols() as u32]);
    assert_eq!(sent.data, expected.iter().copied().collect::<Vec<u8>>());
}

fn assert_probability(sent: &v1::Tensor, expected: &Array3<f32>, form: v1::ProbabilityFormat) {
    let (classes, height, width) = expected.dim();
    assert_eq!(sent.shape, [classes as u32, height as u32, width as u32]);
    if form == v1::ProbabilityFormat::Float32 {
        assert_eq!(sent.data_type(), v1::DataType::Float32);
        assert_eq!(sent.data, floats(expected.iter().copied()));
    } else {
        assert_eq!(sent.data_type(), v1::DataType::Uint8);
        for (&byte, &value) in sent.data.iter().zip(expected) {
            // Half a step, and what float32 adds to it.
            assert!(
                (f64::from(byte) / 255.0 - f64::from(value)).abs() <= 0.5 / 255.0 + 1e-6,
                "{byte} of {value}"
            );
        }
    }
}

#[tokio::test]
async fn every_layer_is_the_librarys() {
    let place = place();
    let image = waves_image(4, 48, 80);
    let seen = seen(&place, &image);
    let known = ExpectedImage::new(&place, 4, 48, 80);
    let server = serve(&place, &[], &[]);
    let wanted = [18u32, 3, 11, 1];
    let forms = [
        (v1::ProbabilityFormat::Float32, v1::Resolution::Image, true),
        (v1::ProbabilityFormat::Float32, v1::Resolution::Layer, true),
        (v1::ProbabilityFormat::Uint8, v1::Resolution::Unspecified, false),
        (v1::ProbabilityFormat::None, v1::Resolution::Layer, false),
    ];
    for (form, resolution, labels) in forms {
        let options = v1::LayerOptions {
            layers: wanted.to_vec(),
            probability: form.into(),
            resolution: resolution.into(),
            labels,
            skip: false,
        };
        let parts = parts(&server, look(&image, options, vec![])).await;
        assert_eq!(
            order(&parts),
            [
                "decision", "layer 1", "layer 3", "layer 11", "layer 18", "end of 4"
            ]
        );
        for part in parts {
            match part {
                Part::Segmentation(answer) => {
                    known.assert_is(&answer);
                    assert_eq!(answer.mu, seen.segmentation.mean_sa.mu);
                    assert_eq!(answer.image_hash.len(), 64);
                    assert!(answer.timing.unwrap().forward_seconds > 0.0);
                }
                Part::Layer(sent) => {
                    let grid = match resolution {
                        v1::Resolution::Layer => Resolution::Layer,
                        _ => Resolution::Image,
                    };
                    let view = seen.layer_at(sent.layer as usize, grid).unwrap();
                    assert_eq!((sent.sa_score, &*sent.name), (view.score, view.layer.name));
                    assert_eq!(sent.downsampling, view.layer.downsampling as u32);
                    let group = sent.group().as_str_name().replace("LAYER_GROUP_", "");
                    let expected = view.layer.group.to_string().replace(' ', "_").to_uppercase();
                    assert_eq!(group, expected);
                    assert_eq!(sent.probability.is_some(), form != v1::ProbabilityFormat::None);
                    if let Some(sent) = &sent.probability {
                        assert_probability(sent, &view.probability, form);
                    }
                    assert_eq!(sent.labels.is_some(), labels);
                    if let Some(sent) = &sent.labels {
                        assert_labels(sent, &view.sam);
                    }
                }
                Part::Summary(end) => {
                    assert!(
                        0.0 < end.sam_seconds && end.sam_seconds <= end.total_seconds,
                        "{end:?}"
                    );
                }
                Part::Units(units) => panic!("nobody asked for {units:?}"),
            }
        }
    }
    let all = parts(&server, look(&image, v1::LayerOptions::default(), vec![])).await;
    let mut expected = vec!["decision".to_owned()];
    expected.extend((1..=18).map(|layer| format!("layer {layer}")));
    expected.push("end of 18".into());
    assert_eq!(order(&all), expected);
}

#[tokio::test]
async fn units_are_the_librarys() {
    let place = place();
    let image = waves_image(5, 40, 56);
    let seen = seen(&place, &image);
    let server = serve(&place, &[], &[]);
    let none = v1::LayerOptions {
        skip: true,
        ..Default::default()
    };
    let option = |layer, class, count, order: v1::UnitOrder, average| v1::UnitOptions {
        layer,
        class,
        count,
        order: order.into(),
        average,
    };
    let asked = vec![
        option(17, 2, 3, v1::UnitOrder::Best, true),
        option(9, 0, 5, v1::UnitOrder::Spread, false),
        option(2, 1, 0, v1::UnitOrder::Unspecified, true),
        option(18, 2, 1000, v1::UnitOrder::Best, false),
    ];
    let parts = parts(&server, look(&image, none, asked.clone())).await;
    assert_eq!(
        order(&parts),
        [
            "decision",
            "units 17/2",
            "units 9/1",
            "units 2/1",
            "units 18/2",
            "end of 0"
        ]
    );
    for (part, asked) in parts[1..5].iter().zip(asked) {
        let Part::Units(sent) = part else {
            panic!("{part:?}")
        };
        let choice = match asked.order() {
            v1::UnitOrder::Spread => UnitOrder::Spread,
            _ => UnitOrder::Best,
        };
        let choose = |scores: &[f64]| choice.choose(scores, asked.count as usize);
        let view = seen
            .units(sent.layer as usize, sent.class as usize, choose, true)
            .unwrap();
        assert_eq!(sent.sa_scores, view.scores);
        let split = split_units(&view.scores);
        let active: Vec<u32> = split.active.iter().map(|&unit| unit as u32).collect();
        assert_eq!(
            (&sent.active_units, sent.active_threshold),
            (&active, split.threshold)
        );
        assert_eq!(sent.sams.len(), view.sams.len());
        for (sent, (unit, sam)) in sent.sams.iter().zip(&view.sams) {
            assert_eq!((sent.unit as usize, sent.sa_score), (*unit, view.scores[*unit]));
            assert_labels(sent.labels.as_ref().unwrap(), sam);
        }
        assert_eq!(sent.average.is_some(), asked.average);
        if let Some(sent) = &sent.average {
            assert_eq!(sent.shape, [40, 56]);
            assert_eq!(sent.data, floats(view.average.as_ref().unwrap().iter().copied()));
        }
    }
}

/// The decision arrives while the model still computes the other parts.
#[tokio::test]
async fn the_decision_waits_for_no_sam() {
    let place = place();
    let server = serve(&place, &[], &[]);
    let image = waves_image(6, 768, 768);
    let units = (1..=18).map(|layer| v1::UnitOptions {
        layer,
        count: 4,
        average: true,
        ..Default::default()
    });
    let asked = look(&image, v1::LayerOptions::default(), units.collect());
    let mut client = server.client();
    let mut answers = within(client.interpret(asked)).await.unwrap().into_inner();
    let mut arrived = Vec::new();
    let mut sam_seconds = None;
    while let Some(answer) = within(answers.message()).await.unwrap() {
        arrived.push(Instant::now());
        match answer.part.unwrap() {
            Part::Segmentation(_) => {
                assert_eq!(arrived.len(), 1);
                let status = crate::grpc_calls::status(&mut server.client()).await;
                assert_eq!(
                    status.models[0].queue_entries, 1,
                    "the model is still at work on it"
                );
            }
            Part::Summary(end) => sam_seconds = Some(end.sam_seconds),
            _ => assert!(arrived.len() > 1),
        }
    }
    let taken = arrived.last().unwrap().duration_since(arrived[0]);
    let sams = Duration::from_secs_f64(sam_seconds.unwrap());
    // The SAMs were computed after the decision had arrived, but for what it was on its way meanwhile.
    assert!(
        taken >= sams / 2,
        "{taken:?} between the first and the last message, {sams:?} for SAMs"
    );
    wait_until_idle(&mut client).await;
}
