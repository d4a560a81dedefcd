//! A patient's name in any part of a request never appears in the server's output.
//!
//! What would break: a name out of an image's header, a request's id, a header or an error in the log, the metrics or the traces.

use image::{GrayImage, ImageFormat, Luma};
use sagate::proto::v1;
use tonic::{Code, Request};
use tower::ServiceExt;

use crate::binary::{Place, gzip, npy, safetensors};
use crate::grpc_calls::{Client, ExpectedImage, within};
use crate::nifti_file::NiftiFile;
use crate::otlp_collector::Collector;
use crate::server::{file, request};

/// Short enough for every field of NIfTI.
const NAME: &str = "Quastenflosser";

/// NIfTI with the name in intent_name, descrip, aux_file, db_name and an extension.
fn nifti() -> Vec<u8> {
    let mut volume = NiftiFile::counting(&[32, 32]);
    volume.vox_offset = 384.0;
    let mut bytes = volume.bytes();
    for field in [14, 148, 228, 328] {
        bytes[field..field + NAME.len()].copy_from_slice(NAME.as_bytes());
    }
    // One extension of 32 bytes between header and voxels: a comment.
    bytes[348] = 1;
    let mut extension = vec![32, 0, 0, 0, 6, 0, 0, 0];
    extension.extend(NAME.as_bytes());
    extension.resize(32, 0);
    bytes.splice(352..352, extension);
    bytes
}

fn picture() -> GrayImage {
    GrayImage::from_fn(40, 32, |x, y| Luma([(x * 37 + y * 91 + x * y) as u8]))
}

fn encoded(format: ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// PNG with the name in tEXt and iTXt.
fn png() -> Vec<u8> {
    let mut bytes = encoded(ImageFormat::Png);
    let texts = [
        (b"tEXt", format!("Title\0{NAME}")),
        (b"iTXt", format!("Author\0\0\0en\0\0{NAME}")),
    ];
    for (kind, text) in texts {
        let mut chunk = (text.len() as u32).to_be_bytes().to_vec();
        chunk.extend(kind);
        chunk.extend(text.as_bytes());
        let mut sum = flate2::Crc::new();
        sum.update(&chunk[4..]);
        chunk.extend(sum.sum().to_be_bytes());
        // After the signature and IHDR.
        bytes.splice(33..33, chunk);
    }
    bytes
}

/// JPEG with the name in a comment and in EXIF's ImageDescription.
fn jpeg() -> Vec<u8> {
    let mut bytes = crate::jpeg_file::jpeg(&picture().into());
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x0e\x01\x02\0".to_vec();
    exif.extend((NAME.len() as u32 + 1).to_le_bytes());
    exif.extend(26u32.to_le_bytes());
    exif.extend([0; 4]);
    exif.extend(NAME.as_bytes());
    exif.push(0);
    for (marker, content) in [(0xfe, NAME.as_bytes()), (0xe1, &exif)] {
        let mut segment = vec![0xff, marker];
        segment.extend((content.len() as u16 + 2).to_be_bytes());
        segment.extend(content);
        bytes.splice(2..2, segment);
    }
    bytes
}

fn good_files() -> Vec<Vec<u8>> {
    let named = format!(
        r#"{{"__metadata__":{{"patient":"{NAME}"}},"image":{{"dtype":"U8","shape":[8,8],"data_offsets":[0,64]}}}}"#
    );
    let values: Vec<u8> = (0..64).map(|value| value * 3).collect();
    vec![
        nifti(),
        gzip(&nifti()),
        png(),
        jpeg(),
        safetensors(&named, &values),
    ]
}

fn bad_files() -> Vec<Vec<u8>> {
    let cut = good_files().into_iter().map(|mut bytes| {
        bytes.truncate(bytes.len() * 2 / 3);
        bytes
    });
    let named = format!(r#"{{"{NAME}":{{"dtype":"U8","shape":[8,8],"data_offsets":[0,64]}}}}"#);
    let mut broken = nifti();
    // A data type that there is not.
    broken[70] = 77;
    let mut all: Vec<_> = cut.collect();
    all.extend([
        broken,
        safetensors(&named, &[1; 64]),
        safetensors(&format!(r#"{{"{NAME}"#), &[]),
        npy(NAME, "(8, 8)", &[1; 64]),
        npy("<f4", &format!("({NAME}, 8)"), &[1; 64]),
        format!("{NAME} {NAME} {NAME}").into_bytes(),
    ]);
    all
}

/// Through all three ways in; whether it was answered.
async fn through_all(client: &mut Client, bytes: &[u8], id: &str) -> bool {
    let segmented = within(client.segment(request(id, file(bytes.to_vec())))).await;
    let asked = v1::InterpretRequest {
        request_id: id.into(),
        image: Some(file(bytes.to_vec())),
        ..Default::default()
    };
    if let Ok(parts) = within(client.interpret(asked)).await {
        let mut parts = parts.into_inner();
        while let Ok(Some(_)) = within(parts.message()).await {}
    }
    let one = v1::SegmentStreamRequest {
        request: Some(request(id, file(bytes.to_vec()))),
    };
    let answers = within(client.segment_stream(tokio_stream::iter([one]))).await;
    let mut answers = answers.unwrap().into_inner();
    while within(answers.message()).await.unwrap().is_some() {}
    segmented.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_comes_out() {
    let (collector, otlp) = Collector::start().await;
    let place = Place::new(1, &[0.1, 0.2]);
    let good = ExpectedImage::new(&place, 9, 40, 40);
    let server = crate::server::serve(&place, &[], &["--log", "trace", "--otlp", &otlp]);
    let mut client = server.client();
    for bytes in good_files() {
        assert!(
            through_all(&mut client, &bytes, "case-1234").await,
            "an image with a name in its header is an image"
        );
    }
    for bytes in bad_files() {
        assert!(
            !through_all(&mut client, &bytes, "case-1234").await,
            "{}",
            String::from_utf8_lossy(&bytes)
        );
    }
    // In everything beside the image.
    let id = format!("{NAME} Leopoldine");
    assert!(!through_all(&mut client, &png(), &id).await);
    let mut asked = good.request("case-1234");
    asked.options.as_mut().unwrap().model = Some(v1::ModelReference {
        name: NAME.into(),
        version: 0,
    });
    let unknown = within(client.segment(asked)).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    for header in [
        "x-patient",
        "traceparent",
        "tracestate",
        "baggage",
        "grpc-timeout",
        "authorization",
    ] {
        let mut asked = Request::new(good.request("case-1234"));
        asked.metadata_mut().insert(header, NAME.parse().unwrap());
        let answer = within(client.segment(asked)).await;
        let is_read = ["grpc-timeout", "authorization"].contains(&header);
        assert_eq!(answer.is_err(), is_read, "{header}");
    }
    let asked = http::Request::post(format!("/sagate.v1.QualityControl/{NAME}"))
        .header("content-type", "application/grpc")
        .body(tonic::body::Body::empty())
        .unwrap();
    within(server.channel().oneshot(asked)).await.unwrap();
    assert_eq!(server.get(&format!("/{NAME}")).0, 404);
    good.ask(&mut client).await;

    let metrics = server.get("/metrics").1;
    assert!(metrics.contains("sagate_images_total"), "{metrics}");
    let stopped = server.stop();
    assert_eq!(stopped.code, 0, "{stopped:?}");
    let spans = format!("{:?}", collector.take());
    assert!(
        spans.contains("case-1234") && spans.contains("INVALID_IMAGE"),
        "traces are sent: {spans}"
    );
    for (place, text) in [
        ("the log", &stopped.log),
        ("stdout", &stopped.printed),
        ("metrics", &metrics),
        ("traces", &spans),
    ] {
        for name in [NAME, "Leopoldine"] {
            let found = text
                .find(name)
                .map(|at| text[text.floor_char_boundary(at.saturating_sub(300))..].to_owned());
            assert_eq!(found, None, "the name is in {place}");
        }
    }
}
