//! Adam agrees with libtorch's own.

use sagate_lab::train::adam::{Adam, Moments};
use tch::nn::OptimizerConfig;
use tch::{Device, Kind, TchError, Tensor, nn};

fn variables(store: &nn::VarStore) -> [Tensor; 2] {
    let root = store.root();
    let wave = (Tensor::arange(6, (Kind::Float, Device::Cpu)) * 0.7).sin();
    [
        root.add("a", wave.view([2, 3]), true),
        root.add("b", wave.narrow(0, 1, 3) * 3.0, true),
    ]
}

/// Some curved function of the variables that changes with the step.
fn loss([a, b]: &[Tensor; 2], step: i64) -> Tensor {
    let target = (Tensor::arange(6, (Kind::Float, Device::Cpu)) + step)
        .cos()
        .view([2, 3]);
    (a - target).pow_tensor_scalar(2).sum(Kind::Float) + (a * b).pow_tensor_scalar(4).mean(Kind::Float)
}

#[test]
fn it_makes_the_steps_of_libtorch() {
    let stores = [nn::VarStore::new(Device::Cpu), nn::VarStore::new(Device::Cpu)];
    let [ours, theirs] = [&stores[0], &stores[1]].map(variables);
    let mut adam = Adam::new(&stores[0]).unwrap();
    let mut reference = nn::Adam::default().build(&stores[1], 0.0).unwrap();
    for step in 0..200 {
        let rate = if step < 100 { 1e-2 } else { 5e-3 };
        reference.set_lr(rate);
        adam.descend(&loss(&ours, step), rate).unwrap();
        reference.backward_step(&loss(&theirs, step));
        for (one, other) in ours.iter().zip(&theirs) {
            let difference = (one - other).abs().max().double_value(&[]);
            assert!(difference < 1e-6, "step {step}: {difference}");
        }
    }
    assert_eq!(adam.steps(), 200);
}

#[test]
fn moments_carry_over() {
    let stores = [nn::VarStore::new(Device::Cpu), nn::VarStore::new(Device::Cpu)];
    let [straight, cut] = [&stores[0], &stores[1]].map(variables);
    let mut whole = Adam::new(&stores[0]).unwrap();
    let mut before = Adam::new(&stores[1]).unwrap();
    for step in 0..7 {
        whole.descend(&loss(&straight, step), 1e-2).unwrap();
        before.descend(&loss(&cut, step), 1e-2).unwrap();
    }
    let mut after = Adam::new(&stores[1]).unwrap();
    let saved = |name: &str| {
        let (_, moments) = before.moments().find(|(it, _)| *it == name).unwrap();
        Ok::<_, TchError>(Moments {
            first: moments.first.copy(),
            second: moments.second.copy(),
        })
    };
    after.restore(before.steps(), saved).unwrap();
    for step in 7..20 {
        whole.descend(&loss(&straight, step), 1e-2).unwrap();
        after.descend(&loss(&cut, step), 1e-2).unwrap();
    }
    assert_eq!(straight, cut);
}
