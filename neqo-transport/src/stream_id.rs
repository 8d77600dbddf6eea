//! stream_id
