//! The gRPC binding: its path names the method; the body is protobuf and is not read.

use serde_json::Map;

use super::card_arguments;
use crate::call::{Operation, PushNotificationKind, TaskKind};

/// A method of a service.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Method {
    path: &'static str,
    about: About,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    Message,
    Task(TaskKind),
    PushNotification(PushNotificationKind),
    ExtendedCard,
}

/// 1.0 (package `lf.a2a.v1`) and 0.3 (package `a2a.v1`), as their a2a.proto have them.
static METHODS: [Method; 21] = [
    at("/lf.a2a.v1.A2AService/SendMessage", About::Message),
    at("/lf.a2a.v1.A2AService/SendStreamingMessage", About::Message),
    at("/lf.a2a.v1.A2AService/GetTask", About::Task(TaskKind::Get)),
    at("/lf.a2a.v1.A2AService/ListTasks", About::Task(TaskKind::List)),
    at("/lf.a2a.v1.A2AService/CancelTask", About::Task(TaskKind::Cancel)),
    at("/lf.a2a.v1.A2AService/SubscribeToTask", About::Task(TaskKind::Subscribe)),
    at("/lf.a2a.v1.A2AService/CreateTaskPushNotificationConfig", push(PushNotificationKind::Set)),
    at("/lf.a2a.v1.A2AService/GetTaskPushNotificationConfig", push(PushNotificationKind::Get)),
    at("/lf.a2a.v1.A2AService/ListTaskPushNotificationConfigs", push(PushNotificationKind::List)),
    at("/lf.a2a.v1.A2AService/DeleteTaskPushNotificationConfig", push(PushNotificationKind::Delete)),
    at("/lf.a2a.v1.A2AService/GetExtendedAgentCard", About::ExtendedCard),
    at("/a2a.v1.A2AService/SendMessage", About::Message),
    at("/a2a.v1.A2AService/SendStreamingMessage", About::Message),
    at("/a2a.v1.A2AService/GetTask", About::Task(TaskKind::Get)),
    at("/a2a.v1.A2AService/CancelTask", About::Task(TaskKind::Cancel)),
    at("/a2a.v1.A2AService/TaskSubscription", About::Task(TaskKind::Subscribe)),
    at("/a2a.v1.A2AService/CreateTaskPushNotificationConfig", push(PushNotificationKind::Set)),
    at("/a2a.v1.A2AService/GetTaskPushNotificationConfig", push(PushNotificationKind::Get)),
    at("/a2a.v1.A2AService/ListTaskPushNotificationConfig", push(PushNotificationKind::List)),
    at("/a2a.v1.A2AService/DeleteTaskPushNotificationConfig", push(PushNotificationKind::Delete)),
    at("/a2a.v1.A2AService/GetAgentCard", About::ExtendedCard),
];

const fn at(path: &'static str, about: About) -> Method {
    Method { path, about }
}

const fn push(kind: PushNotificationKind) -> About {
    About::PushNotification(kind)
}

/// The method that a target is the path of: exactly, for gRPC knows no other spelling of a path, and no query.
pub(super) fn method(target: &[u8]) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.path.as_bytes() == target)
}

/// `application/grpc`, and `+proto` which says the same. Not gRPC-Web: it is another protocol, with other trailers.
pub(crate) fn is_grpc(content_type: &[u8]) -> bool {
    matches!(content_type, b"application/grpc" | b"application/grpc+proto")
}

// === impl Method ===

impl Method {
    /// Its name in the service.
    pub(crate) fn name(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Nothing is known of its arguments.
    pub(crate) fn operation(&self) -> Operation {
        let arguments = Map::new();
        match self.about {
            About::Message => Operation::SendMessage { arguments },
            About::Task(kind) => Operation::Task { kind, arguments },
            About::PushNotification(kind) => Operation::PushNotification { kind, arguments },
            About::ExtendedCard => Operation::AgentCard { arguments: card_arguments(true).0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::METHODS;
    use crate::a2a::{AgentEndpoint, Binding};
    use crate::call::{AgentCall, Operation};
    use crate::error::MessageError;
    use crate::headers::MessageHeaders;
    use crate::limits::Limits;

    const LIMITS: Limits =
        Limits { max_body_bytes: 1_000, max_json_depth: 16, max_json_nodes: 1_000, max_sse_event_bytes: 1_000 };

    fn asked(bindings: &[Binding], verb: &str, path: &str, content_type: &str) -> Result<AgentCall, MessageError> {
        let all = [(":method", verb), (":path", path), ("content-type", content_type)];
        let endpoint = AgentEndpoint::new(None, bindings.to_vec());
        let headers =
            MessageHeaders::of_agent(&endpoint, all.map(|(name, value)| (name.as_bytes(), value.as_bytes())))?;
        assert!(headers.body_is_opaque());
        AgentCall::parse(&headers, b"\0whatever", &LIMITS).map_err(|refusal| refusal.error)
    }

    const ALL: [Binding; 3] = [Binding::JsonRpc, Binding::HttpJson, Binding::Grpc];

    #[test]
    fn the_path_names_the_method_and_nothing_else_is_known() {
        for method in &METHODS {
            for content_type in ["application/grpc", "application/grpc+proto"] {
                let call = asked(&ALL, "POST", method.path, content_type).unwrap();
                assert_eq!((call.binding(), call.payload()), (Binding::Grpc, None), "{}", method.path);
                assert!(call.is_opaque() && method.path.ends_with(&format!("/{}", call.method())));
                let (Operation::SendMessage { arguments }
                | Operation::Task { arguments, .. }
                | Operation::PushNotification { arguments, .. }
                | Operation::AgentCard { arguments }) = call.operation()
                else {
                    panic!("{}", method.path)
                };
                let card = matches!(call.operation(), Operation::AgentCard { .. });
                assert_eq!(arguments.len(), usize::from(card), "{}", method.path);
            }
        }
    }

    #[test]
    fn the_binding_has_to_be_named() {
        for bindings in [&ALL[..2], &ALL[..1], &[]] {
            let refused = asked(bindings, "POST", METHODS[0].path, "application/grpc");
            assert_eq!(refused, Err(MessageError::Binding));
        }
    }

    #[test]
    fn grpc_is_known_by_its_path_and_its_type() {
        for content_type in [
            "application/json",
            "application/grpc-web",
            "application/grpc-web+proto",
            "application/grpc+json",
            "application/grpc; charset=utf-8",
            "Application/gRPC",
            "",
        ] {
            let refused = asked(&ALL, "POST", METHODS[0].path, content_type);
            assert_eq!(refused, Err(MessageError::ContentType), "{content_type}");
        }
        for path in [
            "/lf.a2a.v1.A2AService/sendMessage",
            "/lf.a2a.v1.A2AService/SendMessage/",
            "/lf.a2a.v1.A2AService/SendMessage?x=y",
            "/lf.a2a.v1.A2AService/Send%4dessage",
            "/lf.a2a.v1.a2aservice/SendMessage",
            "/lf.a2a.v2.A2AService/SendMessage",
            "/a2a.v1.A2AService/ListTasks",
            "/lf.a2a.v1.A2AService/TaskSubscription",
            "/x/lf.a2a.v1.A2AService/SendMessage",
            "/lf.a2a.v1.A2AService/",
        ] {
            assert_eq!(asked(&ALL, "POST", path, "application/grpc"), Err(MessageError::Binding), "{path}");
        }
        for verb in ["GET", "DELETE"] {
            assert_eq!(asked(&ALL, verb, METHODS[0].path, "application/grpc"), Err(MessageError::Binding));
        }
        assert_eq!(asked(&ALL, "POST", "/", "application/grpc"), Err(MessageError::ContentType));
    }
}
