//! `sagate doctor`: checks the installation and suggests fixes.

mod finding;
mod machine;
mod models;
mod network;
mod system;

use finding::{Finding, State};
use serde_json::json;

use super::{Exit, out};
use crate::config::{ConfigError, Settings};

/// Arguments of `sagate doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Looks at the settings, libtorch, the processor, the device, memory, every model (verified, loaded, one image segmented), the ports,
the collector, file descriptors, disks and the clock. A note is worth reading, what is wrong must be mended before `sagate serve` will do
its work. Nothing is changed. Exit code 0 where nothing is wrong, 1 otherwise.

Try it:  sagate doctor --config /etc/sagate.toml")]
pub struct Args {}

/// Runs `sagate doctor` on settings that may themselves be broken.
///
/// # Errors
/// stdout cannot be written.
pub fn run(settings: Result<&Settings, &ConfigError>, as_json: bool) -> anyhow::Result<Exit> {
    let mut findings = vec![match settings {
        Ok(settings) => settings_read(settings),
        Err(error) => settings_refused(error),
    }];
    findings.extend(machine::libtorch());
    findings.push(machine::processor());
    findings.push(system::open_files());
    match settings {
        Ok(settings) => {
            let placement = machine::device(settings, &mut findings);
            findings.push(machine::threads(settings));
            findings.push(machine::memory(settings));
            models::check(settings, placement, &mut findings);
            network::ports(settings, &mut findings);
            findings.push(network::exposure(settings));
            findings.extend(network::certificates(settings));
            findings.extend(network::collector(settings));
            findings.extend(system::disks(Some(&settings.models.dir)));
            findings.push(system::clock(Some(&settings.models.dir)));
        }
        Err(_) => {
            let left_out =
                "device, models, ports and collector were not looked at: they depend on the settings";
            findings.push(Finding::note(
                "settings",
                left_out,
                "mend the settings and ask again",
            ));
            findings.extend(system::disks(None));
            findings.push(system::clock(None));
        }
    }
    print_findings(&findings, as_json)?;
    Ok(match count(&findings, State::Wrong) {
        0 => Exit::Ok,
        _ => Exit::Error,
    })
}

fn settings_refused(error: &ConfigError) -> Finding {
    Finding::wrong(
        "settings",
        error.to_string(),
        "`sagate config check FILE` checks a file, sagate.example.toml shows every setting",
    )
}

fn settings_read(settings: &Settings) -> Finding {
    let mut origins: Vec<String> = Vec::new();
    for entry in settings.entries() {
        let origin = entry.origin.name(&entry.key);
        if !origins.contains(&origin) {
            origins.push(origin);
        }
    }
    Finding::fine("settings", format!("read from {}", origins.join(", ")))
}

fn count(findings: &[Finding], state: State) -> usize {
    findings.iter().filter(|finding| finding.state == state).count()
}

fn print_findings(findings: &[Finding], as_json: bool) -> anyhow::Result<()> {
    let (wrong, notes) = (count(findings, State::Wrong), count(findings, State::Note));
    if as_json {
        return out::json(&json!({"wrong": wrong, "notes": notes, "findings": findings}));
    }
    for finding in findings {
        let state = match finding.state {
            State::Fine => "fine ",
            State::Note => "note ",
            State::Wrong => "WRONG",
        };
        out::line(&format!("{state}  {}: {}", finding.about, finding.found))?;
        if let Some(fix) = &finding.fix {
            out::line(&format!("       -> {fix}"))?;
        }
    }
    Ok(out::line(&format!("\n{wrong} wrong, {notes} to note"))?)
}
