//! Writes tiny NIfTI-1 volumes for tests.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

/// Writes a gzipped volume of bytes with an sform of 1 mm steps along x, y and z.
pub fn write_u8(path: &Path, size: [usize; 3], value: impl Fn([usize; 3]) -> u8) {
    let mut bytes = vec![0_u8; 352];
    let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
    put(0, &348_i32.to_le_bytes());
    let dims = [3, size[0] as i16, size[1] as i16, size[2] as i16, 1, 1, 1, 1];
    for (i, dim) in dims.iter().enumerate() {
        put(40 + 2 * i, &dim.to_le_bytes());
        put(76 + 4 * i, &1.0_f32.to_le_bytes());
    }
    put(70, &2_i16.to_le_bytes());
    put(72, &8_i16.to_le_bytes());
    put(108, &352.0_f32.to_le_bytes());
    put(112, &1.0_f32.to_le_bytes());
    put(254, &1_i16.to_le_bytes());
    for axis in 0..3 {
        put(280 + 16 * axis + 4 * axis, &1.0_f32.to_le_bytes());
    }
    put(344, b"n+1\0");
    for z in 0..size[2] {
        for y in 0..size[1] {
            for x in 0..size[0] {
                bytes.push(value([x, y, z]));
            }
        }
    }
    let mut file = GzEncoder::new(std::fs::File::create(path).unwrap(), Compression::fast());
    file.write_all(&bytes).unwrap();
    file.finish().unwrap();
}
