//! The paper's study and further experiments: trains networks, measures their images, evaluates scores.
//!
//! * [`Profile`]: a study's sizes. [`set`]: its data sets. [`network`]: its networks. [`plan`]: its jobs.
//! * [`Study`] runs the jobs; [`Cache`] stores the result of each under the hash of its inputs, so that an interrupted run resumes and a
//!   changed size repeats only the jobs that depend on it.
//! * [`measure`] computes once everything that tables, figures and scores need from a network and an image; [`record`] stores it.
//! * [`score`] computes scores from the records, [`evaluate`] measures how well a score ranks images.
//! * [`figure`], [`table`], [`claim`] and [`report`]: the output formats. [`results`]: the report's content.

mod cache;
pub mod claim;
pub mod costs;
mod error;
mod escape;
pub mod evaluate;
pub mod figure;
pub mod heads;
mod job_keys;
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

pub use cache::{Cache, Cached, Site, StepId};
pub use error::StudyError;
pub use profile::{Profile, Size};
pub use progress::{Progress, RemainingTime};
pub use run::Study;
