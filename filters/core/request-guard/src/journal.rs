//! What is written down of one stream: facts, counts, and the record of the decision.

use std::mem;
use std::rc::Rc;

use crate::audit::{AuditRecord, Count, Outcome};
use crate::config::{Audit, AuditLog};
use crate::facts::Facts;
use crate::rejection::Rejection;
use crate::step::Reply;

/// Of one stream.
pub(crate) struct Journal {
    pub(crate) facts: Facts,
    pub(crate) audit: Audit,
    policy_digest: Option<Rc<str>>,
    counts: Vec<Count>,
    record: Option<AuditRecord>,
}

// === impl Journal ===

impl Journal {
    pub(crate) fn new(audit: Audit, policy_digest: Option<Rc<str>>) -> Self {
        Self { facts: Facts::default(), audit, policy_digest, counts: Vec::new(), record: None }
    }

    pub(crate) fn count(&mut self, count: Count) {
        self.counts.push(count);
    }

    /// A record of what is known, for a decision that is made now.
    pub(crate) fn record(&self, outcome: Outcome) -> AuditRecord {
        self.facts.record(outcome, self.policy_digest.as_deref(), &self.audit)
    }

    pub(crate) fn decided(&mut self, record: AuditRecord) {
        for _ in 0..self.facts.decisions() {
            self.count(Count::Decision(record.outcome()));
        }
        self.record = Some(record);
    }

    /// Records a token that was made for a decision of another stage.
    pub(crate) fn minted(&mut self, mut record: AuditRecord) {
        record.decides = false;
        self.record = Some(record);
    }

    /// Records a refusal and gives the reply to it; `reasons` is what the operator says of the policies that decided.
    pub(crate) fn refuse(&mut self, rejection: &Rejection, reasons: Option<String>) -> Reply {
        let reply = rejection.reply(&self.facts);
        let mut record = self.record(rejection.outcome());
        record.status = Some(reply.status);
        record.policies = rejection.policies().to_vec();
        record.reason = match reasons {
            Some(reasons) => Some(format!("{}: {reasons}", rejection.reason())),
            None => Some(rejection.reason()),
        };
        record.errors = rejection.errors().to_vec();
        self.decided(record);
        reply
    }

    pub(crate) fn take_counts(&mut self) -> Vec<Count> {
        mem::take(&mut self.counts)
    }

    pub(crate) fn take_record(&mut self) -> Option<AuditRecord> {
        self.record.take()
    }

    pub(crate) fn is_logged(&self, record: &AuditRecord) -> bool {
        match self.audit.log {
            AuditLog::All => true,
            // A difference is what the shadow is there for.
            AuditLog::Denied => record.outcome() != Outcome::Allow || record.shadow.is_some(),
            AuditLog::None => false,
        }
    }
}
