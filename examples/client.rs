//! A client of one's own over the generated stubs: sends an image file, prints the decision, then what each layer sees.
//!
//!     sagate serve &
//!     cargo run --release --example client -- http://127.0.0.1:50051 samples/t1-brain/images/sagittal-033-clean.png

#![allow(
    clippy::print_stdout,
    reason = "a program of its own, with nobody to please but its reader"
)]

use std::error::Error;

use sagate::proto::v1;
use sagate::proto::v1::interpret_response::Part;
use sagate::proto::v1::quality_control_client::QualityControlClient;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, path] = &arguments[..] else {
        return Err("two arguments would do: the server's URL and an image file".into());
    };
    let mut client = QualityControlClient::connect(url.clone()).await?;

    // The server reads the file: NIfTI, PNG, JPEG, .npy or safetensors, recognised by its content.
    let image = v1::Image {
        source: Some(v1::image::Source::File(v1::EncodedFile {
            data: std::fs::read(path)?.into(),
            ..Default::default()
        })),
    };
    let request = v1::SegmentRequest {
        image: Some(image.clone()),
        ..Default::default()
    };
    let answer = client.segment(request).await?.into_inner();
    print(&answer.segmentation.ok_or("an answer without a segmentation")?);

    // Without options: every layer's SA score, and no SAM. The parts come as they are ready.
    let request = v1::InterpretRequest {
        image: Some(image),
        ..Default::default()
    };
    let mut parts = client.interpret(request).await?.into_inner();
    while let Some(message) = parts.message().await? {
        match message.part {
            Some(Part::Layer(layer)) => {
                println!("layer {} {} SA {:.3}", layer.layer, layer.name, layer.sa_score)
            }
            Some(Part::Summary(summary)) => {
                println!("{} layers in {:.2} s", summary.layers, summary.total_seconds)
            }
            _ => {}
        }
    }
    Ok(())
}

fn print(segmentation: &v1::Segmentation) {
    // Whatever is not ACCEPT is to be seen by a human.
    let accepted = segmentation.decision() == v1::Decision::Accept;
    println!(
        "{} mu {:.6} soft Dice confidence {:.6} object confidence {:.6}",
        if accepted { "ACCEPT" } else { "REJECT" },
        segmentation.mu,
        segmentation.soft_dice_confidence,
        segmentation.object_confidence
    );
    for reason in segmentation.reasons() {
        println!("{}", reason.as_str_name());
    }
}
