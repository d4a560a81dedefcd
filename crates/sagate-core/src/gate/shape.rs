//! Shape descriptors of a mask, independent of the image's intensities.

use ndarray::Array2;

/// Shape descriptors, independent of the image's resolution. All are 0 without an object.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Shape {
    /// Share of the pixels that are object, 0..=1.
    pub area: f64,
    /// Length of the boundary within the image over the perimeter of a square of the same area.
    pub roughness: f64,
    /// Root mean square distance of the object's pixels from their centre, over the root of the image's area.
    pub spread: f64,
}

impl Shape {
    /// The shape of the pixels of `labels` `[height, width]` that are not background.
    pub fn new(labels: &Array2<u8>) -> Shape {
        let (height, width) = labels.dim();
        let labels = labels.as_standard_layout();
        let pixels = labels.as_slice().expect("standard layout is one slice");
        let (mut count, mut rows, mut squares, mut edges) = (0u64, 0u64, 0u64, 0u64);
        // Count pixels per column and weight the counts once at the end: counting vectorises.
        let mut in_column = vec![0u32; width];
        let mut above: &[u8] = &[];
        for (number, row) in pixels.chunks_exact(width.max(1)).enumerate() {
            let mut own = 0;
            for (count, &label) in in_column.iter_mut().zip(row) {
                let is_object = u32::from(label > 0);
                own += is_object;
                *count += is_object;
            }
            let differ = |a: &[u8], b: &[u8]| -> u32 {
                a.iter()
                    .zip(b)
                    .map(|(&a, &b)| u32::from((a > 0) != (b > 0)))
                    .sum()
            };
            edges += u64::from(differ(row, above)) + u64::from(differ(row, &row[1..]));
            above = row;
            let (own, number) = (u64::from(own), number as u64);
            count += own;
            rows += own * number;
            squares += own * number * number;
        }
        let mut columns = 0;
        for (column, &count) in (0u64..).zip(&in_column) {
            columns += u64::from(count) * column;
            squares += u64::from(count) * column * column;
        }
        if count == 0 {
            return Shape::default();
        }
        let [count, rows, columns, squares, edges] =
            [count, rows, columns, squares, edges].map(|sum| sum as f64);
        let centre = (rows / count).powi(2) + (columns / count).powi(2);
        let pixels = (height * width) as f64;
        Shape {
            area: count / pixels,
            roughness: edges / (4.0 * count.sqrt()),
            spread: ((squares / count - centre).max(0.0) / pixels).sqrt(),
        }
    }
}
