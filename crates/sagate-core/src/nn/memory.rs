//! Peak memory of a forward pass, computed from the layers: the tensors that [`super::inference::InferenceNet::forward`] keeps alive at
//! once.

use super::layers::{LAYER_COUNT, LAYERS};
use super::unet::{UNetConfig, padded_side};

/// Bytes of a value.
const VALUE: u64 = 4;
/// Values that scoring holds at once for each pixel and object class: probability, reference, labels and their copies.
const SCORES: u64 = 8;
/// Bytes of oneDNN's scratch space and of the allocator's overhead, for any image size: measured (`sagate bench memory`).
const SCRATCH: u64 = 8 << 20;

fn pixels(size: [usize; 2]) -> u64 {
    let side = |side: usize| padded_side(i64::try_from(side).unwrap_or(i64::MAX / 32)) as u64;
    side(size[0]).saturating_mul(side(size[1]))
}

/// Current and peak memory.
#[derive(Default)]
struct MemoryUse {
    now: u64,
    peak: u64,
}

impl MemoryUse {
    fn make(&mut self, values: u64) {
        self.now = self.now.saturating_add(values);
        self.peak = self.peak.max(self.now);
    }

    fn drop(&mut self, values: u64) {
        self.now = self.now.saturating_sub(values);
    }
}

/// Peak memory in bytes of segmenting an image of `[height, width]` with these layers as taps, without the weights. A batch takes as many
/// times as much as it has images.
pub fn segmentation(network: &UNetConfig, taps: &[usize], size: [usize; 2]) -> u64 {
    let pixels = pixels(size);
    let map = |number: usize| {
        let layer = &LAYERS[number - 1];
        let side = layer.downsampling as u64;
        (layer.channels(network.base_width) as u64).saturating_mul(pixels / (side * side))
    };
    let kept = |number: usize| taps.contains(&number);
    let input = (network.in_channels as u64).saturating_mul(pixels);
    let mut memory = MemoryUse::default();
    // The image, its padded copy and its channels-last copy.
    memory.make(input.saturating_mul(3));
    let mut current = input;
    // Down: the input is dropped when the first convolution is done, the second map stays as a skip.
    for level in 0..4 {
        let (first, second) = (2 * level + 1, 2 * level + 2);
        memory.make(map(first));
        memory.drop(current);
        memory.make(map(second));
        if !kept(first) {
            memory.drop(map(first));
        }
        current = map(second) / 4;
        memory.make(current);
    }
    memory.make(map(9));
    memory.drop(current);
    memory.make(map(10));
    if !kept(9) {
        memory.drop(map(9));
    }
    // Up: the map below, what is brought up of it and the sum are alive at once.
    let mut below = 10;
    for level in 0..4 {
        let (first, second) = (11 + 2 * level, 12 + 2 * level);
        let skip = 8 - 2 * level;
        let up = map(first);
        memory.make(up);
        memory.make(map(first));
        memory.drop(up);
        if !kept(skip) {
            memory.drop(map(skip));
        }
        if !kept(below) {
            memory.drop(map(below));
        }
        memory.make(map(second));
        if !kept(first) {
            memory.drop(map(first));
        }
        below = second;
    }
    // Logits, probabilities of background and classes, and those of the classes; then the scores.
    let classes = network.classes as u64;
    memory.make((3 * classes + 2).saturating_mul(pixels));
    memory.drop((2 * classes + 2).saturating_mul(pixels));
    memory.make((SCORES * classes).saturating_mul(pixels));
    memory.peak.saturating_mul(VALUE).saturating_add(SCRATCH)
}

/// The same for an interpretation, which keeps every layer's feature map.
pub fn interpretation(network: &UNetConfig, size: [usize; 2]) -> u64 {
    let all: Vec<usize> = (1..=LAYER_COUNT).collect();
    let pixels = pixels(size);
    // A SAM on the grid of the image, and what it is made from.
    let sam = pixels.saturating_mul(VALUE * 4 * (network.classes as u64 + 1));
    segmentation(network, &all, size).saturating_add(sam)
}
