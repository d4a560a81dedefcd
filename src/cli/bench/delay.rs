//! A TCP proxy that delays every byte by a fixed time, without a limit on the rate.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Bytes that are read at once.
const PART: usize = 256 * 1024;

/// The near end of a link, which ends when this is dropped.
pub(super) struct Link {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Link {
    /// A link to an address, with a delay in each direction.
    ///
    /// # Errors
    /// No port is free.
    pub async fn to(far: SocketAddr, delay: Duration) -> std::io::Result<Link> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(async move {
                    // A connection that fails fails at its user's end as well.
                    let _ = join(near, far, delay).await;
                });
            }
        });
        Ok(Link { address, task })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn join(near: TcpStream, far: SocketAddr, delay: Duration) -> std::io::Result<()> {
    let far = TcpStream::connect(far).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    tokio::try_join!(
        carry(near_read, far_write, delay),
        carry(far_read, near_write, delay)
    )?;
    Ok(())
}

/// Reads at once, writes when it is time.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) -> std::io::Result<()> {
    let (sender, mut parts) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let read = async move {
        loop {
            let mut part = vec![0; PART];
            let length = from.read(&mut part).await?;
            part.truncate(length);
            if length == 0 || sender.send((Instant::now() + delay, part)).is_err() {
                return std::io::Result::Ok(());
            }
        }
    };
    let write = async move {
        while let Some((due, part)) = parts.recv().await {
            tokio::time::sleep_until(due).await;
            to.write_all(&part).await?;
        }
        to.shutdown().await
    };
    tokio::try_join!(read, write)?;
    Ok(())
}
