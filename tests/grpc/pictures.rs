//! Image files over gRPC and the Open Inference Protocol: EXIF orientation, equal colour channels, damage, or another format than
//! stated.
//!
//! What would break: a mask that lies elsewhere than the file's pixels, a damaged file that is answered, or an error that names the wrong
//! format.

use image::{GrayImage, Luma};
use ndarray::Array2;
use sagate::proto::v1;
use sagate_core::imaging::{Format, Limits, Orientation, Picture, decode, mask};
use tonic::{Code, Status};
use v1::FileFormat;

use crate::binary::{Place, assert_sentence};
use crate::exif::{exif, in_jpeg, in_png};
use crate::grpc_calls::{error_info, within};
use crate::jpeg_file::jpeg;
use crate::oip;
use crate::server::{Server, request, serve};

fn file(bytes: &[u8], format: FileFormat) -> v1::Image {
    v1::Image {
        source: Some(v1::image::Source::File(v1::EncodedFile {
            format: format.into(),
            data: bytes.to_vec().into(),
            slice: None,
        })),
    }
}

fn grey() -> GrayImage {
    GrayImage::from_fn(52, 40, |x, y| Luma([(x * 4 + y * 2) as u8 ^ (x * y / 3) as u8]))
}

fn png(picture: &image::DynamicImage) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

async fn ask(server: &Server, image: v1::Image) -> Result<v1::Segmentation, Status> {
    let answer = within(server.client().segment(request("picture", image))).await?;
    Ok(answer.into_inner().segmentation.expect("an answer"))
}

fn labels(answer: &v1::Segmentation) -> Array2<u8> {
    let packed = answer.mask.as_ref().expect("a mask");
    let size = [packed.height as usize, packed.width as usize];
    let mut labels = Array2::zeros((size[0], size[1]));
    for (class, bits) in (1..).zip(&packed.data) {
        labels = labels + mask::unpack(bits, size).unwrap() * class;
    }
    labels
}

#[tokio::test]
async fn a_turned_file_is_seen_upright_and_answered_as_stored() {
    let place = Place::new(1, &[0.1]);
    let server = serve(&place, &[], &[]);
    let (png, jpeg) = (png(&grey().into()), jpeg(&grey().into()));
    let pass = place.pass();
    for value in 1..=8u8 {
        let orientation = Orientation::from_exif_value(value.into());
        let block = exif(value, value > 4);
        for (bytes, format) in [
            (in_png(&png, &block, true), Format::Png),
            (in_jpeg(&jpeg, &block), Format::Jpeg),
        ] {
            let Ok(Picture::Image(image)) = decode(&bytes, format, "file", &Limits::default()) else {
                panic!("an image");
            };
            let wanted = crate::binary::segment(&pass, &image.upright());
            let answer = ask(&server, file(&bytes, FileFormat::Unspecified)).await.unwrap();
            assert_eq!(answer.mu, wanted.mean_sa.mu, "orientation {value}");
            assert_eq!((answer.height, answer.width), (40, 52), "as stored");
            let found = labels(&answer);
            assert_eq!(
                orientation.upright(found.view()),
                wanted.labels,
                "orientation {value}"
            );

            let asked = oip::asks("IMAGE_FILE", "BYTES", &[1], oip::elements(&[&bytes]));
            let answer = within(oip::client(&server).model_infer(asked)).await.unwrap();
            let (_, shape, mask) = &oip::outputs(&answer.into_inner())["MASK"];
            assert_eq!(shape, &[1, 40, 52]);
            let wanted: Vec<u8> = found.iter().copied().collect();
            assert_eq!(mask, &wanted, "orientation {value}");
        }
    }
}

#[tokio::test]
async fn what_a_file_really_is() {
    let place = Place::new(1, &[0.1]);
    let server = serve(&place, &[], &[]);
    let (png, photo) = (png(&grey().into()), jpeg(&grey().into()));
    let scan = photo.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
    let half = [&photo[..scan + (photo.len() - scan) / 2], b"\xff\xd9"].concat();
    let mut wrong = png.clone();
    let end = wrong.len() - 12;
    // Changes the checksum of the pixels, and updates the chunk's.
    let length = u32::from_be_bytes(wrong[33..37].try_into().unwrap()) as usize;
    assert_eq!(33 + 12 + length, end, "one chunk of pixels");
    wrong[end - 5] ^= 1;
    let mut sum = flate2::Crc::new();
    sum.update(&wrong[37..end - 4]);
    wrong[end - 4..end].copy_from_slice(&sum.sum().to_be_bytes());
    let dicom = [&[0; 128][..], b"DICM"].concat();
    let pointer = b"version https://git-lfs.github.com/spec/v1\n".to_vec();
    let cases: [(&[u8], FileFormat, &[&str]); 9] = [
        (
            &dicom,
            FileFormat::Unspecified,
            &["format is unknown", "it is DICOM"],
        ),
        (&dicom, FileFormat::Nifti, &["format is DICOM", "NIfTI"]),
        (&pointer, FileFormat::Unspecified, &["git lfs pull"]),
        (&pointer, FileFormat::Png, &["format is a Git LFS pointer"]),
        (b"<html><body>", FileFormat::Unspecified, &["an HTML page"]),
        (
            &photo,
            FileFormat::Png,
            &["format is JPEG", "PNG, as was said of it"],
        ),
        (
            b"nothing that is known",
            FileFormat::Unspecified,
            &["format is unknown", "NIfTI"],
        ),
        (
            &half,
            FileFormat::Unspecified,
            &["JPEG data is damaged", "end before"],
        ),
        (&wrong, FileFormat::Unspecified, &["PNG data is damaged"]),
    ];
    for (bytes, format, words) in cases {
        let status = ask(&server, file(bytes, format)).await.expect_err("refused");
        assert_eq!(
            error_info(&status),
            (
                Code::InvalidArgument,
                "INVALID_IMAGE".to_owned(),
                "image.file".to_owned()
            )
        );
        assert_sentence(status.message(), words);
    }
}

#[tokio::test]
async fn equal_colours_are_one_channel() {
    let place = Place::new(1, &[0.1]);
    let picture = grey();
    let colours = image::RgbImage::from_fn(52, 40, |x, y| image::Rgb([picture[(x, y)][0]; 3]));
    let (grey, colour) = (png(&picture.into()), png(&colours.into()));
    let server = serve(&place, &[], &[]);
    let wanted = ask(&server, file(&grey, FileFormat::Png)).await.unwrap();
    let found = ask(&server, file(&colour, FileFormat::Png)).await.unwrap();
    assert_eq!((found.mu, &found.mask), (wanted.mu, &wanted.mask));
    let strict = serve(&place, &[("IMAGING__GREY_FROM_RGB", "false")], &[]);
    let status = ask(&strict, file(&colour, FileFormat::Png))
        .await
        .expect_err("three channels");
    assert_sentence(status.message(), &["3 channels", "takes 1"]);
}
