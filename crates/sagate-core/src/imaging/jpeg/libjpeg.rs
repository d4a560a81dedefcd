//! libjpeg itself, with its warnings as errors.

use std::any::Any;
use std::io;
use std::mem::zeroed;
use std::panic::{catch_unwind, resume_unwind};

use mozjpeg::{ColorSpace, Decompress};
use mozjpeg_sys::{
    J_MESSAGE_CODE, JWRN_ADOBE_XFORM, JWRN_BOGUS_PROGRESSION, JWRN_EXTRANEOUS_DATA, JWRN_HIT_MARKER,
    JWRN_HUFF_BAD_CODE, JWRN_JFIF_MAJOR, JWRN_JPEG_EOF, JWRN_MUST_RESYNC, JWRN_NOT_SEQUENTIAL,
    jpeg_common_struct, jpeg_error_mgr, jpeg_std_error,
};

/// One value a pixel.
pub(super) fn grey(bytes: &[u8]) -> Result<Vec<u8>, String> {
    samples(bytes, ColorSpace::JCS_GRAYSCALE)
}

/// Three values a pixel.
pub(super) fn rgb(bytes: &[u8]) -> Result<Vec<u8>, String> {
    samples(bytes, ColorSpace::JCS_RGB)
}

/// Four values a pixel, as stored.
pub(super) fn cmyk(bytes: &[u8]) -> Result<Vec<u8>, String> {
    samples(bytes, ColorSpace::JCS_CMYK)
}

fn samples(bytes: &[u8], colours: ColorSpace) -> Result<Vec<u8>, String> {
    let decode = || -> io::Result<Vec<u8>> {
        let decoder = Decompress::with_err(strict()).from_mem(bytes)?;
        let mut decoder = decoder.to_colorspace(colours)?;
        let samples = decoder.read_scanlines()?;
        // What stands behind the last row, up to the end marker, is read here.
        decoder.finish()?;
        Ok(samples)
    };
    match catch_unwind(decode) {
        Ok(decoded) => decoded.map_err(|error| error.to_string()),
        Err(refusal) => Err(words(&*refusal)),
    }
}

/// Why libjpeg was stopped.
struct Refusal(J_MESSAGE_CODE);

/// An error manager that ends decoding at the first error or warning.
fn strict() -> jpeg_error_mgr {
    // SAFETY: zeros are a value of this structure of numbers, optional functions and pointers, and libjpeg fills it in.
    let mut errors: jpeg_error_mgr = unsafe { zeroed() };
    // SAFETY: it writes to the structure and to nothing else.
    unsafe { jpeg_std_error(&mut errors) };
    errors.error_exit = Some(stop);
    errors.emit_message = Some(stop_at_warning);
    errors
}

/// libjpeg asks that this does not return. It is compiled so that one can unwind through it (`mozjpeg-sys/unwinding`).
extern "C-unwind" fn stop(decoder: &mut jpeg_common_struct) {
    // SAFETY: libjpeg calls this with the error manager in place that `strict` made, which lives as long as the decoder.
    let code = unsafe { (*decoder.err).msg_code };
    // No panic hook: nothing is wrong with this program.
    resume_unwind(Box::new(Refusal(code)))
}

extern "C-unwind" fn stop_at_warning(decoder: &mut jpeg_common_struct, level: i32) {
    // Below 0 are warnings of corrupt data, from 0 on are traces.
    if level < 0 {
        stop(decoder);
    }
}

fn words(refusal: &(dyn Any + Send)) -> String {
    let Some(&Refusal(code)) = refusal.downcast_ref() else {
        return "libjpeg failed".to_owned();
    };
    match code {
        JWRN_HIT_MARKER => "its compressed data end before the picture does".to_owned(),
        JWRN_JPEG_EOF => "the file ends before the picture does".to_owned(),
        JWRN_HUFF_BAD_CODE => "its compressed data hold a code that does not exist".to_owned(),
        JWRN_EXTRANEOUS_DATA => "there are bytes between its segments that belong to none".to_owned(),
        JWRN_MUST_RESYNC => "a restart marker is missing or out of order".to_owned(),
        JWRN_BOGUS_PROGRESSION => "its progressive scans do not follow from each other".to_owned(),
        JWRN_NOT_SEQUENTIAL => "a scan's parameters are those of another process".to_owned(),
        JWRN_ADOBE_XFORM => "its Adobe marker names a colour transform that does not exist".to_owned(),
        JWRN_JFIF_MAJOR => "its JFIF marker is of a version that does not exist".to_owned(),
        _ => format!("libjpeg refuses it with message {code}"),
    }
}
