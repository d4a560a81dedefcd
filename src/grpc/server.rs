//! The server: binds its ports, serves until stopped, and drains.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::codec::CompressionEncoding;
use tonic::service::{LayerExt, Routes};
use tonic::transport::Server;
use tower::util::{MapRequestLayer, MapResponseLayer};

use super::context::{Context, ServerComponents};
use super::health;
use super::middleware::access::{AccessLayer, Frontend};
use super::middleware::auth::AuthLayer;
use super::middleware::call_start::CallStartLayer;
use super::middleware::cors;
use super::middleware::deadline::{DeadlineLayer, Deadlines};
use super::transport::connection_age;
use super::transport::connection_age::ConnectionAge;
use super::transport::connection_limit::ConnectionLimit;
use super::transport::decode_errors;
use super::transport::header_limit;
use super::transport::header_limit::HeaderLimit;
use super::transport::listener;
use super::transport::outgoing::{Held, Stalls};
use super::transport::receive;
use super::transport::receive::ReceiveBudget;
use super::v1::admin::ModelAdmin;
use super::v1::quality_control::Service;
use crate::config::Settings;
use crate::oip::{Inference, http};
use crate::proto::inference::grpc_inference_service_server::GrpcInferenceServiceServer;
use crate::proto::v1;
use crate::proto::v1::model_admin_control_server::ModelAdminControlServer;
use crate::proto::v1::quality_control_server::QualityControlServer;
use crate::security::Peer;
use crate::telemetry::{Telemetry, admin};

/// HTTP/2 flow-control windows per stream and per connection: some images, so that a fast link is filled.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;
/// Largest HTTP/2 frame: an image takes a few.
const FRAME: u32 = 1 << 20;

/// Time for peers to read their last responses and to close their connections.
const CLOSE_LINGER: Duration = Duration::from_secs(3);

/// Drain delay: connections stay open and answer UNAVAILABLE, so that clients turn to another replica. A call on a closing connection
/// would only see CANCELLED.
const DRAIN_DELAY: Duration = Duration::from_millis(500);

/// A server that is bound to its ports but does not serve yet.
pub struct BoundServer {
    listener: TcpListener,
    admin: TcpListener,
    http: Option<TcpListener>,
}

/// The addresses of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// gRPC.
    pub grpc: SocketAddr,
    /// `/metrics`, `/healthz` and `/readyz`.
    pub admin: SocketAddr,
    /// The Open Inference Protocol over HTTP/JSON, where the settings name an address for it.
    pub http: Option<SocketAddr>,
}

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every accepted call was answered.
    Answered,
    /// So many calls were still in flight at the end of the drain.
    CutOff(u64),
}

/// Why a server could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address} (setting {setting}): {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The setting that names it.
        setting: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The socket was lost.
    #[error("the server's socket failed: {0}")]
    Socket(#[from] std::io::Error),
    /// The descriptors of the protocol are damaged.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

impl BoundServer {
    /// Binds the ports.
    ///
    /// # Errors
    /// One of them is taken or not allowed.
    pub async fn bind(settings: &crate::config::ServerSettings) -> Result<BoundServer, ServerError> {
        let bind = async |address: SocketAddr, setting| {
            TcpListener::bind(address)
                .await
                .map_err(|source| ServerError::Listen {
                    address,
                    setting,
                    source,
                })
        };
        Ok(BoundServer {
            listener: bind(settings.listen, "server.listen").await?,
            admin: bind(settings.admin, "server.admin").await?,
            http: match settings.http {
                Some(address) => Some(bind(address, "server.http").await?),
                None => None,
            },
        })
    }

    /// The bound addresses.
    ///
    /// # Errors
    /// The sockets were lost.
    pub fn addresses(&self) -> Result<Addresses, ServerError> {
        let http = self.http.as_ref().map(TcpListener::local_addr);
        Ok(Addresses {
            grpc: self.listener.local_addr()?,
            admin: self.admin.local_addr()?,
            http: http.transpose()?,
        })
    }

    /// Serves until `stop` ends, then drains: refuses new calls and waits up to `server.shutdown_seconds` for the accepted ones. `ready`
    /// receives the server's readiness.
    ///
    /// # Errors
    /// The descriptors of the protocol are damaged.
    pub async fn run(
        self,
        components: ServerComponents,
        settings: &Settings,
        ready: watch::Sender<bool>,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<Ended, ServerError> {
        let ServerComponents {
            engine,
            telemetry,
            security,
            ..
        } = components.clone();
        let _following = security.follow(settings);
        let (drain, draining) = watch::channel(false);
        let sources = health::Sources {
            engine,
            telemetry: telemetry.clone(),
            model_admin: settings.server.model_admin,
            draining: draining.clone(),
        };
        let (health_service, followed) = health::service(sources, ready.clone());
        let followed = tokio::spawn(followed);
        let most = settings.server.max_message_bytes;
        let connections = &settings.server.connections;
        let receiving = ReceiveBudget::new(
            connections.receive_budget(most),
            most,
            Duration::from_secs(connections.receive_timeout_seconds),
        );
        let open = ConnectionLimit::new(connections);
        let context = Context::new(components, settings, receiving.clone(), draining.clone());
        let model_admin =
            (settings.server.model_admin).then(|| ModelAdminControlServer::new(ModelAdmin(context.clone())));
        let service = QualityControlServer::new(Service(context.clone()))
            .max_decoding_message_size(most)
            .max_encoding_message_size(usize::MAX)
            .accept_compressed(CompressionEncoding::Deflate)
            .accept_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Zstd)
            .send_compressed(CompressionEncoding::Zstd)
            .send_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Deflate);
        let http = self.http.map(|listener| {
            let inference = Inference::new(context.clone());
            tokio::spawn(http::serve(listener, inference, open.clone(), draining.clone()))
        });
        let inference = GrpcInferenceServiceServer::new(Inference::new(context))
            .max_decoding_message_size(most)
            .max_encoding_message_size(usize::MAX)
            .accept_compressed(CompressionEncoding::Deflate)
            .accept_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Zstd)
            .send_compressed(CompressionEncoding::Zstd)
            .send_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Deflate);
        let reflection = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(v1::DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let closed = |mut draining: watch::Receiver<bool>| async move {
            // The sender lives until the server has ended.
            let _ = draining.wait_for(|&draining| draining).await;
            tokio::time::sleep(DRAIN_DELAY).await;
        };
        let deadlines = Deadlines::new(connections);
        let server = Server::builder()
            .http2_keepalive_interval(Some(Duration::from_secs(connections.keepalive_seconds)))
            .http2_keepalive_timeout(Some(Duration::from_secs(connections.keepalive_timeout_seconds)))
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_concurrent_streams(connections.max_connection_calls)
            .http2_max_header_list_size(header_limit::of_transport(connections.max_header_bytes))
            .max_frame_size(FRAME)
            .accept_http1(!connections.cors_origins.is_empty())
            .layer(MapRequestLayer::new(with_peer))
            .layer(AccessLayer {
                security: security.clone(),
                front: Frontend::Grpc,
            })
            .layer(HeaderLimit {
                max_header_bytes: connections.max_header_bytes,
            })
            .layer(cors::OriginLayer::new(&connections.cors_origins))
            .layer(AuthLayer(security.clone()))
            .layer(Held {
                limit: Duration::from_secs(connections.send_timeout_seconds),
            })
            .layer(CallStartLayer {
                telemetry: telemetry.clone(),
                draining: draining.clone(),
            })
            .layer(tower::layer::layer_fn(move |inner| DeadlineLayer {
                inner,
                deadlines,
            }))
            .layer(MapRequestLayer::new(decode_errors::compress_if_compressed))
            .layer(MapRequestLayer::new(move |request| {
                receive::limited(request, &receiving, most)
            }))
            .layer(MapResponseLayer::new(move |answer| {
                decode_errors::explain_answer(answer, most)
            }));
        let routes = Routes::new(health_service)
            .add_service(reflection().build_v1()?)
            .add_service(reflection().build_v1alpha()?)
            .add_service(inference);
        let routes = match model_admin {
            Some(model_admin) => routes.add_service(model_admin),
            None => routes,
        };
        let routes = match &connections.cors_origins[..] {
            [] => routes.add_service(service),
            origins => routes.add_service(cors::layers(origins).named_layer(service)),
        };
        let routes = routes.prepare();
        let send_timeout = Duration::from_secs(connections.send_timeout_seconds);
        let serve_one = |connection| {
            let age = ConnectionAge::draw(connections);
            let server = match age.goaway_after {
                Some(goaway_after) => server.clone().max_connection_age(goaway_after),
                None => server.clone(),
            };
            let connection = connection_age::single_connection(connection, age, send_timeout);
            server.serve_with_incoming_shutdown(routes.clone(), connection, closed(draining.clone()))
        };
        let incoming = listener::connections(self.listener, &security, open);
        let server = connection_age::serve_each(incoming, serve_one, closed(draining.clone()));
        let admin_stop = Arc::new(tokio::sync::Notify::new());
        let admin = {
            let (stop, telemetry, ready) = (admin_stop.clone(), telemetry.clone(), ready.subscribe());
            tokio::spawn(admin::serve(
                self.admin,
                Some(security.clone()),
                telemetry,
                ready,
                async move {
                    stop.notified().await;
                },
            ))
        };
        tokio::pin!(server);
        let ended = tokio::select! {
            // Ends by itself only if the socket fails.
            () = &mut server => Ended::Answered,
            () = stop => {
                drain.send_replace(true);
                let limit = Duration::from_secs(settings.server.shutdown_seconds);
                let all = async {
                    (&mut server).await;
                    if let Some(http) = http {
                        // Fails only if the task panicked; then there is nothing to wait for.
                        let _ = http.await;
                    }
                };
                tokio::select! {
                    () = all => {}
                    () = wait_until_idle(&telemetry) => {}
                    () = tokio::time::sleep(limit) => {}
                }
                match telemetry.in_flight() {
                    0 => Ended::Answered,
                    left => Ended::CutOff(left),
                }
            }
        };
        admin_stop.notify_one();
        let _ = admin.await;
        followed.abort();
        Ok(ended)
    }
}

/// Adds the connection's data to a request: the peer, and its unwritten responses.
fn with_peer<B>(mut request: ::http::Request<B>) -> ::http::Request<B> {
    let extensions = request.extensions_mut();
    if let Some((peer, stalls)) = extensions.remove::<(Peer, Arc<Stalls>)>() {
        extensions.insert(peer);
        extensions.insert(stalls);
    }
    request
}

/// Waits until no call is in flight, and then a little for the last responses to be written. A peer that keeps its connection open does
/// not delay the end.
async fn wait_until_idle(telemetry: &Telemetry) {
    while telemetry.in_flight() > 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(CLOSE_LINGER).await;
}
