//! gzip decompression with a size limit: more data than allowed is an error and is not allocated.

use std::io::{self, Read};

use flate2::bufread::GzDecoder;

use super::{ImagingError, Limits};

/// Whether bytes begin as gzip does.
pub(super) fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x1f\x8b")
}

/// Up to `count` unpacked bytes from the start; fewer where the stream ends or is damaged.
pub(super) fn start(bytes: &[u8], count: u64) -> Vec<u8> {
    let mut unpacked = Vec::new();
    // Ignore the error: the reader that decodes the whole stream reports it.
    let _ = Members::new(bytes).take(count).read_to_end(&mut unpacked);
    unpacked
}

/// The members of a gzip file, one after the other. Zeros behind a member are no data: archives and writers of blocks fill
/// up with them, and gzip passes over them too.
struct Members<'a> {
    decoder: GzDecoder<&'a [u8]>,
}

impl<'a> Members<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            decoder: GzDecoder::new(bytes),
        }
    }
}

impl Read for Members<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.decoder.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let behind = *self.decoder.get_ref();
            let Some(start) = behind.iter().position(|&byte| byte != 0) else {
                return Ok(0);
            };
            let next = &behind[start..];
            if !is_gzip(next) {
                let text = "what lies behind it is neither gzip nor zeros";
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            self.decoder = GzDecoder::new(next);
        }
    }
}

/// A gzip stream being unpacked.
pub(super) struct Inflater<'a> {
    members: Members<'a>,
    file: &'a str,
    unpacked: u64,
}

impl<'a> Inflater<'a> {
    pub(super) fn new(bytes: &'a [u8], file: &'a str) -> Self {
        Self {
            members: Members::new(bytes),
            file,
            unpacked: 0,
        }
    }

    /// The next `count` bytes, or fewer where the stream ends. Memory grows with the bytes that are really there.
    pub(super) fn next(&mut self, count: u64) -> Result<Vec<u8>, ImagingError> {
        let mut bytes = Vec::new();
        let result = (&mut self.members).take(count).read_to_end(&mut bytes);
        self.unpacked += bytes.len() as u64;
        result.map(|_| bytes).map_err(|error| self.error(&error))
    }

    /// Unpacks what is left, so that the stream's own checksum is verified.
    ///
    /// # Errors
    /// [`ImagingError::TooLarge`] where that is more than the limit in all.
    pub(super) fn finish(mut self, limits: &Limits) -> Result<(), ImagingError> {
        let allowance = limits.max_bytes.saturating_sub(self.unpacked);
        let rest = io::copy(
            &mut (&mut self.members).take(allowance.saturating_add(1)),
            &mut io::sink(),
        );
        let rest = rest.map_err(|error| self.error(&error))?;
        if rest > allowance {
            return Err(ImagingError::TooLarge {
                file: self.file.to_owned(),
                field: "unpacked gzip data",
                was: format!("more than {} bytes", limits.max_bytes),
                limit: format!("{} bytes", limits.max_bytes),
            });
        }
        Ok(())
    }

    fn error(&self, error: &io::Error) -> ImagingError {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            ImagingError::Truncated {
                file: self.file.to_owned(),
                field: "gzip data",
                found: format!("the stream breaks off after {} unpacked bytes", self.unpacked),
                right: "copy the whole file again".to_owned(),
            }
        } else {
            ImagingError::damaged(self.file, "gzip", error)
        }
    }
}
