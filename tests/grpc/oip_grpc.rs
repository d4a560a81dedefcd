//! The Open Inference Protocol over gRPC: results equal to `sagate.v1`, and refusals with the remedy.
//!
//! What would break: a mask or a score that differs from the one `sagate.v1` gives, a gate parameter that is ignored, images of
//! a batch in the wrong order, or an invalid request that is accepted.

use half::f16;
use sagate::proto::inference;
use sagate::proto::inference::infer_parameter::ParameterChoice;
use sagate::proto::inference::{InferTensorContents, ModelInferRequest};
use sagate::proto::v1;
use sagate_core::imaging::Image;
use tonic::Code;

use crate::binary::{Place, floats, waves_image};
use crate::oip::{asks, client, doubles, elements, outputs, with, with_outputs};
use crate::server::{ADMINS, Server, request, serve, tensor};

const H: usize = 40;
const W: usize = 52;

fn place() -> Place {
    Place::new(2, &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
}

fn pixels(image: &Image) -> Vec<u8> {
    floats(image.pixels.iter().copied())
}

fn asks_of(image: &Image) -> ModelInferRequest {
    let (_, height, width) = image.pixels.dim();
    asks("IMAGE", "FP32", &[height as i64, width as i64], pixels(image))
}

#[tokio::test]
async fn the_answer_is_that_of_sagate_v1() {
    let place = place();
    let server = Server::start(&place, &[]);
    let mut client = client(&server);
    for (seed, height, width) in [(1, 64, 80), (2, 33, 47)] {
        let image = waves_image(seed, height, width);
        let expected = crate::binary::segment(&place.pass(), &image);
        let mut asked = request("", tensor(&image));
        asked.options.as_mut().unwrap().probabilities = true;
        let own = server.client().segment(asked).await.unwrap().into_inner();
        let own = own.segmentation.unwrap();

        let names = [
            "MASK",
            "PROBABILITY",
            "MU",
            "DECISION",
            "THRESHOLD",
            "REASON",
            "SAM_3",
            "SAM_18",
            "LAYER_SA",
        ];
        let mut asked = with_outputs(asks_of(&image), &names);
        asked.id = "one".into();
        let answer = client.model_infer(asked).await.unwrap().into_inner();
        assert_eq!(
            (&*answer.model_name, &*answer.model_version, &*answer.id),
            ("tiny", "1", "one")
        );
        let order: Vec<_> = answer.outputs.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(order, names);
        let outputs = outputs(&answer);
        let (h, w) = (height as i64, width as i64);
        let is = |name: &str, datatype: &str, shape: &[i64], data: &[u8]| {
            let (found, sides, bytes) = &outputs[name];
            assert_eq!((&**found, &**sides), (datatype, shape), "{name}");
            assert_eq!(bytes, data, "{name}");
        };
        let labels: Vec<u8> = expected.labels.iter().copied().collect();
        is("MASK", "UINT8", &[1, h, w], &labels);
        is(
            "PROBABILITY",
            "FP32",
            &[1, 2, h, w],
            &own.probabilities.as_ref().unwrap().data,
        );
        is("MU", "FP64", &[1, 1], &own.mu.to_le_bytes());
        is(
            "THRESHOLD",
            "FP64",
            &[1, 1],
            &own.threshold.unwrap().to_le_bytes(),
        );
        let accept = own.decision() == v1::Decision::Accept;
        let (decision, reason) = if accept {
            ("ACCEPT", "")
        } else {
            ("REJECT", "BELOW_THRESHOLD")
        };
        is("DECISION", "BYTES", &[1, 1], &elements(&[decision.as_bytes()]));
        is("REASON", "BYTES", &[1, 1], &elements(&[reason.as_bytes()]));

        let pass = place.pass();
        let interpretation = pass
            .interpret(&pass.prepare(&image).unwrap(), &(1..=18).collect::<Vec<_>>())
            .unwrap();
        let scores: Vec<f64> = (1..=18)
            .map(|layer| interpretation.layer(layer).unwrap().score)
            .collect();
        assert_eq!(outputs["LAYER_SA"].1, [1, 18]);
        assert_eq!(doubles(&outputs["LAYER_SA"].2), scores);
        for layer in [3, 18] {
            let sam = interpretation.layer(layer).unwrap().sam;
            is(
                &format!("SAM_{layer}"),
                "UINT8",
                &[1, h, w],
                &sam.iter().copied().collect::<Vec<_>>(),
            );
        }
    }
    assert_eq!(server.stop().code, 0);
}

#[tokio::test]
async fn forms_of_images() {
    let place = place();
    let server = Server::start(&place, &[]);
    let mut client = client(&server);
    let name = place.picture("image.png", 5, H, W);
    let png = std::fs::read(place.path(&name)).unwrap();
    let expected = place.expected(&name);
    let sagate_core::imaging::Picture::Image(image) =
        sagate_core::imaging::read(&place.path(&name), &sagate_core::imaging::Limits::default()).unwrap()
    else {
        panic!("a PNG is an image");
    };
    let values: Vec<f32> = image.pixels.iter().copied().collect();
    let words: Vec<u8> = values.iter().flat_map(|&it| (it as u16).to_le_bytes()).collect();
    let halves: Vec<u8> = values
        .iter()
        .flat_map(|&it| f16::from_f32(it).to_le_bytes())
        .collect();
    let typed = |datatype: &str, contents: InferTensorContents| {
        let mut request = asks("IMAGE", datatype, &[H as i64, W as i64], vec![]);
        request.raw_input_contents.clear();
        request.inputs[0].contents = Some(contents);
        request
    };
    let (h, w) = (H as i64, W as i64);
    let wholes: Vec<u32> = values.iter().map(|&it| it as u32).collect();
    let mut typed_file = asks("IMAGE_FILE", "BYTES", &[1], vec![]);
    typed_file.raw_input_contents.clear();
    typed_file.inputs[0].contents = Some(InferTensorContents {
        bytes_contents: vec![png.clone().into()],
        ..Default::default()
    });
    let requests = [
        asks("IMAGE", "UINT16", &[h, w], words.clone()),
        asks("IMAGE", "INT16", &[1, h, w], words),
        asks("IMAGE", "FP16", &[1, 1, h, w], halves),
        asks("IMAGE", "FP32", &[h, w], pixels(&image)),
        asks("IMAGE_FILE", "BYTES", &[1], elements(&[&png])),
        asks("IMAGE_FILE", "BYTES", &[1, 1], elements(&[&png])),
        typed_file,
        typed(
            "FP32",
            InferTensorContents {
                fp32_contents: values.clone(),
                ..Default::default()
            },
        ),
        typed(
            "UINT16",
            InferTensorContents {
                uint_contents: wholes.clone(),
                ..Default::default()
            },
        ),
        typed(
            "INT16",
            InferTensorContents {
                int_contents: wholes.iter().map(|&it| it as i32).collect(),
                ..Default::default()
            },
        ),
    ];
    for request in requests {
        let said = format!("{:?} {:?}", request.inputs[0].datatype, request.inputs[0].shape);
        let answer = client.model_infer(request).await.unwrap().into_inner();
        let outputs = outputs(&answer);
        let names: Vec<_> = outputs.keys().map(String::as_str).collect();
        assert_eq!(names, ["DECISION", "MASK", "MU", "REASON", "THRESHOLD"], "{said}");
        assert_eq!(doubles(&outputs["MU"].2), [expected.mean_sa.mu], "{said}");
        assert_eq!(
            outputs["MASK"].2,
            expected.labels.iter().copied().collect::<Vec<_>>(),
            "{said}"
        );
    }
    // Bytes of any value, once as they are and once in a field.
    let bytes: Vec<u8> = values.iter().map(|&it| it as u8).collect();
    let raw = asks("IMAGE", "UINT8", &[h, w], bytes.clone());
    let uint_contents = bytes.iter().map(|&it| it.into()).collect();
    let field = typed(
        "UINT8",
        InferTensorContents {
            uint_contents,
            ..Default::default()
        },
    );
    let raw = client.model_infer(raw).await.unwrap().into_inner();
    assert_eq!(raw, client.model_infer(field).await.unwrap().into_inner());
    assert_eq!(server.stop().code, 0);
}

#[tokio::test]
async fn images_of_a_batch_keep_their_places() {
    let place = place();
    let server = serve(
        &place,
        &[("SERVER__STREAM_WINDOW", "3"), ("SERVER__MAX_IMAGES", "8")],
        &[],
    );
    let mut client = client(&server);
    let images: Vec<Image> = (0..8).map(|seed| waves_image(seed, H, W)).collect();
    let names = ["MASK", "MU", "SAM_18"];
    let batch = images.iter().flat_map(pixels).collect();
    let batch = asks("IMAGE", "FP32", &[8, 1, H as i64, W as i64], batch);
    let batch = client
        .model_infer(with_outputs(batch, &names))
        .await
        .unwrap()
        .into_inner();
    let batch = outputs(&batch);
    assert_eq!(batch["MASK"].1, [8, H as i64, W as i64]);
    assert_eq!(batch["MU"].1, [8, 1]);
    for (index, image) in images.iter().enumerate() {
        let alone = client
            .model_infer(with_outputs(asks_of(image), &names))
            .await
            .unwrap()
            .into_inner();
        let alone = outputs(&alone);
        for (name, bytes) in [("MASK", H * W), ("SAM_18", H * W), ("MU", 8)] {
            let part = &batch[name].2[index * bytes..(index + 1) * bytes];
            assert_eq!(part, alone[name].2, "{name} of image {index}");
        }
    }
    assert_eq!(server.stop().code, 0);
}

#[tokio::test]
async fn the_gate_as_asked() {
    let place = place();
    let server = serve(&place, &[("GATE__ALLOWED_COVERAGE", "0.5,1")], &[]);
    let mut client = client(&server);
    let image = waves_image(6, 32, 32);
    let answer = client.model_infer(asks_of(&image)).await.unwrap().into_inner();
    let mu = doubles(&outputs(&answer)["MU"].2)[0];
    for (name, choice, threshold, decision) in [
        (
            "coverage",
            ParameterChoice::DoubleParam(1.0),
            f64::NEG_INFINITY,
            "ACCEPT",
        ),
        (
            "coverage",
            ParameterChoice::Int64Param(1),
            f64::NEG_INFINITY,
            "ACCEPT",
        ),
        ("threshold", ParameterChoice::DoubleParam(mu), mu, "ACCEPT"),
        (
            "threshold",
            ParameterChoice::StringParam(mu.next_up().to_string()),
            mu.next_up(),
            "REJECT",
        ),
    ] {
        let asked = with(asks_of(&image), name, choice);
        let answer = client.model_infer(asked).await.unwrap().into_inner();
        let outputs = outputs(&answer);
        assert_eq!(doubles(&outputs["THRESHOLD"].2), [threshold], "{name}");
        assert_eq!(outputs["DECISION"].2, elements(&[decision.as_bytes()]), "{name}");
    }
    for (parameters, words) in [
        (
            vec![("coverage", ParameterChoice::DoubleParam(0.1))],
            ["coverage", "0.5"],
        ),
        (
            vec![("coverage", ParameterChoice::BoolParam(true))],
            ["parameters.coverage", "a number"],
        ),
        (
            vec![("coverge", ParameterChoice::DoubleParam(0.9))],
            ["parameters.coverge", "coverage"],
        ),
        (
            vec![
                ("coverage", ParameterChoice::DoubleParam(0.9)),
                ("threshold", ParameterChoice::DoubleParam(0.5)),
            ],
            ["coverage", "threshold"],
        ),
    ] {
        let asked = parameters
            .into_iter()
            .fold(asks_of(&image), |asked, (name, choice)| with(asked, name, choice));
        let refused = client.model_infer(asked).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
        words
            .iter()
            .for_each(|word| assert!(refused.message().contains(word), "{refused:?} lacks {word}"));
    }
    assert_eq!(server.stop().code, 0);
}

#[tokio::test]
async fn wrong_requests() {
    let place = place();
    let server = serve(&place, &[("SERVER__MAX_IMAGES", "4")], &[]);
    let mut client = client(&server);
    let right = asks_of(&waves_image(1, 8, 8));
    let data = || pixels(&waves_image(1, 8, 8));
    let changed = |change: &dyn Fn(&mut ModelInferRequest)| {
        let mut request = right.clone();
        change(&mut request);
        request
    };
    let png = std::fs::read(place.path(&place.picture("a.png", 1, 8, 8))).unwrap();
    let other = std::fs::read(place.path(&place.picture("b.png", 1, 8, 9))).unwrap();
    let files = |files: &[&[u8]]| asks("IMAGE_FILE", "BYTES", &[files.len() as i64], elements(files));
    let wrong: Vec<(ModelInferRequest, Code, &[&str])> = vec![
        (
            changed(&|it| it.model_name = "other".into()),
            Code::NotFound,
            &["other", "tiny@1"],
        ),
        (
            changed(&|it| it.model_version = "9".into()),
            Code::NotFound,
            &["tiny@9"],
        ),
        (
            changed(&|it| it.model_version = "one".into()),
            Code::InvalidArgument,
            &["model_version", "one"],
        ),
        (
            changed(&|it| it.id = "no spaces".into()),
            Code::InvalidArgument,
            &["request_id"],
        ),
        (
            changed(&|it| it.inputs.clear()),
            Code::InvalidArgument,
            &["inputs", "IMAGE_FILE"],
        ),
        (
            changed(&|it| it.inputs[0].name = "X".into()),
            Code::InvalidArgument,
            &["inputs[0].name", "`X`"],
        ),
        (
            changed(&|it| it.inputs[0].datatype = "FP64".into()),
            Code::InvalidArgument,
            &["datatype", "FP32"],
        ),
        (
            changed(&|it| it.inputs[0].shape = vec![8]),
            Code::InvalidArgument,
            &["inputs[0].shape", "[8]"],
        ),
        (
            changed(&|it| it.inputs[0].shape = vec![8, -8]),
            Code::InvalidArgument,
            &["shape", "at least 1"],
        ),
        (
            changed(&|it| it.inputs[0].shape = vec![i64::MAX; 4]),
            Code::InvalidArgument,
            &["shape"],
        ),
        (
            changed(&|it| it.inputs[0].shape = vec![1, 1 << 31, 1 << 31, 1 << 31]),
            Code::InvalidArgument,
            &["elements", "shape"],
        ),
        (
            changed(&|it| it.inputs[0].shape = vec![8, 9]),
            Code::InvalidArgument,
            &["64 elements", "[8, 9]"],
        ),
        (
            changed(&|it| it.raw_input_contents.clear()),
            Code::InvalidArgument,
            &["0 elements"],
        ),
        (
            changed(&|it| it.raw_input_contents.push(vec![].into())),
            Code::InvalidArgument,
            &["raw_input_contents"],
        ),
        (
            changed(&|it| {
                it.inputs[0].contents = Some(InferTensorContents {
                    fp32_contents: vec![1.0],
                    ..Default::default()
                })
            }),
            Code::InvalidArgument,
            &["inputs[0].contents", "raw_input_contents"],
        ),
        (
            with_outputs(right.clone(), &["MASK", "SCORE"]),
            Code::InvalidArgument,
            &["outputs[1].name", "LAYER_SA"],
        ),
        (
            with_outputs(right.clone(), &["SAM_19"]),
            Code::InvalidArgument,
            &["`SAM_19`", "SAM_18"],
        ),
        (
            with_outputs(right.clone(), &["MU", "MU"]),
            Code::InvalidArgument,
            &["outputs[1].name", "once more"],
        ),
        (
            asks("IMAGE", "FP32", &[3, 8, 8], [data(), data(), data()].concat()),
            Code::InvalidArgument,
            &["3 channels"],
        ),
        (
            asks("IMAGE", "FP32", &[5, 1, 8, 8], data().repeat(5)),
            Code::InvalidArgument,
            &["5 images", "server.max_images"],
        ),
        (
            with(right.clone(), "slice", ParameterChoice::Int64Param(1)),
            Code::InvalidArgument,
            &["parameters.slice"],
        ),
        (
            with(right.clone(), "row_spacing", ParameterChoice::DoubleParam(1.0)),
            Code::InvalidArgument,
            &["column_spacing"],
        ),
        (
            with(right.clone(), "timeout", ParameterChoice::Int64Param(-1)),
            Code::InvalidArgument,
            &["parameters.timeout", "-1"],
        ),
        (
            with(right.clone(), "timeout", ParameterChoice::Int64Param(1)),
            Code::DeadlineExceeded,
            &["deadline"],
        ),
        (
            with(right.clone(), "sequence_id", ParameterChoice::Int64Param(1)),
            Code::InvalidArgument,
            &["sequence_id"],
        ),
        (
            files(&[b"no picture"]),
            Code::InvalidArgument,
            &["format is unknown"],
        ),
        (
            files(&[&png, b"no picture"]),
            Code::InvalidArgument,
            &["image 1", "format is unknown"],
        ),
        (
            files(&[&png, &other]),
            Code::InvalidArgument,
            &["MASK", "[8, 8] and [8, 9]"],
        ),
        (
            asks("IMAGE_FILE", "BYTES", &[2], elements(&[&png])),
            Code::InvalidArgument,
            &["1 elements", "[2]"],
        ),
        (
            asks("IMAGE_FILE", "BYTES", &[1], vec![9, 0, 0, 0, 1]),
            Code::InvalidArgument,
            &["cut short in element 0"],
        ),
        (
            asks("IMAGE_FILE", "BYTES", &[0], vec![]),
            Code::InvalidArgument,
            &["inputs[0].shape"],
        ),
        (
            asks("IMAGE_FILE", "UINT8", &[1], elements(&[&png])),
            Code::InvalidArgument,
            &["datatype", "BYTES"],
        ),
    ];
    for (request, code, words) in wrong {
        let refused = client.model_infer(request).await.unwrap_err();
        assert_eq!(refused.code(), code, "{words:?}: {refused:?}");
        words
            .iter()
            .for_each(|word| assert!(refused.message().contains(word), "{refused:?} lacks {word}"));
    }
    // What does not depend on the size is given of images of several sizes.
    let sizes = with_outputs(files(&[&png, &other]), &["MU"]);
    assert_eq!(
        client.model_infer(sizes).await.unwrap().into_inner().outputs[0].shape,
        [2, 1]
    );
    client.model_infer(right).await.unwrap();
    assert_eq!(server.stop().code, 0);
}

#[tokio::test]
async fn a_stream_in_its_order_goes_on_after_an_error() {
    let place = place();
    let server = serve(&place, &[("SERVER__STREAM_WINDOW", "4")], &[]);
    let mut client = client(&server);
    let images: Vec<Image> = (0..9).map(|seed| waves_image(seed, H, W)).collect();
    let requests: Vec<ModelInferRequest> = images
        .iter()
        .enumerate()
        .map(|(index, image)| match index {
            4 => asks("IMAGE", "FP32", &[9, 9], vec![]),
            _ => asks_of(image),
        })
        .collect();
    let mut answers = client
        .model_stream_infer(tokio_stream::iter(requests))
        .await
        .unwrap()
        .into_inner();
    for (index, image) in images.iter().enumerate() {
        let answer = answers.message().await.unwrap().unwrap();
        let inside = answer.infer_response.unwrap();
        assert!(inside.parameters.contains_key("triton_final_response"));
        if index == 4 {
            assert!(
                answer.error_message.contains("[9, 9]"),
                "{}",
                answer.error_message
            );
            let reason = inside.parameters["reason"].parameter_choice.clone();
            assert_eq!(reason, Some(ParameterChoice::StringParam("INVALID_FIELD".into())));
            continue;
        }
        assert_eq!(answer.error_message, "");
        let alone = client.model_infer(asks_of(image)).await.unwrap().into_inner();
        assert_eq!(
            outputs(&inside),
            outputs(&alone),
            "answer {index} is that of its request"
        );
    }
    assert_eq!(answers.message().await.unwrap(), None);
    assert_eq!(server.stop().code, 0);
}

#[tokio::test]
async fn what_is_told_of_models() {
    let place = place();
    let server = serve(&place, &[ADMINS], &[]);
    let mut client = client(&server);
    assert!(
        client
            .server_live(inference::ServerLiveRequest {})
            .await
            .unwrap()
            .into_inner()
            .live
    );
    assert!(
        client
            .server_ready(inference::ServerReadyRequest {})
            .await
            .unwrap()
            .into_inner()
            .ready
    );
    let named = |name: &str, version: &str| inference::ModelReadyRequest {
        name: name.into(),
        version: version.into(),
    };
    assert!(
        client
            .model_ready(named("tiny", ""))
            .await
            .unwrap()
            .into_inner()
            .ready
    );
    assert_eq!(
        client.model_ready(named("tiny", "2")).await.unwrap_err().code(),
        Code::NotFound
    );
    let asked = inference::ModelMetadataRequest {
        name: "tiny".into(),
        version: "1".into(),
    };
    let metadata = client.model_metadata(asked).await.unwrap().into_inner();
    assert_eq!(metadata.versions, ["1"]);
    let image = &metadata.inputs[0];
    assert_eq!(
        (&*image.name, &*image.datatype, &image.shape[..]),
        ("IMAGE", "FP32", &[-1, 1, -1, -1][..])
    );
    let names: Vec<_> = metadata.outputs.iter().map(|it| it.name.as_str()).collect();
    assert!(
        names.contains(&"LAYER_SA") && names.contains(&"SAM_18") && !names.contains(&"SCORE"),
        "{names:?}"
    );
    let asked = inference::ModelConfigRequest {
        name: "tiny".into(),
        version: String::new(),
    };
    let config = client
        .model_config(asked)
        .await
        .unwrap()
        .into_inner()
        .config
        .unwrap();
    assert_eq!(config.max_batch_size, 64);
    assert_eq!(config.input[0].dims, [1, -1, -1]);
    assert_eq!(config.output.len(), metadata.outputs.len());

    let asked = || inference::ModelStatisticsRequest {
        name: "tiny".into(),
        version: String::new(),
    };
    let before = client
        .model_statistics(asked())
        .await
        .unwrap()
        .into_inner()
        .model_stats
        .remove(0);
    assert_eq!((before.inference_count, before.last_inference), (0, 0));
    for seed in 0..3 {
        client
            .model_infer(asks_of(&waves_image(seed, 32, 32)))
            .await
            .unwrap();
    }
    client
        .model_infer(asks("IMAGE", "FP32", &[9, 9], vec![]))
        .await
        .unwrap_err();
    // Counted under the model once that is known, which a wrong tensor is too early for.
    let nan = asks("IMAGE", "FP32", &[1, 1], floats([f32::NAN]));
    client.model_infer(nan).await.unwrap_err();
    let after = client
        .model_statistics(asked())
        .await
        .unwrap()
        .into_inner()
        .model_stats
        .remove(0);
    let stats = after.inference_stats.unwrap();
    assert_eq!((after.inference_count, after.execution_count), (3, 3));
    assert!(after.last_inference > 1_700_000_000_000);
    assert_eq!((stats.success.unwrap().count, stats.fail.unwrap().count), (3, 1));
    assert!(
        stats.compute_infer.unwrap().ns > 0 && stats.success.unwrap().ns > stats.compute_infer.unwrap().ns
    );
    let unknown = inference::ModelStatisticsRequest {
        name: "other".into(),
        version: String::new(),
    };
    assert_eq!(
        client.model_statistics(unknown).await.unwrap_err().code(),
        Code::NotFound
    );

    let index = client
        .repository_index(inference::RepositoryIndexRequest::default())
        .await
        .unwrap()
        .into_inner();
    let model = &index.models[0];
    assert_eq!(
        (&*model.name, &*model.version, &*model.state),
        ("tiny", "1", "READY")
    );
    let load = inference::RepositoryModelLoadRequest {
        model_name: "tiny".into(),
        ..Default::default()
    };
    let refused = client.repository_model_load(load).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    assert!(
        refused.message().contains("tiny") && refused.message().contains("models.dir"),
        "{refused:?}"
    );
    assert_eq!(
        server.metric(r#"sagate_requests_total{code="OK",method="ModelInfer"}"#),
        3.0
    );
    assert_eq!(server.stop().code, 0);
}
