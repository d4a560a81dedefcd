//! Pictures as baseline JPEG.

#![allow(dead_code, reason = "every test file uses a part")]

use image::{DynamicImage, GrayImage};
use mozjpeg::{ColorSpace, Compress};

/// Grey where the picture is grey, else colour, sampled 4:2:0.
pub fn jpeg(picture: &DynamicImage) -> Vec<u8> {
    let (colours, samples) = match picture {
        DynamicImage::ImageLuma8(grey) => (ColorSpace::JCS_GRAYSCALE, grey.clone().into_raw()),
        other => (ColorSpace::JCS_RGB, other.to_rgb8().into_raw()),
    };
    let mut encoder = Compress::new(colours);
    encoder.set_fastest_defaults();
    encoder.set_size(picture.width() as usize, picture.height() as usize);
    encoder.set_quality(90.0);
    let mut encoder = encoder.start_compress(Vec::new()).expect("encoding into memory");
    encoder.write_scanlines(&samples).expect("encoding into memory");
    encoder.finish().expect("encoding into memory")
}

/// A colour JPEG, sampled 4:2:0, of one scan a component: brightness, and the two colour differences at half the sides (rounded up).
pub fn three_scans(brightness: &GrayImage, differences: [&GrayImage; 2]) -> Vec<u8> {
    let whole = jpeg(&brightness.clone().into());
    let (header, _) = split(&whole);
    let frame = position(header, 0xc0);
    let tables_behind = &header[frame + 2 + 11..];
    let mut bytes = header[..frame].to_vec();
    bytes.extend([0xff, 0xc0, 0, 17]);
    bytes.extend(&header[frame + 4..frame + 9]);
    bytes.extend([3, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0]);
    bytes.extend(tables_behind);
    for (id, plane) in (1u8..).zip([brightness, differences[0], differences[1]]) {
        bytes.extend([0xff, 0xda, 0, 8, 1, id, 0, 0, 63, 0]);
        bytes.extend(split(&jpeg(&plane.clone().into())).1);
    }
    bytes.extend(b"\xff\xd9");
    bytes
}

/// A grey JPEG as what stands before its scan's header and its scan's data.
fn split(jpeg: &[u8]) -> (&[u8], &[u8]) {
    let scan = position(jpeg, 0xda);
    (&jpeg[..scan], &jpeg[scan + 10..jpeg.len() - 2])
}

fn position(jpeg: &[u8], marker: u8) -> usize {
    jpeg.windows(2)
        .position(|pair| pair == [0xff, marker])
        .expect("the segment is there")
}
