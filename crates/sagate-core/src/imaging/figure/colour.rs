//! Colours that are distinguishable with any colour vision.

use image::Rgb;

/// Text and axes.
pub(super) const INK: Rgb<u8> = Rgb([0x22, 0x22, 0x22]);
/// Secondary text and grid lines.
pub(super) const PALE: Rgb<u8> = Rgb([0xd8, 0xd8, 0xd8]);
/// Background.
pub(super) const PAPER: Rgb<u8> = Rgb([0xff, 0xff, 0xff]);
/// Warnings; the vermilion of Okabe and Ito, darker, so that small letters are legible on white.
pub(super) const WARNING: Rgb<u8> = Rgb([0xb4, 0x2a, 0x00]);
/// NaN.
pub(super) const ABSENT: Rgb<u8> = Rgb([0x80, 0x80, 0x80]);

/// The colours of Okabe and Ito, without black and without the yellow that is kept for contrast.
const DISTINCT: [[u8; 3]; 6] = [
    [230, 159, 0],
    [86, 180, 233],
    [0, 158, 115],
    [213, 94, 0],
    [0, 114, 178],
    [204, 121, 167],
];

/// A colour for the class of this index (from 0), distinguishable from its neighbours with any colour vision. Repeats after six.
pub fn distinct(index: usize) -> [u8; 3] {
    DISTINCT[index % DISTINCT.len()]
}

/// The viridis colour map at a value of 0..=1 (values outside are taken for the nearer end). A polynomial that stays
/// within 4 of 255 of matplotlib's table; lightness rises with the value.
pub fn viridis(value: f32) -> [u8; 3] {
    const TERMS: [[f32; 3]; 7] = [
        [0.277_727_33, 0.005_407_344_5, 0.334_099_8],
        [0.105_093_04, 1.404_613_5, 1.384_590_2],
        [-0.330_861_83, 0.214_847_56, 0.095_095_16],
        [-4.634_230_5, -5.799_101, -19.332_441],
        [6.228_27, 14.179_933, 56.690_55],
        [4.776_385, -13.745_145, -65.353_035],
        [-5.435_456, 4.645_852_6, 26.312_435],
    ];
    let value = value.clamp(0.0, 1.0);
    let channel = |channel: usize| {
        let sum = TERMS
            .iter()
            .rev()
            .fold(0.0, |sum, term| sum * value + term[channel]);
        (sum.clamp(0.0, 1.0) * 255.0).round() as u8
    };
    [channel(0), channel(1), channel(2)]
}

/// Of a few light colours, the one farthest from all of these.
pub(super) fn contrast(colours: impl Iterator<Item = [u8; 3]> + Clone) -> [u8; 3] {
    const LIGHT: [[u8; 3]; 4] = [[255, 255, 255], [250, 240, 60], [0, 230, 255], [255, 110, 255]];
    let nearest = |candidate: &[u8; 3]| {
        colours
            .clone()
            .map(|colour| distance(*candidate, colour))
            .min()
            .unwrap_or(u32::MAX)
    };
    let mut best = LIGHT[0];
    for candidate in &LIGHT[1..] {
        if nearest(candidate) > nearest(&best) {
            best = *candidate;
        }
    }
    best
}

fn distance(a: [u8; 3], b: [u8; 3]) -> u32 {
    a.iter()
        .zip(b)
        .map(|(&a, b)| u32::from(a.abs_diff(b)).pow(2))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::{contrast, viridis};

    #[test]
    fn viridis_is_matplotlibs_and_grows_lighter() {
        let table = [
            (0.0, [68, 1, 84]),
            (0.25, [59, 82, 139]),
            (0.5, [33, 145, 140]),
            (1.0, [253, 231, 37]),
        ];
        for (value, expected) in table {
            let near = viridis(value)
                .iter()
                .zip(expected)
                .all(|(&a, b): (&u8, u8)| a.abs_diff(b) <= 5);
            assert!(near, "{value}: {:?} {expected:?}", viridis(value));
        }
        let light = |value: f32| {
            let [r, g, b] = viridis(value).map(f32::from);
            0.2126 * r + 0.7152 * g + 0.0722 * b
        };
        assert!((0..20).all(|step| light(step as f32 / 20.0) < light((step + 1) as f32 / 20.0)));
    }

    #[test]
    fn truth_is_not_drawn_in_a_class_colour() {
        assert_ne!(contrast([[255, 255, 255]].into_iter()), [255, 255, 255]);
        assert_ne!(
            contrast([[255, 255, 255], [250, 240, 60]].into_iter()),
            [250, 240, 60]
        );
    }
}
