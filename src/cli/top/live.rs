//! The live screen: one thread draws and handles keys, another polls the server.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::Context;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::screen;
use super::view::View;
use crate::client::{Access, Client, ClientError, ServerStatus, ServerUrl};

/// Redraw interval while no key is pressed.
const BLINK: Duration = Duration::from_millis(100);
/// Timeout of a status call.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Messages of the polling thread.
enum Update {
    Seen(ServerStatus),
    Missed(String),
    /// The process got a signal to end.
    Stop,
}

/// Shows the screen until a key or a signal ends it. The terminal is restored, after a panic too.
pub fn run(url: &ServerUrl, access: Access, interval: Duration) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("the thread that asks the server cannot be started")?;
    let (updates, received) = mpsc::channel();
    let (pace, paced) = watch::channel(interval);
    runtime.spawn(follow(url.clone(), access, paced, updates.clone()));
    runtime.spawn(stop_when_told(updates));
    let shown = ratatui::try_init().and_then(|mut terminal| {
        show(
            &mut terminal,
            View::new(url.to_string(), interval),
            &received,
            &pace,
        )
    });
    ratatui::restore();
    runtime.shutdown_background();
    shown.context("the terminal cannot be drawn on")
}

fn show(
    terminal: &mut DefaultTerminal,
    mut view: View,
    received: &mpsc::Receiver<Update>,
    pace: &watch::Sender<Duration>,
) -> std::io::Result<()> {
    let begun = Instant::now();
    loop {
        terminal.draw(|frame| screen::draw(frame, &view))?;
        if event::poll(BLINK)?
            && let Event::Key(key) = event::read()?
            && key.kind == KeyEventKind::Press
        {
            match key {
                key if ends(key) => return Ok(()),
                KeyEvent {
                    code: KeyCode::Char('+'),
                    ..
                } => view.slower(),
                KeyEvent {
                    code: KeyCode::Char('-'),
                    ..
                } => view.faster(),
                _ => {}
            }
            pace.send_if_modified(|pace| std::mem::replace(pace, view.interval) != view.interval);
        }
        for update in received.try_iter() {
            match update {
                Update::Seen(status) => view.saw(status, begun.elapsed()),
                Update::Missed(why) => view.missed(why),
                Update::Stop => return Ok(()),
            }
        }
    }
}

fn ends(key: KeyEvent) -> bool {
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => true,
        KeyCode::Char('c') => key.modifiers.contains(KeyModifiers::CONTROL),
        _ => false,
    }
}

/// Polls the server, also while it is unreachable.
async fn follow(
    url: ServerUrl,
    access: Access,
    mut pace: watch::Receiver<Duration>,
    updates: mpsc::Sender<Update>,
) {
    let mut client = None;
    loop {
        let update = match timeout(CALL_TIMEOUT, ask(&url, &access, &mut client)).await {
            Ok(Ok(status)) => Update::Seen(status),
            Ok(Err(error)) => Update::Missed(error.to_string()),
            Err(_) => {
                let silent = ClientError::Silent {
                    url: url.clone(),
                    after: CALL_TIMEOUT,
                };
                Update::Missed(silent.to_string())
            }
        };
        if matches!(update, Update::Missed(_)) {
            client = None;
        }
        if updates.send(update).is_err() {
            return;
        }
        let interval = *pace.borrow_and_update();
        tokio::select! {
            () = sleep(interval) => {}
            _ = pace.changed() => {}
        }
    }
}

async fn ask(
    url: &ServerUrl,
    access: &Access,
    client: &mut Option<Client>,
) -> Result<ServerStatus, ClientError> {
    let client = match client {
        Some(client) => client,
        None => client.insert(Client::connect_with(url, access).await?),
    };
    client.status().await
}

async fn stop_when_told(updates: mpsc::Sender<Update>) {
    // Without a handler the signal ends the process by default.
    if let Ok(mut terminate) = signal(SignalKind::terminate()) {
        terminate.recv().await;
        let _ = updates.send(Update::Stop);
    }
}
