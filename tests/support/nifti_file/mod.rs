//! NIfTI files made by hand, field by field, so that tests can make wrong ones too.

#![allow(dead_code, reason = "every test file uses a part")]

/// A file in the making; `bytes` puts it together as NIfTI-1, `bytes_2` as NIfTI-2. A new file has no transforms.
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

    /// With an sform that says that i, j and k run to the right, to the front and to the head.
    pub fn oriented(mut self) -> Self {
        self.sform_code = 1;
        self.sform = [[0.0; 4]; 3];
        for axis in 0..3 {
            self.sform[axis][axis] = self.pixdim[axis + 1];
        }
        self
    }

    /// The same as NIfTI-2, whose voxels begin at byte 544. Of the magic the letters are taken, as in `ni1`.
    pub fn bytes_2(&self) -> Vec<u8> {
        let mut bytes = vec![0u8; 544];
        let wide = |value: f32| f64::from(value).to_le_bytes();
        self.put(&mut bytes, 0, 540i32.to_le_bytes());
        bytes[4..12].copy_from_slice(b"n+2\0\r\n\x1a\n");
        bytes[4..6].copy_from_slice(&self.magic[..2]);
        self.put(&mut bytes, 12, self.datatype.to_le_bytes());
        self.put(&mut bytes, 14, self.bitpix.to_le_bytes());
        for (axis, &side) in self.dim.iter().enumerate() {
            self.put(&mut bytes, 16 + 8 * axis, i64::from(side).to_le_bytes());
        }
        for (axis, &step) in self.pixdim.iter().enumerate() {
            self.put(&mut bytes, 104 + 8 * axis, wide(step));
        }
        let offset = if self.vox_offset == 352.0 {
            544
        } else {
            self.vox_offset as i64
        };
        self.put(&mut bytes, 168, offset.to_le_bytes());
        self.put(&mut bytes, 176, wide(self.slope));
        self.put(&mut bytes, 184, wide(self.intercept));
        bytes[240..240 + self.description.len()].copy_from_slice(self.description.as_bytes());
        self.put(&mut bytes, 344, i32::from(self.qform_code).to_le_bytes());
        self.put(&mut bytes, 348, i32::from(self.sform_code).to_le_bytes());
        let transforms = self.quaternion.iter().chain(self.sform.as_flattened());
        for (index, &value) in transforms.enumerate() {
            self.put(&mut bytes, 352 + 8 * index, wide(value));
        }
        self.put(&mut bytes, 500, 2i32.to_le_bytes());
        bytes.extend_from_slice(&self.data);
        bytes
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
