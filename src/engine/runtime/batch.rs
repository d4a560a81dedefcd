//! One batch through the model: network, scores, and what an interpretation shows.

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

/// What became of a batch.
pub enum Outcome {
    /// To be sent, one an image; and what the network gave, which nobody waits for to be freed.
    Scored(Vec<TimedSegmentation>, Vec<Output>),
    /// Nothing is left to send.
    Sent,
    /// Nobody waits for any of its images any more: the time of each was up after the network.
    Late,
}

/// Runs a batch on so many threads.
///
/// # Errors
/// The model failed.
pub fn run(
    host: &ModelRuntime,
    pass: &ModelExecutor,
    threads: usize,
    batch: &[Entry],
) -> Result<Outcome, EngineError> {
    let begun = Instant::now();
    let observer = &host.observer;
    let id = host.contract.id();
    observer.batch_begins(id, batch.len());
    let images: Vec<_> = batch.iter().map(|entry| &entry.image).collect();
    let plan = match &batch[0].task {
        Task::Interpret(plan, _) => Some(plan),
        Task::Segment(_) => None,
    };
    let mut forwards =
        pass.forward_bucket(&images, &plan.map(InterpretationPlan::taps).unwrap_or_default())?;
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
        host.scheduler.measured(host.queue, work, seconds);
    };
    if let (Task::Interpret(plan, events), [entry]) = (&batch[0].task, batch) {
        let seen = pass.interpret_forward(forwards.remove(0))?;
        let scored = Instant::now();
        observer.batch_ended(id, forwarded - begun, scored - forwarded);
        let first = TimedSegmentation {
            segmentation: seen.segmentation.clone(),
            timing: timing(entry, scored),
        };
        let _ = events.send(Ok(InterpretationEvent::Scored(Box::new(first))));
        // One that was given up half-way says nothing of what a whole one costs.
        if show(host, entry, plan, &seen, events, scored)? {
            measured();
        }
        return Ok(Outcome::Sent);
    }
    let mut results = Vec::with_capacity(batch.len());
    for forward in &forwards {
        results.extend(pass.score(forward)?);
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

/// Sends what a plan asks for, one part as soon as it is there, while somebody listens and there is time. Says whether all was sent.
fn show(
    host: &ModelRuntime,
    entry: &Entry,
    plan: &InterpretationPlan,
    seen: &Interpretation,
    events: &UnboundedSender<Result<InterpretationEvent, EngineError>>,
    begun: Instant,
) -> Result<bool, EngineError> {
    let deadline = entry.deadline;
    let still_wanted = || -> Result<bool, EngineError> {
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Err(EngineError::DeadlineExceeded);
        }
        Ok(!events.is_closed())
    };
    let took = |from: Instant| host.observer.sams(host.contract.id(), from.elapsed());
    if still_wanted()? {
        let from = Instant::now();
        let shown = seen.layers(&plan.layers, plan.resolution, &|view| {
            let _ = events.send(Ok(InterpretationEvent::Layer(Box::new(view))));
            still_wanted().unwrap_or(false)
        });
        took(from);
        shown?;
    }
    for units in &plan.units {
        if !still_wanted()? {
            break;
        }
        let from = Instant::now();
        let choose = |scores: &[f64]| units.choice.of(scores, units.count);
        let view = seen.units(units.layer, units.class, choose, units.average)?;
        took(from);
        let _ = events.send(Ok(InterpretationEvent::Units(*units, Box::new(view))));
    }
    let all_sent = still_wanted()?;
    if all_sent {
        let _ = events.send(Ok(InterpretationEvent::Done(begun.elapsed())));
    }
    Ok(all_sent)
}
