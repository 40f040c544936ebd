//! The matrix as one page that needs nothing else.

use std::fmt::Write as _;

use crate::junit::escaped;
use crate::matrix::Matrix;
use crate::reach::Reach;

const STYLE: &str = include_str!("page.css");

pub(crate) fn page(title: &str, digest: &str, matrix: &Matrix) -> String {
    let mut html = String::new();
    let title = escaped(title);
    let _ = write!(
        html,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Who can call what: {title}</title>\n<style>\n{STYLE}</style>\n\
         <h1>Who can call what</h1>\n<p class=\"source\">{title}, policies <code>{}</code></p>\n\
         <p class=\"key\"><span class=\"allowed\">allowed</span> <span class=\"conditional\">under conditions</span> \
         <span class=\"denied\">denied</span></p>\n",
        escaped(&digest.chars().take(12).collect::<String>())
    );
    let mut server = "";
    for (row, cells) in &matrix.lines {
        if row.server != server {
            if !server.is_empty() {
                html.push_str("</tbody></table></div>\n");
            }
            server = &row.server;
            // Many columns scroll instead of shrinking to nothing.
            let width = matrix.columns.len().saturating_add(1).saturating_mul(11);
            let _ = write!(
                html,
                "<h2>{}</h2>\n<div><table style=\"min-width: {width}rem\"><thead><tr><th></th>",
                escaped(server)
            );
            for one in &matrix.columns {
                let _ = write!(html, "<th scope=\"col\">{}</th>", escaped(&one.label));
            }
            html.push_str("</tr></thead><tbody>\n");
        }
        let _ = write!(html, "<tr><th scope=\"row\">{}", escaped(&row.label));
        if row.label != row.action {
            let _ = write!(html, "<small>{}</small>", escaped(row.action));
        }
        html.push_str("</th>");
        for (reach, who) in cells.iter().zip(&matrix.columns) {
            cell(&mut html, &who.label, reach);
        }
        html.push_str("</tr>\n");
    }
    if !server.is_empty() {
        html.push_str("</tbody></table></div>\n");
    }
    html.push_str("<footer>\n");
    for line in matrix.remarks() {
        let _ = writeln!(html, "<p>{}</p>", escaped(&line));
    }
    html.push_str("</footer>\n</html>\n");
    html
}

fn cell(html: &mut String, who: &str, reach: &Reach) {
    let who = escaped(who);
    match reach {
        Reach::Allowed => {
            let _ = write!(html, "<td class=\"allowed\" data-who=\"{who}\"><b>allowed</b></td>");
        }
        Reach::Denied { by } => {
            let _ = write!(html, "<td class=\"denied\" data-who=\"{who}\"><b>denied</b>");
            if !by.is_empty() {
                let _ = write!(html, "<small>by {}</small>", escaped(&by.join(", ")));
            }
            html.push_str("</td>");
        }
        Reach::Conditional { ways } => {
            let _ = write!(html, "<td class=\"conditional\" data-who=\"{who}\"><b>if</b>");
            for (at, way) in ways.iter().enumerate() {
                let or = if at == 0 { "" } else { "<b>or if</b>" };
                let _ = write!(html, "{or}<ul title=\"{}\">", escaped(&way.policy));
                for condition in &way.conditions {
                    let _ = write!(html, "<li>{}</li>", escaped(condition));
                }
                let _ = write!(html, "</ul><small>{}</small>", escaped(&way.policy));
            }
            html.push_str("</td>");
        }
    }
}
