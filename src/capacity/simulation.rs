//! The discrete-event simulation.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::arrivals::Arrivals;
use super::balancing::Balancing;
use super::outcome::{Outcome, OutcomeCounters, Step};
use super::replica::{Image, Replica, Run};
use super::scaling::{Scaler, Scaling};
use super::service::ServiceTimes;

/// Parameters of a simulation.
#[derive(Debug, Clone)]
pub struct SimulationConfig {
    /// Arrival process.
    pub arrivals: Arrivals,
    /// Service time while every slot of the replica is busy.
    pub times: ServiceTimes,
    /// Service time of the only image of a replica, which gets all slots of a CPU.
    pub alone: ServiceTimes,
    /// Slots per replica, at least 1.
    pub slots: usize,
    /// Maximum number of waiting and running images per replica, at least 1; more are refused.
    pub queue: usize,
    /// Deadline in seconds, infinite for none. Images that would miss it are refused.
    pub deadline: f64,
    /// Network round trip in seconds.
    pub way: f64,
    /// Load balancing policy.
    pub balancing: Balancing,
    /// Maximum number of retries of a refused or lost image.
    pub retries: usize,
    /// Seconds before a retry of a refused image.
    pub back_off: f64,
    /// Autoscaling; it starts with [`Scaling::least`] replicas.
    pub scaling: Scaling,
    /// Failures of replicas, in any order.
    pub losses: Vec<Loss>,
    /// Duration of the arrivals in seconds.
    pub seconds: f64,
    /// Warm-up in seconds, which is excluded from the results.
    pub warm_up: f64,
    /// Random seed. The same seed gives the same outcome, and the same random arrival times as in `sagate loadtest` with that seed.
    pub seed: u64,
}

/// Failure or removal of a replica. A replacement starts at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Loss {
    /// Time.
    pub time: f64,
    /// Index of the replica, from 0; an unknown index has no effect.
    pub replica: usize,
    /// Whether it completes its images first (SIGTERM) or drops them (SIGKILL).
    pub graceful: bool,
}

/// A simulated event.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// An image arrives.
    Arrival,
    /// An image is sent to a replica.
    Send(Image),
    /// A run on a replica ends.
    Done {
        replica: usize,
        run: u64,
    },
    /// The autoscaler evaluates.
    Scale,
    Loss(Loss),
}

/// A scheduled event, ordered by time and then by creation.
struct ScheduledEvent {
    time: f64,
    order: u64,
    event: Event,
}

/// Runs the simulation until the last image is answered.
pub fn simulate(config: &SimulationConfig) -> Outcome {
    let mut simulation = Simulation {
        config,
        arrival_rng: ChaCha8Rng::seed_from_u64(config.seed),
        rng: ChaCha8Rng::seed_from_u64(!config.seed),
        events: BinaryHeap::new(),
        orders: 0,
        runs: 0,
        turns: 0,
        arrived: 0,
        now: 0.0,
        replicas: (0..config.scaling.least).map(|_| Replica::new(0.0)).collect(),
        scaler: Scaler::new(config.scaling),
        counters: OutcomeCounters::new(),
    };
    simulation.run();
    let seconds = (simulation.now.max(config.seconds) - config.warm_up).max(0.0);
    simulation.counters.outcome(seconds, config.slots)
}

struct Simulation<'a> {
    config: &'a SimulationConfig,
    /// For arrivals only: a seed gives the same arrivals in every configuration, and in a load test.
    arrival_rng: ChaCha8Rng,
    rng: ChaCha8Rng,
    events: BinaryHeap<Reverse<ScheduledEvent>>,
    orders: u64,
    runs: u64,
    turns: usize,
    arrived: usize,
    now: f64,
    replicas: Vec<Replica>,
    scaler: Scaler,
    counters: OutcomeCounters,
}

impl Simulation<'_> {
    fn run(&mut self) {
        self.arrive(0.0);
        if self.config.arrivals.is_closed() {
            while self
                .config
                .arrivals
                .next(self.arrived, 0.0, &mut self.arrival_rng)
                .is_some()
            {
                self.arrive(0.0);
            }
        }
        for &loss in self
            .config
            .losses
            .iter()
            .filter(|loss| loss.time < self.config.seconds)
        {
            self.schedule(loss.time, Event::Loss(loss));
        }
        self.schedule_scaling(self.config.scaling.period);
        while let Some(Reverse(ScheduledEvent { time, event, .. })) = self.events.pop() {
            self.advance_to(time);
            match event {
                Event::Arrival => {
                    if !self.config.arrivals.is_closed() {
                        self.arrive(self.now);
                    }
                    let image = Image {
                        arrived: self.now,
                        tries: 0,
                        counts: self.now >= self.config.warm_up,
                    };
                    self.counters.sent += u64::from(image.counts);
                    self.send(image);
                }
                Event::Send(image) => self.send(image),
                Event::Done { replica, run } => self.done(replica, run),
                Event::Scale => self.scale(),
                Event::Loss(loss) => self.lose(loss),
            }
        }
    }

    fn schedule(&mut self, time: f64, event: Event) {
        if time.is_finite() {
            self.orders += 1;
            let order = self.orders;
            self.events.push(Reverse(ScheduledEvent { time, order, event }));
        }
    }

    /// Advances the time, and adds the replica seconds.
    fn advance_to(&mut self, time: f64) {
        let from = self.now.max(self.config.warm_up);
        let current = self.replicas.iter().filter(|replica| replica.is_alive()).count();
        self.counters.replica_seconds += current as f64 * (time - from).max(0.0);
        self.counters.max_replicas = self.counters.max_replicas.max(current);
        self.now = time;
    }

    /// Schedules the next arrival.
    fn arrive(&mut self, last: f64) {
        let next = self
            .config
            .arrivals
            .next(self.arrived, last, &mut self.arrival_rng);
        if let Some(time) = next.filter(|&time| time < self.config.seconds) {
            self.arrived += 1;
            self.schedule(time, Event::Arrival);
        }
    }

    /// Sends an image to a replica, which accepts or refuses it.
    fn send(&mut self, mut image: Image) {
        let ready: Vec<usize> = (0..self.replicas.len())
            .filter(|&index| self.replicas[index].is_ready(self.now))
            .collect();
        image.tries += 1;
        if ready.is_empty() {
            return self.refused(image, true);
        }
        let load = |index: usize| self.replicas[ready[index]].load();
        let balancing = self.config.balancing;
        let index = ready[balancing.choose(ready.len(), load, self.turns, &mut self.rng)];
        self.turns += 1;
        let SimulationConfig {
            slots,
            queue,
            deadline,
            way,
            times,
            ..
        } = self.config;
        let replica = &mut self.replicas[index];
        let left = image.arrived + deadline - way - self.now;
        if replica.load() >= *queue || !replica.in_time(self.now, left, *slots, times) {
            return self.refused(image, false);
        }
        replica.waiting.push_back(image);
        self.begin(index);
    }

    fn refused(&mut self, image: Image, no_replica: bool) {
        if image.tries <= self.config.retries {
            self.counters.retried += u64::from(image.counts);
            return self.schedule(self.now + self.config.back_off, Event::Send(image));
        }
        let count = if no_replica {
            &mut self.counters.no_replica
        } else {
            &mut self.counters.refused
        };
        *count += u64::from(image.counts);
        self.follow();
    }

    /// Starts waiting images of a replica while it has free slots.
    fn begin(&mut self, index: usize) {
        loop {
            let replica = &mut self.replicas[index];
            if replica.running.len() >= self.config.slots {
                return;
            }
            let Some(image) = replica.waiting.pop_front() else {
                return;
            };
            let is_alone = replica.running.is_empty() && replica.waiting.is_empty();
            let times = if is_alone {
                &self.config.alone
            } else {
                &self.config.times
            };
            let seconds = times.draw(&mut self.rng);
            self.runs += 1;
            let id = self.runs;
            replica.running.push(Run {
                id,
                image,
                begun: self.now,
                counted_from: self.now,
            });
            self.schedule(
                self.now + seconds,
                Event::Done {
                    replica: index,
                    run: id,
                },
            );
        }
    }

    fn done(&mut self, index: usize, run: u64) {
        let replica = &mut self.replicas[index];
        // The run may have been lost with its replica.
        let Some(at) = replica.running.iter().position(|it| it.id == run) else {
            return;
        };
        let run = replica.running.swap_remove(at);
        replica.used += self.now - run.counted_from;
        if run.image.counts {
            let seconds = self.now + self.config.way - run.image.arrived;
            self.counters.used += self.now - run.begun;
            self.counters.answered(seconds, seconds <= self.config.deadline);
        }
        self.begin(index);
        self.follow();
    }

    /// In a closed loop, schedules the next image after an answer or a refusal.
    fn follow(&mut self) {
        if self.config.arrivals.is_closed() && self.now < self.config.seconds {
            // Time must advance, or a simulation without replicas would loop forever.
            self.schedule(self.now + self.config.way.max(1e-6), Event::Arrival);
        }
    }

    fn scale(&mut self) {
        let (period, slots) = (self.config.scaling.period, self.config.slots);
        let ready: Vec<usize> = (0..self.replicas.len())
            .filter(|&index| self.replicas[index].is_ready(self.now))
            .collect();
        let now = self.now;
        let used: f64 = self
            .replicas
            .iter_mut()
            .map(|replica| replica.take_used(now))
            .sum();
        let utilisation = (used / (ready.len().max(1) * slots) as f64 / period).min(1.0);
        let current = self.replicas.iter().filter(|replica| replica.stays()).count();
        let wanted = self.scaler.wanted(self.now, current, utilisation);
        for _ in current..wanted {
            self.replicas
                .push(Replica::new(self.now + self.config.scaling.start_up));
        }
        for _ in wanted..current {
            // Newest first, as Kubernetes does.
            if let Some(replica) = self.replicas.iter_mut().rev().find(|replica| replica.stays()) {
                replica.draining = true;
            }
        }
        self.counters.timeline.push(Step {
            time: self.now,
            replicas: wanted,
            utilisation,
            waiting: self.replicas.iter().map(|replica| replica.waiting.len()).sum(),
        });
        self.schedule_scaling(self.now + period);
    }

    /// Schedules an evaluation of the autoscaler, until the arrivals end.
    fn schedule_scaling(&mut self, time: f64) {
        if time < self.config.seconds {
            self.schedule(time, Event::Scale);
        }
    }

    fn lose(&mut self, loss: Loss) {
        let start_up = self.config.scaling.start_up;
        let Some(replica) = self.replicas.get_mut(loss.replica).filter(|it| it.stays()) else {
            return;
        };
        replica.draining = true;
        if !loss.graceful {
            let dropped: VecDeque<Image> = replica.drop_all();
            for image in dropped {
                if image.tries <= self.config.retries {
                    self.counters.retried += u64::from(image.counts);
                    self.schedule(self.now, Event::Send(image));
                } else {
                    self.counters.lost += u64::from(image.counts);
                    self.follow();
                }
            }
        }
        self.replicas.push(Replica::new(self.now + start_up));
    }
}

impl Ord for ScheduledEvent {
    fn cmp(&self, other: &ScheduledEvent) -> std::cmp::Ordering {
        self.time
            .total_cmp(&other.time)
            .then(self.order.cmp(&other.order))
    }
}

impl PartialOrd for ScheduledEvent {
    fn partial_cmp(&self, other: &ScheduledEvent) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ScheduledEvent {
    fn eq(&self, other: &ScheduledEvent) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for ScheduledEvent {}
