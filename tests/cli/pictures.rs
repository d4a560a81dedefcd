//! Pictures and masks as cameras, viewers and painting programs write them, through `sagate segment`.
//!
//! What would break: a scan on its side segmented as if it stood, a mask that lies elsewhere than its picture, a mask whose labels were
//! altered on the way, or an error that does not say what a file really is.

use std::fs;

use image::{GrayImage, Luma, RgbImage};
use ndarray::Array2;
use sagate_core::imaging::{self, Image, Limits, Picture};

use crate::binary::{Place, assert_sentence, finish, mask, npy, rows};
use crate::exif::{exif, in_jpeg, in_png};
use crate::jpeg_file::jpeg;

fn image_of(place: &Place, name: &str) -> Image {
    match imaging::read(&place.path(name), &Limits::default()).unwrap() {
        Picture::Image(image) => image,
        Picture::Volume(_) => panic!("{name} is a volume"),
    }
}

/// Labels as a grey PNG of few bits: `depth` bits a pixel.
fn png_of_bits(labels: &Array2<u8>, depth: png::BitDepth, palette: Option<&[u8]>) -> Vec<u8> {
    let (height, width) = labels.dim();
    let bits = depth as usize;
    let pack = |row: ndarray::ArrayView1<'_, u8>| -> Vec<u8> {
        let mut packed = vec![0u8; (width * bits).div_ceil(8)];
        for (index, &label) in row.iter().enumerate() {
            let bit = index * bits;
            packed[bit / 8] |= label << (8 - bits - bit % 8);
        }
        packed
    };
    let data: Vec<u8> = labels.outer_iter().flat_map(pack).collect();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_depth(depth);
    encoder.set_color(match palette {
        Some(_) => png::ColorType::Indexed,
        None => png::ColorType::Grayscale,
    });
    if let Some(palette) = palette {
        encoder.set_palette(palette.to_vec());
    }
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&data).unwrap();
    writer.finish().unwrap();
    bytes
}

/// Every orientation, as JPEG and as PNG: the mask is that of the upright picture, laid as the file is stored.
#[test]
fn a_turned_picture_is_segmented_upright_and_masked_as_stored() {
    let place = Place::new(2, &[0.1]);
    place.picture("plain.png", 3, 40, 56);
    let png = fs::read(place.path("plain.png")).unwrap();
    let grey = image::open(place.path("plain.png")).unwrap().to_luma16();
    let narrow = GrayImage::from_fn(grey.width(), grey.height(), |x, y| {
        Luma([(grey[(x, y)][0] >> 1) as u8])
    });
    let jpeg = jpeg(&narrow.into());
    let mut files = Vec::new();
    for value in 1..=8u8 {
        let exif = exif(value, value % 2 == 0);
        files.push(place.write(&format!("png-{value}.png"), &in_png(&png, &exif, false)));
        files.push(place.write(&format!("jpeg-{value}.jpg"), &in_jpeg(&jpeg, &exif)));
    }
    let names: Vec<&str> = files.iter().map(String::as_str).collect();
    let options = ["segment", "--coverage", "1", "--out", "truth", "--overlay"];
    let (json, code) = place.json(&[&options[..], &names[..]].concat());
    assert_eq!(code, 0);
    let pass = place.pass();
    for (file, row) in files.iter().zip(rows(&json)) {
        let stored = image_of(&place, file);
        let orientation = stored.orientation;
        let upright = crate::binary::segment(&pass, &stored.upright());
        assert_eq!(row["mu"].as_f64().unwrap(), upright.mean_sa.mu, "{file}");
        let stem = file.split('.').next().unwrap();
        let found = mask(&place.path(&format!("truth/{stem}.mask.png")));
        assert_eq!(found.dim(), (40, 56), "{file}: the pixels as stored");
        assert_eq!(orientation.upright(found.view()), upright.labels, "{file}");
        imaging::mask::write_png(&place.path(&format!("truth/{stem}.png")), &found).unwrap();
    }
    // Each mask is a truth of its own picture.
    let options = ["segment", "--coverage", "1", "--truth", "truth"];
    let (json, _) = place.json(&[&options[..], &names[..]].concat());
    for (file, row) in files.iter().zip(rows(&json)) {
        assert_eq!(row["dice"].as_f64().unwrap(), 1.0, "{file}");
    }
    // A truth that was drawn on the upright picture, and one that says that it is to be turned in another way.
    let upright = Array2::<u8>::zeros((56, 40));
    imaging::mask::write_png(&place.path("truth/png-6.png"), &upright).unwrap();
    let ended = place.run(&["segment", "png-6.png", "--truth", "truth"]);
    let words = [
        "truth/png-6.png",
        "56 x 40",
        "must be 40 x 56",
        "EXIF orientation",
    ];
    assert_sentence(ended.errors()[0], &words);
    let other = fs::read(place.path("truth/png-1.png")).unwrap();
    place.write("truth/png-6.png", &in_png(&other, &exif(3, true), false));
    let ended = place.run(&["segment", "png-6.png", "--truth", "truth"]);
    assert_sentence(
        ended.errors()[0],
        &["truth/png-6.png", "orientation of the true mask is 3", "6"],
    );
    // What looks into it writes its pictures upright.
    let (_, code) = place.json(&["interpret", "png-6.png", "--out", "seen", "--coverage", "1"]);
    assert_eq!(code, 0);
    let layer = image::open(place.path("seen/layers/18.png")).unwrap();
    assert_eq!((layer.width(), layer.height()), (40, 56));
}

/// Truth as people have it: the labels are what the file holds, or the file is refused with what it holds.
#[test]
fn a_true_mask_is_read_as_it_is_stored() {
    let place = Place::new(2, &[0.1]);
    let file = place.picture("a.png", 1, 40, 52);
    let labels = place.expected(&file).labels;
    assert!(labels.iter().any(|&label| label == 2), "both classes are there");
    let object = labels.mapv(|label| u8::from(label > 0));
    let values = |labels: &Array2<u8>| labels.iter().copied().collect::<Vec<u8>>();
    let floats = |labels: &Array2<u8>| crate::binary::floats(labels.iter().map(|&label| label.into()));
    let voc = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0];
    let dice = |name: &str, bytes: &[u8], wanted: f64| {
        fs::remove_dir_all(place.path("truth")).ok();
        fs::create_dir(place.path("truth")).unwrap();
        place.write(&format!("truth/{name}"), bytes);
        let (json, _) = place.json(&["segment", &file, "--truth", "truth", "--coverage", "1"]);
        assert_eq!(rows(&json)[0]["dice"].as_f64().unwrap(), wanted, "{name}");
    };
    let same = place.expected(&file).dice(&labels);
    assert_eq!(same, 1.0);
    let one = place.expected(&file).dice(&object);
    for (depth, palette) in [
        (png::BitDepth::Two, None),
        (png::BitDepth::Four, None),
        (png::BitDepth::Eight, None),
        (png::BitDepth::Two, Some(&voc[..])),
        (png::BitDepth::Four, Some(&voc[..])),
        (png::BitDepth::Eight, Some(&voc[..])),
    ] {
        dice("a.png", &png_of_bits(&labels, depth, palette), 1.0);
    }
    dice("a.png", &png_of_bits(&object, png::BitDepth::One, None), one);
    dice("a.npy", &npy("|u1", "(40, 52)", &values(&labels)), 1.0);
    dice("a.npy", &npy("|b1", "(40, 52)", &values(&object)), one);
    dice("a.npy", &npy("<f4", "(40, 52)", &floats(&labels)), 1.0);

    let refused = |name: &str, bytes: &[u8], words: &[&str]| {
        fs::remove_dir_all(place.path("truth")).ok();
        fs::create_dir(place.path("truth")).unwrap();
        place.write(&format!("truth/{name}"), bytes);
        let ended = place.run(&["segment", &file, "--truth", "truth"]);
        assert_eq!(ended.code, 1, "{name}: {ended:?}");
        assert_sentence(ended.errors()[0], words);
    };
    let white = object.mapv(|label| label * 255);
    let picture = GrayImage::from_raw(52, 40, values(&white)).unwrap();
    refused(
        "a.png",
        &png_of_bits(&white, png::BitDepth::Eight, None),
        &["holds label 255", "its values are 0, 255", "0 (background) to 2"],
    );
    refused(
        "a.jpg",
        &jpeg(&picture.clone().into()),
        &["mask format is JPEG", "alters values"],
    );
    let colours = RgbImage::from_fn(52, 40, |x, y| image::Rgb([picture.get_pixel(x, y)[0]; 3]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    colours.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    refused(
        "a.png",
        &bytes.into_inner(),
        &["mask channels is 3", "grey values are the labels"],
    );
    let likely: Vec<u8> = crate::binary::floats(labels.iter().map(|&label| f32::from(label) * 0.4));
    refused(
        "a.npy",
        &npy("<f4", "(40, 52)", &likely),
        &["mask value is 0.", "a whole number"],
    );
}

/// Red, green and blue that are equal are grey for a model of one channel, unless the settings say otherwise.
#[test]
fn equal_colours_are_one_channel() {
    let place = Place::new(1, &[0.1]);
    let grey = GrayImage::from_fn(48, 40, |x, y| Luma([(x * 5 + y * 3) as u8 ^ (y as u8)]));
    grey.save(place.path("grey.png")).unwrap();
    let of = |flip: u8| {
        RgbImage::from_fn(48, 40, |x, y| {
            let value = grey[(x, y)][0];
            let blue = if (x, y) == (47, 39) { value ^ flip } else { value };
            image::Rgb([value, value, blue])
        })
    };
    of(0).save(place.path("colour.png")).unwrap();
    of(1).save(place.path("tinted.png")).unwrap();
    let clear = image::RgbaImage::from_fn(48, 40, |x, y| {
        let value = grey[(x, y)][0];
        image::Rgba([value, value, value, 255])
    });
    clear.save(place.path("clear.png")).unwrap();
    let mu = |name: &str| {
        let (json, _) = place.json(&["segment", name, "--out", "masks", "--coverage", "1"]);
        rows(&json)[0]["mu"].as_f64().unwrap()
    };
    let wanted = mu("grey.png");
    assert_eq!(mu("colour.png"), wanted);
    assert_eq!(mu("clear.png"), wanted);
    assert_eq!(
        mask(&place.path("masks/colour.mask.png")),
        mask(&place.path("masks/grey.mask.png"))
    );
    let three = ["has 3 channels", "tiny@1 takes 1 (any)"];
    place.run(&["segment", "tinted.png"]).assert_refused(1, &three);
    let mut off = place.command(&["segment", "colour.png"]);
    finish(off.env("SAGATE__IMAGING__GREY_FROM_RGB", "false")).assert_refused(1, &three);
}

/// What a file really is, whatever its name says.
#[test]
fn files_are_told_apart_by_what_they_hold() {
    let place = Place::new(1, &[0.1]);
    let dicom = [&[0; 128][..], b"DICM\x02\0\0\0UL\x04\0"].concat();
    let bare = [&b"\x08\0\x05\0CS\x0a\0ISO_IR 100"[..], &[0; 64]].concat();
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:44\nsize 12345678\n";
    let page = b"\n<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>";
    let cases: [(&str, &[u8], &str); 13] = [
        ("dicom.nii", &dicom, "it is DICOM"),
        ("dicom.png", &bare, "it is DICOM"),
        ("pointer.nii.gz", pointer, "git lfs pull"),
        ("pointer.png", pointer, "a Git LFS pointer"),
        (
            "annex.nii.gz",
            b"/annex/objects/MD5E-s12345--d41d8cd98f00b204e9800998ecf8427e.nii.gz\n",
            "git annex get",
        ),
        ("page.jpg", page, "an HTML page"),
        ("page.npy", page, "an HTML page"),
        (
            "fault.npy",
            b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>",
            "it is XML",
        ),
        ("fault.nii", b"{\"error\": \"not found\"}", "it is JSON"),
        (
            "arrays.npy",
            b"PK\x03\x04\x14\0\0\0\x08\0",
            "a zip archive (.zip, .npz)",
        ),
        ("scan.png", b"II*\0\x08\0\0\0", "it is TIFF"),
        ("scan.nii.gz", b"NRRD0004\ntype: short\n", "it is NRRD"),
        ("photo.jpg", b"\0\0\0\x1cftypheic\0\0\0\0", "HEIC"),
    ];
    for (name, bytes, words) in cases {
        place.write(name, bytes);
        let ended = place.run(&["segment", name]);
        ended.assert_refused(1, &[name, "format is unknown", words]);
    }
    // Packed by gzip as well.
    place.write("packed.nii.gz", &crate::binary::gzip(&dicom));
    place
        .run(&["segment", "packed.nii.gz"])
        .assert_refused(1, &["packed.nii.gz", "it is DICOM"]);
    // Names that lie about a format that is read do no harm.
    let picture = place.picture("real.png", 1, 40, 48);
    fs::copy(place.path(&picture), place.path("real.nii.gz")).unwrap();
    let grey = GrayImage::from_fn(40, 32, |x, y| Luma([(x * 5 + y) as u8]));
    place.write("photo.png", &jpeg(&grey.into()));
    let (json, code) = place.json(&["segment", "real.nii.gz", "photo.png", "--coverage", "1"]);
    assert_eq!((code, rows(&json).len()), (0, 2));
}

/// NumPy under Python 2 wrote long integers.
#[test]
fn npy_headers_of_python_2() {
    let place = Place::new(1, &[0.1]);
    let values: Vec<u8> = (0..40 * 32).map(|value: u32| (value * 7 % 251) as u8).collect();
    place.write("new.npy", &npy("|u1", "(40, 32)", &values));
    place.write("old.npy", &npy("|u1", "(40L, 32L)", &values));
    let (json, code) = place.json(&["segment", "new.npy", "old.npy", "--coverage", "1"]);
    assert_eq!((code, rows(&json).len()), (0, 2));
    assert_eq!(rows(&json)[0]["mu"], rows(&json)[1]["mu"]);
    place.write("odd.npy", &npy("|u1", "(40LL, 32)", &values));
    place
        .run(&["segment", "odd.npy"])
        .assert_refused(1, &["shape is (40LL, 32)"]);
}
