//! Input that the command line refuses is refused over gRPC, with the same message and machine-readable details.
//!
//! What would break: an invalid or hostile image that is answered, crashes the server or changes the next result; an
//! error that does not name the field; an error that cannot be sent because it repeats too much of what was sent.

use sagate::proto::v1;
use tonic::{Code, Status};
use v1::FileFormat;
use v1::image::Source;

use crate::bad_files::{
    Bad, absurd, bad, garbage, not_finite, of_no_size, truncated, wrong_channels, wrong_length, wrong_type,
};
use crate::binary::{Place, assert_sentence, safetensors, waves_image};
use crate::grpc_calls::{Client, ExpectedImage, assert_refused, error_info, refused_interpretation, within};
use crate::nifti_file::NiftiFile;
use crate::server::{request, serve, tensor};

fn format(name: &str) -> FileFormat {
    match name.split_once('.').unwrap().1 {
        "png" => FileFormat::Png,
        "jpg" => FileFormat::Jpeg,
        "npy" => FileFormat::Npy,
        "safetensors" => FileFormat::Safetensors,
        _ => FileFormat::Nifti,
    }
}

fn file(bytes: &[u8], format: FileFormat, slice: Option<u32>) -> v1::Image {
    let file = v1::EncodedFile {
        format: format.into(),
        data: bytes.to_vec().into(),
        slice,
    };
    v1::Image {
        source: Some(Source::File(file)),
    }
}

fn bad_file(bad: &Bad, as_named: bool) -> v1::Image {
    let format = if as_named {
        format(bad.name)
    } else {
        FileFormat::Unspecified
    };
    file(&bad.bytes, format, bad.name.contains(".nii").then_some(0))
}

/// The words of the command line, but for those with the file's name, which is not known here.
#[track_caller]
fn assert_words(bad: &Bad, message: &str) {
    let words: Vec<&str> = bad
        .words
        .iter()
        .copied()
        .filter(|word| !word.starts_with(bad.name))
        .collect();
    assert_sentence(message, &words);
}

async fn segment(client: &mut Client, asked: v1::SegmentRequest) -> Status {
    within(client.segment(asked))
        .await
        .expect_err("bad input is refused")
}

fn every_bad_file() -> Vec<Bad> {
    let garbage = (0..8).map(|seed| bad("garbage.txt", garbage(seed), &[]));
    let lists = [
        of_no_size(),
        not_finite(),
        wrong_channels(),
        wrong_type(),
        wrong_length(),
        truncated(),
        absurd(),
    ];
    lists.into_iter().flatten().chain(garbage).collect()
}

#[tokio::test]
async fn files_that_the_command_line_refuses() {
    let place = Place::new(1, &[0.1, 0.2]);
    let good = ExpectedImage::new(&place, 9, 40, 40);
    let server = serve(&place, &[], &[]);
    let client = &mut server.client();
    good.ask(client).await;
    for bad in every_bad_file() {
        for as_named in [true, false] {
            let status = segment(client, request("bad", bad_file(&bad, as_named))).await;
            let (code, reason, field) = error_info(&status);
            assert_eq!(code, Code::InvalidArgument, "{}: {status:?}", bad.name);
            assert!(field.starts_with("image"), "{}: {status:?}", bad.name);
            if status.message().contains("format is unknown") {
                assert!(!as_named, "{}: {status:?}", bad.name);
                assert_eq!(reason, "INVALID_IMAGE", "{}: {status:?}", bad.name);
                continue;
            }
            assert_words(&bad, status.message());
            let too_large = bad.words.contains(&"above the limit");
            let expected = if too_large {
                "IMAGE_TOO_LARGE"
            } else {
                "INVALID_IMAGE"
            };
            assert_eq!(reason, expected, "{}: {status:?}", bad.name);
        }
    }
    good.ask(client).await;

    let (bad, asked) = (&truncated()[0], bad_file(&truncated()[0], true));
    let looked_into = v1::InterpretRequest {
        image: Some(asked.clone()),
        ..Default::default()
    };
    let status = refused_interpretation(client, looked_into).await;
    assert_refused(
        &status,
        (Code::InvalidArgument, "INVALID_IMAGE", "image.file"),
        bad.name,
    );
    assert_words(bad, status.message());
    let images = [request("bad", asked), good.request("good")].map(|request| v1::SegmentStreamRequest {
        request: Some(request),
    });
    let mut answers = within(client.segment_stream(tokio_stream::iter(images)))
        .await
        .unwrap()
        .into_inner();
    let mut seen = 0;
    while let Some(answer) = within(answers.message()).await.unwrap() {
        seen += 1;
        match (answer.request_id.as_str(), answer.outcome.unwrap()) {
            ("bad", v1::segment_stream_response::Outcome::Failure(failure)) => {
                assert_eq!(failure.code, Code::InvalidArgument as u32);
                assert_eq!(
                    (&*failure.reason, &*failure.field),
                    ("INVALID_IMAGE", "image.file")
                );
                assert_eq!(failure.retry_after_seconds, None);
                assert_words(bad, &failure.message);
            }
            ("good", v1::segment_stream_response::Outcome::Segmentation(answer)) => good.assert_is(&answer),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen, 2);
    good.ask(client).await;
    let stopped = server.stop();
    assert!(
        stopped.code == 0 && !stopped.log.contains("panicked"),
        "{stopped:?}"
    );
}

fn segmentation(change: impl FnOnce(&mut v1::SegmentationOptions)) -> v1::SegmentRequest {
    let mut asked = request("id", tensor(&waves_image(1, 32, 32)));
    change(asked.options.as_mut().unwrap());
    asked
}

fn values(change: impl FnOnce(&mut v1::Tensor)) -> v1::SegmentRequest {
    let mut asked = request("id", tensor(&waves_image(1, 32, 32)));
    if let Some(Source::Tensor(tensor)) = &mut asked.image.as_mut().unwrap().source {
        change(tensor);
    }
    asked
}

fn named(id: &str) -> v1::SegmentRequest {
    request(id, tensor(&waves_image(1, 32, 32)))
}

fn model(name: &str, version: u32) -> v1::SegmentRequest {
    segmentation(|it| {
        it.model = Some(v1::ModelReference {
            name: name.into(),
            version,
        });
    })
}

#[tokio::test]
async fn requests_that_make_no_sense() {
    use v1::segmentation_options::Gate;
    let place = Place::new(1, &[0.1, 0.2]);
    let good = ExpectedImage::new(&place, 9, 40, 40);
    let server = serve(&place, &[], &[]);
    let client = &mut server.client();
    let volume = NiftiFile::counting(&[16, 16, 4]).bytes();
    let volume = |slice| request("id", file(&volume, FileFormat::Nifti, slice));
    let one = std::fs::read(place.path(&place.picture("one.png", 1, 32, 32))).unwrap();
    let wide = format!(
        r#"{{"{}":{{"dtype":"U8","shape":[8,8],"data_offsets":[0,64]}}}}"#,
        "x".repeat(500_000)
    );
    let wide = safetensors(&wide, &[1; 64]);
    let nan: Vec<u8> = [f32::NAN; 1024].iter().flat_map(|it| it.to_le_bytes()).collect();
    let field = |field| (Code::InvalidArgument, "INVALID_FIELD", field);
    let image = |field| (Code::InvalidArgument, "INVALID_IMAGE", field);
    let gate = |field| (Code::InvalidArgument, "GATE_NOT_ALLOWED", field);
    let unknown = (Code::NotFound, "UNKNOWN_MODEL", "");
    let too_large = (Code::InvalidArgument, "IMAGE_TOO_LARGE", "image.tensor");
    #[rustfmt::skip]
    let cases = [
        ("nothing", v1::SegmentRequest::default(), field("image")),
        ("no source", request("id", v1::Image { source: None }), field("image")),
        ("no bytes", request("id", file(&[], FileFormat::Png, None)), field("image.file.data")),
        ("format 77", { let mut it = file(&one, FileFormat::Png, None);
            if let Some(Source::File(file)) = &mut it.source { file.format = 77 }
            request("id", it) }, field("image.file.format")),
        ("no slice", volume(None), field("image.file.slice")),
        ("slice 4 of 4", volume(Some(4)), field("image.file.slice")),
        ("the last slice there is", volume(Some(u32::MAX)), field("image.file.slice")),
        ("slice of an image", request("id", file(&one, FileFormat::Png, Some(3))), field("image.file.slice")),
        ("one byte more", values(|it| it.shape = vec![32, 33]), image("image.tensor")),
        ("one byte less", values(|it| it.data = it.data.slice(1..)), image("image.tensor")),
        ("no data", values(|it| it.data = Default::default()), image("image.tensor")),
        ("no shape", values(|it| it.shape = vec![]), image("image.tensor")),
        ("one axis", values(|it| it.shape = vec![1024]), image("image.tensor")),
        ("four axes", values(|it| it.shape = vec![1, 1, 32, 32]), image("image.tensor")),
        ("a hundred thousand axes", values(|it| it.shape = vec![1; 100_000]), image("image.tensor")),
        ("no rows", values(|it| it.shape = vec![0, 32]), image("image.tensor")),
        ("no end", values(|it| it.shape = vec![u32::MAX; 3]), too_large),
        ("NaN", values(|it| it.data = nan.into()), image("image.tensor")),
        ("two channels", values(|it| it.shape = vec![2, 16, 32]), image("image")),
        ("data type 77", values(|it| it.data_type = 77), field("image.tensor.data_type")),
        ("data type -1", values(|it| it.data_type = -1), field("image.tensor.data_type")),
        ("no data type", values(|it| it.data_type = 0), field("image.tensor.data_type")),
        ("spacing below 0", values(|it| it.spacing = vec![1.0, -1.0]), field("image.tensor.spacing")),
        ("spacing 0", values(|it| it.spacing = vec![0.0, 1.0]), field("image.tensor.spacing")),
        ("spacing NaN", values(|it| it.spacing = vec![1.0, f64::NAN]), field("image.tensor.spacing")),
        ("spacing without end", values(|it| it.spacing = vec![f64::INFINITY; 2]), field("image.tensor.spacing")),
        ("one spacing", values(|it| it.spacing = vec![1.0]), field("image.tensor.spacing")),
        ("much spacing", values(|it| it.spacing = vec![1.0; 100_000]), field("image.tensor.spacing")),
        ("a name of 500 kB", request("id", file(&wide, FileFormat::Safetensors, None)), image("image.file")),
        ("mask form 77", segmentation(|it| it.mask_format = 77), field("options.mask_format")),
        ("coverage 1.5", segmentation(|it| it.gate = Some(Gate::Coverage(1.5))), gate("options.coverage")),
        ("coverage -0.1", segmentation(|it| it.gate = Some(Gate::Coverage(-0.1))), gate("options.coverage")),
        ("coverage NaN", segmentation(|it| it.gate = Some(Gate::Coverage(f64::NAN))), gate("options.coverage")),
        ("threshold 2", segmentation(|it| it.gate = Some(Gate::Threshold(2.0))), gate("options.threshold")),
        ("threshold -1", segmentation(|it| it.gate = Some(Gate::Threshold(-1.0))), gate("options.threshold")),
        ("threshold NaN", segmentation(|it| it.gate = Some(Gate::Threshold(f64::NAN))), gate("options.threshold")),
        ("threshold without end", segmentation(|it| it.gate = Some(Gate::Threshold(f64::INFINITY))), gate("options.threshold")),
        ("no such model", model("huge", 0), unknown),
        ("no such version", model("tiny", 7), unknown),
        ("no such version of the default", model("", 7), unknown),
        ("a model's name with a path", model("../tiny", 1), unknown),
        ("a model's name of 1 MB", model(&"Großmutter ".repeat(90_000), 0), unknown),
        ("a long id", named(&"x".repeat(129)), field("request_id")),
        ("a very long id", named(&"x".repeat(1 << 20)), field("request_id")),
        ("a patient as id", named("Jane Doe 1954"), field("request_id")),
        ("an id with a line end", named("Jane\nDoe"), field("request_id")),
        ("an id with a NUL", named("Jane\0Doe"), field("request_id")),
        ("an id in other letters", named("Jané"), field("request_id")),
    ];
    for (case, asked, expected) in cases {
        let status = segment(client, asked).await;
        assert_refused(&status, expected, case);
        assert!(!status.message().contains("Jan"), "{case}: {status:?}");
    }
    good.ask(client).await;
}
