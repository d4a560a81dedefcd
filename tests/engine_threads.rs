//! Answers are bit-identical for any number of threads and any batch.
//!
//! What would break: a decision that depends on the load of the server.

#[path = "support/binary/mod.rs"]
mod binary;
#[path = "support/tiny_model/mod.rs"]
mod tiny_model;

use binary::{Place, waves_image};
use sagate_core::executor::{ModelExecutor, PreparedImage, Segmentation};
use sagate_core::nn::threads::use_threads_here;

fn seen(pass: &ModelExecutor, threads: usize, images: &[&PreparedImage]) -> Vec<Segmentation> {
    // The number belongs to the thread that asks.
    use_threads_here(threads);
    pass.segment(images).unwrap()
}

/// Images of several sizes in one batch: the padding has no effect.
#[test]
fn a_batch_of_several_sizes_moves_no_bit_either() {
    let place = Place::new(1, &[0.5]);
    let pass = place.pass();
    let sizes = [(48, 48), (64, 33), (17, 64), (64, 64), (50, 60)];
    let images: Vec<PreparedImage> = (sizes.iter().enumerate())
        .map(|(seed, &(height, width))| pass.prepare(&waves_image(seed, height, width)).unwrap())
        .collect();
    let together: Vec<&PreparedImage> = images.iter().collect();
    let forwards = pass.forward_bucket(&together, &[]).unwrap();
    assert_eq!(forwards.len(), images.len());
    for ((forward, image), size) in forwards.iter().zip(&images).zip(sizes) {
        let found = pass.score(forward).unwrap().remove(0);
        let expected = pass.segment(&[image]).unwrap().remove(0);
        assert_eq!(found.probability, expected.probability, "{size:?}: probability");
        assert_eq!(found, expected, "{size:?}");
    }
}

#[test]
fn neither_threads_nor_company_move_a_bit() {
    let place = Place::new(1, &[0.5]);
    let pass = place.pass();
    for (height, width) in [(48, 48), (64, 160), (250, 130), (256, 256)] {
        let images: Vec<PreparedImage> = (0..4)
            .map(|seed| pass.prepare(&waves_image(seed, height, width)).unwrap())
            .collect();
        let images: Vec<&PreparedImage> = images.iter().collect();
        let expected: Vec<Segmentation> = images.iter().flat_map(|image| seen(&pass, 1, &[image])).collect();
        for threads in [1, 2, 3] {
            for batch in [1, 2, 4] {
                let found: Vec<Segmentation> = (images.chunks(batch))
                    .flat_map(|images| seen(&pass, threads, images))
                    .collect();
                for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
                    let what =
                        format!("image {index} of {height} x {width}, {threads} threads, batch {batch}");
                    assert_eq!(found.probability, expected.probability, "{what}: probability");
                    assert_eq!(found.mean_sa, expected.mean_sa, "{what}: mu");
                }
            }
        }
    }
}
