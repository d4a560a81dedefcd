//! `sagate evaluate`: what the gate does on clean and damaged images whose truth is known.

use std::path::PathBuf;

use anyhow::Context;
use serde::Serialize;

use super::dataset::{DataArgs, Dataset, SplitName, segment};
use super::gate::GateArgs;
use super::{Exit, UsageError, loading, out};
use crate::config::Settings;
use crate::data::damage::apply;
use crate::data::{Damage, Example, Grade, Kind};
use crate::engine::Pass;
use crate::gate::{Policy, dice_at_coverage, spearman};
use crate::imaging::atomic;

/// Coverages of the paper's Table 2.
const COVERAGES: [f64; 4] = [1.0, 0.9, 0.7, 0.5];

/// Arguments of `sagate evaluate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Try it:  sagate evaluate --model t1-brain --data tasks/t1-brain --damage all")]
pub struct Args {
    #[command(flatten)]
    data: DataArgs,
    /// Kinds of damage to try besides the clean images: `all`, or some of them
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    damage: Vec<DamageChoice>,
    /// Grades of each kind
    #[arg(long, value_name = "1|2|3", value_delimiter = ',', default_value = "1,2,3")]
    grades: Vec<Grade>,
    /// Which of the many ways a damage can happen
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// File to write every image's scores to (CSV)
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Print the tables as Markdown
    #[arg(long)]
    markdown: bool,
    #[command(flatten)]
    gate: GateArgs,
}

/// `all`, or one kind of damage.
#[derive(Debug, Clone, Copy)]
enum DamageChoice {
    All,
    One(Kind),
}

impl std::str::FromStr for DamageChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(DamageChoice::All);
        }
        let found = Kind::ALL.into_iter().find(|kind| kind.name() == text);
        found.map(DamageChoice::One).ok_or_else(|| {
            let names: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
            format!("no such damage; `all` or one of {}", names.join(", "))
        })
    }
}

/// One image's scores.
#[derive(Debug, Serialize)]
struct Score {
    image: String,
    damage: &'static str,
    grade: u8,
    mu: f64,
    dice: Option<f64>,
    accept: bool,
    reasons: String,
}

/// One row of the table: a kind and grade of damage.
#[derive(Debug, Serialize)]
struct Group {
    damage: &'static str,
    grade: u8,
    images: usize,
    mean_dice: Option<f64>,
    mean_mu: f64,
    rejected: f64,
}

/// How mu ranks the images, over all that have a truth.
#[derive(Debug, Serialize)]
struct Ranking {
    images: usize,
    spearman: Option<f64>,
    dice_at_coverage: Vec<(f64, Option<f64>)>,
    accepted: usize,
    dice_of_accepted: Option<f64>,
    dice_of_rejected: Option<f64>,
}

/// Runs `sagate evaluate`.
///
/// # Errors
/// A model or images that cannot be read, or a damage that these images cannot have.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<Exit> {
    let policy = args.gate.policy(settings)?;
    let pass = loading::pass(settings)?;
    let data = args.data.read(SplitName::Test)?;
    let rounds = rounds(&args, &data)?;
    let bar = out::progress(rounds.len() as u64, "evaluating");
    let mut scores = Vec::new();
    for damage in rounds {
        scores.extend(round(&pass, &policy, &data, damage)?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let groups = groups(&scores);
    let ranking = ranking(&scores);
    if let Some(path) = &args.csv {
        atomic::write(path, csv(&scores).as_bytes())?;
    }
    if settings.json() {
        out::json(&serde_json::json!({
            "model": pass.manifest().reference(), "data": data.description, "groups": groups, "all": ranking,
        }))?;
    } else {
        print(&pass, &data, &groups, &ranking, args.markdown)?;
    }
    Ok(Exit::Ok)
}

/// The clean images, then each kind and grade of damage.
fn rounds(args: &Args, data: &Dataset) -> anyhow::Result<Vec<Option<Damage>>> {
    let mut kinds: Vec<Kind> = Vec::new();
    for choice in &args.damage {
        match choice {
            DamageChoice::One(kind) => kinds.push(*kind),
            // Without images of another species, all kinds are all the others.
            DamageChoice::All => {
                kinds.extend(
                    Kind::ALL
                        .iter()
                        .filter(|&&kind| kind != Kind::OtherSpecies || !data.other.is_empty()),
                );
            }
        }
    }
    if kinds.contains(&Kind::OtherSpecies) && data.other.is_empty() {
        return Err(UsageError(
            "--damage other-species needs a task with images of another species (its folder `other`)".into(),
        )
        .into());
    }
    let mut rounds = vec![None];
    for kind in kinds {
        rounds.extend(args.grades.iter().map(|&grade| {
            Some(Damage {
                kind,
                grade,
                seed: args.seed,
            })
        }));
    }
    Ok(rounds)
}

fn round(pass: &Pass, policy: &Policy, data: &Dataset, damage: Option<Damage>) -> anyhow::Result<Vec<Score>> {
    let damaged: Vec<Example>;
    let examples = match damage {
        None => &data.examples,
        Some(damage) => {
            damaged = (0..data.examples.len())
                .map(|index| apply(&damage, &data.examples, index, &data.other))
                .collect::<Result<_, _>>()?;
            &damaged
        }
    };
    let results = segment(pass, examples).with_context(|| label(damage))?;
    let score = |(example, result): (&Example, &crate::engine::Segmentation)| {
        let decision = pass.decide(result, policy);
        Score {
            image: example.name.clone(),
            damage: damage.map_or("clean", |damage| damage.kind.name()),
            grade: damage.map_or(0, |damage| damage.grade.number()),
            mu: decision.mu,
            dice: example.truth.as_ref().map(|truth| result.dice(truth)),
            accept: decision.accept,
            reasons: super::words::reasons(&decision),
        }
    };
    Ok(examples.iter().zip(&results).map(score).collect())
}

fn label(damage: Option<Damage>) -> String {
    damage.map_or_else(
        || "clean".into(),
        |damage| format!("{} grade {}", damage.kind, damage.grade.number()),
    )
}

fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.into_iter().collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn groups(scores: &[Score]) -> Vec<Group> {
    scores
        .chunk_by(|a, b| (a.damage, a.grade) == (b.damage, b.grade))
        .map(|group| Group {
            damage: group[0].damage,
            grade: group[0].grade,
            images: group.len(),
            mean_dice: mean(group.iter().filter_map(|score| score.dice)),
            mean_mu: mean(group.iter().map(|score| score.mu)).unwrap_or(f64::NAN),
            rejected: group.iter().filter(|score| !score.accept).count() as f64 / group.len() as f64,
        })
        .collect()
}

fn ranking(scores: &[Score]) -> Ranking {
    // What is not finite ranks below everything, as the gate rejects it.
    let mu = |score: &Score| if score.mu.is_finite() { score.mu } else { -1.0 };
    let pairs: Vec<(f64, f64)> = scores
        .iter()
        .filter_map(|score| Some((mu(score), score.dice?)))
        .collect();
    let (mus, dices): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let of = |accept: bool| {
        mean(
            scores
                .iter()
                .filter(|score| score.accept == accept)
                .filter_map(|score| score.dice),
        )
    };
    Ranking {
        images: pairs.len(),
        spearman: spearman(&mus, &dices),
        dice_at_coverage: COVERAGES
            .iter()
            .map(|&c| (c, dice_at_coverage(&pairs, c)))
            .collect(),
        accepted: scores.iter().filter(|score| score.accept).count(),
        dice_of_accepted: of(true),
        dice_of_rejected: of(false),
    }
}

fn csv(scores: &[Score]) -> String {
    let mut text = String::from("image,damage,grade,mu,dice,accept,reasons\n");
    for score in scores {
        let dice = score.dice.map_or_else(String::new, |dice| format!("{dice:.6}"));
        let quoted = score.image.replace('"', "\"\"");
        text += &format!(
            "\"{quoted}\",{},{},{:.6},{dice},{},{}\n",
            score.damage, score.grade, score.mu, score.accept, score.reasons
        );
    }
    text
}

fn print(
    pass: &Pass,
    data: &Dataset,
    groups: &[Group],
    ranking: &Ranking,
    markdown: bool,
) -> anyhow::Result<()> {
    let number = |value: Option<f64>| value.map_or_else(|| "-".into(), |value| format!("{value:.3}"));
    out::line(&format!(
        "{} on {}",
        pass.manifest().reference(),
        data.description
    ))?;
    let rows = groups
        .iter()
        .map(|group| {
            vec![
                group.damage.to_owned(),
                if group.grade == 0 {
                    "-".into()
                } else {
                    group.grade.to_string()
                },
                group.images.to_string(),
                number(group.mean_dice),
                format!("{:.3}", group.mean_mu),
                format!("{:.0} %", group.rejected * 100.0),
            ]
        })
        .collect();
    print_table(
        &["damage", "grade", "images", "mean Dice", "mean mu", "rejected"],
        rows,
        markdown,
    )?;
    out::line("")?;
    let mut rows = vec![vec![
        "Spearman's rho of mu and Dice".to_owned(),
        number(ranking.spearman),
    ]];
    for &(coverage, dice) in &ranking.dice_at_coverage {
        rows.push(vec![
            format!("Dice of the {:.0} % with the highest mu", coverage * 100.0),
            number(dice),
        ]);
    }
    rows.push(vec![
        "Dice of the accepted".into(),
        number(ranking.dice_of_accepted),
    ]);
    rows.push(vec![
        "Dice of the rejected".into(),
        number(ranking.dice_of_rejected),
    ]);
    let title = format!("all {} images with truth", ranking.images);
    print_table(&[&title, ""], rows, markdown)
}

fn print_table(headings: &[&str], rows: Vec<Vec<String>>, markdown: bool) -> anyhow::Result<()> {
    if !markdown {
        let mut table = out::table(headings);
        rows.into_iter().for_each(|row| {
            table.add_row(row);
        });
        return Ok(out::print(&table)?);
    }
    out::line(&format!("\n| {} |", headings.join(" | ")))?;
    out::line(&format!("|{}", "---|".repeat(headings.len())))?;
    for row in rows {
        out::line(&format!("| {} |", row.join(" | ")))?;
    }
    Ok(())
}
