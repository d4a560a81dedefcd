//! Whose batch runs next on the device: one scheduler for all models.
//!
//! A device has slots: the cores of a CPU, or the batches that a GPU works on at once. A batch takes one slot or, where fewer images
//! wait than slots are free, several as threads of its operations, so that one image alone has the whole machine and many never get in
//! each other's way: threads times batches never exceed the slots. Among models the most urgent image goes first, then the model that
//! has had the least time for its weight. A batch runs only where its activations fit into what memory is left.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::cost::{Cost, Kind, Work};
use super::error::EngineError;
use super::helpers::Helpers;
use super::pace::{Pace, in_time, retry};
use super::priority::Priority;
use super::queue::{Due, Next, Queue};
use super::seat::Seat;
use super::serving::Forming;
use super::task::Entry;
use super::wait::{Busy, memory_free_in, next_free_in};

/// Tells a model's queue from all others.
pub(super) type QueueId = u64;

/// The slots of one device, and what waits for them.
pub(super) struct Scheduler {
    state: Mutex<State>,
    slots: Slots,
    /// Bytes that the activations of all running batches may take.
    memory: u64,
    aging: Duration,
}

/// What a device has for batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slots {
    /// Batches that may run at once, at least 1.
    pub count: usize,
    /// Whether a batch may take several as threads of its operations: the cores of a CPU.
    pub divisible: bool,
}

struct State {
    lines: BTreeMap<QueueId, Line>,
    next_queue: QueueId,
    next_entry: u64,
    slots_free: usize,
    memory_free: u64,
    /// The batch that is next and waits for memory: nothing else is begun before it.
    waits_for_memory: Option<WaitsForMemory>,
    helpers: Helpers,
}

/// A batch that waits for memory.
#[derive(Clone, Copy)]
struct WaitsForMemory {
    class: Priority,
    bytes: u64,
}

/// What a model adds to the line.
pub(super) struct Terms {
    pub weight: f64,
    pub forming: Forming,
    /// Bytes of activations that an image of so much height and width takes while it runs.
    pub activations: Box<dyn Fn(Kind, [usize; 2]) -> u64 + Send>,
}

/// One model that waits for the device.
struct Line {
    terms: Terms,
    queue: Queue,
    cost: Cost,
    closed: bool,
    /// Seconds of slots that it had, by its weight.
    had: f64,
    /// Instances that wait for a batch.
    idle: Vec<Arc<Seat>>,
    running: Vec<Running>,
}

/// A batch that runs.
struct Running {
    grant: u64,
    begun: Instant,
    threads: usize,
    memory: u64,
    /// Seconds of a slot that it is expected to take.
    expected: f64,
}

/// A batch, with leave to run it. Dropping it gives the slots back.
pub(super) struct Grant {
    scheduler: Arc<Scheduler>,
    queue: QueueId,
    id: u64,
    threads: usize,
    memory: u64,
    begun: Instant,
    batch: Vec<Entry>,
    given_back: bool,
}

impl Scheduler {
    pub fn new(slots: Slots, memory: u64, aging: Duration) -> Arc<Scheduler> {
        let state = State {
            lines: BTreeMap::new(),
            next_queue: 0,
            next_entry: 0,
            slots_free: slots.count,
            memory_free: memory,
            waits_for_memory: None,
            helpers: Helpers::default(),
        };
        Arc::new(Scheduler {
            state: Mutex::new(state),
            slots,
            memory,
            aging,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a model.
    pub fn add(&self, terms: Terms) -> QueueId {
        let mut state = self.state();
        let id = state.next_queue;
        state.next_queue += 1;
        let line = Line {
            terms,
            queue: Queue::new(self.aging),
            cost: Cost::UNKNOWN,
            closed: false,
            had: state.least_had(),
            idle: Vec::new(),
            running: Vec::new(),
        };
        state.lines.insert(id, line);
        id
    }

    /// Forgets a model whose instances have ended. What still waits is refused.
    pub fn remove(&self, queue: QueueId) {
        let line = self.state().lines.remove(&queue);
        if let Some(mut line) = line {
            refuse(line.queue.take_all(), || EngineError::Stopping);
        }
    }

    /// Puts an image into a model's queue, and says under which number it can be taken out again.
    ///
    /// # Errors
    /// The queue was closed, the image never fits into memory, or it cannot be done in its time.
    pub fn push(
        self: &Arc<Self>,
        queue: QueueId,
        entry: impl FnOnce(u64) -> Entry,
    ) -> Result<u64, EngineError> {
        let mut state = self.state();
        let id = state.next_entry;
        state.next_entry += 1;
        let entry = entry(id);
        if let Err(error) = self.check(&mut state, queue, &entry) {
            drop(state);
            // Gives the image's place back, outside of the lock.
            drop(entry);
            return Err(error);
        }
        let least = state.least_had();
        let line = state.lines.get_mut(&queue).expect("checked");
        if line.is_at_rest() {
            // Having slept is no claim on the time that others had meanwhile.
            line.had = line.had.max(least);
        }
        line.queue.push(entry);
        self.dispatch(state);
        Ok(id)
    }

    fn check(&self, state: &mut State, queue: QueueId, entry: &Entry) -> Result<(), EngineError> {
        let Some(line) = state.lines.get(&queue).filter(|line| !line.closed) else {
            return Err(EngineError::Stopping);
        };
        let size = entry.image.size();
        let bytes = (line.terms.activations)(entry.kind(), size);
        if bytes > self.memory {
            return Err(EngineError::TooLargeForMemory {
                size,
                bytes,
                budget: self.memory,
            });
        }
        let Some(deadline) = entry.deadline else {
            return Ok(());
        };
        let now = Instant::now();
        let pace = Pace {
            cost: line.cost,
            threads: self.threads(self.slots.count, state.side_by_side(queue)),
        };
        let wait = self.wait(state, queue, line, entry.priority, bytes, now);
        let expected = wait + pace.seconds(entry);
        let in_time = in_time(deadline, expected, now);
        // The model has nothing to do, so that nothing is measured either.
        if in_time.is_err()
            && line.is_at_rest()
            && let Some(line) = state.lines.get_mut(&queue)
        {
            line.cost.doubt();
        }
        in_time
    }

    /// Refuses an image of which nothing is known yet, where it could not be done in its time.
    ///
    /// # Errors
    /// The queue was closed, or the time is too short for what waits already.
    pub fn foresee(
        &self,
        queue: QueueId,
        priority: Priority,
        deadline: Option<Instant>,
    ) -> Result<(), EngineError> {
        let state = self.state();
        let Some(line) = state.lines.get(&queue).filter(|line| !line.closed) else {
            return Err(EngineError::Stopping);
        };
        let Some(deadline) = deadline else {
            return Ok(());
        };
        let now = Instant::now();
        in_time(deadline, self.wait(&state, queue, line, priority, 0, now), now)
    }

    /// Seconds until an image that comes now would be begun.
    pub fn wait_seconds(&self, queue: QueueId, priority: Priority) -> f64 {
        let state = self.state();
        let line = state.lines.get(&queue);
        line.map_or(0.0, |line| {
            self.wait(&state, queue, line, priority, 0, Instant::now())
        })
    }

    /// Takes an image out whose caller went away, if it still waits.
    pub fn withdraw(self: &Arc<Self>, queue: QueueId, id: u64) {
        let mut state = self.state();
        let withdrawn = state.lines.get_mut(&queue).and_then(|line| line.queue.remove(id));
        self.dispatch(state);
        // Frees the image, and its place, outside of the lock.
        drop(withdrawn);
    }

    /// Puts images of a failed batch back, each to run alone.
    pub fn put_back(self: &Arc<Self>, queue: QueueId, entries: Vec<Entry>) {
        let mut state = self.state();
        if let Some(line) = state.lines.get_mut(&queue) {
            line.queue.put_back(entries);
            self.dispatch(state);
        } else {
            drop(state);
            refuse(entries, || EngineError::Stopping);
        }
    }

    /// Takes nothing more for a model; what waits is still served.
    pub fn close(self: &Arc<Self>, queue: QueueId) {
        let mut state = self.state();
        if let Some(line) = state.lines.get_mut(&queue) {
            line.closed = true;
        }
        self.dispatch(state);
    }

    /// Whether nothing more is taken for a model.
    pub fn is_closed(&self, queue: QueueId) -> bool {
        self.state().lines.get(&queue).is_none_or(|line| line.closed)
    }

    /// Refuses all that waits for a model.
    pub fn refuse_all(self: &Arc<Self>, queue: QueueId, error: impl Fn() -> EngineError) {
        let mut state = self.state();
        let waiting = state.lines.get_mut(&queue).map(|line| line.queue.take_all());
        self.dispatch(state);
        refuse(waiting.unwrap_or_default(), error);
    }

    /// Remembers what images of a model cost, in seconds of a slot.
    pub fn measured(&self, queue: QueueId, work: Work, seconds: f64) {
        if let Some(line) = self.state().lines.get_mut(&queue) {
            line.cost.measured(work, seconds);
        }
    }

    /// Waits in an instance's own seat for a batch of a model, done with the one before. `None`: it is closed, and nothing waits any more.
    pub fn next(self: &Arc<Self>, queue: QueueId, seat: &Arc<Seat>, done: Option<Grant>) -> Option<Grant> {
        let mut state = self.state();
        // In one step: were the slots free before the instance is, another model would always get them.
        if let Some(mut done) = done {
            done.give_back(&mut state);
        }
        let is_over = state.is_over(queue);
        if let Some(line) = state.lines.get_mut(&queue).filter(|_| !is_over) {
            line.idle.push(seat.clone());
        }
        self.dispatch(state);
        if is_over {
            return None;
        }
        loop {
            if let Some(grant) = seat.wait() {
                return Some(grant);
            }
            self.dispatch(self.state());
            let mut state = self.state();
            if state.is_over(queue) {
                state.stand_up(queue, seat);
                // It may have been given a batch just before.
                return seat.take_grant();
            }
        }
    }

    /// Hands out batches as long as there are slots and images. What waits and cannot be done in its time any more is refused, before
    /// anything is spent on it.
    fn dispatch(self: &Arc<Self>, mut guard: MutexGuard<'_, State>) {
        let state = &mut *guard;
        let now = Instant::now();
        let mut late = Vec::new();
        state.waits_for_memory = None;
        while state.slots_free > 0
            && let Some((id, next)) = state.foremost(now)
        {
            let threads = self.threads(state.slots_free, state.demand());
            let (slots_free, memory_free) = (state.slots_free, state.memory_free);
            let line = state.lines.get_mut(&id).expect("it is foremost");
            let pace = Pace {
                cost: line.cost,
                threads,
            };
            let too_late = line.queue.take_late(&pace, now);
            if !too_late.is_empty() {
                let waiting = line.queue.seconds(&line.cost) / self.slots.count as f64;
                late.extend(too_late.into_iter().map(|entry| (entry, pace, retry(waiting))));
                continue;
            }
            let (kind, size) = line.queue.kind_and_size(&next);
            let Terms {
                forming, activations, ..
            } = &line.terms;
            // Images that meet in a batch take as much as the largest that could be among them.
            let alone = activations(kind, size).max(1);
            let each = activations(kind, forming.bucket(size)).max(1);
            // What does not fit now is waited for: others that fit would keep it out for ever.
            if alone > memory_free {
                state.waits_for_memory = Some(WaitsForMemory {
                    class: next.class,
                    bytes: alone,
                });
                break;
            }
            let fitting = usize::try_from(memory_free / each).unwrap_or(usize::MAX);
            let most = forming.max_batch.min(fitting);
            let there = line.queue.there(&next, forming, most, &pace, now);
            // What can run beside on free slots is not run after.
            let beside = (slots_free / threads).min(line.idle.len()).max(1);
            let share = line.queue.len().div_ceil(beside);
            let images = if forming.preferred.is_empty() {
                there.min(share)
            } else {
                there
            };
            let batch = line.queue.take(&next, forming, forming.size(images), now);
            let memory = match batch.len() as u64 {
                1 => alone,
                images => each * images,
            };
            let grant = Grant {
                scheduler: self.clone(),
                queue: id,
                id: batch[0].id,
                threads,
                memory,
                begun: now,
                batch,
                given_back: false,
            };
            state.slots_free -= threads;
            state.memory_free -= grant.memory;
            let seat = line.run(grant);
            if self.slots.divisible {
                let lines = &state.lines;
                let is_idle = |seat: &Arc<Seat>| lines.values().any(|line| line.has_idle(seat));
                state.helpers.begin(&seat, threads, self.slots.count, is_idle);
            }
        }
        for line in state.lines.values().filter(|line| line.is_over()) {
            line.idle.iter().for_each(|seat| seat.close());
        }
        // Gives their places back, outside of the lock.
        drop(guard);
        for (entry, pace, retry_seconds) in late {
            pace.refuse_late(entry, retry_seconds, now);
        }
    }

    /// Slots that each of so many batches gets of those that are free.
    fn threads(&self, free: usize, batches: usize) -> usize {
        if self.slots.divisible {
            (free / batches.max(1)).max(1)
        } else {
            1
        }
    }

    /// Seconds until an image of a class that comes now, and needs so many bytes, would be begun: once there is memory, a slot that what
    /// goes before leaves, and an instance of its own model.
    fn wait(
        &self,
        state: &State,
        queue: QueueId,
        own: &Line,
        class: Priority,
        bytes: u64,
        now: Instant,
    ) -> f64 {
        let busy: Vec<Busy> = state.lines.values().flat_map(|line| line.busy(now)).collect();
        let first = state.waits_for_memory.filter(|it| it.class <= class);
        let needed = bytes.max(first.map_or(0, |it| it.bytes));
        let memory = memory_free_in(&busy, state.memory_free, needed);
        let from = |free_in: f64| free_in.max(memory);

        let ahead = |line: &Line| line.queue.seconds_ahead(class, &line.cost, now);
        let (mut all, mut weights) = (0.0, 0.0);
        for line in state.lines.values().filter(|line| !line.queue.is_empty()) {
            all += ahead(line);
            weights += line.terms.weight;
        }
        // While others have work, it has no more than its share.
        let shared = ahead(own) * (weights / own.terms.weight).max(1.0);
        let taken = busy
            .iter()
            .flat_map(|it| std::iter::repeat_n(it.free_in, it.threads));
        let free = std::iter::repeat_n(0.0, state.slots_free);
        let slot = next_free_in(taken.chain(free).map(from).collect(), shared.min(all));

        // A batch has one instance, which may not have the whole device.
        let threads = self.threads(self.slots.count, state.side_by_side(queue));
        let at_work = own.busy(now).map(|it| it.free_in);
        let idle = own.idle.iter().map(|_| 0.0);
        let instance = next_free_in(
            at_work.chain(idle).map(from).collect(),
            ahead(own) / threads as f64,
        );
        slot.max(instance)
    }
}

impl State {
    /// Of all models that have work, what the one had that had the least.
    fn least_had(&self) -> f64 {
        let busy = self.lines.values().filter(|line| !line.is_at_rest());
        busy.map(|it| it.had).min_by(f64::total_cmp).unwrap_or(0.0)
    }

    fn is_over(&self, queue: QueueId) -> bool {
        self.lines.get(&queue).is_none_or(Line::is_over)
    }

    fn stand_up(&mut self, queue: QueueId, seat: &Arc<Seat>) {
        if let Some(line) = self.lines.get_mut(&queue) {
            line.idle.retain(|it| !Arc::ptr_eq(it, seat));
        }
    }

    /// How many batches could run at once, were there slots enough.
    fn demand(&self) -> usize {
        let lines = self.lines.values();
        lines.map(|line| line.queue.len().min(line.idle.len())).sum()
    }

    /// How many batches run at once when one more image has come for a model: of each model no more than it has instances.
    fn side_by_side(&self, one_more_for: QueueId) -> usize {
        let of_line = |(&id, line): (&QueueId, &Line)| {
            let images = line.queue.len() + line.running.len() + usize::from(id == one_more_for);
            images.min(line.idle.len() + line.running.len())
        };
        self.lines.iter().map(of_line).sum()
    }

    /// Whose batch is next, of those that an instance waits for. Where one may still wait for company, its instance is told when to
    /// look again.
    fn foremost(&self, now: Instant) -> Option<(QueueId, Next)> {
        let mut due = Vec::new();
        for (&id, line) in &self.lines {
            let (Some(seat), Some(next)) = (line.idle.last(), line.queue.next(now)) else {
                continue;
            };
            match line.queue.due(&next, &line.terms.forming, now) {
                Due::Now => due.push((id, next)),
                Due::At(then) => seat.look_at(then),
            }
        }
        let had = |id: &QueueId| self.lines[id].had;
        due.into_iter()
            .min_by(|(a, of_a), (b, of_b)| of_a.class.cmp(&of_b.class).then(had(a).total_cmp(&had(b))))
    }
}

impl Line {
    fn is_over(&self) -> bool {
        self.closed && self.queue.is_empty()
    }

    fn is_at_rest(&self) -> bool {
        self.queue.is_empty() && self.running.is_empty()
    }

    fn has_idle(&self, seat: &Arc<Seat>) -> bool {
        self.idle.iter().any(|it| Arc::ptr_eq(it, seat))
    }

    /// What its running batches keep busy.
    fn busy(&self, now: Instant) -> impl Iterator<Item = Busy> {
        self.running.iter().map(move |it| Busy {
            free_in: it.left(now),
            threads: it.threads,
            memory: it.memory,
        })
    }

    /// Gives a batch to an idle instance, the one that ran last of all.
    fn run(&mut self, grant: Grant) -> Arc<Seat> {
        self.running.push(Running {
            grant: grant.id,
            begun: grant.begun,
            threads: grant.threads,
            memory: grant.memory,
            expected: self.cost.seconds(grant.batch.iter().map(Entry::work).sum()),
        });
        let seat = self
            .idle
            .pop()
            .expect("a batch is made only where an instance is idle");
        seat.give(grant);
        seat
    }
}

impl Running {
    /// Seconds until it is expected to be done.
    fn left(&self, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.begun).as_secs_f64();
        (self.expected / self.threads as f64 - passed).max(0.0)
    }
}

impl Grant {
    /// Threads that its operations may use.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// The batch, to be run while the grant is held.
    pub fn take_batch(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.batch)
    }

    fn give_back(&mut self, state: &mut State) {
        self.given_back = true;
        state.slots_free += self.threads;
        state.memory_free += self.memory;
        if let Some(line) = state.lines.get_mut(&self.queue) {
            line.running.retain(|it| it.grant != self.id);
            let took = self.begun.elapsed().as_secs_f64() * self.threads as f64;
            line.had += took / line.terms.weight;
        }
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        if !self.given_back {
            let scheduler = self.scheduler.clone();
            let mut state = scheduler.state();
            self.give_back(&mut state);
            scheduler.dispatch(state);
        }
    }
}

fn refuse(entries: Vec<Entry>, error: impl Fn() -> EngineError) {
    for entry in entries {
        entry.refuse(error());
    }
}
