//! Blocking client for programs without an async runtime.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sagate_core::imaging::Image;
use sagate_core::model::ModelReference;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::access::Access;
use super::answer::{
    Answer, HealthStatus, InterpretOptions, Part, SegmentOptions, ServedModel, ServerStatus,
};
use super::connection::{Client, InterpretationStream};
use super::convert::{self, Grid};
use super::error::ClientError;
use super::url::ServerUrl;

/// One connection, with a background thread that sends images while the caller prepares the next.
#[derive(Debug)]
pub struct BlockingClient {
    client: Client,
    permits: Arc<Semaphore>,
    runtime: Runtime,
}

/// The pending answer to an image.
#[derive(Debug)]
pub struct PendingResponse(JoinHandle<(Result<Answer, ClientError>, Duration)>);

impl BlockingClient {
    /// Connects. At most `at_once` images are in flight.
    ///
    /// # Errors
    /// As [`Client::connect_with`].
    pub fn connect(url: &ServerUrl, access: &Access, at_once: usize) -> Result<BlockingClient, ClientError> {
        let runtime = runtime()?;
        Ok(BlockingClient {
            client: runtime.block_on(Client::connect_with(url, access))?,
            permits: Arc::new(Semaphore::new(at_once)),
            runtime,
        })
    }

    /// [`Client::model`].
    ///
    /// # Errors
    /// As there.
    pub fn model(&self, wanted: Option<&ModelReference>) -> Result<ServedModel, ClientError> {
        self.runtime.block_on(self.client.model(wanted))
    }

    /// Sends an image, after waiting for a permit if too many are in flight.
    pub fn start(&self, image: &Image, options: &SegmentOptions) -> PendingResponse {
        let permit = self.runtime.block_on(Arc::clone(&self.permits).acquire_owned());
        let (request, grid) = (convert::segment_request(image, options), Grid::from_image(image));
        let client = self.client.clone();
        PendingResponse(self.runtime.spawn(async move {
            let _permit = permit;
            let begin = Instant::now();
            (client.send(request, grid).await, begin.elapsed())
        }))
    }

    /// Waits for an answer. Returns it with the time since sending.
    ///
    /// # Errors
    /// As [`Client::segment`].
    ///
    /// # Panics
    /// The sending task panicked.
    pub fn finish(&self, image: PendingResponse) -> Result<(Answer, Duration), ClientError> {
        let (answer, took) = self
            .runtime
            .block_on(image.0)
            .expect("sending an image does not panic and is not cancelled");
        Ok((answer?, took))
    }

    /// [`Client::interpret`], as an iterator of parts.
    ///
    /// # Errors
    /// As there.
    pub fn interpret(
        &self,
        image: &Image,
        options: &SegmentOptions,
        interpretation: &InterpretOptions,
    ) -> Result<BlockingInterpretationStream<'_>, ClientError> {
        Ok(BlockingInterpretationStream {
            parts: Some(
                self.runtime
                    .block_on(self.client.interpret(image, options, interpretation))?,
            ),
            runtime: &self.runtime,
        })
    }

    /// [`Client::status`].
    ///
    /// # Errors
    /// As there.
    pub fn status(&self) -> Result<ServerStatus, ClientError> {
        self.runtime.block_on(self.client.status())
    }

    /// [`Client::health`].
    ///
    /// # Errors
    /// As there.
    pub fn health(
        url: &ServerUrl,
        access: &Access,
        service: &str,
        within: Duration,
    ) -> Result<HealthStatus, ClientError> {
        runtime()?.block_on(Client::health(url, access, service, within))
    }
}

/// The parts of an interpretation, up to its end or an error.
#[derive(Debug)]
pub struct BlockingInterpretationStream<'a> {
    parts: Option<InterpretationStream>,
    runtime: &'a Runtime,
}

impl Iterator for BlockingInterpretationStream<'_> {
    type Item = Result<Part, ClientError>;

    fn next(&mut self) -> Option<Self::Item> {
        let part = self.runtime.block_on(self.parts.as_mut()?.next());
        if matches!(part, Ok(Part::End) | Err(_)) {
            self.parts = None;
        }
        match part {
            Ok(Part::End) => None,
            part => Some(part),
        }
    }
}

/// A runtime with one background thread, so that requests proceed while the caller is busy.
fn runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(1).enable_all().build()
}
