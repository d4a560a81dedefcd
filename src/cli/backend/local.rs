//! A model in this process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use sagate_core::executor::{Interpretation, LayerView, ModelExecutor, Segmentation};
use sagate_core::gate::{Decision, Policy};
use sagate_core::imaging::Image;

use super::Seen;
use crate::cli::inputs::Slice;
use crate::cli::loading;
use crate::cli::subject::Subject;
use crate::client::{Answer, InterpretOptions, LayerResult};
use crate::config::Settings;
use crate::engine::UnitOrder;

/// A loaded model with the gate of this run.
pub struct Local {
    pub subject: Subject,
    pass: ModelExecutor,
    policy: Policy,
}

impl Local {
    pub fn open(policy: Policy, settings: &Settings) -> anyhow::Result<Local> {
        let pass = loading::pass(settings)?;
        Ok(Local {
            subject: Subject::from_executor(&pass),
            pass,
            policy,
        })
    }

    pub fn segment(&self, image: &Image) -> anyhow::Result<(Answer, Duration)> {
        let begin = Instant::now();
        let ready = self.pass.prepare(image)?;
        let segmentation = self.pass.segment(&[&ready])?.remove(0);
        let decision = self.pass.decide(&segmentation, &self.policy);
        let took = begin.elapsed();
        Ok((answer(segmentation, decision), took))
    }

    pub fn interpret(
        &self,
        slice: &Slice,
        look: &InterpretOptions,
        mut show: impl FnMut(&LayerResult) -> anyhow::Result<()>,
    ) -> anyhow::Result<Seen> {
        let ready = self.pass.prepare(&slice.image);
        let ready = ready.with_context(|| slice.name.clone())?;
        let mut taps = look.layers.clone();
        taps.push(look.units_of);
        let seen = self.pass.interpret(&ready, &taps);
        let seen = seen.with_context(|| slice.name.clone())?;
        let mut layers = Vec::with_capacity(look.layers.len());
        for &number in &look.layers {
            let layer = layer(&seen, number)?;
            show(&layer)?;
            layers.push(layer);
        }
        let choose = |scores: &[f64]| UnitOrder::Spread.choose(scores, look.units);
        let units = seen.units(look.units_of, look.class, choose, true)?;
        let decision = self.pass.decide(&seen.segmentation, &self.policy);
        Ok(Seen {
            answer: answer(Arc::unwrap_or_clone(seen.segmentation), decision),
            layers,
            units,
        })
    }
}

fn answer(segmentation: Segmentation, decision: Decision) -> Answer {
    Answer {
        object_fraction: segmentation.object_fraction(),
        confidence: segmentation.confidence,
        score: segmentation.score,
        fault: segmentation.mean_sa.fault,
        labels: segmentation.labels,
        decision,
    }
}

fn layer(seen: &Interpretation, number: usize) -> anyhow::Result<LayerResult> {
    let LayerView {
        layer, score, sam, ..
    } = seen.layer(number)?;
    Ok(LayerResult { layer, score, sam })
}
