//! The three servers of the story: human resources, documents, tickets.

use std::sync::Arc;

use rmcp::model::JsonObject;

use crate::mcp_server::{Document, McpServer, PromptEntry, ToolEntry};

/// Days off and salaries.
#[must_use]
pub fn hr() -> McpServer {
    let tools = [
        ToolEntry {
            name: "get_time_off",
            description: "How many vacation days an employee has left",
            parameters: &["employee_id"],
            answer: |arguments| format!("Employee {} has 12 vacation days left.", text(arguments, "employee_id")),
        },
        ToolEntry {
            name: "query_compensation",
            description: "The average salary of a position in a department",
            parameters: &["department", "position"],
            answer: |arguments| {
                let (department, position) = (text(arguments, "department"), text(arguments, "position"));
                format!("A {position} in {department} earns 84,000 a year on average.")
            },
        },
    ];
    McpServer {
        name: "hr",
        tools: Arc::new(tools),
        documents: Arc::new([]),
        prompts: Arc::new([]),
        errand: None,
        library: None,
    }
}

/// Documents, of which not all are for everybody.
#[must_use]
pub fn docs() -> McpServer {
    let documents = [
        Document {
            uri: "doc://hr/policies/work-from-home",
            name: "Work-from-home policy",
            text: "Up to three days a week from home, by agreement with the team.",
        },
        Document {
            uri: "doc://exec/reorganization-2027",
            name: "Reorganization plan 2027",
            text: "Confidential: the two sales units become one in March 2027.",
        },
    ];
    let prompts = [PromptEntry { name: "summarize", text: "Summarize the document in three sentences." }];
    McpServer {
        name: "docs",
        tools: Arc::new([]),
        documents: Arc::new(documents),
        prompts: Arc::new(prompts),
        errand: None,
        library: None,
    }
}

/// Tickets.
#[must_use]
pub fn tickets() -> McpServer {
    let tools = [
        ToolEntry {
            name: "create_ticket",
            description: "Open a ticket",
            parameters: &["title", "description"],
            answer: |arguments| format!("Ticket T-1001 is open: {}", text(arguments, "title")),
        },
        ToolEntry {
            name: "delete_ticket",
            description: "Delete a ticket for ever",
            parameters: &["ticket_id"],
            answer: |arguments| format!("Ticket {} is deleted.", text(arguments, "ticket_id")),
        },
    ];
    McpServer {
        name: "tickets",
        tools: Arc::new(tools),
        documents: Arc::new([]),
        prompts: Arc::new([]),
        errand: None,
        library: None,
    }
}

fn text<'a>(arguments: &'a JsonObject, name: &str) -> &'a str {
    arguments.get(name).and_then(|value| value.as_str()).unwrap_or("?")
}
