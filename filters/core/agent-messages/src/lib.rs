//! What a request asks: bytes in, a judged-to-be-unambiguous call out.
