//! One connection to a server.

use std::time::Duration;

use sagate_core::imaging::Image;
use sagate_core::model::ModelReference;
use tokio::time::timeout;
use tonic::Streaming;
use tonic::codec::CompressionEncoding::{Gzip, Zstd};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::access::{Access, Bearer};
use super::answer::{
    Answer, HealthStatus, InterpretOptions, Part, SegmentOptions, ServedModel, ServerStatus,
};
use super::convert::{self, Grid};
use super::error::ClientError;
use super::retry::with_retry;
use super::url::ServerUrl;
use crate::proto::v1;
use crate::proto::v1::quality_control_client::QualityControlClient;

/// Time limit to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum size of an answer: masks and SAMs of the largest images stay well below.
const MAX_ANSWER_BYTES: usize = 1 << 30;

/// One connection to a server. Clones share it.
#[derive(Debug, Clone)]
pub struct Client {
    url: ServerUrl,
    channel: InterceptedService<Channel, Bearer>,
}

impl Client {
    /// Connects anonymously.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] if nothing listens, [`ClientError::Untrusted`] if no authority of the system issued the certificate.
    pub async fn connect(url: &ServerUrl) -> Result<Client, ClientError> {
        Client::connect_with(url, &Access::default()).await
    }

    /// Connects with credentials and trusted authorities.
    ///
    /// # Errors
    /// As [`Client::connect`], or [`ClientError::Leak`].
    pub async fn connect_with(url: &ServerUrl, access: &Access) -> Result<Client, ClientError> {
        if access.would_leak(url) {
            return Err(ClientError::Leak { url: url.clone() });
        }
        let endpoint = Endpoint::from(url.uri().clone()).connect_timeout(CONNECT_TIMEOUT);
        let endpoint = match url.encrypted() {
            true => endpoint.tls_config(access.tls()),
            false => Ok(endpoint),
        };
        let endpoint = endpoint.map_err(|error| ClientError::from_connect_error(&error, url))?;
        let channel = endpoint.connect().await;
        let channel = channel.map_err(|error| ClientError::from_connect_error(&error, url))?;
        Ok(Client {
            url: url.clone(),
            channel: InterceptedService::new(channel, access.bearer()),
        })
    }

    /// A served model; `None`: the default model.
    ///
    /// # Errors
    /// An unknown model, or a server that does not answer.
    pub async fn model(&self, wanted: Option<&ModelReference>) -> Result<ServedModel, ClientError> {
        let request = v1::GetModelRequest {
            model: wanted.map(convert::reference),
        };
        let call = || async { self.stub().get_model(request.clone()).await };
        let answer = with_retry(call).await.map_err(|status| self.error(&status))?;
        convert::model(answer.into_inner())
    }

    /// Segments one image.
    ///
    /// # Errors
    /// A refusal by the server, or a server that does not answer.
    pub async fn segment(&self, image: &Image, options: &SegmentOptions) -> Result<Answer, ClientError> {
        self.send(convert::segment_request(image, options), Grid::from_image(image))
            .await
    }

    /// [`Client::segment`] for a request whose image has this grid.
    pub(super) async fn send(&self, request: v1::SegmentRequest, grid: Grid) -> Result<Answer, ClientError> {
        let call = || async { self.stub().segment(request.clone()).await };
        let answer = with_retry(call).await.map_err(|status| self.error(&status))?;
        convert::answer(answer.into_inner().segmentation, grid)
    }

    /// Segments and interprets one image. The parts arrive as a stream.
    ///
    /// # Errors
    /// As [`Client::segment`].
    pub async fn interpret(
        &self,
        image: &Image,
        options: &SegmentOptions,
        interpretation: &InterpretOptions,
    ) -> Result<InterpretationStream, ClientError> {
        let request = convert::interpret_request(image, options, interpretation);
        // A server may refuse in the stream: wait for the first part within the attempt.
        let call = || async {
            let mut parts = self.stub().interpret(request.clone()).await?.into_inner();
            Ok((parts.message().await?, parts))
        };
        let (first, parts) = with_retry(call).await.map_err(|status| self.error(&status))?;
        Ok(InterpretationStream {
            url: self.url.clone(),
            grid: Grid::from_image(image),
            first,
            parts,
        })
    }

    /// Status of the server.
    ///
    /// # Errors
    /// A server that does not answer.
    pub async fn status(&self) -> Result<ServerStatus, ClientError> {
        let answer = self.stub().get_status(v1::GetStatusRequest {}).await;
        let answer = answer.map_err(|status| self.error(&status))?;
        Ok(convert::status(answer.into_inner()))
    }

    /// Health of a service; the empty name stands for the whole server.
    ///
    /// # Errors
    /// No answer `within` this time, which includes connecting.
    pub async fn health(
        url: &ServerUrl,
        access: &Access,
        service: &str,
        within: Duration,
    ) -> Result<HealthStatus, ClientError> {
        let check = async {
            let client = Client::connect_with(url, access).await?;
            let request = HealthCheckRequest {
                service: service.into(),
            };
            match HealthClient::new(client.channel.clone()).check(request).await {
                Ok(answer) => Ok(convert::serving(answer.into_inner().status())),
                Err(status) if status.code() == tonic::Code::NotFound => Ok(HealthStatus::ServiceUnknown),
                Err(status) => Err(client.error(&status)),
            }
        };
        timeout(within, check).await.unwrap_or_else(|_| {
            Err(ClientError::Silent {
                url: url.clone(),
                after: within,
            })
        })
    }

    pub(super) fn url(&self) -> &ServerUrl {
        &self.url
    }

    pub(super) fn stub(&self) -> QualityControlClient<InterceptedService<Channel, Bearer>> {
        QualityControlClient::new(self.channel.clone())
            .accept_compressed(Gzip)
            .accept_compressed(Zstd)
            .max_decoding_message_size(MAX_ANSWER_BYTES)
    }

    fn error(&self, status: &tonic::Status) -> ClientError {
        ClientError::from_status(status, &self.url)
    }
}

/// Stream of the parts of an interpretation. Dropping it cancels the request.
#[derive(Debug)]
pub struct InterpretationStream {
    url: ServerUrl,
    /// Grid of the image.
    grid: Grid,
    first: Option<v1::InterpretResponse>,
    parts: Streaming<v1::InterpretResponse>,
}

impl InterpretationStream {
    /// Waits for the next part.
    ///
    /// # Errors
    /// A refusal by the server, or a stream that ends before [`Part::End`].
    pub async fn next(&mut self) -> Result<Part, ClientError> {
        let next = match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => self.parts.message().await,
        };
        match next.map_err(|status| ClientError::from_status(&status, &self.url))? {
            Some(message) => convert::part(message, self.grid),
            None => Err(ClientError::Answer {
                field: "part",
                message: "was missing: the stream ended before its summary".into(),
            }),
        }
    }
}
