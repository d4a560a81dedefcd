//! Security: TLS, tokens, roles, rate limits, audit log.

#[path = "../support/authority/mod.rs"]
mod authority;
#[path = "../support/binary/mod.rs"]
mod binary;
#[path = "../support/grpc_calls/mod.rs"]
mod grpc_calls;
#[path = "../support/oip/mod.rs"]
mod oip;
#[path = "../support/server/mod.rs"]
mod server;
#[path = "../support/signed_tokens/mod.rs"]
mod signed_tokens;
#[path = "../support/tiny_model/mod.rs"]
mod tiny_model;

mod access_log;
mod audit;
mod auth;
mod limit;
mod log_level;
mod pem;
mod proxies;
mod tls;
