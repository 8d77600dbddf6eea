//! space/ack
