//! The client for programs that do not run on tokio.

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

/// One connection, and the thread that images travel on while the caller reads the next.
#[derive(Debug)]
pub struct BlockingClient {
    client: Client,
    places: Arc<Semaphore>,
    runtime: Runtime,
}

/// An image that was sent and whose answer was not yet fetched.
#[derive(Debug)]
pub struct PendingResponse(JoinHandle<(Result<Answer, ClientError>, Duration)>);

impl BlockingClient {
    /// Connects. At most `at_once` images are on their way at once.
    ///
    /// # Errors
    /// As [`Client::connect_with`].
    pub fn connect(url: &ServerUrl, access: &Access, at_once: usize) -> Result<BlockingClient, ClientError> {
        let runtime = runtime()?;
        Ok(BlockingClient {
            client: runtime.block_on(Client::connect_with(url, access))?,
            places: Arc::new(Semaphore::new(at_once)),
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

    /// Sends an image, after waiting for a place among those that are on their way.
    pub fn start(&self, image: &Image, options: &SegmentOptions) -> PendingResponse {
        let place = self.runtime.block_on(Arc::clone(&self.places).acquire_owned());
        let (request, grid) = (convert::segment_request(image, options), Grid::from_image(image));
        let client = self.client.clone();
        PendingResponse(self.runtime.spawn(async move {
            let _place = place;
            let begin = Instant::now();
            (client.send(request, grid).await, begin.elapsed())
        }))
    }

    /// Waits for an answer, and says how long it took from sending.
    ///
    /// # Errors
    /// As [`Client::segment`].
    ///
    /// # Panics
    /// Where the sending itself panicked.
    pub fn finish(&self, image: PendingResponse) -> Result<(Answer, Duration), ClientError> {
        let (answer, took) = self
            .runtime
            .block_on(image.0)
            .expect("sending an image does not panic and is not cancelled");
        Ok((answer?, took))
    }

    /// [`Client::interpret`], its parts as they arrive.
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

/// The parts of an interpretation up to its end, which is not given out, or up to an error.
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

/// One thread beside the caller's: what was sent goes on while the caller is busy.
fn runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(1).enable_all().build()
}
