//! Runs one batch: forward pass, scores, and the parts of an interpretation.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sagate_core::executor::{Forward, Interpretation, ModelExecutor};
use sagate_core::nn::inference::Output;
use tokio::sync::mpsc::UnboundedSender;

use super::handle::ModelRuntime;
use crate::engine::admission::cost::Work;
use crate::engine::error::EngineError;
use crate::engine::scheduling::task::{
    Entry, InterpretationEvent, InterpretationPlan, Task, TimedSegmentation, Timing,
};

/// Outcome of a batch.
pub enum Outcome {
    /// One answer per image, and the network outputs, which are freed after the answers are sent.
    Scored(Vec<TimedSegmentation>, Vec<Output>),
    /// All answers have been sent.
    Sent,
    /// Every image was abandoned or past its deadline after the forward pass.
    Late,
}

/// Runs a batch on this number of threads.
///
/// # Errors
/// The model failed.
pub fn run(
    runtime: &ModelRuntime,
    executor: &ModelExecutor,
    threads: usize,
    batch: &[Entry],
) -> Result<Outcome, EngineError> {
    let begun = Instant::now();
    let observer = &runtime.observer;
    let id = runtime.contract.id();
    observer.batch_begins(id, batch.len());
    let images: Vec<_> = batch.iter().map(|entry| &entry.image).collect();
    let plan = match &batch[0].task {
        Task::Interpret(plan, _) => Some(plan),
        Task::Segment(_) => None,
    };
    let mut forwards =
        executor.forward_bucket(&images, &plan.map(InterpretationPlan::taps).unwrap_or_default())?;
    let forwarded = Instant::now();
    if batch
        .iter()
        .all(|entry| entry.is_abandoned() || entry.has_expired(forwarded))
    {
        observer.batch_ended(id, forwarded - begun, Duration::ZERO);
        return Ok(Outcome::Late);
    }
    let timing = |entry: &Entry, scored| Timing {
        queued: entry.queued,
        begun,
        forwarded,
        scored,
        images: batch.len(),
    };
    let measured = || {
        let work: Work = batch.iter().map(Entry::work).sum();
        let seconds = begun.elapsed().as_secs_f64() * threads as f64;
        runtime.scheduler.measured(runtime.queue, work, seconds);
    };
    if let (Task::Interpret(plan, events), [entry]) = (&batch[0].task, batch) {
        let seen = executor.interpret_forward(forwards.remove(0))?;
        let scored = Instant::now();
        observer.batch_ended(id, forwarded - begun, scored - forwarded);
        let first = TimedSegmentation {
            segmentation: seen.segmentation.clone(),
            timing: timing(entry, scored),
        };
        let _ = events.send(Ok(InterpretationEvent::Scored(Box::new(first))));
        // An aborted interpretation is no measurement of the cost of a whole one.
        if send_interpretation(runtime, entry, plan, &seen, events, scored)? {
            measured();
        }
        return Ok(Outcome::Sent);
    }
    let mut results = Vec::with_capacity(batch.len());
    for forward in &forwards {
        results.extend(executor.score(forward)?);
    }
    let scored = Instant::now();
    observer.batch_ended(id, forwarded - begun, scored - forwarded);
    measured();
    let answers = batch
        .iter()
        .zip(results)
        .map(|(entry, segmentation)| TimedSegmentation {
            segmentation: Arc::new(segmentation),
            timing: timing(entry, scored),
        });
    let outputs = forwards.into_iter().map(Forward::into_output);
    Ok(Outcome::Scored(answers.collect(), outputs.collect()))
}

/// Sends each part of an interpretation as soon as it is computed. Stops when the receiver is dropped or the deadline passes. Returns
/// whether all parts were sent.
fn send_interpretation(
    runtime: &ModelRuntime,
    entry: &Entry,
    plan: &InterpretationPlan,
    seen: &Interpretation,
    events: &UnboundedSender<Result<InterpretationEvent, EngineError>>,
    begun: Instant,
) -> Result<bool, EngineError> {
    let deadline = entry.deadline;
    let is_wanted = || -> Result<bool, EngineError> {
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Err(EngineError::DeadlineExceeded);
        }
        Ok(!events.is_closed())
    };
    let took = |from: Instant| runtime.observer.sams(runtime.contract.id(), from.elapsed());
    if is_wanted()? {
        let from = Instant::now();
        let shown = seen.layers(&plan.layers, plan.resolution, &|view| {
            let _ = events.send(Ok(InterpretationEvent::Layer(Box::new(view))));
            is_wanted().unwrap_or(false)
        });
        took(from);
        shown?;
    }
    for units in &plan.units {
        if !is_wanted()? {
            break;
        }
        let from = Instant::now();
        let choose = |scores: &[f64]| units.choice.choose(scores, units.count);
        let view = seen.units(units.layer, units.class, choose, units.average)?;
        took(from);
        let _ = events.send(Ok(InterpretationEvent::Units(*units, Box::new(view))));
    }
    let all_sent = is_wanted()?;
    if all_sent {
        let _ = events.send(Ok(InterpretationEvent::Done(begun.elapsed())));
    }
    Ok(all_sent)
}
