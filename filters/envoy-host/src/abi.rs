//! The foreign functions of the proxy-wasm ABI 0.2.1, one safe wrapper each.
//!
//! <https://github.com/proxy-wasm/spec/tree/main/abi-versions/v0.2.1>. The SDK has wrappers too, but they panic on any
//! status that they don't expect and on text that is not UTF-8.

use thiserror::Error;

/// What the host answered, other than `Ok`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "wasm32"), expect(dead_code, reason = "only a host answers so"))]
pub(crate) enum Status {
    /// There is no such thing (property, header, buffer).
    NotFound,
    /// The host refused an argument, or the phase has passed.
    BadArgument,
    /// A value has another version than the caller knows.
    OtherVersion,
    /// Any other status, with its number.
    Other(u32),
}

/// A hostcall that did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum HostError {
    /// The host's own answer.
    #[error("host call `{call}` failed: {status:?}")]
    Call {
        /// The function of the ABI.
        call: &'static str,
        /// What it returned.
        status: Status,
    },
    /// The host's data is not in the form of the ABI.
    #[error("host call `{call}` returned malformed data")]
    Malformed {
        /// The function of the ABI.
        call: &'static str,
    },
}

pub(crate) use host::{
    call_foreign_function, close_stream, continue_stream, current_time, define_metric, get_buffer,
    get_header_map_pairs, get_property, get_shared_data, increment_metric, log, record_metric, remove_header,
    replace_header, send_local_response, set_buffer, set_effective_context, set_property, set_shared_data,
    set_tick_period,
};

#[cfg(target_arch = "wasm32")]
mod host {
    #![expect(unsafe_code, reason = "hostcalls are foreign functions that take pointers into this module's memory")]

    use std::ptr::null_mut;

    use super::{HostError, Status};

    fn check(call: &'static str, status: u32) -> Result<(), HostError> {
        let status = match status {
            0 => return Ok(()),
            1 => Status::NotFound,
            2 => Status::BadArgument,
            8 => Status::OtherVersion,
            other => Status::Other(other),
        };
        Err(HostError::Call { call, status })
    }

    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        fn proxy_log(level: u32, message: *const u8, size: usize) -> u32;
        fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
        fn proxy_get_buffer_bytes(buffer: u32, start: usize, max: usize, data: *mut *mut u8, size: *mut usize) -> u32;
        fn proxy_set_buffer_bytes(buffer: u32, start: usize, max: usize, data: *const u8, size: usize) -> u32;
        fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
        fn proxy_replace_header_map_value(
            map: u32,
            key: *const u8,
            key_size: usize,
            value: *const u8,
            value_size: usize,
        ) -> u32;
        fn proxy_remove_header_map_value(map: u32, key: *const u8, key_size: usize) -> u32;
        fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
        fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize) -> u32;
        fn proxy_get_shared_data(
            key: *const u8,
            key_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
            cas: *mut u32,
        ) -> u32;
        fn proxy_set_shared_data(key: *const u8, key_size: usize, value: *const u8, value_size: usize, cas: u32)
        -> u32;
        fn proxy_send_local_response(
            status: u32,
            details: *const u8,
            details_size: usize,
            body: *const u8,
            body_size: usize,
            headers: *const u8,
            headers_size: usize,
            grpc_status: i32,
        ) -> u32;
        fn proxy_call_foreign_function(
            name: *const u8,
            name_size: usize,
            argument: *const u8,
            argument_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        fn proxy_close_stream(stream: u32) -> u32;
        fn proxy_continue_stream(stream: u32) -> u32;
        fn proxy_set_effective_context(context: u32) -> u32;
        fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
        fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> u32;
        fn proxy_increment_metric(id: u32, by: i64) -> u32;
        fn proxy_record_metric(id: u32, value: u64) -> u32;
    }

    pub(crate) fn log(level: u32, message: &str) {
        // SAFETY: the pointer and length are of a live slice. A log line that is lost has no remedy.
        let _ = unsafe { proxy_log(level, message.as_ptr(), message.len()) };
    }

    pub(crate) fn current_time() -> Result<u64, HostError> {
        let mut time = 0;
        // SAFETY: `time` is a live local.
        check("proxy_get_current_time_nanoseconds", unsafe { proxy_get_current_time_nanoseconds(&mut time) })?;
        Ok(time)
    }

    pub(crate) fn get_buffer(buffer: u32, max: usize) -> Result<Vec<u8>, HostError> {
        // SAFETY: both out pointers are live locals of `returned`.
        returned("proxy_get_buffer_bytes", |data, size| unsafe { proxy_get_buffer_bytes(buffer, 0, max, data, size) })
    }

    pub(crate) fn set_buffer(buffer: u32, max: usize, value: &[u8]) -> Result<(), HostError> {
        // SAFETY: the pointer and length are of a live slice.
        let status = unsafe { proxy_set_buffer_bytes(buffer, 0, max, value.as_ptr(), value.len()) };
        check("proxy_set_buffer_bytes", status)
    }

    pub(crate) fn get_header_map_pairs(map: u32) -> Result<Vec<u8>, HostError> {
        // SAFETY: both out pointers are live locals of `returned`.
        returned("proxy_get_header_map_pairs", |data, size| unsafe { proxy_get_header_map_pairs(map, data, size) })
    }

    pub(crate) fn replace_header(map: u32, name: &[u8], value: &[u8]) -> Result<(), HostError> {
        // SAFETY: the pointers and lengths are of live slices.
        let status =
            unsafe { proxy_replace_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
        check("proxy_replace_header_map_value", status)
    }

    pub(crate) fn remove_header(map: u32, name: &[u8]) -> Result<(), HostError> {
        // SAFETY: the pointer and length are of a live slice.
        let status = unsafe { proxy_remove_header_map_value(map, name.as_ptr(), name.len()) };
        check("proxy_remove_header_map_value", status)
    }

    pub(crate) fn get_property(path: &[u8]) -> Result<Vec<u8>, HostError> {
        // SAFETY: the path is a live slice, both out pointers are live locals of `returned`.
        returned("proxy_get_property", |data, size| unsafe {
            proxy_get_property(path.as_ptr(), path.len(), data, size)
        })
    }

    pub(crate) fn set_property(path: &[u8], value: &[u8]) -> Result<(), HostError> {
        // SAFETY: the pointers and lengths are of live slices.
        let status = unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) };
        check("proxy_set_property", status)
    }

    pub(crate) fn get_shared_data(key: &str) -> Result<(Vec<u8>, u32), HostError> {
        let mut cas = 0;
        // SAFETY: the key is a live slice, `cas` a live local, both other out pointers are live locals of `returned`.
        let value = returned("proxy_get_shared_data", |data, size| unsafe {
            proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &mut cas)
        })?;
        Ok((value, cas))
    }

    pub(crate) fn set_shared_data(key: &str, value: &[u8], cas: u32) -> Result<(), HostError> {
        // SAFETY: the pointers and lengths are of live slices.
        let status = unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) };
        check("proxy_set_shared_data", status)
    }

    pub(crate) fn call_foreign_function(name: &str, argument: &[u8]) -> Result<Vec<u8>, HostError> {
        // SAFETY: the name and argument are live slices, both out pointers are live locals of `returned`.
        returned("proxy_call_foreign_function", |data, size| unsafe {
            proxy_call_foreign_function(name.as_ptr(), name.len(), argument.as_ptr(), argument.len(), data, size)
        })
    }

    pub(crate) fn send_local_response(
        status: u16,
        details: &str,
        headers: &[u8],
        body: &[u8],
        grpc_status: Option<u8>,
    ) -> Result<(), HostError> {
        // SAFETY: the pointers and lengths are of live slices. -1: no gRPC status.
        let status = unsafe {
            proxy_send_local_response(
                u32::from(status),
                details.as_ptr(),
                details.len(),
                body.as_ptr(),
                body.len(),
                headers.as_ptr(),
                headers.len(),
                grpc_status.map_or(-1, i32::from),
            )
        };
        check("proxy_send_local_response", status)
    }

    pub(crate) fn close_stream(stream: u32) -> Result<(), HostError> {
        // SAFETY: no pointer is passed.
        check("proxy_close_stream", unsafe { proxy_close_stream(stream) })
    }

    pub(crate) fn continue_stream(stream: u32) -> Result<(), HostError> {
        // SAFETY: no pointer is passed.
        check("proxy_continue_stream", unsafe { proxy_continue_stream(stream) })
    }

    pub(crate) fn set_effective_context(context: u32) -> Result<(), HostError> {
        // SAFETY: no pointer is passed.
        check("proxy_set_effective_context", unsafe { proxy_set_effective_context(context) })
    }

    pub(crate) fn set_tick_period(milliseconds: u32) -> Result<(), HostError> {
        // SAFETY: no pointer is passed.
        let status = unsafe { proxy_set_tick_period_milliseconds(milliseconds) };
        check("proxy_set_tick_period_milliseconds", status)
    }

    pub(crate) fn define_metric(kind: u32, name: &str) -> Result<u32, HostError> {
        let mut id = 0;
        // SAFETY: the name is a live slice, `id` a live local.
        check("proxy_define_metric", unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), &mut id) })?;
        Ok(id)
    }

    pub(crate) fn increment_metric(id: u32, by: i64) -> Result<(), HostError> {
        // SAFETY: no pointer is passed.
        check("proxy_increment_metric", unsafe { proxy_increment_metric(id, by) })
    }

    pub(crate) fn record_metric(id: u32, value: u64) -> Result<(), HostError> {
        // SAFETY: no pointer is passed.
        check("proxy_record_metric", unsafe { proxy_record_metric(id, value) })
    }

    /// Takes over the bytes that the host wrote into memory it got from `proxy_on_memory_allocate`.
    fn returned(call: &'static str, read: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>, HostError> {
        let mut data = null_mut();
        let mut size = 0;
        check(call, read(&mut data, &mut size))?;
        if data.is_null() {
            return Ok(Vec::new());
        }
        // SAFETY: the host allocated exactly `size` bytes through the module's own allocator (the SDK exports
        // `proxy_on_memory_allocate`, which leaks a boxed slice of that length) and hands over ownership.
        Ok(unsafe { Vec::from_raw_parts(data, size, size) })
    }
}

/// Off wasm there is no host; every call says so, and what needs none can be tested.
#[cfg(not(target_arch = "wasm32"))]
mod host {
    use super::{HostError, Status};

    const NO_HOST: HostError = HostError::Call { call: "none", status: Status::NotFound };

    pub(crate) fn log(_: u32, _: &str) {}

    pub(crate) fn current_time() -> Result<u64, HostError> {
        Err(NO_HOST)
    }

    pub(crate) fn get_buffer(_: u32, _: usize) -> Result<Vec<u8>, HostError> {
        Err(NO_HOST)
    }

    pub(crate) fn set_buffer(_: u32, _: usize, _: &[u8]) -> Result<(), HostError> {
        Err(NO_HOST)
    }

    pub(crate) fn get_header_map_pairs(_: u32) -> Result<Vec<u8>, HostError> {
        Err(NO_HOST)
    }

    pub(crate) fn replace_header(_: u32, _: &[u8], _: &[u8]) -> Result<(), HostError> {
        Err(NO_HOST)
    }

    pub(crate) fn remove_header(_: u32, _: &[u8]) -> Result<(), HostError> {
        Err(NO_HOST)
    }

    pub(crate) fn get_property(_: &[u8]) -> Result<Vec<u8>, HostError> {
        Err(NO_HOST)
    }

    pub(crate) fn set_property(_: &[u8], _: &[u8]) -> Result<(), HostError> {
        Err(NO_HOST)
    }

    pub(crate) fn get_shared_data(_: &str) -> Result<(Vec<u8>, u32), HostError> {
        Err(NO_HOST)
    }

    pub(crate) fn set_shared_data(_: &str, _: &[u8], _: u32) -> Result<(), HostError> {
        Err(NO_HOST)
    }

    pub(crate) fn call_foreign_function(_: &str, _: &[u8]) -> Result<Vec<u8>, HostError> {
        Err(NO_HOST)
    }

    pub(crate) fn send_local_response(_: u16, _: &str, _: &[u8], _: &[u8], _: Option<u8>) -> Result<(), HostError> {
        Err(NO_HOST)
    }

    pub(crate) fn close_stream(_: u32) -> Result<(), HostError> {
        Err(NO_HOST)
    }

    pub(crate) fn continue_stream(_: u32) -> Result<(), HostError> {
        Err(NO_HOST)
    }

    pub(crate) fn set_effective_context(_: u32) -> Result<(), HostError> {
        Err(NO_HOST)
    }

    pub(crate) fn set_tick_period(_: u32) -> Result<(), HostError> {
        Err(NO_HOST)
    }

    pub(crate) fn define_metric(_: u32, _: &str) -> Result<u32, HostError> {
        Err(NO_HOST)
    }

    pub(crate) fn increment_metric(_: u32, _: i64) -> Result<(), HostError> {
        Err(NO_HOST)
    }

    pub(crate) fn record_metric(_: u32, _: u64) -> Result<(), HostError> {
        Err(NO_HOST)
    }
}
