//! EXIF blocks that say how a picture is to be turned, and files with them.

#![allow(dead_code, reason = "every test file uses a part")]

/// An EXIF block that holds nothing but the orientation.
pub fn exif(orientation: u8, big_endian: bool) -> Vec<u8> {
    let head: &[u8] = if big_endian {
        b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0"
    } else {
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"
    };
    [head, &[orientation], &[0; 7]].concat()
}

/// A JPEG with an EXIF block.
pub fn in_jpeg(jpeg: &[u8], exif: &[u8]) -> Vec<u8> {
    let length = (exif.len() + 8) as u16;
    let head = [&jpeg[..2], b"\xff\xe1", &length.to_be_bytes(), b"Exif\0\0", exif].concat();
    [&head, &jpeg[2..]].concat()
}

/// A PNG with an EXIF block, before its pixels or behind them.
pub fn in_png(png: &[u8], exif: &[u8], behind_pixels: bool) -> Vec<u8> {
    let body = [b"eXIf", exif].concat();
    let mut sum = flate2::Crc::new();
    sum.update(&body);
    let chunk = [
        &(exif.len() as u32).to_be_bytes()[..],
        &body,
        &sum.sum().to_be_bytes(),
    ]
    .concat();
    let place = if behind_pixels { png.len() - 12 } else { 33 };
    [&png[..place], &chunk, &png[place..]].concat()
}
