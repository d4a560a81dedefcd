//! Invalid interpretation requests and headers over gRPC: each is refused with its field.
//!
//! What would break: unknown layers, units or formats that are accepted, an error without its field, or units beyond
//! the layer's that are charged to the queue.

use sagate::proto::v1;
use tonic::Code;

use crate::binary::{Place, waves_image};
use crate::grpc_calls::{ExpectedImage, assert_refused, refused_interpretation, within};
use crate::server::{serve, tensor};

fn interpretation(change: impl FnOnce(&mut v1::InterpretRequest)) -> v1::InterpretRequest {
    let mut asked = v1::InterpretRequest {
        request_id: "id".into(),
        image: Some(tensor(&waves_image(1, 32, 32))),
        layers: Some(Default::default()),
        ..Default::default()
    };
    change(&mut asked);
    asked
}

#[tokio::test]
async fn what_makes_no_sense() {
    let place = Place::new(1, &[0.1, 0.2]);
    let good = ExpectedImage::new(&place, 9, 40, 40);
    let server = serve(&place, &[], &[]);
    let client = &mut server.client();
    let layers = |list: &[u32]| {
        let list = list.to_vec();
        interpretation(|it| it.layers.as_mut().unwrap().layers = list)
    };
    let of_layers =
        |change: &dyn Fn(&mut v1::LayerOptions)| interpretation(|it| change(it.layers.as_mut().unwrap()));
    let units = |layer, class, order| v1::UnitOptions {
        layer,
        class,
        order,
        count: u32::MAX,
        ..Default::default()
    };
    let of_units = |list: &[v1::UnitOptions]| {
        let list = list.to_vec();
        interpretation(|it| it.units = list)
    };
    let many = [units(1, 1, 0); 19];
    let twice = |it: &mut v1::LayerOptions| {
        it.layers = vec![1];
        it.skip = true;
    };
    #[rustfmt::skip]
    let cases = [
        ("nothing", v1::InterpretRequest::default(), "image"),
        ("layer 0", layers(&[3, 0]), "layers.layers[1]"),
        ("layer 19", layers(&[19]), "layers.layers[0]"),
        ("a layer twice", layers(&[4, 5, 4]), "layers.layers[2]"),
        ("layers and none", of_layers(&twice), "layers.layers"),
        ("probability 77", of_layers(&|it| it.probability = 77), "layers.probability"),
        ("resolution 77", of_layers(&|it| it.resolution = 77), "layers.resolution"),
        ("units of layer 0", of_units(&[units(0, 1, 0)]), "units[0].layer"),
        ("units of layer 19", of_units(&[units(1, 1, 0), units(19, 1, 0)]), "units[1].layer"),
        ("class 2 of 1", of_units(&[units(1, 2, 0)]), "units[0].class"),
        ("order 77", of_units(&[units(1, 1, 77)]), "units[0].order"),
        ("units twice", of_units(&[units(1, 0, 0), units(1, 1, 0)]), "units[1]"),
        ("too many units", of_units(&many), "units"),
        ("a patient as id", interpretation(|it| it.request_id = "Jane Doe".into()), "request_id"),
    ];
    for (case, asked, field) in cases {
        let status = refused_interpretation(client, asked).await;
        assert_refused(&status, (Code::InvalidArgument, "INVALID_FIELD", field), case);
        assert!(!status.message().contains("Jane"), "{case}: {status:?}");
    }
    for wrong in ["soon", "1", "S", "123456789S", "-1S", "1.5S", "1 S", "1s"] {
        let mut asked = tonic::Request::new(good.request("id"));
        asked
            .metadata_mut()
            .insert("grpc-timeout", wrong.parse().unwrap());
        let status = within(client.segment(asked)).await.expect_err(wrong);
        assert_refused(
            &status,
            (Code::InvalidArgument, "INVALID_FIELD", "grpc-timeout"),
            wrong,
        );
    }
    let reference = v1::ModelReference {
        name: "huge".into(),
        version: 0,
    };
    let asked = v1::GetModelRequest {
        model: Some(reference),
    };
    let status = within(client.get_model(asked)).await.unwrap_err();
    assert_refused(&status, (Code::NotFound, "UNKNOWN_MODEL", ""), "GetModel");
    good.ask(client).await;
    // As many units as there are of each layer, however many are asked for.
    let all: Vec<_> = (1..=18).map(|layer| units(layer, 1, 0)).collect();
    let mut asked = of_units(&all);
    asked.image = Some(tensor(&waves_image(1, 240, 240)));
    let mut parts = within(client.interpret(asked)).await.unwrap().into_inner();
    while within(parts.message())
        .await
        .expect("a count above what there is means all")
        .is_some()
    {}
}
