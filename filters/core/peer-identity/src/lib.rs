//! Who the workload is: the SPIFFE ID of the TLS peer.
