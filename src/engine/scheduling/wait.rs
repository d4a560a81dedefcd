//! Estimated queue delay of an image.

use std::time::Instant;

use super::busy::{Busy, memory_free_in, next_free_in};
use super::fairness::DeviceState;
use super::lease::QueueId;
use super::model_queue::ModelQueue;
use super::slots::Slots;
use crate::engine::admission::priority::Priority;

/// Estimated seconds until a new image of this class and memory need would begin: it needs free memory, a slot after the images ahead of it,
/// and a worker of its model. 0 for an unknown queue.
pub fn seconds_until_start(
    state: &DeviceState,
    slots: Slots,
    id: QueueId,
    class: Priority,
    bytes: u64,
    now: Instant,
) -> f64 {
    let Some(own) = state.queues.get(&id) else {
        return 0.0;
    };
    let busy: Vec<Busy> = state.queues.values().flat_map(|queue| queue.busy(now)).collect();
    let first = state.waits_for_memory.filter(|it| it.class <= class);
    let needed = bytes.max(first.map_or(0, |it| it.bytes));
    let memory = memory_free_in(&busy, state.memory_free, needed);
    let from = |free_in: f64| free_in.max(memory);

    let ahead = |queue: &ModelQueue| queue.queue.seconds_ahead(class, &queue.cost, now);
    let (mut all, mut weights) = (0.0, 0.0);
    for queue in state.queues.values().filter(|queue| !queue.queue.is_empty()) {
        all += ahead(queue);
        weights += queue.config.weight;
    }
    // While other models have work, its own gets only its weighted share.
    let shared = ahead(own) * (weights / own.config.weight).max(1.0);
    let taken = busy
        .iter()
        .flat_map(|it| std::iter::repeat_n(it.free_in, it.threads));
    let free = std::iter::repeat_n(0.0, state.slots_free);
    let slot = next_free_in(taken.chain(free).map(from).collect(), shared.min(all));

    // A batch has one worker, which may not get the whole device.
    let threads = slots.share(slots.count, state.side_by_side(id));
    let at_work = own.busy(now).map(|it| it.free_in);
    let idle = own.idle.iter().map(|_| 0.0);
    let worker = next_free_in(
        at_work.chain(idle).map(from).collect(),
        ahead(own) / threads as f64,
    );
    slot.max(worker)
}
