//! `meshwarden matrix`.

use std::fs;
use std::io::Write;

use serde_json::{Value, json};

use crate::cli::MatrixArguments;
use crate::configuration::{Configuration, Taken};
use crate::failure::{Failure, Outcome};
use crate::outlook::Known;
use crate::page;
use crate::reach::{Reach, Row, Somebody, Way, everybody, reach, rows};
use crate::table::{Mood, cell, drawn, table};

/// Who can call what.
pub(crate) struct Matrix {
    pub(crate) columns: Vec<Somebody>,
    pub(crate) lines: Vec<(Row, Vec<Reach>)>,
    /// Of those that are denied everything, and have no column.
    pub(crate) nobody: Vec<String>,
    pub(crate) workloads: bool,
}

pub(crate) fn run(arguments: &MatrixArguments, out: &mut impl Write) -> Result<Outcome, Failure> {
    let configuration = Configuration::load(&arguments.configuration)?;
    let taken = configuration.taken()?;
    let matrix = Matrix::of(&taken, workloads_call(&configuration.value));
    if let Some(file) = &arguments.html {
        let title = arguments.configuration.file.file_name().unwrap_or_default().to_string_lossy();
        let page = page::page(&title, taken.review.policies.digest(), &matrix);
        fs::write(file, page).map_err(|error| Failure::Read { path: file.clone(), error })?;
    }
    if arguments.json {
        writeln!(out, "{:#}", matrix.json())?;
    } else if arguments.html.is_none() {
        matrix.draw(out)?;
    }
    Ok(Outcome::Fine)
}

/// Whether a workload gets as far as policy without a user's token.
fn workloads_call(configuration: &Value) -> bool {
    let required = |tokens: &Value| tokens.get("required").and_then(Value::as_bool).unwrap_or(true);
    !configuration.get("tokens").is_some_and(required)
}

// === impl Matrix ===

impl Matrix {
    pub(crate) fn of(taken: &Taken, workloads: bool) -> Self {
        let mut columns = everybody(taken, workloads);
        let mut lines: Vec<(Row, Vec<Reach>)> = Vec::new();
        for row in rows(taken) {
            let of = |one: &Somebody| {
                let known = Known { action: Some(row.action), resource: Some(row.thing.clone()), ..one.known.clone() };
                reach(&taken.statements, &known)
            };
            let cells: Vec<Reach> = columns.iter().map(of).collect();
            let denied = cells.iter().all(|cell| matches!(cell, Reach::Denied { .. }));
            if !(row.rest && denied) {
                lines.push((row, cells));
            }
        }
        let idle: Vec<bool> = (0..columns.len())
            .map(|at| lines.iter().all(|(_, cells)| matches!(cells.get(at), Some(Reach::Denied { .. }))))
            .collect();
        let keep = |at: usize| idle.get(at) != Some(&true);
        let nobody =
            columns.iter().enumerate().filter(|(at, _)| !keep(*at)).map(|(_, one)| one.label.clone()).collect();
        for (_, cells) in &mut lines {
            let mut at = 0..;
            cells.retain(|_| at.next().is_some_and(keep));
        }
        let mut at = 0..;
        columns.retain(|_| at.next().is_some_and(keep));
        Self { columns, lines, nobody, workloads }
    }

    /// What is not in the table.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let mut all = vec!["Whatever has no row is denied to everybody.".to_owned()];
        if !self.nobody.is_empty() {
            all.push(format!("Denied everything: {}.", self.nobody.join(", ")));
        }
        all.push(
            "A column is somebody who is in that group or role, in what that is in, and in nothing else.".to_owned(),
        );
        if !self.workloads {
            all.push("Tokens are required: no workload calls for itself.".to_owned());
        }
        all
    }

    fn draw(&self, out: &mut impl Write) -> std::io::Result<()> {
        let titles = ["Server".to_owned(), "What".to_owned()];
        let mut table = table(titles.into_iter().chain(self.columns.iter().map(|one| one.label.clone())));
        let mut notes: Vec<Vec<Way>> = Vec::new();
        for (row, cells) in &self.lines {
            let head = [row.server.as_str(), row.label.as_str()].map(|text| cell(text, Mood::Plain));
            let cells = cells.iter().map(|reach| match reach {
                Reach::Allowed => cell("allowed", Mood::Good),
                Reach::Denied { by } if by.is_empty() => cell("denied", Mood::Bad),
                Reach::Denied { by } => cell(format!("denied by {}", by.join(", ")), Mood::Bad),
                Reach::Conditional { ways } => {
                    let known = notes.iter().position(|note| note == ways);
                    let at = known.unwrap_or_else(|| {
                        notes.push(ways.clone());
                        notes.len().saturating_sub(1)
                    });
                    cell(format!("if ({})", at.saturating_add(1)), Mood::Doubtful)
                }
            });
            table.add_row(head.into_iter().chain(cells));
        }
        out.write_all(drawn(&table).as_bytes())?;
        for (at, ways) in notes.iter().enumerate() {
            for (nth, way) in ways.iter().enumerate() {
                let mark = if nth == 0 { format!("({})", at.saturating_add(1)) } else { " or".to_owned() };
                writeln!(out, "{mark:>4} {}: {}", way.policy, way.conditions.join(", and "))?;
            }
        }
        self.remarks().iter().try_for_each(|line| writeln!(out, "{line}"))
    }

    fn json(&self) -> Value {
        let line = |(row, cells): &(Row, Vec<Reach>)| {
            let cells: Vec<Value> = cells
                .iter()
                .zip(&self.columns)
                .map(|(reach, who)| {
                    let mut json = serde_json::to_value(reach).unwrap_or_default();
                    if let Some(members) = json.as_object_mut() {
                        members.shift_insert(0, "who".to_owned(), who.label.clone().into());
                    }
                    json
                })
                .collect();
            json!({"server": row.server, "action": row.action, "what": row.label, "cells": cells})
        };
        json!({"rows": self.lines.iter().map(line).collect::<Vec<_>>(), "denied_everything": self.nobody})
    }
}
