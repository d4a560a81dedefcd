//! NIfTI-1 files made by hand, field by field, so that tests can make wrong ones too.

#![allow(dead_code, reason = "every test file uses a part")]

/// A file in the making; `bytes` puts it together. The default is a valid int16 file, 2 x 3 x 4, without transforms.
#[derive(Clone)]
pub struct NiftiFile {
    pub big_endian: bool,
    pub dim: [i16; 8],
    pub datatype: i16,
    pub bitpix: i16,
    pub pixdim: [f32; 8],
    pub vox_offset: f32,
    pub slope: f32,
    pub intercept: f32,
    pub description: &'static str,
    pub qform_code: i16,
    pub sform_code: i16,
    pub quaternion: [f32; 6],
    pub sform: [[f32; 4]; 3],
    pub magic: [u8; 4],
    /// Voxel data, in the file's byte order.
    pub data: Vec<u8>,
}

impl NiftiFile {
    pub fn new(extent: &[i16], datatype: i16, bitpix: i16, data: Vec<u8>) -> Self {
        let mut dim = [1; 8];
        dim[0] = extent.len() as i16;
        dim[1..=extent.len()].copy_from_slice(extent);
        Self {
            big_endian: false,
            dim,
            datatype,
            bitpix,
            pixdim: [1.0; 8],
            vox_offset: 352.0,
            slope: 0.0,
            intercept: 0.0,
            description: "",
            qform_code: 0,
            sform_code: 0,
            quaternion: [0.0; 6],
            sform: [[0.0; 4]; 3],
            magic: *b"n+1\0",
            data,
        }
    }

    /// int16 voxels that count up from 0 in the file's order.
    pub fn counting(extent: &[i16]) -> Self {
        let count: i16 = extent.iter().product();
        let data = (0..count).flat_map(i16::to_le_bytes).collect();
        Self::new(extent, 4, 16, data)
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0u8; 352];
        self.put(&mut bytes, 0, 348i32.to_le_bytes());
        for (axis, side) in self.dim.iter().enumerate() {
            self.put(&mut bytes, 40 + 2 * axis, side.to_le_bytes());
        }
        self.put(&mut bytes, 70, self.datatype.to_le_bytes());
        self.put(&mut bytes, 72, self.bitpix.to_le_bytes());
        for (axis, step) in self.pixdim.iter().enumerate() {
            self.put(&mut bytes, 76 + 4 * axis, step.to_le_bytes());
        }
        self.put(&mut bytes, 108, self.vox_offset.to_le_bytes());
        self.put(&mut bytes, 112, self.slope.to_le_bytes());
        self.put(&mut bytes, 116, self.intercept.to_le_bytes());
        bytes[123] = 2;
        bytes[148..148 + self.description.len()].copy_from_slice(self.description.as_bytes());
        self.put(&mut bytes, 252, self.qform_code.to_le_bytes());
        self.put(&mut bytes, 254, self.sform_code.to_le_bytes());
        for (index, value) in self
            .quaternion
            .iter()
            .chain(self.sform.as_flattened())
            .enumerate()
        {
            self.put(&mut bytes, 256 + 4 * index, value.to_le_bytes());
        }
        bytes[344..348].copy_from_slice(&self.magic);
        bytes.extend_from_slice(&self.data);
        bytes
    }

    fn put<const N: usize>(&self, bytes: &mut [u8], offset: usize, mut value: [u8; N]) {
        if self.big_endian {
            value.reverse();
        }
        bytes[offset..offset + N].copy_from_slice(&value);
    }
}
