//! The paper's study, and what the paper did not ask: networks are trained, their images measured, scores judged.
//!
//! * [`Profile`]: how large a study is. [`set`]: its data sets. [`network`]: its networks. [`plan`]: its jobs.
//! * [`Study`] does the jobs; [`Cache`] keeps the outcome of each under the hash of what went into it, so that a run that was cut
//!   off goes on and a changed size redoes only what depends on it.
//! * [`measure`] takes from a network and an image all that any table, figure or score needs, once; [`record`] keeps it.
//! * [`score`] reads the scores of an image from what was kept, [`judge`] says how well a score ranks images.
//! * [`figure`], [`table`], [`claim`] and [`report`] are what is written, [`results`] what they say.

mod cache;
pub mod claim;
pub mod costs;
mod error;
mod escape;
pub mod figure;
pub mod heads;
mod job_keys;
pub mod judge;
pub mod masks;
pub mod measure;
pub mod network;
pub mod noise;
pub mod plan;
mod pool;
mod profile;
mod progress;
pub mod pruning;
pub mod record;
pub mod report;
pub mod results;
mod run;
pub mod score;
mod serial;
pub mod set;
pub mod table;
pub mod training;

pub use cache::{Cache, Kept, Site, StepId};
pub use error::StudyError;
pub use profile::{Profile, Size};
pub use progress::{Pace, Progress};
pub use run::Study;
