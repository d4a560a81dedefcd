//! The simulation itself: events in the order of their moments.

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

/// What is simulated.
#[derive(Debug, Clone)]
pub struct SimulationConfig {
    /// When images come.
    pub arrivals: Arrivals,
    /// How long an image takes while every slot of its replica is busy.
    pub times: ServiceTimes,
    /// How long one takes that its replica has nothing beside; on several slots of a CPU it gets them all.
    pub alone: ServiceTimes,
    /// Images that a replica works on at once, at least 1.
    pub slots: usize,
    /// Most images that wait or run at a replica, at least 1; more are refused.
    pub queue: usize,
    /// Seconds after which an answer is worth nothing, infinite where any is worth something. What cannot keep it is refused.
    pub deadline: f64,
    /// Seconds that an image is on its way to a replica and back, beside its service.
    pub way: f64,
    /// Which replica gets an image.
    pub balancing: Balancing,
    /// How often a refused or lost image is sent again.
    pub retries: usize,
    /// Seconds before a refused image is sent again.
    pub back_off: f64,
    /// How many replicas there are, from [`Scaling::least`] on.
    pub scaling: Scaling,
    /// Replicas that are taken away, in any order.
    pub losses: Vec<Loss>,
    /// Seconds in which images come.
    pub seconds: f64,
    /// The first of those, which do not count.
    pub warm_up: f64,
    /// Of chance. The same seed gives the same outcome; images at random then come at the same moments to whatever config, and as
    /// `sagate loadtest` with that seed sends them.
    pub seed: u64,
}

/// A replica that is taken away. Another one is started for it at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Loss {
    /// When.
    pub time: f64,
    /// Which, counted from 0; one that is not there is nobody's loss.
    pub replica: usize,
    /// Whether it first does what it has (SIGTERM), or drops it (SIGKILL).
    pub graceful: bool,
}

/// What happens at a moment.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// The next image comes.
    Arrival,
    /// An image goes to a replica.
    Send(Image),
    /// A run of a replica is done.
    Done {
        replica: usize,
        run: u64,
    },
    /// The autoscaler looks.
    Look,
    Loss(Loss),
}

/// An event in the order of moments, and of their making among those of one moment.
struct At {
    time: f64,
    order: u64,
    event: Event,
}

/// Runs a config until its last image is answered.
pub fn simulate(config: &SimulationConfig) -> Outcome {
    let mut simulation = Simulation {
        config,
        coming: ChaCha8Rng::seed_from_u64(config.seed),
        chance: ChaCha8Rng::seed_from_u64(!config.seed),
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
    /// Of arrivals only: a seed brings the same images to every config, and to a load test.
    coming: ChaCha8Rng,
    chance: ChaCha8Rng,
    events: BinaryHeap<Reverse<At>>,
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
                .next(self.arrived, 0.0, &mut self.coming)
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
            self.at(loss.time, Event::Loss(loss));
        }
        self.look_at(self.config.scaling.period);
        while let Some(Reverse(At { time, event, .. })) = self.events.pop() {
            self.pass_to(time);
            match event {
                Event::Arrival => {
                    if !self.config.arrivals.is_closed() {
                        self.arrive(self.now);
                    }
                    let image = Image {
                        came: self.now,
                        tries: 0,
                        counts: self.now >= self.config.warm_up,
                    };
                    self.counters.sent += u64::from(image.counts);
                    self.send(image);
                }
                Event::Send(image) => self.send(image),
                Event::Done { replica, run } => self.done(replica, run),
                Event::Look => self.look(),
                Event::Loss(loss) => self.lose(loss),
            }
        }
    }

    fn at(&mut self, time: f64, event: Event) {
        if time.is_finite() {
            self.orders += 1;
            let order = self.orders;
            self.events.push(Reverse(At { time, order, event }));
        }
    }

    /// Lets time pass, and counts what it costs.
    fn pass_to(&mut self, time: f64) {
        let from = self.now.max(self.config.warm_up);
        let there = self.replicas.iter().filter(|replica| replica.is_there()).count();
        self.counters.replica_seconds += there as f64 * (time - from).max(0.0);
        self.counters.most_replicas = self.counters.most_replicas.max(there);
        self.now = time;
    }

    /// Plans the coming of the next image.
    fn arrive(&mut self, last: f64) {
        let next = self.config.arrivals.next(self.arrived, last, &mut self.coming);
        if let Some(time) = next.filter(|&time| time < self.config.seconds) {
            self.arrived += 1;
            self.at(time, Event::Arrival);
        }
    }

    /// Sends an image to a replica, which takes it, or refuses it.
    fn send(&mut self, mut image: Image) {
        let ready: Vec<usize> = (0..self.replicas.len())
            .filter(|&place| self.replicas[place].is_ready(self.now))
            .collect();
        image.tries += 1;
        if ready.is_empty() {
            return self.refused(image, true);
        }
        let load = |place: usize| self.replicas[ready[place]].load();
        let balancing = self.config.balancing;
        let place = ready[balancing.choose(ready.len(), load, self.turns, &mut self.chance)];
        self.turns += 1;
        let SimulationConfig {
            slots,
            queue,
            deadline,
            way,
            times,
            ..
        } = self.config;
        let replica = &mut self.replicas[place];
        let left = image.came + deadline - way - self.now;
        if replica.load() >= *queue || !replica.in_time(self.now, left, *slots, times) {
            return self.refused(image, false);
        }
        replica.waiting.push_back(image);
        self.begin(place);
    }

    fn refused(&mut self, image: Image, nobody: bool) {
        if image.tries <= self.config.retries {
            self.counters.retried += u64::from(image.counts);
            return self.at(self.now + self.config.back_off, Event::Send(image));
        }
        let count = if nobody {
            &mut self.counters.nobody
        } else {
            &mut self.counters.refused
        };
        *count += u64::from(image.counts);
        self.follow();
    }

    /// Begins what waits at a replica as long as it has free slots.
    fn begin(&mut self, place: usize) {
        loop {
            let replica = &mut self.replicas[place];
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
            let seconds = times.draw(&mut self.chance);
            self.runs += 1;
            let id = self.runs;
            replica.running.push(Run {
                id,
                image,
                begun: self.now,
                untaken: self.now,
            });
            self.at(
                self.now + seconds,
                Event::Done {
                    replica: place,
                    run: id,
                },
            );
        }
    }

    fn done(&mut self, place: usize, run: u64) {
        let replica = &mut self.replicas[place];
        // It may have been lost meanwhile.
        let Some(at) = replica.running.iter().position(|it| it.id == run) else {
            return;
        };
        let run = replica.running.swap_remove(at);
        replica.used += self.now - run.untaken;
        if run.image.counts {
            let seconds = self.now + self.config.way - run.image.came;
            self.counters.used += self.now - run.begun;
            self.counters.answered(seconds, seconds <= self.config.deadline);
        }
        self.begin(place);
        self.follow();
    }

    /// In a closed loop an answer, or a refusal, is followed by the next image.
    fn follow(&mut self) {
        if self.config.arrivals.is_closed() && self.now < self.config.seconds {
            // Never at the very same moment, or a config without replicas would refuse for ever without time passing.
            self.at(self.now + self.config.way.max(1e-6), Event::Arrival);
        }
    }

    fn look(&mut self) {
        let (period, slots) = (self.config.scaling.period, self.config.slots);
        let ready: Vec<usize> = (0..self.replicas.len())
            .filter(|&place| self.replicas[place].is_ready(self.now))
            .collect();
        let now = self.now;
        let used: f64 = self
            .replicas
            .iter_mut()
            .map(|replica| replica.take_used(now))
            .sum();
        let utilisation = (used / (ready.len().max(1) * slots) as f64 / period).min(1.0);
        let there = self.replicas.iter().filter(|replica| replica.stays()).count();
        let wanted = self.scaler.wanted(self.now, there, utilisation);
        for _ in there..wanted {
            self.replicas
                .push(Replica::new(self.now + self.config.scaling.start_up));
        }
        for _ in wanted..there {
            // The youngest first, as Kubernetes does.
            if let Some(replica) = self.replicas.iter_mut().rev().find(|replica| replica.stays()) {
                replica.leaving = true;
            }
        }
        self.counters.course.push(Step {
            time: self.now,
            replicas: wanted,
            utilisation,
            waiting: self.replicas.iter().map(|replica| replica.waiting.len()).sum(),
        });
        self.look_at(self.now + period);
    }

    /// As long as images come: then the last are waited for, and nothing else.
    fn look_at(&mut self, time: f64) {
        if time < self.config.seconds {
            self.at(time, Event::Look);
        }
    }

    fn lose(&mut self, loss: Loss) {
        let start_up = self.config.scaling.start_up;
        let Some(replica) = self.replicas.get_mut(loss.replica).filter(|it| it.stays()) else {
            return;
        };
        replica.leaving = true;
        if !loss.graceful {
            let dropped: VecDeque<Image> = replica.drop_all();
            for image in dropped {
                if image.tries <= self.config.retries {
                    self.counters.retried += u64::from(image.counts);
                    self.at(self.now, Event::Send(image));
                } else {
                    self.counters.lost += u64::from(image.counts);
                    self.follow();
                }
            }
        }
        self.replicas.push(Replica::new(self.now + start_up));
    }
}

impl Ord for At {
    fn cmp(&self, other: &At) -> std::cmp::Ordering {
        self.time
            .total_cmp(&other.time)
            .then(self.order.cmp(&other.order))
    }
}

impl PartialOrd for At {
    fn partial_cmp(&self, other: &At) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for At {
    fn eq(&self, other: &At) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for At {}
