//! The segments of a JPEG without its pixels: size, colours, orientation, and whether all scans are present. libjpeg shows grey for a
//! missing scan without a warning.

use super::FORMAT;
use crate::imaging::{ImagingError, Orientation};

/// Limit on scans, above what any encoder produces: each can cost a pass over the whole picture for a few bytes.
const MAX_SCANS: usize = 100;
/// Coefficients of a block.
const COEFFICIENTS: usize = 64;

/// The frame header.
pub(super) struct Frame {
    pub width: u16,
    pub height: u16,
    pub progressive: bool,
    pub components: Vec<Component>,
}

/// One component of the picture's colours.
pub(super) struct Component {
    id: u8,
    /// Horizontal and vertical sampling factors.
    pub across: u8,
    pub down: u8,
    /// The lowest bit of each coefficient that was sent so far.
    sent: [Option<u8>; COEFFICIENTS],
}

/// A JPEG's segments.
pub(super) struct Segments {
    pub frame: Frame,
    pub scans: usize,
    pub orientation: Orientation,
}

/// A segment of the file.
struct Segment<'a> {
    marker: u8,
    body: &'a [u8],
}

const START_OF_SCAN: u8 = 0xda;
const END_OF_IMAGE: u8 = 0xd9;

impl Segments {
    /// Reads every segment up to the end marker.
    ///
    /// # Errors
    /// A file that is cut short, or a process, precision or colour model that is not read here.
    pub fn read(bytes: &[u8], name: &str) -> Result<Segments, ImagingError> {
        if !bytes.starts_with(b"\xff\xd8") {
            let reason = "it does not begin with the start-of-image marker";
            return Err(ImagingError::damaged(name, FORMAT, reason));
        }
        let mut rest = &bytes[2..];
        let (mut frame, mut orientation, mut adobe, mut scans) = (None, None, false, 0);
        loop {
            let segment = next(&mut rest, bytes.len(), name)?;
            match segment.marker {
                END_OF_IMAGE => break,
                0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf | 0xf7 => {
                    if frame.is_some() {
                        return Err(damaged(name, "it has two frame headers"));
                    }
                    frame = Some(Frame::read(&segment, name)?);
                }
                START_OF_SCAN => {
                    scans += 1;
                    if scans > MAX_SCANS {
                        let right = format!("at most {MAX_SCANS}");
                        return Err(ImagingError::field(name, "number of JPEG scans", scans, right));
                    }
                    let frame = frame
                        .as_mut()
                        .ok_or_else(|| damaged(name, "a scan stands before the frame header"))?;
                    frame.scan(segment.body, name)?;
                    rest = behind_entropy_coded(rest);
                }
                0xe1 => {
                    let exif = segment.body.strip_prefix(b"Exif\0\0");
                    orientation = orientation.or(exif.map(Orientation::from_exif));
                }
                0xee => adobe |= segment.body.len() >= 12 && segment.body.starts_with(b"Adobe"),
                _ => {}
            }
        }
        let frame = frame.ok_or_else(|| damaged(name, "it has no frame header"))?;
        if frame.components.len() == 4 && !adobe {
            let right = "grey, RGB, or CMYK with Adobe's marker, which says that the inks are inverted; save it as RGB";
            return Err(ImagingError::field(
                name,
                "colour model",
                "CMYK of which nothing says whether it is inverted",
                right,
            ));
        }
        Ok(Segments {
            frame,
            scans,
            orientation: orientation.unwrap_or_default(),
        })
    }

    /// Refuses a picture of which a scan is missing.
    ///
    /// # Errors
    /// The first component of which something was never sent.
    pub fn require_complete(&self, name: &str) -> Result<(), ImagingError> {
        for (index, component) in self.frame.components.iter().enumerate() {
            let number = index + 1;
            if component.sent.iter().all(Option::is_none) {
                return Err(damaged(
                    name,
                    format!("the scan of component {number} is missing"),
                ));
            }
            if component.sent.iter().any(|&bit| bit != Some(0)) {
                let reason = format!("the last scans of component {number} are missing");
                return Err(damaged(name, reason));
            }
        }
        Ok(())
    }
}

impl Frame {
    fn read(segment: &Segment<'_>, name: &str) -> Result<Frame, ImagingError> {
        let process = match segment.marker {
            0xc0..=0xc2 => None,
            0xc3 => Some("lossless"),
            0xf7 => Some("JPEG-LS"),
            0xc5..=0xc7 => Some("hierarchical"),
            _ => Some("arithmetic coding"),
        };
        if let Some(process) = process {
            let right = "baseline, extended sequential or progressive with Huffman coding; save it again as one of those, or as PNG";
            return Err(ImagingError::field(name, "JPEG process", process, right));
        }
        let [precision, high, low, left, right, count, rest @ ..] = segment.body else {
            return Err(damaged(name, "its frame header is too short"));
        };
        if *precision != 8 {
            let right = "8 bits; save it as 16-bit PNG";
            return Err(ImagingError::field(
                name,
                "JPEG precision",
                format!("{precision} bits"),
                right,
            ));
        }
        if !matches!(count, 1 | 3 | 4) {
            let right = "1 (grey), 3 (colour) or 4 (CMYK)";
            return Err(ImagingError::field(
                name,
                "number of JPEG components",
                count,
                right,
            ));
        }
        let (described, _) = rest.as_chunks::<3>();
        if described.len() != usize::from(*count) {
            return Err(damaged(
                name,
                "its frame header does not describe every component",
            ));
        }
        let component = |&[id, sampling, _]: &[u8; 3]| Component {
            id,
            across: sampling >> 4,
            down: sampling & 15,
            sent: [None; COEFFICIENTS],
        };
        let components: Vec<Component> = described.iter().map(component).collect();
        let valid = |it: &Component| (1..=4).contains(&it.across) && (1..=4).contains(&it.down);
        if !components.iter().all(valid) {
            return Err(damaged(
                name,
                "its frame header has a sampling factor that is not 1 to 4",
            ));
        }
        Ok(Frame {
            height: u16::from_be_bytes([*high, *low]),
            width: u16::from_be_bytes([*left, *right]),
            progressive: segment.marker == 0xc2,
            components,
        })
    }

    /// Records the coefficient bits that a scan sends.
    fn scan(&mut self, body: &[u8], name: &str) -> Result<(), ImagingError> {
        let short = || damaged(name, "a scan header is too short");
        let (&count, rest) = body.split_first().ok_or_else(short)?;
        let (named, parameters) = rest.split_at_checked(2 * usize::from(count)).ok_or_else(short)?;
        let &[first, last, bits] = parameters else {
            return Err(short());
        };
        let (first, last) = if self.progressive {
            (first, last)
        } else {
            (0, COEFFICIENTS as u8 - 1)
        };
        let (before, bit) = if self.progressive {
            (bits >> 4, bits & 15)
        } else {
            (0, 0)
        };
        let (ids, _) = named.as_chunks::<2>();
        for &[id, _] in ids {
            let component = self.components.iter_mut().find(|it| it.id == id);
            let component =
                component.ok_or_else(|| damaged(name, "a scan is of a component that does not exist"))?;
            let range = component.sent.get_mut(usize::from(first)..=usize::from(last));
            let range = range.ok_or_else(|| damaged(name, "a scan is of coefficients that do not exist"))?;
            // The first scan of a coefficient sends all bits from `bit` on, each later one the bit below.
            let expected = (before != 0).then_some(before);
            if range.iter().any(|&sent| sent != expected) {
                return Err(damaged(
                    name,
                    "a scan is there twice, or one before it is missing",
                ));
            }
            range.fill(Some(bit));
        }
        Ok(())
    }
}

/// The next segment, and `rest` behind it.
fn next<'a>(rest: &mut &'a [u8], length: usize, name: &str) -> Result<Segment<'a>, ImagingError> {
    let cut = || ImagingError::Truncated {
        file: name.to_owned(),
        field: "JPEG data",
        found: format!("{length} bytes are there"),
        right: "it ends with the end-of-image marker; copy the whole file again".to_owned(),
    };
    let (&first, behind) = rest.split_first().ok_or_else(cut)?;
    if first != 0xff {
        return Err(damaged(
            name,
            "there are bytes between its segments that belong to none",
        ));
    }
    // Any number of fill bytes may stand before a marker.
    let fill = behind.iter().position(|&byte| byte != 0xff).ok_or_else(cut)?;
    let (marker, behind) = (behind[fill], &behind[fill + 1..]);
    // These have no length: the end, a restart or start that stands alone, a temporary marker.
    if matches!(marker, 0x01 | 0xd0..=0xd9) {
        *rest = behind;
        return Ok(Segment { marker, body: &[] });
    }
    let (head, behind) = behind.split_at_checked(2).ok_or_else(cut)?;
    let body = usize::from(u16::from_be_bytes([head[0], head[1]])).checked_sub(2);
    let body = body.ok_or_else(|| damaged(name, "a segment has a length below 2"))?;
    let (body, behind) = behind.split_at_checked(body).ok_or_else(cut)?;
    *rest = behind;
    Ok(Segment { marker, body })
}

/// What stands behind a scan's data, with their stuffed zeros and restart markers; empty where they do not end.
fn behind_entropy_coded(data: &[u8]) -> &[u8] {
    let ends = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xff | 0xd0..=0xd7);
    let end = data.windows(2).position(ends);
    end.map_or(&[], |end| &data[end..])
}

fn damaged(name: &str, reason: impl ToString) -> ImagingError {
    ImagingError::damaged(name, FORMAT, reason)
}
